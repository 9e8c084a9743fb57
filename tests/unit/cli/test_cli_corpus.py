from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from domainlm.errors import DataError, RecipeError, StorageError
from domainlm.text.indexed import IndexedDataset

Call = Callable[..., Result]

_VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "ship", "left", "port", "##s", ".", "day"]


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "logs.txt"
    documents = [f"Ship {number} left port on day {number % 5}." for number in range(60)]
    path.write_text("\n\n".join([*documents, documents[3], "The mast of the Vega broke in a storm off Oslo today."]))
    return path


@pytest.fixture
def arguments(tmp_path: Path, text: Path) -> list[str]:
    """Everything for `build` but --out."""
    (tmp_path / "vocab.txt").write_text("".join(f"{entry}\n" for entry in _VOCABULARY))
    words = "the mast of the Vega broke in a storm off Oslo today".split()  # noqa: SIM905
    (tmp_path / "test.conll").write_text("".join(f"{word}\tO\n" for word in words))
    return [
        *("--spec", "core/text", "--file", str(text), "--set", "corpus.held_out_share=0.2"),
        *("--guard", "core/conll", str(tmp_path / "test.conll"), "--vocabulary", str(tmp_path / "vocab.txt")),
    ]


def _done(result: Result) -> str:
    assert result.exception is None, result.output
    return result.output


def test_a_corpus_is_built_and_looked_at(call: Call, arguments: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    output = _done(call("corpus", "build", *arguments, "--out", str(out)))
    assert "62 documents read, 60 kept" in output
    assert "leak" in output
    assert [json.loads(line)["reason"] for line in (out / "removed.jsonl").read_text().splitlines()] == [
        "exact duplicate",
        "leak",
    ]
    facts = json.loads(_done(call("corpus", "stats", str(out), "--json")))
    assert facts["documents"]["num_exact_duplicates"] == facts["documents"]["num_leaked"] == 1
    assert facts["train"]["num_documents"] + facts["held_out"]["num_documents"] == 60
    assert facts["train"]["num_tokens"] == len(IndexedDataset(out / "tokens" / "train").tokens)
    assert "60 kept" in _done(call("corpus", "stats", str(out)))
    shown = _done(call("corpus", "show", str(out), "logs:5"))
    assert shown.splitlines()[1] == "Ship 4 left port on day 4."
    (by_number,) = json.loads(_done(call("corpus", "show", str(out), "5", "--number", "--json")))
    assert (by_number["id"], by_number["sentences"]) == ("logs:5", ["Ship 4 left port on day 4."])
    sampled = json.loads(_done(call("corpus", "sample", str(out), "-n", "7", "--seed", "3", "--json")))
    assert len(sampled) == 7
    assert not (out / "work").exists()


def test_shards_are_merged(call: Call, arguments: list[str], tmp_path: Path, text: Path) -> None:
    arguments[arguments.index(str(text))] = str(tmp_path / "*.txt.gz")
    # Files of a size that makes groups of their own are not needed: a shard may be empty.
    (tmp_path / "logs.txt.gz").write_bytes(gzip.compress(text.read_bytes()))
    whole, merged = tmp_path / "whole", tmp_path / "merged"
    _done(call("corpus", "build", *arguments, "--out", str(whole)))
    shards = [str(tmp_path / f"shard-{index}") for index in (1, 2)]
    for index, shard in enumerate(shards, start=1):
        assert "is done" in _done(call("corpus", "build", *arguments, "--out", shard, "--shard", f"{index}/2"))
    assert isinstance(call("corpus", "merge", shards[1], "--out", str(merged)).exception, DataError)
    _done(call("corpus", "merge", *shards, "--out", str(merged)))
    for name in ("manifest.json", "text/train.txt", "text/documents.tsv", "tokens/train.bin", "tokens/held_out.idx"):
        assert (merged / name).read_bytes() == (whole / name).read_bytes()


def test_a_recipe_is_built_with_its_sample_and_tasks(call: Call, tmp_path: Path, text: Path) -> None:
    example = '{"text": "The mast of the Vega broke in a storm off Oslo today.", "entities": []}\n'
    (tmp_path / "test.jsonl").write_text(example)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f"""
        name = "logs"
        corpus = {{ spec = "core/text", files = ["{text.name}"], held_out_share = 0.2 }}
        model = {{ size = "core/tiny" }}
        vocabulary = {{ size = 100 }}
        pretraining = {{ num_steps = 1 }}
        tasks = [{{ spec = "core/spans", files = {{ train = ["test.jsonl"], test = ["test.jsonl"] }} }}]
        """
    )
    _done(call("corpus", "build", str(recipe), "--out", str(tmp_path / "out")))
    removed = [json.loads(line) for line in (tmp_path / "out" / "removed.jsonl").read_text().splitlines()]
    assert [(entry["reason"], entry.get("task")) for entry in removed] == [
        ("exact duplicate", None),
        ("leak", "spans, test"),
    ]
    unguarded = ["--set", "corpus.leak_guard.enabled=false", "--set", "corpus.deduplication.exact=false"]
    output = _done(call("corpus", "build", str(recipe), "--out", str(tmp_path / "all"), *unguarded))
    assert "62 documents read, 62 kept" in output


def test_the_text_of_tasks_is_left_to_runs(call: Call, tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"text": "The Vega left.", "entities": []}\n')
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        """
        name = "logs"
        corpus = { spec = "core/task-text" }
        model = { size = "core/tiny" }
        vocabulary = { size = 100 }
        pretraining = { num_steps = 1 }
        tasks = [{ spec = "core/spans", files = { train = ["train.jsonl"] } }]
        """
    )
    refused = call("corpus", "build", str(recipe), "--out", str(tmp_path / "out"))
    assert isinstance(refused.exception, RecipeError)
    assert "domainlm run" in str(refused.exception)


def test_a_recipe_that_only_measures_says_by_which_options_its_corpus_is_built(
    call: Call, tmp_path: Path, arguments: list[str]
) -> None:
    (tmp_path / "train.jsonl").write_text('{"text": "Ann saw it.", "entities": []}\n')
    recipe = tmp_path / "measure.toml"
    recipe.write_text(
        """
        name = "measure"
        measure = { task_facts = ["examples"] }
        tasks = [{ spec = "core/spans", files = { train = ["train.jsonl"] } }]
        """
    )
    refused = call("corpus", "build", str(recipe), "--out", str(tmp_path / "out"))
    assert isinstance(refused.exception, RecipeError)
    options = re.findall(r"--\w+", str(refused.exception.remedy))
    assert options == ["--spec", "--file"]
    assert set(options) <= set(arguments)  # which build one


def test_a_finished_corpus_is_not_written_over(call: Call, arguments: list[str], tmp_path: Path) -> None:
    _done(call("corpus", "build", *arguments, "--out", str(tmp_path / "out")))
    again = call("corpus", "build", *arguments, "--out", str(tmp_path / "out"))
    assert isinstance(again.exception, StorageError)


def test_a_corpus_is_not_written_where_it_would_be_read(call: Call, text: Path, tmp_path: Path) -> None:
    base = ("corpus", "build", "--spec", "core/text", "--set", "corpus.held_out_share=0.2")
    out = tmp_path / "more" / "out"
    error = call(*base, "--file", str(tmp_path), "--out", str(out)).exception
    assert isinstance(error, StorageError)
    assert not out.exists()
    _done(call(*base, "--file", str(text), "--out", str(out)))


def test_a_folder_with_other_files_is_left_as_it_is(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = "\n\n".join(f"Ship {number} left port." for number in range(60))
    for name in ("text/train.txt", "work/notes.txt"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(lines)
    monkeypatch.chdir(tmp_path)
    refused = call("corpus", "build", "--spec", "core/text", "--file", "text/train.txt", "--out", ".")
    assert isinstance(refused.exception, StorageError)
    assert refused.exception.given == str(tmp_path / "text" / "train.txt")
    refused = call("corpus", "build", "--spec", "core/text", "--file", "text/train.txt", "--out", "work")
    assert isinstance(refused.exception, StorageError)
    assert refused.exception.given == "notes.txt"
    found = {str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {"text/train.txt": lines, "work/notes.txt": lines}


def test_a_build_that_was_stopped_goes_on(
    call: Call, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        for stopped_in in ("corpus_preparation", "prepare_parts", "finish"):
            patch.setattr(f"domainlm.study.corpora.{stopped_in}", _interrupt)
            assert "the disk is full" in str(call("corpus", "build", *arguments, "--out", str(out)).exception)
            patch.undo()
    _done(call("corpus", "build", *arguments, "--out", str(out)))
    assert not [path.name for path in out.iterdir() if path.name.startswith(".")]


def _interrupt(*_: object, **__: object) -> None:
    raise OSError("the disk is full")


def test_a_shard_is_no_corpus(call: Call, arguments: list[str], tmp_path: Path) -> None:
    _done(call("corpus", "build", *arguments, "--out", str(tmp_path / "out"), "--shard", "1/2"))
    refused = call("corpus", "stats", str(tmp_path / "out"))
    assert isinstance(refused.exception, DataError)
    assert "corpus merge" in str(refused.exception)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((), "either a RECIPE or --spec"),
        (("--spec", "core/text"), "say what to read"),
        (("recipe.toml", "--file", "x"), "go with --spec"),
    ],
)
def test_what_does_not_go_together_is_refused(call: Call, given: tuple[str, ...], message: str) -> None:
    result = call("corpus", "build", *given, "--out", "out")
    assert result.exit_code == 2
    assert message in result.output


def test_token_ids_are_divided_only_where_there_are_any(call: Call, text: Path, tmp_path: Path) -> None:
    base = ("corpus", "build", "--spec", "core/text", "--file", str(text), "--set", "corpus.held_out_share=0.2")
    refused = call(*base, "--out", str(tmp_path / "out"), "--tokens-per-file", "100").exception
    assert isinstance(refused, DataError)
    assert not (tmp_path / "out").exists()
    for shard in ("1", "2"):
        _done(call(*base, "--out", str(tmp_path / shard), "--shard", f"{shard}/2"))
    shards = [str(tmp_path / shard) for shard in ("1", "2")]
    refused = call("corpus", "merge", *shards, "--out", str(tmp_path / "out"), "--tokens-per-file", "100").exception
    assert isinstance(refused, DataError)
    assert not (tmp_path / "out").exists()


def test_only_the_corpus_can_be_set_without_a_recipe(call: Call, text: Path, tmp_path: Path) -> None:
    base = ("corpus", "build", "--spec", "core/text", "--file", str(text), "--out", str(tmp_path / "out"), "--set")
    assert isinstance(call(*base, "model.size=core/tiny").exception, RecipeError)
    unknown = call(*base, "corpus.deduplicate=true").exception
    assert isinstance(unknown, RecipeError)
    assert unknown.nearest == "deduplication"
    other = call(*base, 'corpus.files=["other.txt"]').exception
    assert isinstance(other, RecipeError)
    assert "--file" in str(other.remedy)


def test_what_the_guard_lacks_is_said(call: Call, text: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "test.conll").write_text("the\tO\n\nmast\n")
    guard = ("--guard", "core/conll", str(tmp_path / "test.conll"))
    base = ("corpus", "build", "--spec", "core/text", "--file", str(text), "--set", "corpus.held_out_share=0.2")
    _done(call(*base, *guard, "--out", str(tmp_path / "out")))
    assert "in the guarded files: 1 x line without a tag" in caplog.text


def test_bad_input_is_counted_in_the_manifest_and_costs_nothing_else(
    call: Call, arguments: list[str], tmp_path: Path, text: Path
) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    lines = [f"Log {number} of the Vega is whole." for number in range(40)]
    good = "\n\n".join(lines)
    packed = gzip.compress("\n\n".join(f"Page {number**9}." for number in range(5_000)).encode())
    (folder / "a.txt.gz").write_bytes(packed[: len(packed) // 2])  # cut short
    (folder / "b.txt").write_bytes(good.encode())
    (folder / "c.txt").write_bytes(
        "Käse an Bord.\n\n".encode() + "Gemüse an Bord.\n\n".encode("latin-1") + b"Salt on board."
    )
    (folder / "d.txt").write_bytes(b"Before the long line.\n\n" + b"x" * 50_000_000 + b"\n\nBehind the long line.\n")
    (folder / "e.txt").write_bytes(bytes(range(128, 256)) * 40)
    arguments[arguments.index(str(text))] = str(folder / "*")

    refused = call("corpus", "build", *arguments, "--out", str(tmp_path / "refused"))
    assert isinstance(refused.exception, DataError)
    assert str(folder / "a.txt.gz") in str(refused.exception)

    skip = ("--set", "corpus.on_bad_input=skip", "--set", "corpus.deduplication.exact=false")
    _done(call("corpus", "build", *arguments, *skip, "--out", str(tmp_path / "out")))
    kept = "".join((tmp_path / "out" / "text" / f"{side}.txt").read_text() for side in ("train", "held_out"))
    expected = [*lines, "Käse an Bord.", "Salt on board.", "Before the long line.", "Behind the long line."]
    assert not [line for line in expected if f"{line}\n" not in kept]
    assert "Gem" not in kept
    problems = json.loads((tmp_path / "out" / "manifest.json").read_text())["problems"]
    assert problems["counts"]["the line is too long (left out)"] == 1
    assert problems["counts"]["not UTF-8 (left out)"] >= 2
    places = [example["where"].removeprefix(f"{folder}/") for example in problems["examples"]]
    assert {place.partition(":")[0] for place in places} == {"a.txt.gz", "c.txt", "d.txt", "e.txt"}
    assert {"c.txt:3", "d.txt:3"} <= set(places)
