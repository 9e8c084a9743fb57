from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from domainlm.api import Document, ProblemLog
from domainlm.builtin.specs import read_text
from domainlm.errors import DataError, StorageError, UserError
from domainlm.text.corpus import document_sentences, is_held_out
from domainlm.text.indexed import IndexedDataset
from domainlm.text.preparation import blocks
from domainlm.text.preparation.blocks import Shard
from domainlm.text.preparation.encoding import encode_text
from domainlm.text.preparation.leaks import GuardedText, LeakGuard, LeakSettings
from domainlm.text.preparation.merging import DuplicateSettings
from domainlm.text.preparation.near import NearSettings
from domainlm.text.preparation.prepare import Preparation, Prepared, finish, prepare_parts
from domainlm.text.preparation.work import Encoding
from domainlm.text.several import open_dataset

Prepare = Callable[..., tuple[Prepared, Path]]
FilesOf = Callable[[Path], dict[str, bytes]]
PreparationOf = Callable[..., Preparation]
FinishInto = Callable[..., Prepared]


def _removed(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "removed.jsonl").read_text().splitlines()]


def _by_hand(paths: list[Path], guarded: tuple[str, ...] = ()) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The two texts, and id and reason of what is left out, by one loop over the documents."""
    sides = {"train.txt": "", "held_out.txt": ""}
    removed = []
    seen: dict[str, str] = {}
    for path in paths:
        for document in read_text(path, ProblemLog()):
            sentences = document_sentences(document)
            text = " ".join(sentences)
            if any(given in text for given in guarded):
                removed.append((document.id, "leak"))
            elif text in seen:
                removed.append((document.id, f"exact duplicate of {seen[text]}"))
            else:
                seen[text] = document.id
                side = "held_out.txt" if is_held_out(document.id, 0.2) else "train.txt"
                sides[side] += "\n".join(sentences) + "\n\n"
    return sides, removed


@pytest.mark.usefixtures("small_blocks")
def test_the_corpus_is_what_one_loop_would_write(ships: list[Path], prepare: Prepare, files_of: FilesOf) -> None:
    prepared, out = prepare(ships)
    sides, removed = _by_hand(ships)
    assert len(list((out / "work-1" / "parts").glob("*-*"))) > 10
    assert {name: files_of(out)[name].decode() for name in sides} == sides
    found = [(entry["id"], f"{entry['reason']} of {entry['duplicate_of']}") for entry in _removed(out)]
    assert found == removed
    assert len(removed) == prepared.documents["num_exact_duplicates"] > 12
    for name, text in sides.items():
        counts = prepared.sides[name.removesuffix(".txt")]
        assert counts.num_documents == text.count("\n\n")
        assert counts.num_sentences == sum(1 for line in text.splitlines() if line)
        assert counts.num_words == len(text.split())
        assert counts.num_bytes == len(text.encode())


@pytest.mark.usefixtures("small_blocks")
def test_duplicates_stay_where_they_are_wanted(ships: list[Path], prepare: Prepare) -> None:
    prepared, out = prepare(ships, duplicates=DuplicateSettings(exact=False))
    assert prepared.documents["num_kept"] == prepared.documents["num_documents"]
    assert _removed(out) == []


def _everything(helpers: ModuleType, dtype: str = "<u2") -> dict[str, Any]:
    guarded = [GuardedText("logs, test", "1:0", "Ship 12 left port on day 5. It carried 36 barrels.")]
    make = helpers.short if dtype == "<u2" else helpers.long
    return {
        "duplicates": DuplicateSettings(near=NearSettings(threshold=0.6, num_words=2)),
        "guard": LeakGuard.of(guarded, LeakSettings(num_words=8)),
        "encoding": Encoding(make, dtype, dtype),
    }


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("shards", [2, 3, 5])
def test_merged_shards_are_the_corpus_without_shards(
    ships: list[Path], prepare: Prepare, files_of: FilesOf, helpers: ModuleType, shards: int
) -> None:
    whole, out = prepare(ships, "whole", **_everything(helpers))
    merged, merged_out = prepare(ships, "merged", shards=shards, **_everything(helpers))
    assert files_of(merged_out) == files_of(out)
    assert merged.as_dict() == whole.as_dict()
    assert whole.documents["num_leaked"] == 1
    assert whole.documents["num_near_duplicates"] > 3
    parts = [{path.name for path in (merged_out / f"work-{n}" / "parts").glob("*-*")} for n in range(1, shards + 1)]
    assert all(parts)
    assert sum(map(len, parts)) == len(set.union(*parts)) > 10  # each block is made by one shard


@pytest.mark.parametrize("is_by_group", [True, False])
def test_processes_make_the_same_corpus(
    ships: list[Path],
    prepare: Prepare,
    files_of: FilesOf,
    helpers: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    is_by_group: bool,
) -> None:
    # By group: worker processes read; there are groups enough. By block: this process reads the one group.
    monkeypatch.setattr(blocks, "GROUP_BYTES", 1 if is_by_group else 2**20)
    monkeypatch.setattr(blocks, "BLOCK_CHARACTERS", 2**20 if is_by_group else 300)
    paths = [*ships, ships[0].with_name("d.txt")]
    shutil.copy(ships[0], paths[-1])
    _, alone = prepare(paths, "alone", **_everything(helpers))
    _, out = prepare(paths, "together", num_workers=2, **_everything(helpers))
    assert files_of(out) == files_of(alone)


def test_small_files_are_gathered_in_one_part(ships: list[Path], prepare: Prepare) -> None:
    _, out = prepare(ships)
    assert [path.name for path in (out / "work-1" / "parts").glob("*-*")] == ["000000-000000"]


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("dtype", ["<u2", "<i4"])
def test_ids_are_those_of_the_finished_text(
    ships: list[Path], prepare: Prepare, helpers: ModuleType, tmp_path: Path, dtype: str
) -> None:
    settings = _everything(helpers, dtype)
    prepared, out = prepare(ships, **settings)
    for side in ("train", "held_out"):
        encode_text(
            out / "text" / f"{side}.txt",
            tmp_path / side,
            encoding=settings["encoding"],
            num_workers=1,
            work=tmp_path / "w",
        )
        for ending in ("bin", "idx"):
            expected = (tmp_path / f"{side}.{ending}").read_bytes()
            assert (out / "tokens" / f"{side}.{ending}").read_bytes() == expected
        dataset = IndexedDataset(out / "tokens" / side)
        assert len(dataset.tokens) == prepared.sides[side].num_tokens
        assert dataset.tokens.dtype.str == dtype


@pytest.mark.usefixtures("small_blocks")
def test_ids_may_be_divided_into_files(
    ships: list[Path], preparation_of: PreparationOf, helpers: ModuleType, tmp_path: Path
) -> None:
    preparation = preparation_of(ships, **_everything(helpers))
    prepare_parts(preparation, tmp_path / "work", num_workers=1)
    datasets = []
    for name, tokens_per_file in (("one", None), ("several", 300)):
        finish(
            preparation.finishing,
            [tmp_path / "work"],
            text=tmp_path / name,
            tokens=tmp_path / name,
            removed=tmp_path / name / "removed",
            tokens_per_file=tokens_per_file,
        )
        datasets.append(open_dataset(tmp_path / name / "train"))
    whole, several = datasets
    sizes = [
        len(IndexedDataset(path.with_suffix("")).tokens) for path in sorted((tmp_path / "several").glob("train-*.idx"))
    ]
    assert len(sizes) > 3
    assert all(size >= 300 for size in sizes[:-1])
    assert several.tokens[0 : sum(sizes)].tolist() == whole.tokens.tolist()
    assert several.documents.tolist() == whole.documents.tolist()
    assert several.lengths.tolist() == whole.lengths.tolist()


@pytest.mark.usefixtures("small_blocks")
def test_reading_stops_after_the_documents_asked_for(ships: list[Path], prepare: Prepare, files_of: FilesOf) -> None:
    documents = [document.id for path in ships for document in read_text(path, ProblemLog())]
    prepared, out = prepare(ships, "few", max_documents=40)
    assert prepared.documents["num_documents"] == 40
    listed = [line.split("\t")[0] for line in (out / "text" / "documents.tsv").read_text().splitlines()[1:]]
    assert sorted(listed + [entry["id"] for entry in _removed(out)]) == sorted(documents[:40])
    _, merged = prepare(ships, "few-in-shards", max_documents=40, shards=3)
    assert files_of(merged) == files_of(out)


@pytest.mark.usefixtures("small_blocks")
def test_documents_that_only_remove_others_are_not_counted(prepare: Prepare, files_of: FilesOf, tmp_path: Path) -> None:
    def read(path: Path, problems: ProblemLog) -> Iterator[Document]:
        for number in range(20):
            yield Document(f"{path.stem}-{number}", (f"Text {path.stem} {number}.",) if number % 4 == 3 else ())

    paths = [tmp_path / name for name in ("a.txt", "b.txt", "c.txt")]
    for path in paths:
        path.write_text("x")
    settings = {"read": read, "max_documents": 7, "duplicates": DuplicateSettings(replaced=True)}
    prepared, out = prepare(paths, "few", **settings)
    assert prepared.documents["num_documents"] == 7
    listed = [line.split("\t")[0] for line in (out / "text" / "documents.tsv").read_text().splitlines()[1:]]
    assert sorted(listed) == ["a-11", "a-15", "a-19", "a-3", "a-7", "b-3", "b-7"]
    _, merged = prepare(paths, "few-in-shards", shards=2, **settings)
    assert files_of(merged) == files_of(out)


@pytest.mark.parametrize(
    ("max_documents", "replaced", "is_said"), [(5, True, True), (5, False, False), (None, True, False)]
)
def test_the_plan_says_what_is_counted_only_where_it_matters(
    max_documents: int | None, replaced: bool, is_said: bool, ships: list[Path], preparation_of: PreparationOf
) -> None:
    duplicates = DuplicateSettings(replaced=replaced)
    plan = preparation_of(ships, max_documents=max_documents, duplicates=duplicates).plan()
    assert ("counted" in plan) is is_said


def test_a_later_document_of_the_same_id_replaces_the_earlier(prepare: Prepare, tmp_path: Path) -> None:
    versions = [("a", "Old."), ("b", "Stays."), ("c", "Goes."), ("a", "New."), ("c", ""), ("d", "Stays too.")]

    def read(path: Path, problems: ProblemLog) -> Iterator[Document]:
        for given, text in versions:
            yield Document(given, (text,) if text else ())

    (tmp_path / "a.txt").write_text("x")
    share = 0.5
    prepared, out = prepare(
        [tmp_path / "a.txt"], read=read, duplicates=DuplicateSettings(replaced=True), held_out_share=share
    )
    texts = {line for side in ("train", "held_out") for line in (out / "text" / f"{side}.txt").read_text().splitlines()}
    assert texts - {""} == {"New.", "Stays.", "Stays too."}
    assert {key: prepared.documents[f"num_{key}"] for key in ("documents", "kept", "replaced", "removed", "empty")} == {
        "documents": 5,
        "kept": 3,
        "replaced": 1,
        "removed": 1,
        "empty": 0,
    }
    assert [(entry["id"], entry["reason"]) for entry in _removed(out)] == [("a", "replaced"), ("c", "removed")]


def test_a_lower_version_does_not_replace_a_higher_one(prepare: Prepare, tmp_path: Path) -> None:
    versions = [
        ("a", "First, second version.", 2),
        ("a", "First, first version.", 1),
        ("b", "Second, second version.", 2),
        ("b", "", 1),
        ("c", "Third.", 1),
        ("c", "", 2),
        ("d", "", 1),
        ("d", "Fourth, come back.", 1),
        ("e", "", 1),
    ]

    def read(path: Path, problems: ProblemLog) -> Iterator[Document]:
        for given, text, version in versions:
            yield Document(given, (text,) if text else (), version=version)

    (tmp_path / "a.txt").write_text("x")
    prepared, out = prepare(
        [tmp_path / "a.txt"], read=read, duplicates=DuplicateSettings(replaced=True), held_out_share=0.5
    )
    texts = {line for side in ("train", "held_out") for line in (out / "text" / f"{side}.txt").read_text().splitlines()}
    assert texts - {""} == {"First, second version.", "Second, second version.", "Fourth, come back."}
    assert [(entry["id"], entry["reason"]) for entry in _removed(out)] == [("a", "replaced"), ("c", "removed")]
    assert prepared.documents["num_documents"] == 5


def test_ids_of_any_kind_are_kept_apart(prepare: Prepare, tmp_path: Path) -> None:
    ids = ["a\tb", "a\\tb", "a\nb", "\ud800", "\u00e9"]

    def read(path: Path, problems: ProblemLog) -> Iterator[Document]:
        yield from (Document(given, (f"Text {number}.",)) for number, given in enumerate(ids))

    (tmp_path / "a.txt").write_text("x")
    _, out = prepare([tmp_path / "a.txt"], read=read, held_out_share=0.5)
    lines = (out / "text" / "documents.tsv").read_bytes().decode("utf-8", "surrogatepass").splitlines()[1:]
    assert [line.count("\t") for line in lines] == [6] * 5
    assert len({line.split("\t")[0] for line in lines}) == 5


@pytest.mark.usefixtures("small_blocks")
def test_parts_made_in_another_way_are_refused(
    ships: list[Path], preparation_of: PreparationOf, tmp_path: Path
) -> None:
    prepare_parts(preparation_of(ships), tmp_path / "work", num_workers=1)
    with pytest.raises(StorageError, match="prepared in another way") as caught:
        prepare_parts(preparation_of(ships, held_out_share=0.3), tmp_path / "work", num_workers=1)
    assert caught.value.given == "other finishing"


@pytest.mark.usefixtures("small_blocks")
def test_a_missing_shard_is_named(
    ships: list[Path], preparation_of: PreparationOf, finish_into: FinishInto, tmp_path: Path
) -> None:
    preparation = preparation_of(ships)
    prepare_parts(preparation, tmp_path / "work", num_workers=1, shard=Shard(1, 3))
    with pytest.raises(DataError, match="not all parts") as caught:
        finish_into(preparation, [tmp_path / "work"], tmp_path)
    assert "group 1" in str(caught.value.given)
    assert not (tmp_path / "text").exists()


@pytest.mark.parametrize("given", ["", "1", "0/2", "3/2", "a/b", "1/2/3", "-1/2"])
def test_what_is_no_shard_is_refused(given: str) -> None:
    with pytest.raises(UserError, match="not a shard"):
        Shard.parse(given)


def test_a_corpus_without_text_writes_nothing(
    write_corpus: Callable[..., list[Path]], prepare: Prepare, tmp_path: Path
) -> None:
    guard = LeakGuard.of([GuardedText("t", "1", "one two three")], LeakSettings(num_words=2))
    with pytest.raises(DataError, match="no text"):
        prepare(write_corpus({"a.txt": ["One, two, three."]}), guard=guard)
    assert not (tmp_path / "out" / "text").exists()
