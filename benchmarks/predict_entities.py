"""Tagging text with a fine-tuned model, side by side: sentences per second, tags, memory.

    python benchmarks/predict_entities.py --model BERT_FOLDER --data DATA --write

BERT_FOLDER and DATA are as for finetune_entities.py, DATA being the folder that holds `ner/`. An encoder is first
fine-tuned on BC5CDR-chem (one epoch, bf16) and exported as a Hugging Face folder; `--tagger MODEL_FOLDER` takes one
that is there. The texts are the sentences of the titles and abstracts of BC5CDR's test documents
(`ner/bc5cdr/test.PubTator.txt`) that fit into the model's rows, in their order. Contenders, each in a process of its
own, in turns:

- `domainlm`: `domainlm.load(folder).tag(sentences)`.
- `pipeline`: transformers' token-classification pipeline, `aggregation_strategy="first"`, batches of `--batch`
  sentences in the order given.
- `pipeline-sorted`: the same, the sentences sorted by length beforehand, which its batches have least padding of.

In fp32, and in bf16: autocast here, weights in bf16 there (`dtype=torch.bfloat16`), which is its own way.
The time is that of the call, without imports and loading, after some sentences to warm up. Mentions are compared by
place and type. Needs an idle machine.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from itertools import product
from pathlib import Path
from typing import Any

from bars import Panel
from entity_data import BATCH, RATE, SEED
from measuring import machine_facts, middle, run_facts, write_results

_PACKAGES = ("domainlm", "domainlm-biomegatron", "torch", "transformers", "tokenizers")
_CONTENDERS = ("domainlm", "pipeline", "pipeline-sorted")
_NUM_WARM_UP = 64
Mentions = list[list[tuple[int, int, str]]]


def make_tagger(model: Path, data: Path, folder: Path) -> Path:
    """Fine-tune for one epoch; returns the model folder."""
    from domainlm.interop.importing import import_model
    from domainlm.plugin import load_plugins
    from domainlm.recipe.schema import RuntimeSettings
    from domainlm.recipe.task_settings import FinetuningSettings
    from domainlm.tasks.finetune import finetune
    from domainlm.train.observer import NullObserver

    import_model(model, folder / "start")
    finetune(
        task=load_plugins().registry.task("biomegatron/bc5cdr-chem", where="benchmark"),
        files={"train": (data / "ner" / "iob" / "BC5CDR-chem" / "train.tsv.gz",)},
        settings=FinetuningSettings.model_validate(
            {
                "num_epochs": 1,
                "num_sequences_per_step": BATCH,
                "choose": "last",
                "optimizer": {"learning_rate": RATE},
                "decoding": "argmax",  # as the pipeline
            }
        ),
        runtime=RuntimeSettings(device="cpu", precision="bf16"),
        seed=SEED,
        start=folder / "start",
        work=folder / "work",
        observer=NullObserver(),
    )
    return folder / "work" / "model"


def read_sentences(data: Path, tagger: Path) -> list[str]:
    """The sentences of the test documents that fit into the model's rows."""
    from domainlm.text.sentences import split_sentences
    from domainlm.vocab.vocabulary import Vocabulary

    vocabulary = Vocabulary.load(tagger)
    room = json.loads((tagger / "config.json").read_text())["max_tokens"] - 2
    found = []
    for line in (data / "ner" / "bc5cdr" / "test.PubTator.txt").read_text("utf-8").splitlines():
        parts = line.split("|", 2)
        if len(parts) == 3 and parts[1] in "ta":
            sentences = [parts[2][start:end] for start, end in split_sentences(parts[2])]
            found += [each for each in sentences if sum(map(len, vocabulary.encode_words([each]))) <= room]
    return found


def run_domainlm(arguments: argparse.Namespace, sentences: list[str]) -> tuple[float, float, Mentions]:
    """Seconds to load and to tag, and the mentions."""
    started = time.perf_counter()
    from domainlm.recipe.schema import RuntimeSettings
    from domainlm.tasks.load import load

    runtime = RuntimeSettings(device="cpu", precision=arguments.precision, num_threads=arguments.threads)
    tagger = load(arguments.folder / "model", runtime)
    loaded = time.perf_counter()
    list(tagger.tag(sentences[:_NUM_WARM_UP]))
    began = time.perf_counter()
    found = [[(each.start, each.end, each.type) for each in tagged.entities] for tagged in tagger.tag(sentences)]
    return loaded - started, time.perf_counter() - began, found


def run_pipeline(arguments: argparse.Namespace, sentences: list[str]) -> tuple[float, float, Mentions]:
    """The same of the pipeline."""
    started = time.perf_counter()
    import torch
    from transformers import pipeline

    torch.set_num_threads(arguments.threads)
    dtype = torch.bfloat16 if arguments.precision == "bf16" else torch.float32
    folder = str(arguments.folder / "huggingface")
    tagger = pipeline("token-classification", folder, aggregation_strategy="first", device="cpu", dtype=dtype)
    loaded = time.perf_counter()
    list(tagger(sentences[:_NUM_WARM_UP], batch_size=arguments.batch))
    began = time.perf_counter()
    order = list(range(len(sentences)))
    if arguments.run == "pipeline-sorted":
        order.sort(key=lambda place: -len(sentences[place]))
    results = list(tagger([sentences[place] for place in order], batch_size=arguments.batch))
    found: Mentions = [[] for _ in sentences]
    for place, result in zip(order, results, strict=True):
        found[place] = [(each["start"], each["end"], each["entity_group"]) for each in result]
    return loaded - started, time.perf_counter() - began, found


def run_one(arguments: argparse.Namespace) -> dict[str, Any]:
    """One contender in this process; its mentions go to a file."""
    sentences = json.loads((arguments.folder / "sentences.json").read_text("utf-8"))[: arguments.sentences]
    run = run_domainlm if arguments.run == "domainlm" else run_pipeline
    load_seconds, seconds, found = run(arguments, sentences)
    (arguments.folder / f"{arguments.run}-{arguments.precision}.json").write_text(json.dumps(found))
    return {
        "sentences_per_second": round(len(sentences) / seconds, 1),
        "seconds": round(seconds, 2),
        "load_seconds": round(load_seconds, 2),
        "num_sentences": len(sentences),
    }


def agreement(folder: Path, contender: str, precision: str, base_precision: str) -> dict[str, int]:
    """Mentions of domainlm in its first precision, of the contender, and those that are the same."""

    def mentions(name: str) -> set[tuple[Any, ...]]:
        found = json.loads((folder / f"{name}.json").read_text())
        return {(place, *each) for place, sentence in enumerate(found) for each in sentence}

    base, other = mentions(f"domainlm-{base_precision}"), mentions(f"{contender}-{precision}")
    return {f"domainlm_{base_precision}": len(base), "found": len(other), "same": len(base & other)}


def report(content: dict[str, Any]) -> str:
    """The page for people."""
    lines = [
        "# Tagging text",
        "",
        f"{content['num_sentences']:,} sentences, {content['threads']} threads, pipeline batches of {content['batch']}",
        "",
        json.dumps(content["machine"]),
        "",
        f"Medians (lowest to highest). Mentions: found, and the same as domainlm's in {content['precisions'][0]}.",
        "",
        "| precision | contender | sentences / s | domainlm is x | to load s | peak MB | mentions |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for precision in content["precisions"]:
        own = 0.0
        for contender in _CONTENDERS:
            runs = [run for run in content["runs"] if (run["precision"], run["contender"]) == (precision, contender)]
            rate = middle([run["sentences_per_second"] for run in runs])
            own = own or rate["median"]
            same = content["mentions"][f"{contender}-{precision}"]
            cells = [
                f"{rate['median']:,.0f} ({rate['lowest']:,.0f} to {rate['highest']:,.0f})",
                f"{own / rate['median']:.2f}",
                f"{middle([run['load_seconds'] for run in runs])['median']:.1f}",
                f"{max(run['peak_megabytes'] for run in runs):,.0f}",
                f"{same['found']:,} / {same['same']:,}",
            ]
            lines.append(f"| {precision} | {contender} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def panels(content: dict[str, Any]) -> list[Panel]:
    """Speed in each precision."""
    found = []
    for precision in content["precisions"]:
        rates = {
            name: [
                run["sentences_per_second"]
                for run in content["runs"]
                if (run["precision"], run["contender"]) == (precision, name)
            ]
            for name in _CONTENDERS
        }
        bars = {name: middle(each) for name, each in rates.items()}
        found.append(Panel(f"Tagging in {precision}", "sentences per second", bars))
    return found


def main() -> None:
    """Prepare, and run the contenders in turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="Hugging Face folder of a BERT encoder")
    parser.add_argument("--tagger", type=Path, help="model folder of kind token, instead")
    parser.add_argument("--data", type=Path, help="folder that holds ner/")
    parser.add_argument("--precision", choices=("fp32", "bf16"), help="both where not given")
    parser.add_argument("--batch", type=int, default=BATCH, help="sentences at once in the pipeline")
    parser.add_argument("--sentences", type=int, help="only the first so many")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="keep the results below benchmarks/results")
    parser.add_argument("--run", choices=_CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        print(json.dumps(run_one(arguments)))
        return
    with tempfile.TemporaryDirectory() as folder:
        content = compare(arguments, Path(folder))
    page = report(content)
    print(page)
    if arguments.write:
        print(write_results("predict-entities", content, page, panels(content)))


def compare(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All runs."""
    from domainlm.interop.export import export_huggingface

    tagger = arguments.tagger or make_tagger(arguments.model, arguments.data, folder)
    (folder / "model").symlink_to(tagger.resolve(), target_is_directory=True)
    export_huggingface(folder / "model", folder / "huggingface")
    sentences = read_sentences(arguments.data, tagger)[: arguments.sentences]
    (folder / "sentences.json").write_text(json.dumps(sentences), encoding="utf-8")
    precisions = [arguments.precision] if arguments.precision else ["fp32", "bf16"]
    content: dict[str, Any] = {"machine": machine_facts(_PACKAGES), "threads": arguments.threads, "runs": []}
    content |= {"batch": arguments.batch, "num_sentences": len(sentences), "precisions": precisions}
    shared = ["--folder", str(folder), "--batch", str(arguments.batch), "--threads", str(arguments.threads)]
    for precision, _, contender in product(precisions, range(arguments.repeats), _CONTENDERS):
        facts, peak = run_facts(Path(__file__), contender, [*shared, "--precision", precision])
        run = {"precision": precision, "contender": contender, **facts, "peak_megabytes": peak / 1e6}
        print(json.dumps(run), flush=True)
        content["runs"].append(run)
    content["mentions"] = {
        f"{name}-{precision}": agreement(folder, name, precision, precisions[0])
        for name, precision in product(_CONTENDERS, precisions)
    }
    return content


if __name__ == "__main__":
    main()
