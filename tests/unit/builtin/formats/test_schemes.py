from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainlm.api import DataError
from domainlm.builtin.formats.schemes import Scheme, SchemeDetector, Span, find_breaks, read_spans, split_tag

# A person of two words, directly after it another of one word; then a ship of three words.
WRITTEN: dict[Scheme, str] = {
    "IOB1": "I-P I-P B-P O O I-S I-S I-S O",
    "IOB2": "B-P I-P B-P O O B-S I-S I-S O",
    "IOBES": "B-P E-P S-P O O B-S I-S E-S O",
    "BILOU": "B-P L-P U-P O O B-S I-S L-S O",
}
SPANS = [Span(0, 2, "P"), Span(2, 3, "P"), Span(5, 8, "S")]


def _detect(*sentences: str) -> Scheme:
    detector = SchemeDetector(Path("crew.tsv"))
    for number, sentence in enumerate(sentences):
        detector.add(sentence.split(), 100 * number + 1)
    return detector.scheme()


@pytest.mark.parametrize("scheme", WRITTEN)
def test_every_scheme_is_recognised_and_says_the_same(scheme: Scheme) -> None:
    tags = WRITTEN[scheme].split()
    assert _detect(WRITTEN[scheme]) == scheme
    assert read_spans(tags) == SPANS
    assert find_breaks(tags, scheme) == []


@pytest.mark.parametrize(
    ("sentence", "scheme"),
    [
        ("O O", "IOB2"),
        ("B-P I-P O", "IOB2"),
        ("I-P I-P O", "IOB1"),
        ("I-P B-P O I-S", "IOB1"),  # the B- is one that IOB1 needs
        ("S-P O", "IOBES"),
        ("B-P E-P", "IOBES"),
        ("U-P", "BILOU"),
        ("B I O I O I", "IOB1"),
        ("B-P I-P O I-S O B-S", "IOB2"),  # two against one
    ],
)
def test_the_whole_evidence_decides(sentence: str, scheme: Scheme) -> None:
    assert _detect(sentence) == scheme


def test_evidence_is_summed_over_sentences() -> None:
    assert _detect("I-P O", "I-P O", "B-P O") == "IOB1"
    assert _detect("I-P O", "B-P O", "B-P O") == "IOB2"


@pytest.mark.parametrize(
    ("sentences", "line", "tag", "problem"),
    [
        (["O O", "B-P M-P"], 102, "M-P", "unknown tag"),
        (["O", "P-B"], 101, "P-B", "unknown tag"),
        (["b-P"], 1, "b-P", "unknown tag"),
        (["O-P"], 1, "O-P", "unknown tag"),
        (["B-"], 1, "B-", "unknown tag"),
        (["0"], 1, "0", "unknown tag"),
        (["B-P E-P", "O U-P", "S-P"], 102, "U-P", "mixed tag schemes"),
        (["U-P", "B-P", "S-P"], 201, "S-P", "mixed tag schemes"),
        (["O I-P E-P"], 3, "E-P", "unknown tag scheme: entities end"),  # IOE2
        (["I-P L-P"], 2, "L-P", "unknown tag scheme: entities end"),
    ],
)
def test_other_schemes_and_mixes_are_refused(sentences: list[str], line: int, tag: str, problem: str) -> None:
    with pytest.raises(DataError) as caught:
        _detect(*sentences)
    assert caught.value.where == f"crew.tsv:{line}"
    assert caught.value.given == tag
    assert caught.value.problem.startswith(problem)
    for name in ("IOB1", "IOB2 (BIO)", "IOBES (BIOES)", "BILOU"):
        assert name in str(caught.value)


@pytest.mark.parametrize(
    ("scheme", "sentence", "breaks", "spans"),
    [
        ("IOB2", "O I-P I-P", [1], [(1, 3, "P")]),
        ("IOB2", "I-P O B-P I-S", [0, 3], [(0, 1, "P"), (2, 3, "P"), (3, 4, "S")]),
        ("IOB1", "O B-P", [1], [(1, 2, "P")]),
        ("IOBES", "B-P O", [1], [(0, 1, "P")]),  # the O stands where an I- or E- is due
        ("IOBES", "O B-P", [1], [(1, 2, "P")]),  # the sentence ends too early: its last word is named
        ("IOBES", "S-P I-P E-P", [1], [(0, 1, "P"), (1, 3, "P")]),
        ("IOBES", "E-P E-P", [0, 1], [(0, 1, "P"), (1, 2, "P")]),
        ("IOBES", "B-P E-S", [1], [(0, 1, "P"), (1, 2, "S")]),
        ("BILOU", "B-P B-P L-P", [1], [(0, 1, "P"), (1, 3, "P")]),
    ],
)
def test_tags_that_break_the_scheme(
    scheme: Scheme, sentence: str, breaks: list[int], spans: list[tuple[int, int, str]]
) -> None:
    assert find_breaks(sentence.split(), scheme) == breaks
    assert read_spans(sentence.split()) == [Span(*span) for span in spans]


def test_tags_without_types() -> None:
    assert read_spans(["B", "I", "O", "B"]) == [Span(0, 2, "entity"), Span(3, 4, "entity")]
    assert split_tag("O") == ("O", "")
    assert split_tag("I-a-b") == ("I", "a-b")


@st.composite
def _entities(draw: st.DrawFn) -> tuple[int, list[Span]]:
    """Some words, and entities of them in order."""
    spans: list[Span] = []
    place = 0
    for gap, length, name in draw(
        st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4), st.sampled_from(["P", "S-2"])), max_size=6)
    ):
        spans.append(Span(place + gap, place + gap + length, name))
        place += gap + length
    return place + draw(st.integers(0, 2)), spans


def _write(num_words: int, spans: list[Span], scheme: Scheme) -> list[str]:
    tags = ["O"] * num_words
    single, last = {"IOBES": ("S", "E"), "BILOU": ("U", "L")}.get(scheme, ("B", "I"))
    before: Span | None = None
    for span in spans:
        letters = [single] if span.end - span.start == 1 else ["B", *"I" * (span.end - span.start - 2), last]
        touches = before is not None and (before.end, before.type) == (span.start, span.type)
        if scheme == "IOB1" and not touches:
            letters[0] = "I"
        tags[span.start : span.end] = [f"{letter}-{span.type}" for letter in letters]
        before = span
    return tags


@given(_entities(), st.sampled_from(list(WRITTEN)))
def test_written_in_any_scheme_and_read_again(entities: tuple[int, list[Span]], scheme: Scheme) -> None:
    num_words, spans = entities
    tags = _write(num_words, spans, scheme)
    assert read_spans(tags) == spans
    assert find_breaks(tags, scheme) == []


@given(st.lists(st.sampled_from(["O", *(f"{letter}-{name}" for letter in "BIESLU" for name in "PS")]), max_size=12))
def test_any_tags_give_entities_in_order_that_cover_the_tagged_words(tags: list[str]) -> None:
    spans = read_spans(tags)
    covered = [place for span in spans for place in range(span.start, span.end)]
    assert covered == [place for place, tag in enumerate(tags) if tag != "O"]
    assert all(tags[place].endswith(span.type) for span in spans for place in range(span.start, span.end))
