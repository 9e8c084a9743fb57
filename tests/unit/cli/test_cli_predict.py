"""`domainlm predict`: texts in, tagged texts out; the model's part is tested where the model is."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from domainlm.cli.texts import open_output
from domainlm.errors import DataError

Fixture = Callable[..., Any]


@dataclass
class _Mention:
    start: int
    end: int
    type: str
    text: str
    score: float


@dataclass
class _Tagged:
    text: str
    entities: tuple[_Mention, ...]


class _CapitalTagger:
    """Finds the first capital; reads two texts ahead, as the real one reads in groups."""

    def tag(self, texts: Iterable[str]) -> Iterator[_Tagged]:
        remaining = iter(texts)
        while group := list(islice(remaining, 2)):
            for text in group:
                place = next((at for at, letter in enumerate(text) if letter.isupper()), None)
                found = () if place is None else (_Mention(place, place + 1, "capital", text[place], 0.87654321),)
                yield _Tagged(text, found)


@pytest.fixture(autouse=True)
def _fake_model(monkeypatch: pytest.MonkeyPatch) -> None:
    load = pytest.importorskip("domainlm.tasks.load")
    monkeypatch.setattr(load, "load", lambda _: _CapitalTagger())


def _records(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def test_plain_lines_are_tagged_in_order(call: Fixture) -> None:
    records = _records(call("predict", "model", stdin="to Oslo\n\nno port\nfrom Århus\n").stdout)

    assert [(record["id"], record["text"]) for record in records] == [
        (1, "to Oslo"),
        (2, ""),
        (3, "no port"),
        (4, "from Århus"),
    ]
    assert records[0]["entities"] == [{"start": 3, "end": 4, "type": "capital", "text": "O", "score": 0.8765}]
    assert records[3]["entities"][0]["text"] == "Å"
    assert records[2]["entities"] == []


def test_json_lines_keep_their_ids(call: Fixture) -> None:
    stdin = '{"id": "a", "text": "to Oslo"}\n\n{"text": "home"}\n'

    assert [record["id"] for record in _records(call("predict", "model", stdin=stdin).stdout)] == ["a", 3]


def test_a_text_that_looks_like_json_can_be_given_as_text(call: Fixture) -> None:
    line = '{"text": "to Oslo"}'

    assert _records(call("predict", "model", "--format", "text", stdin=line).stdout)[0]["text"] == line


def test_files_are_read_and_written(call: Fixture, tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl.gz", tmp_path / "out.jsonl"
    source.write_bytes(gzip.compress(b'{"id": 7, "text": "to Oslo"}\n'))

    result = call("predict", "model", "--input", str(source), "--output", str(target))

    assert (result.exit_code, result.stdout) == (0, "")
    assert _records(target.read_text(encoding="utf-8"))[0]["id"] == 7
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl.gz", "out.jsonl"]


@pytest.mark.parametrize(
    ("stdin", "place"),
    [
        ('{"text": "a"}\nplain\n', "standard input:2"),
        ('{"text": "a"}\n{"id": 1}\n', "standard input:2"),
        ('{"text": "a", "id": [1]}\n', "standard input:1"),
        (b"fine\n\xff\n", "standard input:2"),
    ],
)
def test_bad_lines_are_named(call: Fixture, stdin: str | bytes, place: str) -> None:
    error = call("predict", "model", stdin=stdin).exception

    assert isinstance(error, DataError)
    assert error.where == place


def test_a_missing_input_is_refused(call: Fixture, tmp_path: Path) -> None:
    error = call("predict", "model", "--input", str(tmp_path / "lost.txt")).exception

    assert isinstance(error, DataError)


def test_nothing_in_gives_nothing_out(call: Fixture) -> None:
    result = call("predict", "model", stdin="")

    assert (result.exit_code, result.stdout) == (0, "")


def test_an_interrupted_output_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    target.write_text("before\n", encoding="utf-8")

    def interrupted() -> None:
        with open_output(str(target)) as write:
            write("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert target.read_text(encoding="utf-8") == "before\n"
    assert list(tmp_path.iterdir()) == [target]
