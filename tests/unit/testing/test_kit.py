"""The kit for plugin authors finds what is wrong, and says so."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from domainlm.api import (
    CorpusSpec,
    Document,
    ModelSizeSpec,
    ProblemLog,
    SampleWriter,
    VocabularySettings,
    VocabularySpec,
)
from domainlm.errors import UserError
from domainlm.reading import open_text
from domainlm.testing import (
    CheckError,
    check_corpus,
    check_model_size,
    check_vocabulary,
)


def _read_documents(path: Path, problems: ProblemLog) -> Iterator[Document]:
    for number, line in enumerate(open_text(path, problems)):
        yield Document(f"{path.name}:{number}", (line,))


def _write_text(folder: Path, seed: int, num_documents: int) -> Mapping[str, tuple[Path, ...]]:
    draw = random.Random(seed)  # noqa: S311 - nothing secret
    path = folder / "soup.txt"
    path.write_text("\n".join(f"Add {draw.random()} salt." for _ in range(num_documents)), encoding="utf-8")
    return {"text": (path,)}


_SAMPLE = SampleWriter(write=_write_text, description="synthetic")


def _corpus(**changes: Any) -> CorpusSpec:  # noqa: ANN401 - any field
    return replace(CorpusSpec(name="cook/soups", description="soups", read=_read_documents, sample=_SAMPLE), **changes)


def test_a_sound_corpus_passes_with_its_counts() -> None:
    counts = check_corpus(_corpus(patterns=("*.txt",)))

    assert (counts.num_documents, counts.num_paragraphs, counts.problems) == (8, 8, {})


def test_a_corpus_can_be_checked_on_a_file(tmp_path: Path) -> None:
    path = tmp_path / "soups.txt"
    path.write_text("Chop onions.\nBoil.\n", encoding="utf-8")

    assert check_corpus(_corpus(sample=None), path).num_documents == 2


def test_without_sample_a_file_must_be_given() -> None:
    with pytest.raises(CheckError, match="writes no sample"):
        check_corpus(_corpus(sample=None))


def _reads(*documents: object) -> Callable[[Path, ProblemLog], Iterator[Any]]:
    def read(path: Path, problems: ProblemLog) -> Iterator[Any]:
        list(open_text(path, problems))
        yield from documents

    return read


_ONE = Document("a", ("Stir.",))


@pytest.mark.parametrize(
    ("documents", "problem"),
    [
        ((), "the reader gives nothing"),
        (("text",), "must give Documents"),
        ((_ONE, _ONE), "two documents have one id"),
        ((Document("", ("Stir.",)),), "needs an id"),
        ((Document("a", ()),), "needs paragraphs"),
        ((Document("a", ["Stir."]),), "needs paragraphs, as a tuple"),  # type: ignore[arg-type]
        ((Document("a", ("Stir.", " ")),), "empty or holds a line break"),
        ((Document("a", ("Stir.\nServe.",)),), "empty or holds a line break"),
        ((Document("a", ("Stir.",), {"year": 1900}),), "meta must map text to text"),  # type: ignore[dict-item]
    ],
)
def test_bad_documents_are_found(documents: tuple[object, ...], problem: str) -> None:
    with pytest.raises(CheckError, match=problem):
        check_corpus(_corpus(read=_reads(*documents)))


def test_where_documents_are_replaced_ids_may_come_again_and_removals_have_no_paragraphs() -> None:
    read = _reads(_ONE, Document("a", ("Stir well.",)), Document("b", ()))

    counts = check_corpus(_corpus(read=read, replaces=True))

    assert (counts.num_documents, counts.num_paragraphs) == (3, 2)
    with pytest.raises(CheckError, match="needs paragraphs, as a tuple"):
        check_corpus(_corpus(read=_reads(Document("a", [])), replaces=True))  # type: ignore[arg-type]


def test_a_reader_that_gives_other_documents_each_time_is_found() -> None:
    calls = iter(range(100))

    def read(path: Path, problems: ProblemLog) -> Iterator[Document]:
        list(open_text(path, problems))
        yield Document(f"call-{next(calls)}", ("Stir.",))

    with pytest.raises(CheckError, match="other records the second time"):
        check_corpus(_corpus(read=read))


def test_a_reader_that_returns_a_list_does_not_stream() -> None:
    def read(path: Path, _: ProblemLog) -> list[Document]:
        return [Document(line, (line,)) for line in open_text(path)]

    with pytest.raises(CheckError, match="must stream"):
        check_corpus(_corpus(read=read))


def test_a_reader_must_refuse_missing_and_empty_files_clearly() -> None:
    def crashes(path: Path, _: ProblemLog) -> Iterator[Document]:
        yield Document("a", (path.read_text(encoding="utf-8").splitlines()[0],))

    def forgives(path: Path, _: ProblemLog) -> Iterator[Document]:
        if path.is_file() and path.stat().st_size:
            yield _ONE

    with pytest.raises(CheckError, match="a missing file must raise a DataError") as caught:
        check_corpus(_corpus(read=crashes))
    assert "FileNotFoundError" in str(caught.value)
    with pytest.raises(CheckError, match="a missing file must raise a DataError"):
        check_corpus(_corpus(read=forgives))


def test_a_reader_must_pass_over_a_line_in_another_encoding_where_bad_input_is_skipped() -> None:
    def stops(path: Path, _: ProblemLog) -> Iterator[Document]:
        for number, line in enumerate(open_text(path)):
            yield Document(f"{path.name}:{number}", (line,))

    def crashes(path: Path, _: ProblemLog) -> Iterator[Document]:
        next(open_text(path))
        yield Document("a", tuple(path.read_text("utf-8").splitlines()))

    def reads_whole(path: Path, _: ProblemLog) -> Iterator[Document]:
        for number, line in enumerate(list(open_text(path))):
            yield Document(f"{path.name}:{number}", (line,))

    with pytest.raises(CheckError, match=r"another encoding ends the file(.|\n)*open_text"):
        check_corpus(_corpus(read=stops))
    with pytest.raises(CheckError, match=r"another encoding must be skipped(.|\n)*UnicodeDecodeError"):
        check_corpus(_corpus(read=crashes))
    assert check_corpus(_corpus(read=reads_whole)).num_documents == 8


def test_a_packed_sample_gets_such_a_line_too() -> None:
    def write(folder: Path, seed: int, num_documents: int) -> Mapping[str, tuple[Path, ...]]:
        (plain,) = _write_text(folder, seed, num_documents)["text"]
        packed = plain.with_suffix(".txt.gz")
        packed.write_bytes(gzip.compress(plain.read_bytes(), mtime=0))
        plain.unlink()
        return {"text": (packed,)}

    skipped: list[int] = []

    def read(path: Path, problems: ProblemLog) -> Iterator[Document]:
        yield from _read_documents(path, problems)
        skipped.append(sum(problems.counts.values()))

    check_corpus(_corpus(read=read, sample=SampleWriter(write=write, description="synthetic")))
    assert skipped == [0, 0, 1]  # read twice, and once with such a line


def _writes(write: Callable[[Path, int], None], key: str = "text") -> SampleWriter:
    def written(folder: Path, seed: int, _: int) -> Mapping[str, tuple[Path, ...]]:
        write(folder, seed)
        return {key: (folder / "soup.txt",)}

    return SampleWriter(write=written, description="synthetic")


def _by_seed(folder: Path, seed: int) -> None:
    (folder / "soup.txt").write_text(f"Stir {seed} times.", encoding="utf-8")


def _always(folder: Path, _: int) -> None:
    (folder / "soup.txt").write_text("Stir.", encoding="utf-8")


def _by_folder(folder: Path, seed: int) -> None:
    (folder / "soup.txt").write_text(f"Stir {seed} times in {folder}.", encoding="utf-8")


def _nothing(_: Path, __: int) -> None:
    pass


@pytest.mark.parametrize(
    ("sample", "problem"),
    [
        (_writes(_by_folder), "differs when it is written twice"),
        (_writes(_always), "the same for every seed"),
        (_writes(_nothing), "names a file it did not write"),
        (_writes(_by_seed, key="train"), 'must have files under "text"'),
    ],
)
def test_bad_samples_are_found(sample: SampleWriter, problem: str) -> None:
    with pytest.raises(CheckError, match=problem):
        check_corpus(_corpus(sample=sample))


@pytest.mark.parametrize(
    ("returned", "problem"),
    [
        (lambda path: {"text": path}, "must return a tuple of paths for each split"),
        (lambda path: {"text": (str(path),)}, "must return a tuple of paths for each split"),
        (lambda path: {"text": str(path)}, "must return a tuple of paths for each split"),
        (lambda path: (path,), "must return its files by split"),
        (lambda path: {"text": (path,), "dev": (path,)}, 'must have files under "text"'),
        (lambda path: {"text": ()}, 'must have files under "text"'),
    ],
)
def test_what_a_writer_returns_is_checked(returned: Callable[[Path], Any], problem: str) -> None:
    def write(folder: Path, seed: int, num_documents: int) -> Any:  # noqa: ANN401 - wrong on purpose
        return returned(_write_text(folder, seed, num_documents)["text"][0])

    with pytest.raises(CheckError, match=problem):
        check_corpus(_corpus(sample=SampleWriter(write=write, description="synthetic")))


def test_a_sample_that_a_folder_search_would_miss_is_found() -> None:
    with pytest.raises(CheckError, match="would not be found in a folder"):
        check_corpus(_corpus(patterns=("*.xml",)))


def _vocabulary(learn: Callable[[Iterator[str], VocabularySettings], str]) -> VocabularySpec:
    return VocabularySpec(name="cook/letters", description="letters", algorithm="custom", learn=learn)


def _letters(sentences: Iterator[str], _: VocabularySettings) -> list[str]:
    letters = sorted({letter for sentence in sentences for letter in sentence if not letter.isspace()})
    return [*letters, *(f"##{letter}" for letter in letters)]


def _tokenizer(entries: list[str], *, lowercase: bool = False) -> str:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {entry: place for place, entry in enumerate([*special, *entries])}
    normalizer = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None}
    return json.dumps(
        {
            "version": "1.0",
            "added_tokens": [],
            "normalizer": normalizer | {"lowercase": lowercase},
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "model": {
                "type": "WordPiece",
                "unk_token": "[UNK]",
                "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 100,
                "vocab": vocabulary,
            },
        }
    )


def test_a_sound_vocabulary_passes() -> None:
    size = check_vocabulary(_vocabulary(lambda sentences, settings: _tokenizer(_letters(sentences, settings))))

    assert 5 + 2 * 10 < size <= 120


def test_a_vocabulary_larger_than_asked_for_is_found() -> None:
    with pytest.raises(CheckError, match="larger than asked for"):
        check_vocabulary(_vocabulary(lambda *_: _tokenizer([f"entry{n}" for n in range(200)])))


def test_a_vocabulary_without_capitals_that_is_declared_as_cased_is_found() -> None:
    def learn(sentences: Iterator[str], settings: VocabularySettings) -> str:
        return _tokenizer(_letters((text.lower() for text in sentences), settings), lowercase=True)

    with pytest.raises(UserError, match=r"is uncased, and cased was asked for(.|\n)*VocabularySpec\(cased=False\)"):
        check_vocabulary(_vocabulary(learn))
    assert check_vocabulary(replace(_vocabulary(learn), cased=False)) > 5


def test_a_vocabulary_that_differs_each_time_is_found() -> None:
    calls = iter(range(10))

    with pytest.raises(CheckError, match="another vocabulary the second time"):
        check_vocabulary(_vocabulary(lambda *_: _tokenizer([f"entry{next(calls)}"])))


def test_a_vocabulary_whose_file_is_missing_is_refused(tmp_path: Path) -> None:
    spec = VocabularySpec(name="cook/file", description="x", algorithm="file", file=tmp_path / "vocab.txt")

    with pytest.raises(UserError, match=r"vocab\.txt"):
        check_vocabulary(spec)


def test_a_vocabulary_learned_by_the_core_has_nothing_more_to_check() -> None:
    assert check_vocabulary(VocabularySpec(name="cook/pieces", description="x", algorithm="wordpiece")) == 0


def test_a_model_size_is_counted() -> None:
    spec = ModelSizeSpec(name="cook/pan", description="small", layers=1, hidden=32, heads=2, max_positions=64)

    # 1,024 rows of 32 alone are 32,768; a layer has 12 * 32 * 32 weights and some biases
    assert 45_056 < check_model_size(spec) < 60_000
