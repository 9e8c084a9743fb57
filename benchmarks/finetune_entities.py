"""Fine-tuning on named entities, side by side: test F1, real sub-tokens per second, seconds end to end, memory.

    python benchmarks/finetune_entities.py --model BERT_FOLDER --data DATA/ner/iob --write
    python benchmarks/finetune_entities.py --model BERT_FOLDER --data DATA/ner/iob --steps 60     # speed alone, sampled

BERT_FOLDER is a Hugging Face folder of a BERT encoder (config.json, model.safetensors, vocabulary), DATA/ner/iob holds
BC5CDR-chem, BC5CDR-disease and NCBI-disease with train.tsv and test.tsv, plain or `.gz`.

Contenders, each in a process of its own, in turns, on the same encoder, words and settings (4 epochs, peak learning
rate 3e-4 with linear warm-up over a tenth of the steps and linear decay, batches of 32 sentences, fused AdamW with
weight decay 0.01, gradients clipped at 1, dropout 0.1, at most 128 sub-tokens, first sub-token labels, seed 0; the last
epoch is scored), in fp32 and under autocast to bf16:

- `domainlm`: `domainlm.tasks.finetune`, whose batches hold sentences of similar length.
- `loop`: transformers' AutoModelForTokenClassification in a plain loop, with the batches that its Trainer makes unless
  told otherwise: shuffled, padded to the longest row of the batch. Words beyond the limit are scored as O.
- `trainer`: its Trainer with `train_sampling_strategy="group_by_length"` and `optim="adamw_torch_fused"`.

All are scored by the same conlleval on the same gold tags. Speed is that of the training steps, from taking a batch to
the updated weights, without the first five, and counts real sub-tokens without padding. End to end is the time of the
whole process: imports, reading, training, scoring the test split, writing the model. Needs an idle machine.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

from bars import Panel
from entity_data import BATCH, DECAY, EPOCHS, RATE, SEED, SETS, WARMUP, EnoughStepsError, Job, Steps
from entity_peers import run_loop, run_trainer
from measuring import machine_facts, middle, run_facts, write_results

_PACKAGES = ("domainlm", "domainlm-biomegatron", "torch", "transformers", "tokenizers")


def run_domainlm(job: Job) -> dict[str, Any]:
    """Import the encoder, fine-tune and score."""
    from domainlm.interop.importing import import_model
    from domainlm.plugin import load_plugins
    from domainlm.recipe.schema import RuntimeSettings
    from domainlm.recipe.task_settings import FinetuningSettings
    from domainlm.tasks.finetune import finetune

    settings = FinetuningSettings.model_validate(
        {
            "num_epochs": EPOCHS,
            "num_sequences_per_step": BATCH,
            "num_sequences_per_micro_batch": BATCH,
            "choose": "last",
            "optimizer": {"learning_rate": RATE, "weight_decay": DECAY},
            "schedule": {"warmup_share": WARMUP},
        }
    )
    steps = Steps(job.num_steps)
    splits = ("train", "test") if job.num_steps is None else ("train",)
    with tempfile.TemporaryDirectory() as folder:
        import_model(job.model, Path(folder) / "start")
        try:
            scores = finetune(
                task=load_plugins().registry.task(f"biomegatron/{SETS[job.name]}", where="benchmark"),
                files={split: (job.file(split),) for split in splits},
                settings=settings,
                runtime=RuntimeSettings.model_validate(
                    {"device": "cpu", "num_threads": job.threads, "precision": job.precision}
                ),
                seed=SEED,
                start=Path(folder) / "start",
                work=Path(folder) / "work",
                observer=steps,
            )
        except EnoughStepsError:
            return steps.facts()
    f1 = next(each for each in scores if each.split == "test" and each.metric == "f1" and not each.type)
    return steps.facts() | {"test_f1": round(100 * f1.value, 2), "signature": f1.signature}


CONTENDERS: Mapping[str, Callable[[Job], dict[str, Any]]] = {
    "domainlm": run_domainlm,
    "loop": run_loop,
    "trainer": run_trainer,
}


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one contender, as the report shows it."""

    data_set: str
    precision: str
    contender: str
    tokens_per_second: float
    end_to_end_seconds: float
    peak_megabytes: float
    facts: dict[str, Any]


def _run(contender: str, name: str, precision: str, arguments: argparse.Namespace) -> Run:
    command = ["--model", str(arguments.model), "--data", str(arguments.data), "--threads", str(arguments.threads)]
    command += ["--set", name, "--precision", precision]
    command += [] if arguments.steps is None else ["--steps", str(arguments.steps)]
    started = time.perf_counter()
    facts, peak = run_facts(Path(__file__), contender, command)
    seconds = time.perf_counter() - started
    return Run(name, precision, contender, facts.pop("tokens_per_second"), round(seconds, 1), peak / 1e6, facts)


def report(content: dict[str, Any]) -> str:
    """The page for people."""
    runs = [Run(**each) for each in content["runs"]]
    sampled = content["steps"]
    lines = [
        "# Fine-tuning on named entities",
        "",
        f"Model {content['model']}, {content['threads']} threads; {json.dumps(content['machine'])}",
        "",
        "Medians (lowest to highest). "
        + (f"{sampled} steps of each, nothing scored." if sampled else "4 epochs and the test split."),
        "",
        "| data set | precision | contender | test F1 | real sub-tokens / s | domainlm is x | end to end s | peak MB |",
        "|---|---|---|---:|---:|---:|---:|---:|",
    ]
    for data_set, precision in dict.fromkeys((run.data_set, run.precision) for run in runs):
        rows = {
            name: [run for run in runs if (run.data_set, run.precision, run.contender) == (data_set, precision, name)]
            for name in content["contenders"]
        }
        own = middle([run.tokens_per_second for run in rows.get("domainlm", [])] or [0.0])["median"]
        lines += [_line(found, own) for found in rows.values() if found]
    return "\n".join(lines) + "\n"


def panels(content: dict[str, Any]) -> list[Panel]:
    """Training speed on each data set, in each precision."""
    rates: dict[str, dict[str, list[float]]] = {}
    for run in (Run(**each) for each in content["runs"]):
        found = rates.setdefault(f"{run.data_set}, {run.precision}", {})
        found.setdefault(run.contender, []).append(run.tokens_per_second)
    unit = "real sub-tokens per second"
    return [Panel(title, unit, {name: middle(each) for name, each in found.items()}) for title, found in rates.items()]


def _line(runs: list[Run], own: float) -> str:
    first, rate = runs[0], middle([run.tokens_per_second for run in runs])
    seconds = middle([run.end_to_end_seconds for run in runs])
    scores = [run.facts["test_f1"] for run in runs if "test_f1" in run.facts]
    cells = [
        first.data_set,
        first.precision,
        first.contender,
        f"{middle(scores)['median']:.2f}" if scores else "",
        f"{rate['median']:,.0f} ({rate['lowest']:,.0f} to {rate['highest']:,.0f})",
        f"{own / rate['median']:.2f}" if own else "",
        f"{seconds['median']:,.0f} ({seconds['lowest']:,.0f} to {seconds['highest']:,.0f})" if scores else "",
        f"{max(run.peak_megabytes for run in runs):,.0f}",
    ]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Run the contenders in turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="Hugging Face folder of a BERT encoder")
    parser.add_argument("--data", type=Path, required=True, help="folder with a folder for each data set")
    parser.add_argument("--set", dest="sets", action="append", choices=SETS, help="data set; all where not given")
    parser.add_argument("--contender", dest="contenders", action="append", choices=CONTENDERS)
    parser.add_argument("--precision", dest="precisions", action="append", choices=("fp32", "bf16"))
    parser.add_argument("--steps", type=int, help="so many steps of each, and no score")
    parser.add_argument("--repeats", type=int, default=1, help="turns of all contenders")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="keep the results below benchmarks/results")
    parser.add_argument("--run", choices=CONTENDERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        print(json.dumps(CONTENDERS[arguments.run](Job.of(arguments))))
        return
    contenders = arguments.contenders or list(CONTENDERS)
    content = {
        "machine": machine_facts(_PACKAGES),
        "model": arguments.model.resolve().parent.name,
        "threads": arguments.threads,
        "steps": arguments.steps,
        "contenders": contenders,
        "runs": [],
    }
    pairs = product(arguments.sets or SETS, arguments.precisions or ("bf16", "fp32"))
    for (name, precision), _, contender in product(pairs, range(arguments.repeats), contenders):
        found = asdict(_run(contender, name, precision, arguments))
        print(json.dumps(found), flush=True)
        content["runs"].append(found)
    page = report(content)
    print(page)
    if arguments.write:
        name = "finetune-entities" if arguments.steps is None else "finetune-entities-speed"
        print(write_results(name, content, page, panels(content)))


if __name__ == "__main__":
    main()
