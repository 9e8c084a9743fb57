"""Break-up rates of vocabularies on the entities of BC5CDR, as in table 3 of Shin et al. (2020), and what they cost.

    DOMAINLM_DATA=/folder python benchmarks/vocabulary_rates.py

Learns WordPiece, Unigram and byte-level BPE of 30,000 and 50,000 entries on all of `corpora/biomed`, and rates them
beside the vocabularies in `vocab/` on the training sets in `ner/iob`. By the commands `domainlm vocab learn` and `vocab
rate`, so that the figures are those a user gets. The paper's own figures stand below, taken from it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from measuring import Clock, Measured, as_dicts, machine_facts, run_apart, write_results

_PACKAGES = ("domainlm", "tokenizers", "numpy")
_LEARNED = {
    f"bio-{size // 1000}k-{kind}": (kind, size) for kind in ("wordpiece", "unigram", "bpe") for size in (30_000, 50_000)
}
_GIVEN = {
    "BERT-cased": "bert-base-cased-vocab.txt",
    "BERT-uncased": "bert-base-uncased-vocab.txt",
    "SciBERT-uncased": "scibert-scivocab-uncased-vocab.txt",
    "BioELECTRA-cased": "bioelectra-pmc2017-wordpiece-vocab.txt",
}
_SETS = ("BC5CDR-chem", "BC5CDR-disease")
_PAPER = {
    "bio 30k cased (the paper's)": (1.753, 1.272),
    "bio 50k cased (the paper's)": (1.478, 1.116),
    "BERT-cased (the paper's count)": (3.012, 2.42),
}


def domainlm(*words: str) -> str:
    """Call the command line; returns what it prints."""
    called = subprocess.run([sys.executable, "-m", "domainlm", *words], stdout=subprocess.PIPE, text=True, check=True)
    return called.stdout


def run_learn(name: str, data: Path, out: Path) -> dict[str, Any]:
    """Learn one vocabulary, from the `.txt.gz` files to the report."""
    kind, size = _LEARNED[name]
    corpus = data / "corpora" / "biomed"
    clock = Clock()
    options = [
        "--file",
        str(corpus),
        "--spec",
        f"core/{kind}",
        "--size",
        str(size),
        "--cased",
        "--out",
        str(out / name),
    ]
    domainlm("vocab", "learn", "-q", *options)
    return {"megabytes": sum(path.stat().st_size for path in corpus.glob("*.txt.gz")) / 1e6, **clock.facts()}


def rates(data: Path, learned: Path, names: list[str]) -> list[dict[str, Any]]:
    """Rate the learned vocabularies and the given ones on every data set."""
    vocabularies = [str(learned / name) for name in names]
    vocabularies += [f"{name}={data / 'vocab' / file}" for name, file in _GIVEN.items()]
    sets = [
        word for name in _SETS for word in ("--data", name, "core/conll", str(data / "ner/iob" / name / "train.tsv.gz"))
    ]
    found: list[dict[str, Any]] = json.loads(domainlm("vocab", "rate", "-q", *vocabularies, *sets, "--json"))
    return found


def report(machine: dict[str, Any], found: list[dict[str, Any]], runs: list[Measured]) -> str:
    """The page for people."""
    lines = [
        f"# Break-up rates of vocabularies, {machine['date']}",
        "",
        "Sub-tokens per word of the entities in the training sets of BC5CDR, as in table 3 of Shin et al. (2020).",
        ", ".join(f"{name} {version}" for name, version in machine["packages"].items()) + ".",
        "",
        "| vocabulary | entries | " + " | ".join(_SETS) + " |",
        "|---|---:|" + "---:|" * len(_SETS),
    ]
    by_name: dict[str, dict[str, dict[str, Any]]] = {}
    for row in found:
        by_name.setdefault(row["vocabulary"], {})[row["data_set"]] = row
    for name, rows in by_name.items():
        cells = " | ".join(f"{rows[data_set]['rate']:.3f}" for data_set in _SETS)
        lines.append(f"| {name} | {rows[_SETS[0]]['size']:,} | {cells} |")
    for name, figures in _PAPER.items():
        lines.append(f"| {name} | | " + " | ".join(f"{figure:.3f}" for figure in figures) + " |")
    lines += ["", "| learning | CPU seconds | peak memory, MB |", "|---|---:|---:|"]
    lines += [f"| {run.contender} | {run.cpu_seconds:.0f} | {run.peak_megabytes:,.0f} |" for run in runs]
    return "\n".join([*lines, ""])


def main() -> None:
    """Learn every vocabulary in a process of its own, then rate them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", choices=list(_LEARNED), help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, default=os.environ.get("DOMAINLM_DATA"), help="folder of the real data")
    parser.add_argument("--only", nargs="+", choices=list(_LEARNED), default=list(_LEARNED))
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("give the folder of the real data: --data, or the environment variable DOMAINLM_DATA")
    data = Path(arguments.data)
    if arguments.run:
        print(json.dumps(run_learn(arguments.run, data, arguments.out)))
        return
    machine = machine_facts(_PACKAGES)
    with tempfile.TemporaryDirectory() as name:
        options = ["--data", str(data), "--out", name]
        runs = [run_apart(Path(__file__), contender, options) for contender in arguments.only]
        found = rates(data, Path(name), arguments.only)
    content = {"machine": machine, "rates": found, "paper": _PAPER, "runs": as_dicts(runs)}
    print(write_results("vocabulary-rates", content, report(machine, found, runs)))


if __name__ == "__main__":
    main()
