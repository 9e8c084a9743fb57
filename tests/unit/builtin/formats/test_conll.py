from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domainlm.api import DataError, Entity, ProblemLog, TokenExample
from domainlm.builtin.formats.conll import read_conll

TWO_SENTENCES = "Ada\tB-person\nLovelace\tI-person\nsailed\tO\n\nVega\tB-ship\nleft\tO\n"


@pytest.fixture
def problems() -> ProblemLog:
    return ProblemLog()


def _file(folder: Path, content: str, name: str = "crew.tsv") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(content.encode()) if name.endswith(".gz") else content.encode())
    return path


@pytest.mark.parametrize("name", ["crew.tsv", "crew.tsv.gz", "crew"])
def test_words_offsets_and_entities(tmp_path: Path, problems: ProblemLog, name: str) -> None:
    first, second = read_conll(_file(tmp_path, TWO_SENTENCES, name), problems)
    assert first == TokenExample(
        id="crew:1",
        text="Ada Lovelace sailed",
        words=((0, 3), (4, 12), (13, 19)),
        entities=(Entity(0, 12, "person"),),
    )
    assert second == TokenExample("crew:2", "Vega left", ((0, 4), (5, 9)), (Entity(0, 4, "ship"),))
    assert not problems.counts


@pytest.mark.parametrize(
    "content",
    [
        TWO_SENTENCES.replace("\t", " "),
        TWO_SENTENCES.replace("\t", " \t "),
        TWO_SENTENCES.replace("\t", "\tNNP\t_\t"),
        TWO_SENTENCES.replace("\t", " NNP  _ "),
        TWO_SENTENCES.replace("\n", "\r\n"),
        TWO_SENTENCES.replace("\n\n", "\n \t\n\n\n"),
        "\n\n" + TWO_SENTENCES.rstrip("\n"),
        "-DOCSTART- -X- O O\n\n" + TWO_SENTENCES,
        TWO_SENTENCES.replace("B-", "I-"),
        TWO_SENTENCES.replace("I-person", "E-person").replace("B-ship", "S-ship"),
        TWO_SENTENCES.replace("I-person", "L-person").replace("B-ship", "U-ship"),
    ],
    ids=[
        "blanks", "blanks and tabs", "more columns", "more columns, blanks", "windows", "several blank lines",
        "no last line break", "document start", "IOB1", "IOBES", "BILOU",
    ],
)  # fmt: skip
def test_all_these_files_say_the_same(tmp_path: Path, problems: ProblemLog, content: str) -> None:
    expected = list(read_conll(_file(tmp_path, TWO_SENTENCES), problems))
    assert list(read_conll(_file(tmp_path, content), problems)) == expected
    assert not problems.counts


@pytest.mark.parametrize("first", [0, 1])
def test_numbers_in_place_of_words_are_refused(tmp_path: Path, problems: ProblemLog, first: int) -> None:
    rows = ("EU\tB-ORG", "rejects\tO"), ("Vega\tB-ship",)
    content = "\n\n".join("\n".join(f"{n}\t{row}" for n, row in enumerate(each, first)) for each in rows)
    with pytest.raises(DataError, match="numbers the words") as refused:
        list(read_conll(_file(tmp_path, content), problems))
    assert refused.value.given == f"{first} {first + 1}"
    assert "take out the first column" in str(refused.value)


@pytest.mark.parametrize("content", ["1\tO\n\n1\tO\n", "1\tO\n2\tO\n\nEU\tB-ORG\n", "2\tO\n3\tO\n", "1\tO\n1\tO\n"])
def test_words_may_be_numbers(tmp_path: Path, problems: ProblemLog, content: str) -> None:
    assert list(read_conll(_file(tmp_path, content), problems))


@pytest.mark.parametrize("line", ["# id 1", "token\ttag", "word pos ner"])
def test_a_line_that_is_no_word_is_refused_with_a_remedy(tmp_path: Path, problems: ProblemLog, line: str) -> None:
    with pytest.raises(DataError, match="unknown tag") as refused:
        list(read_conll(_file(tmp_path, f"{line}\n{TWO_SENTENCES}"), problems))
    assert str(refused.value.where).endswith("crew.tsv:1")
    assert "column names, comments" in str(refused.value.remedy)


def test_ids_say_which_document_a_sentence_is_of(tmp_path: Path, problems: ProblemLog) -> None:
    start = "-DOCSTART- -X- O O\n\n"
    untagged = "Lyra\n\n"
    content = "\n".join([start + TWO_SENTENCES, start + start + untagged + TWO_SENTENCES, "Oslo\tO\n"])
    found = list(read_conll(_file(tmp_path, content), problems))
    assert [example.id for example in found] == ["crew:1:0", "crew:1:1", "crew:3:1", "crew:3:2", "crew:3:3"]
    between = list(read_conll(_file(tmp_path, TWO_SENTENCES.replace("\n\n", "\n-DOCSTART-\n")), problems))
    plain = list(read_conll(_file(tmp_path, TWO_SENTENCES), problems))
    assert between == [replace(each, id=f"crew:{place}:0") for place, each in enumerate(plain)]


def test_words_may_be_white_space_of_other_kinds_and_hold_blanks(tmp_path: Path, problems: ProblemLog) -> None:
    content = "\u00a0\tO\nNew York\tB-place\n\u2028\tO\n🚢\tB-ship\n"
    (example,) = read_conll(_file(tmp_path, content), problems)
    assert example.text == "\u00a0 New York \u2028 🚢"
    assert [example.text[start:end] for start, end in example.words] == ["\u00a0", "New York", "\u2028", "🚢"]
    assert [example.text[each.start : each.end] for each in example.entities] == ["New York", "🚢"]


def test_a_sentence_with_a_line_without_tag_is_left_out_and_its_number_stays_free(
    tmp_path: Path, problems: ProblemLog
) -> None:
    content = "a\tO\n\nb\tO\nVega\nc\tB-ship\nd\n\ne\tB-ship\n"
    path = _file(tmp_path, content)
    assert [(example.id, example.text) for example in read_conll(path, problems)] == [("crew:1", "a"), ("crew:3", "e")]
    assert problems.counts == {"line without a tag": 1}
    assert problems.examples[0].where == f"{path}:4"
    assert problems.examples[0].detail == "sentence of 4 words left out"


@pytest.mark.parametrize("line", ["\tO", "word\t", "word \t ", "word"])
def test_damaged_lines(tmp_path: Path, problems: ProblemLog, line: str) -> None:
    (example,) = read_conll(_file(tmp_path, f"a\tO\n\nb\tO\n{line}\n"), problems)
    assert example.text == "a"
    assert problems.counts == {"line without a tag": 1}


def test_tags_that_break_the_scheme_are_counted_with_their_line(tmp_path: Path, problems: ProblemLog) -> None:
    path = _file(tmp_path, TWO_SENTENCES + "\nthe\tO\nOrion\tI-ship\n")
    *_, last = read_conll(path, problems)
    assert last.entities == (Entity(4, 9, "ship"),)
    assert problems.counts == {"tag breaks the IOB2 scheme": 1}
    assert problems.examples[0].where == f"{path}:9"


def test_tags_of_a_left_out_sentence_do_not_count_for_the_scheme(tmp_path: Path, problems: ProblemLog) -> None:
    alone = list(read_conll(_file(tmp_path, TWO_SENTENCES), ProblemLog()))
    assert list(read_conll(_file(tmp_path, TWO_SENTENCES + "\nx\tM-x\ny\n"), problems)) == alone
    assert problems.counts == {"line without a tag": 1}


@pytest.mark.parametrize(
    ("content", "where", "problem"),
    [
        ("a\tO\nb\tM-ship\n", ":2", "unknown tag"),
        ("a\tB-x\nb\tE-x\n\nc\tU-x\n", ":4", "mixed tag schemes"),
        ("one\n\ntwo\n", ":1", "no sentence with a tag for every word"),
        ("\n\n", "", "no sentence with a tag for every word"),
        ("-DOCSTART- -X- O O\n", "", "no sentence with a tag for every word"),
        ("", "", "is empty"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, problems: ProblemLog, content: str, where: str, problem: str) -> None:
    path = _file(tmp_path, content)
    with pytest.raises(DataError, match=problem) as caught:
        list(read_conll(path, problems))
    assert caught.value.where == f"{path}{where}"


WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=" "), min_size=1, max_size=8)
TAGGED = st.lists(st.lists(st.tuples(WORDS, st.sampled_from(["O", "B-x", "I-x"])), min_size=1), min_size=1, max_size=5)


@given(TAGGED)
@settings(deadline=None)
def test_words_come_back_in_order_at_their_offsets(
    tmp_path_factory: pytest.TempPathFactory, sentences: list[list[tuple[str, str]]]
) -> None:
    sentences = [[(word, tag) for word, tag in lines if word != "-DOCSTART-"] or [("x", "O")] for lines in sentences]
    content = "\n".join("".join(f"{word}\t{tag}\n" for word, tag in sentence) for sentence in sentences)
    path = _file(tmp_path_factory.mktemp("conll"), "\ufeff" + content)
    examples = list(read_conll(path, ProblemLog()))
    assert [[example.text[start:end] for start, end in example.words] for example in examples] == [
        [word for word, _ in sentence] for sentence in sentences
    ]
    for example, sentence in zip(examples, sentences, strict=True):
        covered = [any(e.start <= start < e.end for e in example.entities) for start, _ in example.words]
        assert covered == [tag != "O" for _, tag in sentence]


@given(st.binary(max_size=200) | st.text(st.sampled_from("aB-xIOE \t\n\r\u00a0\x0b-DOCSTART"), max_size=200))
@settings(deadline=None, max_examples=300)
def test_any_bytes_give_sentences_or_one_clear_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes | str
) -> None:
    path = tmp_path_factory.mktemp("conll") / "fuzz.tsv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    examples = _examples_or_refusal(path)
    for example in examples:
        assert example.words
        assert example.text == " ".join(example.text[start:end] for start, end in example.words)
        borders = {border for word in example.words for border in word}
        assert all({entity.start, entity.end} <= borders for entity in example.entities)


def _examples_or_refusal(path: Path) -> list[TokenExample]:
    """The file's examples, at least one; none where it is refused with an error that names it."""
    examples: list[TokenExample] = []
    refusal: DataError | None = None
    try:
        examples = list(read_conll(path, ProblemLog()))
    except DataError as error:
        refusal = error
    assert examples or (refusal is not None and str(refusal.where).startswith(str(path)))
    return examples


@pytest.mark.real
@pytest.mark.parametrize(
    ("data_set", "split", "expected"),
    [
        ("NCBI-disease", "train", (5_424, 135_701, 5_134)),
        ("NCBI-disease", "devel", (923, 23_969, 787)),
        ("NCBI-disease", "test", (940, 24_497, 960)),
        ("BC5CDR-chem", "train", (4_560, 118_170, 5_203)),
        ("BC5CDR-chem", "devel", (4_581, 117_453, 5_347)),
        ("BC5CDR-chem", "test", (4_797, 124_750, 5_385)),
        ("BC5CDR-disease", "train", (4_560, 118_170, 4_182)),
        ("BC5CDR-disease", "devel", (4_581, 117_453, 4_246)),
        ("BC5CDR-disease", "test", (4_797, 124_750, 4_424)),
    ],
)
def test_numbers_of_the_published_files(
    data_dir: Path, data_set: str, split: str, expected: tuple[int, int, int]
) -> None:
    """Sentences, words and entities as the data folder's README counts them."""
    folder = data_dir / "ner" / "iob" / data_set
    (path,) = folder.glob(f"{split}.tsv*")
    num_sentences = num_words = num_entities = 0
    for example in read_conll(path, ProblemLog()):
        num_sentences += 1
        num_words += len(example.words)
        num_entities += len(example.entities)
    assert (num_sentences, num_words, num_entities) == expected
