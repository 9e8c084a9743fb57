"""What making batches costs, beside a training step of the model that reads them.

    python benchmarks/batches.py                      # made-up text
    python benchmarks/batches.py --text a.txt.gz --vocabulary vocab.txt

Contenders, one core each, sub-tokens per second:

- `UNIT/ROWS/TOKENS`, as in `span/packed/512`: steps of 65,536 slots, as the training loop takes them, with sentence
  order.
- `plan/TOKENS`: packing the text into rows, once a run.
- `step/PRECISION/TOKENS`: forward, backward and update of an encoder of 6 layers, 384 wide, packed rows.

The table says what share of a step's time making its batches would take, at 4,000 and 100,000 sub-tokens a second, and
at the speed of `step/bf16`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from measuring import Clock, Measured, as_dicts, machine_facts, run_apart, write_results
from prepare_text import documents_of, prepare_vocabulary, write_text

_PACKAGES = ("domainlm", "numpy", "torch", "tokenizers")
_UNITS = ("whole_word", "sub_token", "span")
_LENGTHS = (128, 512)
_SLOTS_PER_STEP = 65_536
_SLOTS_PER_MICRO_BATCH = 4_096
_SECONDS = 4.0
_SPEEDS = (4_000, 100_000)


def open_batches(tokens: Path, vocabulary: Path, *, unit: str, packing: bool, max_tokens: int) -> Any:  # noqa: ANN401
    """The sequences, as pretraining opens them."""
    from domainlm.recipe.pretraining_settings import MaskingSettings, PretrainingSettings
    from domainlm.train.corpora import corpus_batches
    from domainlm.vocab.vocabulary import Vocabulary

    settings = PretrainingSettings(num_steps=1, max_tokens=max_tokens, masking=MaskingSettings(unit=unit))
    return corpus_batches(settings, tokens, Vocabulary.load(vocabulary), 0, packing=packing)


def run_batches(tokens: Path, vocabulary: Path, *, unit: str, packing: bool, max_tokens: int) -> dict[str, Any]:
    """Make the micro-batches of one step after the other."""
    from domainlm.train.pretraining import PretrainingSource

    batches = open_batches(tokens, vocabulary, unit=unit, packing=packing, max_tokens=max_tokens)
    source = PretrainingSource(batches, _SLOTS_PER_STEP // max_tokens, _SLOTS_PER_MICRO_BATCH // max_tokens)
    source.micro_batches(0)
    clock, step, num_tokens = Clock(), 0, 0
    while clock.facts()["seconds"] < _SECONDS:
        step += 1
        num_tokens += sum(batch.num_tokens for batch in source.micro_batches(step))
    return {**clock.facts(), "tokens": num_tokens, "filled": num_tokens / (step * _SLOTS_PER_STEP)}


def run_plan(tokens: Path, vocabulary: Path, *, max_tokens: int) -> dict[str, Any]:
    """Open and pack the text."""
    from domainlm.text.several import open_dataset

    open_batches(tokens, vocabulary, unit="whole_word", packing=True, max_tokens=max_tokens)
    clock = Clock()
    batches = open_batches(tokens, vocabulary, unit="whole_word", packing=True, max_tokens=max_tokens)
    facts = {"samples": batches.num_samples, "rows": batches.num_sequences}
    return {**clock.facts(), "tokens": len(open_dataset(tokens).tokens), **facts}


def run_step(tokens: Path, vocabulary: Path, *, precision: str, max_tokens: int) -> dict[str, Any]:
    """Train on batches that are there already."""
    import torch

    from domainlm.model.config import ModelConfig
    from domainlm.model.initialise import initialise
    from domainlm.model.pretraining import PretrainingModel
    from domainlm.parallel.device import choose_device
    from domainlm.train.pretraining import PretrainingBatch, PretrainingObjective
    from domainlm.vocab.vocabulary import Vocabulary

    device = choose_device("cpu", precision, 1)
    size = Vocabulary.load(vocabulary).size
    shape = {"layers": 6, "hidden": 384, "heads": 6, "feed_forward": 1536, "max_positions": 512}
    config = ModelConfig(
        **shape, architecture="megatron", dropout=0.1, vocabulary_size=size, padded_vocabulary_size=-(-size // 64) * 64
    )
    model = PretrainingModel(config, sentence_order=True).train()
    initialise(model, 0)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4)
    batches = open_batches(tokens, vocabulary, unit="whole_word", packing=True, max_tokens=max_tokens)
    num_rows = _SLOTS_PER_MICRO_BATCH // max_tokens
    micro = [
        PretrainingBatch.of(batches.batch(range(start, start + num_rows))) for start in range(0, 8 * num_rows, num_rows)
    ]
    clock, num_tokens, turn = Clock(), 0, 0
    while clock.facts()["seconds"] < 2 * _SECONDS:
        if turn == 1:
            clock, num_tokens = Clock(), 0  # the first step allocates
        batch = micro[turn % len(micro)]
        turn += 1
        with device.autocast():
            losses = PretrainingObjective().loss_sums(model, batch)
        torch.autograd.backward(torch.stack([loss / 100 for loss in losses.values()]).sum())
        optimizer.step()
        optimizer.zero_grad()
        num_tokens += batch.num_tokens
    return {**clock.facts(), "tokens": num_tokens}


CONTENDERS: dict[str, Callable[[Path, Path], dict[str, Any]]] = {
    **{
        f"{unit}/{'packed' if packing else 'padded'}/{length}": partial(
            run_batches, unit=unit, packing=packing, max_tokens=length
        )
        for unit in _UNITS
        for packing in (True, False)
        for length in _LENGTHS
    },
    **{f"plan/{length}": partial(run_plan, max_tokens=length) for length in _LENGTHS},
    **{
        f"step/{precision}/{length}": partial(run_step, precision=precision, max_tokens=length)
        for precision in ("fp32", "bf16")
        for length in _LENGTHS
    },
}


def encode(text: Path, vocabulary: Path, folder: Path) -> Path:
    """Write the token ids of a text; returns the prefix of the dataset."""
    from domainlm.api import Document
    from domainlm.study.preparation import encoding_of
    from domainlm.text.corpus import document_sentences
    from domainlm.text.preparation.encoding import encode_text

    lines = folder / "lines.txt"
    with lines.open("w", encoding="utf-8") as stream:
        for paragraphs in documents_of(text):
            stream.write("\n".join([*document_sentences(Document("", tuple(paragraphs))), "", ""]))
    encode_text(lines, folder / "tokens", encoding=encoding_of(vocabulary), num_workers=1, work=folder / "work")
    return folder / "tokens"


def figures(runs: list[Measured]) -> dict[str, Any]:
    """Median and spread of the runs of one contender."""
    rates = [run.facts["tokens"] / run.seconds for run in runs]
    return {
        "contender": runs[0].contender,
        "median_tokens_per_second": round(statistics.median(rates)),
        "lowest": round(min(rates)),
        "highest": round(max(rates)),
        "peak_megabytes": round(max(run.peak_megabytes for run in runs)),
        "facts": runs[-1].facts,
    }


def report(machine: dict[str, Any], rows: list[dict[str, Any]], title: str) -> str:
    """The page for people."""
    speeds = {row["contender"]: row["median_tokens_per_second"] for row in rows}
    lines = [
        f"# Making batches, {machine['date']}",
        "",
        f"{title} One core of {machine['cpu']}, load {machine['load_at_start']} at the start. "
        f"Python {machine['python']}, "
        + ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
        + ".",
        "",
        "| batches | slots filled | sub-tokens/s | "
        + " | ".join(f"of a step at {speed:,}/s" for speed in _SPEEDS)
        + " | of a step in bf16 here |",
        "|---|---:|---:|" + "---:|" * (len(_SPEEDS) + 1),
    ]
    for row in rows:
        name, rate = row["contender"], row["median_tokens_per_second"]
        if "filled" in row["facts"]:
            here = speeds.get(f"step/bf16/{name.rpartition('/')[2]}")
            shares = [*_SPEEDS, *([here] if here else [])]
            cells = " | ".join(f"{speed / rate:.2%}" for speed in shares)
            lines.append(f"| {name} | {row['facts']['filled']:.1%} | {rate:,} | {cells} |")
    lines += ["", "| other work | sub-tokens/s | lowest to highest |", "|---|---:|---:|"]
    for row in rows:
        if "filled" not in row["facts"]:
            spread = f"{row['lowest']:,} to {row['highest']:,}"
            lines.append(f"| {row['contender']} | {row['median_tokens_per_second']:,} | {spread} |")
    return "\n".join([*lines, "", "Medians; the JSON beside this has every run.", ""])


def main() -> None:
    """Run every contender some times in turn, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", choices=list(CONTENDERS), help="run one contender; prints its figures")
    parser.add_argument("--tokens", type=Path, help="prefix of the dataset, for --run")
    parser.add_argument("--text", type=Path, help=".txt.gz, a paragraph a line, blank lines between documents")
    parser.add_argument("--vocabulary", type=Path, help="BERT vocab.txt or tokenizer.json (default: learned)")
    parser.add_argument("--megabytes", type=float, default=20.0, help="repeat the text up to this size")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS))
    parser.add_argument("--note", default="", help="where the text is from, for the report")
    arguments = parser.parse_args()
    if arguments.run:
        print(json.dumps({"megabytes": 0.0, **CONTENDERS[arguments.run](arguments.tokens, arguments.vocabulary)}))
        return
    machine = machine_facts(_PACKAGES)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_text(arguments.text, folder / "text.txt.gz", arguments.megabytes)
        vocabulary = prepare_vocabulary(arguments.vocabulary, folder / "text.txt.gz", folder / "vocabulary")
        tokens = encode(folder / "text.txt.gz", vocabulary, folder)
        given = ["--tokens", str(tokens), "--vocabulary", str(vocabulary)]
        measured: list[Measured] = []
        for repeat in range(arguments.repeats):
            for contender in arguments.only:
                measured.append(run_apart(Path(__file__), contender, given))
                print(
                    f"{repeat + 1}: {contender}: {measured[-1].facts['tokens'] / measured[-1].seconds:,.0f}/s",
                    file=sys.stderr,
                )
    rows = [figures([run for run in measured if run.contender == contender]) for contender in arguments.only]
    source = "A real text." if arguments.text else "Made-up text."
    content = {"machine": machine, "note": arguments.note, "summary": rows, "runs": as_dicts(measured)}
    print(write_results("batches", content, report(machine, rows, f"{source} {arguments.note}".strip())))


if __name__ == "__main__":
    main()
