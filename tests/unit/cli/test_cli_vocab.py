"""`domainlm vocab`: learn, rate, compare, show, convert."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domainlm.errors import DataError, SpecError, StorageError, VocabularyError

Fixture = Callable[..., Any]

_WORDS = ("leek", "##s", "salt", "chick", "##pea", "boil", "the")


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """A vocabulary, and a file with two foods and a tool.

    "leeks" is leek ##s, "chickpeas" chick ##pea ##s, "salt" one piece, "pot" unknown.
    """
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *_WORDS]) + "\n", encoding="utf-8")
    data = tmp_path / "foods.txt"
    data.write_text("boil O\nleeks B-food\n\nsalt B-food\nchickpeas I-food\n\nthe O\npot B-tool\n", encoding="utf-8")
    return str(vocabulary), str(data)


def test_the_rate_is_counted_by_type_and_in_all(call: Fixture, files: tuple[str, str]) -> None:
    vocabulary, data = files
    result = call("vocab", "rate", vocabulary, "--task", "core/conll", "--file", data, "--uncased")

    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[1:] == [
        ["food", "2", "3", "6", "2.000"],
        ["tool", "1", "1", "1", "1.000"],
        ["all", "3", "4", "7", "1.750"],
    ]


def test_one_type_gives_one_row_for_programs(call: Fixture, files: tuple[str, str]) -> None:
    vocabulary, data = files
    options = ("--task", "core/conll", "--file", data, "--type", "food", "--uncased", "--json")

    assert json.loads(call("vocab", "rate", f"mine={vocabulary}", *options).stdout) == [
        {
            "vocabulary": "mine",
            "kind": "wordpiece",
            "size": 12,
            "cased": False,
            "data_set": "core/conll",
            "type": "food",
            "num_entities": 2,
            "num_words": 3,
            "num_sub_tokens": 6,
            "rate": 2.0,
        }
    ]


def test_several_files_count_together(call: Fixture, files: tuple[str, str]) -> None:
    vocabulary, data = files
    options = ("--task", "core/conll", "--file", data, "--file", data, "--type", "food", "--uncased", "--json")

    assert json.loads(call("vocab", "rate", vocabulary, *options).stdout)[0]["num_words"] == 6


def test_an_unknown_task_and_type_and_file_are_refused(call: Fixture, files: tuple[str, str], tmp_path: Path) -> None:
    vocabulary, data = files
    unknown_task = call("vocab", "rate", vocabulary, "--task", "core/conl", "--file", data).exception
    unknown_type = call("vocab", "rate", vocabulary, "--task", "core/conll", "--file", data, "--type", "foot").exception
    missing_file = call(
        "vocab", "rate", vocabulary, "--task", "core/conll", "--file", str(tmp_path / "food.txt")
    ).exception

    assert isinstance(unknown_task, SpecError)
    assert "nearest: core/conll" in str(unknown_task)
    assert isinstance(unknown_type, DataError)
    assert unknown_type.nearest == "food"
    assert isinstance(missing_file, DataError)
    assert "food.txt" in str(missing_file)


def test_an_unknown_type_is_refused_beside_a_known_one(call: Fixture, files: tuple[str, str], second: str) -> None:
    vocabulary, data = files
    options = ("--data", "a", "core/conll", data, "--data", "b", "core/conll", data, "--type", "food", "--type", "tol")
    error = call("vocab", "rate", vocabulary, second, *options).exception
    assert isinstance(error, DataError)
    assert error.given == "tol"


def test_a_data_set_without_entities_is_named(call: Fixture, files: tuple[str, str], tmp_path: Path) -> None:
    vocabulary, data = files
    for name, content in (("none", "boil\tO\n"), ("tools", "boil\tO\npot\tB-tool\n")):
        path = tmp_path / f"{name}.tsv"
        path.write_text(content, encoding="utf-8")
        options = ("--data", "food", "core/conll", data, "--data", name, "core/conll", str(path), "--type", "food")
        error = call("vocab", "rate", vocabulary, *options).exception
        assert isinstance(error, DataError)
        assert error.where == f"data set {name}"


def test_what_the_reader_left_out_is_said(
    call: Fixture, files: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    vocabulary, data = files
    Path(data).write_text("boil O\nleeks B-food\n\nsalt\n", encoding="utf-8")

    call("vocab", "rate", vocabulary, "--task", "core/conll", "--file", data, "--uncased")

    assert "1 x line without a tag" in caplog.text
    assert f"{data}:4" in caplog.text


@pytest.fixture
def second(tmp_path: Path) -> str:
    """A vocabulary with other pieces."""
    path = tmp_path / "second.txt"
    words = ("leeks", "chickpea", "##s", "boil", "salt", "pot")
    path.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]) + "\n", encoding="utf-8")
    return str(path)


def test_several_vocabularies_and_data_sets_make_a_table(
    call: Fixture, files: tuple[str, str], second: str, tmp_path: Path
) -> None:
    vocabulary, data = files
    other = tmp_path / "other.txt"
    other.write_text("salt B-food\n", encoding="utf-8")
    given = ("--data", "foods", "core/conll", data, "--data", "other", "core/conll", str(other))
    result = call("vocab", "rate", f"first={vocabulary}", second, *given, "--uncased")
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["vocabulary", "kind", "case", "entries", "foods", "other"],
        ["first", "wordpiece", "uncased", "12", "1.750", "1.000"],
        ["second", "wordpiece", "uncased", "11", "1.250", "1.000"],
    ]
    markdown = call("vocab", "rate", vocabulary, second, *given, "--uncased", "--markdown").stdout.splitlines()
    assert markdown[1] == "| --- | --- | --- | ---: | ---: | ---: |"
    rows = json.loads(call("vocab", "rate", f"first={vocabulary}", second, *given, "--uncased", "--json").stdout)
    assert [(row["vocabulary"], row["data_set"], row["type"]) for row in rows] == [
        ("first", "foods", "all"),
        ("first", "other", "food"),
        ("second", "foods", "all"),
        ("second", "other", "food"),
    ]


def test_what_to_rate_on_must_be_said_once(call: Fixture, files: tuple[str, str]) -> None:
    vocabulary, data = files
    given = ("--task", "core/conll", "--file", data)
    assert call("vocab", "rate", vocabulary).exit_code == 2
    assert call("vocab", "rate", vocabulary, "--task", "core/conll").exit_code == 2
    assert call("vocab", "rate", vocabulary, *given, "--data", "a", "core/conll", data).exit_code == 2


def test_tasks_without_entities_have_no_rate(call: Fixture, files: tuple[str, str]) -> None:
    vocabulary, data = files
    error = call("vocab", "rate", vocabulary, "--task", "core/squad", "--file", data).exception
    assert isinstance(error, SpecError)
    assert "only tasks with entities" in str(error)


def test_two_vocabularies_of_one_name_are_refused(call: Fixture, files: tuple[str, str]) -> None:
    vocabulary, _ = files
    error = call("vocab", "show", vocabulary, vocabulary, "--term", "leeks").exception
    assert isinstance(error, VocabularyError)
    assert "two vocabularies have one name" in str(error)


@pytest.mark.parametrize("spec", ["core/wordpiece", "core/unigram", "core/bpe"])
def test_a_vocabulary_is_learned_and_reported(call: Fixture, tmp_path: Path, spec: str) -> None:
    text = tmp_path / "text"
    text.mkdir()
    (text / "notes.txt").write_text("Boil the leeks, then\n\nsalt the leeks.\n\n" * 30, encoding="utf-8")
    options = ("--file", str(text), "--spec", spec, "--size", "275" if spec == "core/bpe" else "40", "--uncased")
    result = call("vocab", "learn", *options, "--out", str(tmp_path / "out"), "--max-characters", "500")
    assert result.exception is None
    assert "uncased" in result.stdout
    report = json.loads(call("vocab", "learn", *options, "--out", str(tmp_path / "again"), "--json").stdout)
    assert report["num_characters_in_corpus"] == report["num_characters_learned_from"] == 30 * (20 + 15)
    assert report["text"]["num_unknown"] == 0
    first = (tmp_path / "out" / "tokenizer.json").read_bytes()
    call("vocab", "learn", *options, "--out", str(tmp_path / "third"), "--max-characters", "500")
    assert (tmp_path / "third" / "tokenizer.json").read_bytes() == first


def test_learning_writes_over_no_vocabulary_and_no_text(call: Fixture, tmp_path: Path) -> None:
    text = tmp_path / "vocab.txt"
    text.write_text("Boil the leeks.\n" * 30, encoding="utf-8")
    error = call("vocab", "learn", "--file", str(text), "--size", "40", "--out", str(tmp_path)).exception
    assert isinstance(error, StorageError)
    assert [path.name for path in tmp_path.iterdir()] == ["vocab.txt"]
    assert text.read_text(encoding="utf-8") == "Boil the leeks.\n" * 30


def test_learning_needs_a_size_and_a_spec_that_learns(call: Fixture, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Boil the leeks.\n", encoding="utf-8")
    options = ("--file", str(tmp_path / "notes.txt"), "--out", str(tmp_path / "out"))
    assert call("vocab", "learn", *options).exit_code == 2
    error = call("vocab", "learn", *options, "--spec", "core/file", "--size", "40").exception
    assert isinstance(error, VocabularyError)


def test_a_sample_that_no_line_fits_into_is_refused(call: Fixture, files: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Boil the leeks.\n", encoding="utf-8")
    options = ("--file", str(tmp_path / "notes.txt"), "--max-characters", "14")
    learned = call("vocab", "learn", *options, "--size", "20", "--out", str(tmp_path / "out")).exception
    compared = call("vocab", "compare", files[0], *options).exception
    assert "fits into the sample" in str(learned)
    assert "fits into the sample" in str(compared)


def test_vocabularies_are_compared(call: Fixture, files: tuple[str, str], second: str, tmp_path: Path) -> None:
    vocabulary, _ = files
    text = tmp_path / "text.txt"
    text.write_text("boil leeks\n\nsalt chickpeas\n", encoding="utf-8")
    first = f"first={vocabulary}"
    found = json.loads(call("vocab", "compare", first, second, "--file", str(text), "--uncased", "--json").stdout)
    # boil leek ##s salt chick ##pea ##s; boil leeks salt chickpea ##s. Shared: ##s salt boil.
    assert [entry["text"]["num_sub_tokens"] for entry in found["vocabularies"]] == [7, 5]
    (pair,) = found["pairs"]
    assert (pair["num_shared"], pair["jaccard"]) == (3, 3 / 10)
    assert (pair["share_of_first_text"], pair["share_of_second_text"]) == (4 / 7, 3 / 5)
    shown = call("vocab", "compare", first, second, "--uncased").stdout
    assert "Jaccard" in shown
    assert shown.splitlines()[-1].split() == ["first", "second", "3", "0.300", "42.9%", "50.0%", "-", "-"]


def test_terms_are_shown_in_each_vocabulary(call: Fixture, files: tuple[str, str], second: str) -> None:
    vocabulary, _ = files
    options = ("--term", "chickpeas", "--term", "boil leeks", "--uncased", "--json")
    assert json.loads(call("vocab", "show", f"first={vocabulary}", second, *options).stdout) == [
        {"term": "chickpeas", "first": "chick ##pea ##s", "second": "chickpea ##s"},
        {"term": "boil leeks", "first": "boil leek ##s", "second": "boil leeks"},
    ]


def test_vocabularies_of_special_tokens_alone_share_nothing(
    call: Fixture, files: tuple[str, str], tmp_path: Path
) -> None:
    bare = tmp_path / "bare.txt"
    bare.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n", encoding="utf-8")
    for other in (files[0], str(bare)):
        result = call("vocab", "compare", f"a={bare}", f"b={other}", "--uncased", "--json")
        (pair,) = json.loads(result.stdout)["pairs"]
        assert [pair[key] for key in ("num_shared", "jaccard", "share_of_first", "share_of_second")] == [0, 0, 0, 0]


def test_a_term_that_is_not_unicode_is_shown_with_a_question_mark(call: Fixture, files: tuple[str, str]) -> None:
    result = call("vocab", "show", f"v={files[0]}", "--term", "leek\udcff", "--uncased", "--json")
    assert json.loads(result.stdout) == [{"term": "leek?", "v": "leek [UNK]"}]


def test_entries_are_listed(call: Fixture, files: tuple[str, str]) -> None:
    vocabulary, _ = files
    options = ("--prefix", "##", "--id", "4", "--json")
    found = json.loads(call("vocab", "show", f"first={vocabulary}", *options).stdout)
    assert [(entry["id"], entry["entry"]) for entry in found] == [(4, "[MASK]"), (6, "##s"), (9, "##pea")]
    error = call("vocab", "show", vocabulary, "--id", "12").exception
    assert isinstance(error, VocabularyError)
    assert "0 to 11" in str(error)
    assert call("vocab", "show", vocabulary).exit_code == 2


def test_a_list_that_is_cut_short_says_so(call: Fixture, files: tuple[str, str]) -> None:
    options = ("--uncased", "--json", "--prefix", "##")
    result = call("vocab", "show", f"first={files[0]}", *options, "--limit", "1")
    assert len(json.loads(result.stdout)) == 1
    assert "first: 1 of 2 entries" in result.stderr
    assert "entries" not in call("vocab", "show", f"first={files[0]}", *options, "--limit", "2").stderr


def test_formats_are_converted(call: Fixture, files: tuple[str, str], tmp_path: Path) -> None:
    vocabulary, _ = files
    whole, back = tmp_path / "whole.json", tmp_path / "back.txt"
    call("vocab", "convert", vocabulary, str(whole), "--uncased")
    call("vocab", "convert", str(whole), str(back))
    assert back.read_bytes() == Path(vocabulary).read_bytes()
    assert json.loads(whole.read_text())["normalizer"]["lowercase"]
    assert call("vocab", "convert", vocabulary, str(tmp_path / "other.xml")).exit_code == 2
    nowhere = call("vocab", "convert", vocabulary, str(tmp_path / "no" / "x.json")).exception
    assert isinstance(nowhere, StorageError)
    assert nowhere.where == str(tmp_path / "no" / "x.json")


@pytest.mark.real
@pytest.mark.parametrize(
    ("data_set", "entity_type", "num_entities", "published"),
    [("BC5CDR-chem", "Chemical", 5_203, 3.012), ("BC5CDR-disease", "Disease", 4_182, 2.42)],
)
def test_the_published_rate_of_a_general_vocabulary_is_found_again(
    call: Fixture, data_dir: Path, data_set: str, entity_type: str, num_entities: int, published: float
) -> None:
    """Shin et al. (2020), table 3, row BERT-cased; entities as the data set's own statistics count them."""
    vocabulary = data_dir / "vocab" / "bert-base-cased-vocab.txt"
    train = data_dir / "ner" / "iob" / data_set / "train.tsv.gz"
    result = call("vocab", "rate", str(vocabulary), "--task", "core/conll", "--file", str(train), "--json")

    (row,) = json.loads(result.stdout)
    assert row["type"] == entity_type
    assert row["num_entities"] == num_entities
    assert row["rate"] == pytest.approx(published, rel=0.01)
