"""`domainlm predict`: texts in, tagged texts out; the model's part is tested where the model is."""

from __future__ import annotations

import gzip
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from domainlm.api import OutputSpec
from domainlm.cli.texts import open_output
from domainlm.errors import DataError, PluginError, SpecError, StorageError
from domainlm.tasks.models import Record

Fixture = Callable[..., Any]


class _CapitalFinder:
    """Finds the first capital; reads two texts ahead, as real models read in groups."""

    kind = "token"
    columns: tuple[str, ...] = ("text",)
    num_columns_needed: int | None = None
    num_texts_at_once = 2

    def predict(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        remaining = iter(records)
        while group := list(islice(remaining, self.num_texts_at_once)):
            for record in group:
                text = "|".join(record.text(column) for column in self.columns)
                place = next((at for at, letter in enumerate(text) if letter.isupper()), None)
                yield {"id": record.id, "text": text, "capital": place}

    def embed_records(self, records: Iterable[Record], pooling: str) -> Iterator[dict[str, Any]]:
        for record in records:
            yield {"id": record.id, "embedding": [float(len(record.text())), float(len(pooling))]}


@pytest.fixture(autouse=True)
def model(monkeypatch: pytest.MonkeyPatch) -> _CapitalFinder:
    load = pytest.importorskip("domainlm.tasks.load")
    model = _CapitalFinder()
    monkeypatch.setattr(load, "load", lambda _: model)
    return model


def _records(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def test_the_input_is_not_written_over(call: Fixture, tmp_path: Path) -> None:
    (tmp_path / "texts").write_text("to Oslo\n", encoding="utf-8")
    given = str(tmp_path / "texts")
    error = call("predict", "model", "--input", given, "--output", given).exception
    assert isinstance(error, StorageError)
    assert "is the input" in str(error)
    assert (tmp_path / "texts").read_text(encoding="utf-8") == "to Oslo\n"


def test_plain_lines_are_tagged_in_order(call: Fixture) -> None:
    records = _records(call("predict", "model", stdin="to Oslo\n\nno port\nfrom Århus\n").stdout)

    assert [(record["id"], record["text"]) for record in records] == [
        (1, "to Oslo"),
        (2, ""),
        (3, "no port"),
        (4, "from Århus"),
    ]
    assert [record["capital"] for record in records] == [3, None, None, 5]


def test_json_lines_keep_their_ids(call: Fixture) -> None:
    stdin = '{"id": "a", "text": "to Oslo"}\n\n{"text": "home"}\n'

    assert [record["id"] for record in _records(call("predict", "model", stdin=stdin).stdout)] == ["a", 3]


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b"\n", b"\xef\xbb\xbf\n  \n"])
def test_json_lines_are_known_after_a_mark_and_blank_lines(call: Fixture, before: bytes) -> None:
    stdin = before + b'{"id": "a", "text": "to Oslo"}\n'

    assert [(record["id"], record["text"]) for record in _records(call("predict", "model", stdin=stdin).stdout)] == [
        ("a", "to Oslo")
    ]


def test_blank_lines_before_a_text_are_texts(call: Fixture) -> None:
    stdin = b"\xef\xbb\xbf\n\nOslo\n"

    assert [(record["id"], record["text"]) for record in _records(call("predict", "model", stdin=stdin).stdout)] == [
        (1, ""),
        (2, ""),
        (3, "Oslo"),
    ]
    assert [record["id"] for record in _records(call("predict", "model", stdin="\n\n").stdout)] == [1, 2]


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


def test_a_line_may_hold_several_texts(call: Fixture, model: _CapitalFinder) -> None:
    model.columns = ("text", "second_text")

    assert _records(call("predict", "model", stdin="to\tOslo\n").stdout)[0]["text"] == "to|Oslo"
    error = call("predict", "model", stdin="to\tOslo\nhome\n").exception
    assert isinstance(error, DataError)
    assert error.where == "standard input:2"


def test_texts_are_embedded(call: Fixture) -> None:
    result = call("predict", "model", "--embed", "cls", stdin="Oslo\n\n")

    assert [record["embedding"] for record in _records(result.stdout)] == [[4.0, 3.0], [0.0, 3.0]]


def test_lines_can_be_answered_at_once(call: Fixture, model: _CapitalFinder) -> None:
    assert call("predict", "model", "--stream", stdin="to Oslo\n").exit_code == 0
    assert model.num_texts_at_once == 1


def test_the_files_of_a_task_are_read_by_its_reader(call: Fixture, tmp_path: Path) -> None:
    source = tmp_path / "train.tsv"
    source.write_text("to\tO\nOslo\tB-port\n\nhome\tO\n", encoding="utf-8")
    result = call("predict", "model", "--read-as", "core/conll", "--input", str(source))

    assert [(record["id"], record["text"]) for record in _records(result.stdout)] == [
        ("train:1", "to Oslo"),
        ("train:2", "home"),
    ]
    assert isinstance(call("predict", "model", "--read-as", "core/conll", stdin="").exception, DataError)


def test_output_formats_are_looked_up(call: Fixture) -> None:
    assert call("predict", "model", "--output-format", "jsonl", stdin="Oslo\n").exit_code == 0
    error = call("predict", "model", "--output-format", "core/jsonlines", stdin="").exception
    assert isinstance(error, SpecError)
    assert error.nearest == "core/jsonl"


def test_a_format_for_another_kind_of_model_is_refused(call: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = OutputSpec(name="test/pairs", description="pairs", kinds=("sequence",), write=lambda _: iter(()))
    monkeypatch.setattr("domainlm.plugin.registry.Registry.output_format", lambda *_, **__: spec)
    error = call("predict", "model", "--output-format", "test/pairs", stdin="Oslo\n").exception

    assert isinstance(error, SpecError)
    assert 'kind "token"' in str(error)


def _name_missing(predictions: Iterable[Any]) -> Iterator[str]:
    for prediction in predictions:
        yield prediction["ident"]


@pytest.mark.parametrize(
    ("write", "problem"),
    [
        (_name_missing, "the predictions could not be written: KeyError: 'ident'"),
        (lambda _: None, "the predictions could not be written: TypeError"),
        (iter, "the writer must give texts"),
    ],
)
def test_a_writer_that_fails_is_named(
    call: Fixture, monkeypatch: pytest.MonkeyPatch, write: Callable[[Iterable[Any]], Iterator[str]], problem: str
) -> None:
    spec = OutputSpec(name="test/lines", description="lines", write=write)
    monkeypatch.setattr("domainlm.plugin.registry.Registry.output_format", lambda *_, **__: spec)
    error = call("predict", "model", "--output-format", "test/lines", stdin="Oslo\n").exception

    assert isinstance(error, PluginError)
    assert problem in str(error)
    assert "test/lines@1" in str(error.where)


def test_a_writer_is_not_blamed_for_the_model(
    call: Fixture, monkeypatch: pytest.MonkeyPatch, model: _CapitalFinder
) -> None:
    def predict(_: object) -> Iterator[dict[str, Any]]:
        yield {"id": 1}
        raise ZeroDivisionError

    monkeypatch.setattr(model, "predict", predict)
    spec = OutputSpec(name="test/lines", description="lines", write=lambda given: (str(each) for each in given))
    monkeypatch.setattr("domainlm.plugin.registry.Registry.output_format", lambda *_, **__: spec)

    assert isinstance(call("predict", "model", stdin="Oslo\n").exception, ZeroDivisionError)


def test_half_of_a_surrogate_pair_is_written_as_it_came(call: Fixture) -> None:
    result = call("predict", "model", stdin='{"text": "half \\ud83d"}\n')

    assert _records(result.stdout)[0]["text"] == "half \ud83d"


def test_nothing_in_gives_nothing_out(call: Fixture) -> None:
    result = call("predict", "model", stdin="")

    assert (result.exit_code, result.stdout) == (0, "")


def test_a_pipe_is_written_into_and_not_replaced(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", list[str]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text(encoding="utf-8")), daemon=True)
    reader.start()
    with open_output(str(pipe)) as write:
        write("one\n")
    reader.join(timeout=10)
    assert (read, pipe.is_fifo()) == (["one\n"], True)
    assert list(tmp_path.iterdir()) == [pipe]


def test_what_waits_at_a_pipe_gets_each_piece_at_once(tmp_path: Path) -> None:
    pipe, lines = tmp_path / "pipe", Queue[str]()
    os.mkfifo(pipe)

    def read() -> None:
        with pipe.open(encoding="utf-8") as stream:
            for line in stream:
                lines.put(line)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    with open_output(str(pipe), flushes=True) as write:
        write("one\n")
        assert lines.get(timeout=10) == "one\n"
    reader.join(timeout=10)


def test_a_line_without_its_columns_is_told_the_fields_of_this_model(call: Fixture, model: _CapitalFinder) -> None:
    model.columns = ("question", "context")

    error = call("predict", "model", stdin="who?\n").exception

    assert isinstance(error, DataError)
    assert '{"question": ..., "context": ...}' in str(error)


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


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ("folder", "is a folder, not a file"),
        ("no/where.jsonl", "no such file or folder"),
        ("file/out.jsonl", "a part of this path is a file"),
        ("long" * 100, "the name is too long"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_the_model_is_loaded(
    call: Fixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str, problem: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    monkeypatch.setattr("domainlm.tasks.load.load", lambda _: pytest.fail("the model was loaded"))

    error = call("predict", "model", "--output", str(tmp_path / place), stdin="Oslo\n").exception

    assert isinstance(error, StorageError)
    assert error.where == str(tmp_path / place)
    assert error.problem.startswith(problem)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_an_output_that_loses_its_place_while_it_is_written_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"

    def losing() -> None:
        with open_output(str(target)) as write:
            write("whole\n")
            target.mkdir()

    with pytest.raises(StorageError) as raised:
        losing()

    (kept,) = (path for path in tmp_path.iterdir() if path != target)
    assert kept.read_text(encoding="utf-8") == "whole\n"
    assert str(kept) in str(raised.value)
