"""Thousands of damaged files for every reader of the core: a clear error or a counted skip, offsets never moved."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from domainlm.api import CorpusSpec, SequenceExample, SpanExample, TaskSpec, TokenExample
from domainlm.builtin.specs import domainlm_corpora, domainlm_tasks
from domainlm.testing import blocks_of, check_locality, check_survival, lines_of
from domainlm.testing.survival import Parts

NUM_FILES = int(os.environ.get("DOMAINLM_DAMAGED_FILES", "200"))
"""Damaged copies for each reader; `tox -e damage` reads thousands."""

SPECS: Mapping[str, TaskSpec | CorpusSpec] = {
    spec.name: spec for spec in [*domainlm_tasks(), *domainlm_corpora()] if spec.name != "core/task-text"
}
LOG = "The Vega left Oslo at dawn.\nShe met the Orion of Dover.\nGrey seals followed her.\n"


def as_lines(records: list[dict[str, Any]]) -> bytes:
    return "".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records).encode()


def span(context: str, mention: str, kind: str, **more: str) -> dict[str, Any]:
    start = context.index(mention)
    return {"start": start, "end": start + len(mention), "type": kind, **more}


def notices() -> Iterator[tuple[str, str, str]]:
    """Texts with a ship and a port."""
    for number, (ship, port) in enumerate([("Vega", "Oslo"), ("Órion", "Dover"), ("Lyra", "Kiel"), ("Mira", "Riga")]):
        yield f"On day {number} the {ship} left {port}, grey in the fog.", ship, port


@dataclass(frozen=True)
class Case:
    """A sound file of one format, and how it can be divided."""

    spec: str
    files: Mapping[str, bytes]
    parts: Parts | str
    states_mentions: bool = False
    verify: Callable[[Any, Mapping[str, bytes]], None] | None = None


def tag_lines_hold_the_entities(example: TokenExample, files: Mapping[str, bytes]) -> None:
    """Each word of an entity stands in a line with a tag of its type."""
    (content,) = files.values()
    lines = {
        (cells[0].strip(" \t\r"), cells[-1].partition("-")[2] or "entity")
        for line in content.decode("utf-8-sig", "replace").split("\n")
        for cells in [line.rstrip("\r").strip(" \t").split("\t" if "\t" in line.rstrip("\r").strip(" \t") else None)]
        if len(cells) > 1
    }
    for entity in example.entities:
        for start, end in example.words:
            if entity.start <= start < entity.end:
                assert (example.text[start:end], entity.type) in lines


def offsets_are_stated(example: Any, files: Mapping[str, bytes]) -> None:  # noqa: ANN401 - of any kind
    """Each span stands with these offsets, or with blanks around it, in the record of its text."""
    (content,) = files.values()
    spans = getattr(example, "entities", ()) or getattr(example, "markers", ()) or getattr(example, "mentions", ())
    stated: list[tuple[Any, Any, Any]] = []
    for line in content.decode("utf-8-sig", "replace").split("\n"):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict) and record.get("text") == example.text:
            listed = [*(record.get("entities") or ()), *(record.get("markers") or ())]
            keys = ("start", "end", "text")
            stated += [tuple(map(each.get, keys)) for each in listed if isinstance(each, dict)]
    for each in spans:
        assert any(
            isinstance(start, int)
            and isinstance(end, int)
            and start <= each.start < each.end <= end
            and example.text[start:end].strip() == example.text[each.start : each.end]
            and mention in (None, example.text[start:end])
            for start, end, mention in stated
        )


def texts_are_stated(example: SequenceExample, files: Mapping[str, bytes]) -> None:
    """Texts and labels stand in the file as they are."""
    (content,) = files.values()
    decoded = content.decode("utf-8-sig", "replace")
    assert all(part in decoded for part in (example.text, example.second_text or "", example.label))


def answers_are_stated(example: SpanExample, files: Mapping[str, bytes]) -> None:
    """The answers of a question are texts that the file gives as answers."""
    (content,) = files.values()
    given: set[str] = set()
    _gather_answers(json.loads(content), given)
    assert {answer.text for answer in example.answers} | set(example.accepted) <= given


def _gather_answers(value: object, given: set[str]) -> None:
    if isinstance(value, dict):
        if isinstance(value.get("text"), str):
            given.add(value["text"])
        for each in value.values():
            _gather_answers(each, given)
    elif isinstance(value, list):
        for each in value:
            _gather_answers(each, given)


BRAT = {
    "log.ann": b"T1\tship 4 8\tVega\nT2\tplace 14 18\tOslo\nR1\tleft Arg1:T1 Arg2:T2\nT3\tship 40 45\tOrion\n"
    b"T4\tplace 49 54\tDover\n#1\tNote T1\tgone\n",
    "log.txt": LOG.encode(),
}
CONLL = (
    "-DOCSTART-\t-X-\tO\n"
    + "".join(
        "".join(f"{word}\tNN\t{tag}\n" for word, tag in zip(words.split(), tags.split(), strict=True)) + "\n"
        for words, tags in [
            ("The Vega left Oslo harbour .", "O B-ship O B-place I-place O"),
            ("Grey Órion met Lyra", "B-ship I-ship O B-ship"),
            ("Fog all day", "O O O"),
            ("Kiel and Riga", "B-place O B-place"),
        ]
    )
).encode()
SPANS = as_lines(
    [
        {
            "id": f"n{n}",
            "text": text,
            "entities": [span(text, ship, "ship", text=ship), span(text, port, "port", text=port)],
        }
        for n, (text, ship, port) in enumerate(notices())
    ]
)
BARE_SPANS = as_lines(
    [
        {"id": f"n{n}", "text": text, "entities": [span(text, ship, "ship"), span(text, port, "port")]}
        for n, (text, ship, port) in enumerate(notices())
    ]
)
TSV = "id\ttext\tsecond_text\tlabel\n" + "".join(
    f"n{n}\t{text}\tWhere is the {ship}?\t{('late', 'gone')[n % 2]}\n" for n, (text, ship, _) in enumerate(notices())
)
CLASSES = as_lines(
    [
        {"id": f"n{n}", "text": text, "label": ("late", "gone")[n % 2], "markers": [span(text, ship, "ship")]}
        for n, (text, ship, _) in enumerate(notices())
    ]
)
RELATIONS = as_lines(
    [
        {
            "id": f"n{n}",
            "text": text,
            "entities": [span(text, ship, "ship", id="a", text=ship), span(text, port, "port", id="b", text=port)],
            "relations": [{"first": "a", "second": "b", "label": "left"}],
        }
        for n, (text, ship, port) in enumerate(notices())
    ]
)
SQUAD = json.dumps(
    {
        "version": "2.0",
        "data": [
            {
                "title": ship,
                "paragraphs": [
                    {
                        "context": text,
                        "qas": [
                            {
                                "id": f"{ship}-1",
                                "question": "Which ship left?",
                                "answers": [{"text": ship, "answer_start": text.index(ship)}],
                                "is_impossible": False,
                            },
                            {"id": f"{ship}-2", "question": "Why?", "is_impossible": True},
                        ],
                    }
                ],
            }
            for text, ship, _ in notices()
        ],
    }
).encode()
TEXT = "\n\n".join(text for text, _, _ in notices()).encode()
DOCUMENTS = as_lines([{"id": f"n{n}", "text": f"{text}\n{port}."} for n, (text, _, port) in enumerate(notices())])

CASES = [
    Case("core/brat", BRAT, lines_of, states_mentions=True),
    Case("core/conll", {"log.tsv": CONLL}, blocks_of, verify=tag_lines_hold_the_entities),
    Case("core/spans", {"log.jsonl": SPANS}, lines_of, verify=offsets_are_stated),
    Case("core/spans", {"bare.jsonl": BARE_SPANS}, lines_of, verify=offsets_are_stated),
    Case("core/classification-tsv", {"log.tsv": TSV.encode()}, lines_of, verify=texts_are_stated),
    Case("core/classification-jsonl", {"log.jsonl": CLASSES}, lines_of, verify=offsets_are_stated),
    Case("core/relations-jsonl", {"log.jsonl": RELATIONS}, lines_of, verify=offsets_are_stated),
    Case("core/squad", {"log.json": SQUAD}, "data", verify=answers_are_stated),
    Case("core/text", {"log.txt": TEXT}, blocks_of),
    Case("core/jsonl", {"log.jsonl": DOCUMENTS}, lines_of),
]
ids = [f"{case.spec}:{next(iter(case.files))}" for case in CASES]


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_damaged_anywhere(case: Case) -> None:
    counts = check_survival(
        SPECS[case.spec], case.files, num_files=NUM_FILES, states_mentions=case.states_mentions, verify=case.verify
    )

    assert counts.num_files == NUM_FILES
    assert counts.num_refused > NUM_FILES // 20


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.spec != "core/brat"], ids=[each for each in ids if "brat" not in each]
)
def test_damaged_in_one_record(case: Case) -> None:
    counts = check_locality(SPECS[case.spec], case.files, parts=case.parts, num_files=NUM_FILES)

    assert counts.num_files == NUM_FILES
