"""From texts to rows: marks around mentions, pairs, and what is cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainlm.api import Entity, SequenceExample
from domainlm.tasks.sequence.batches import collate, training_batches
from domainlm.tasks.sequence.features import LongTexts, ReadSettings, SequenceFeatures, build_features
from domainlm.tasks.sequence.marking import Marks, choose_marks

MARKS = Marks((91,), (93,), (60,), (62,))  # as if "[", "]", "<", ">" were entries that no text is read as


class _Letters:
    """A vocabulary whose sub-tokens are letters, by their code points; blanks are none."""

    pad_id, cls_id, sep_id = 0, 1, 2

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        return [[ord(letter) for letter in text if letter != " "] for text in texts]


def _rows(features: SequenceFeatures) -> list[str]:
    """The rows as text: ^ for [CLS], $ for [SEP]."""
    flat = "".join({1: "^", 2: "$"}.get(token, chr(token)) for token in features.tokens)
    return [flat[start:end] for start, end in zip(features.row_starts, features.row_starts[1:], strict=False)]


def _example(text: str, *markers: tuple[int, int], second: str | None = None) -> SequenceExample:
    return SequenceExample("a", text, "x", second, tuple(Entity(*each, "t") for each in markers))


def _build(*examples: SequenceExample, max_tokens: int = 40, marks: Marks | None = MARKS) -> SequenceFeatures:
    return build_features(examples, _Letters(), ReadSettings(max_tokens, marks))


@pytest.mark.parametrize(
    ("markers", "row"),
    [
        ([(0, 1), (4, 6)], "^[a]bc<de>f$"),
        ([(4, 6), (0, 1)], "^<a>bc[de]f$"),
        ([(0, 7), (4, 6)], "^[abc<de>f]$"),  # nested
        ([(4, 6), (0, 7)], "^<abc[de]f>$"),
        ([(0, 7), (5, 7)], "^[abcd<ef>]$"),  # of one end
        ([(0, 7), (0, 2)], "^[<ab>cdef]$"),  # of one start
        ([(2, 4), (2, 4)], "^ab[<c>]def$"),  # the same place
        ([(0, 4), (2, 6)], "^[ab<c]de>f$"),  # crossing
        ([(0, 2), (2, 4)], "^[ab]<c>def$"),  # side by side
    ],
)
def test_mentions_stand_between_marks(markers: list[tuple[int, int]], row: str) -> None:
    assert _rows(_build(_example("abc def", *markers))) == [row]


def test_without_marks_the_text_stays_as_it_is() -> None:
    assert _rows(_build(_example("abcdef", (0, 1), (3, 5)), marks=None)) == ["^abcdef$"]


def test_a_pair_is_one_row_of_two_types() -> None:
    features = _build(_example("abc", second="de"), _example("f", second=""))
    batch = collate(features, np.array([0, 1]))

    assert _rows(features) == ["^abc$de$", "^f$$"]
    assert batch.token_types.tolist() == [[0, 0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 0, 0, 0, 0]]
    assert batch.lengths.tolist() == [8, 4]
    assert batch.slots.tolist() == [[0], [8]]


def test_of_a_pair_the_longer_text_gives_way() -> None:
    features = _build(
        _example("abcdefgh", second="xy"), _example("ab", second="stuvwxyz"), _example("abcdefgh", second="stuvwxyz"),
        max_tokens=10,
    )  # fmt: skip
    assert _rows(features) == ["^abcde$xy$", "^ab$stuvw$", "^abcd$stu$"]
    assert features.is_cut.tolist() == [True, True, True]


@pytest.mark.parametrize(
    ("long_texts", "row"),
    [("start", "^abcd$stu$"), ("both_ends", "^abgh$stz$"), ("end", "^efgh$xyz$")],
)
def test_long_texts_keep_the_ends_that_are_asked_for(long_texts: LongTexts, row: str) -> None:
    settings = ReadSettings(10, long_texts=long_texts)
    pair, marked = _example("abcdefgh", second="stuvwxyz"), _example("abcdefghijklmnop", (8, 9), (9, 10))
    assert _rows(build_features([pair], _Letters(), settings)) == [row]
    assert _rows(build_features([marked], _Letters(), settings)) == ["^fghijklm$"]


def test_what_is_nearest_to_the_mentions_stays() -> None:
    text = "abcdefghijklmnopqrstuvwxyz"
    example = _example(text, (12, 13), (15, 16))

    assert _rows(_build(example, max_tokens=12, marks=None)) == ["^jklmnopqrs$"]
    assert _rows(_build(example, max_tokens=16)) == ["^jkl[m]no<p>qrs$"]


def test_distant_mentions_stay_and_the_middle_goes() -> None:
    (row,) = _rows(_build(_example("ab" + "-" * 40 + "cd", (0, 1), (43, 44)), max_tokens=12))
    assert row == "^[a]b--c<d>$"


def test_the_classifier_reads_where_the_mentions_begin() -> None:
    settings = ReadSettings(40, MARKS, reads_mentions=True)
    features = build_features([_example("abcdef", (4, 5), (0, 2))], _Letters(), settings)

    assert _rows(features) == ["^<ab>cd[e]f$"]
    assert [_rows(features)[0][slot] for slot in features.slots[0]] == ["^", "[", "<"]
    plain = build_features([_example("abcdef", (4, 5), (0, 2))], _Letters(), settings._replace(marks=None))
    assert [_rows(plain)[0][slot] for slot in plain.slots[0]] == ["^", "e", "a"]


@given(st.data())
def test_no_row_is_too_long_and_nothing_is_cut_that_fits(data: st.DataObject) -> None:
    text = data.draw(st.text(st.sampled_from("abc "), min_size=1, max_size=60))
    spans = st.tuples(st.integers(0, len(text) - 1), st.integers(1, 60)).map(
        lambda each: (each[0], min(len(text), each[0] + each[1]))
    )
    markers = data.draw(st.one_of(st.just([]), st.lists(spans, min_size=2, max_size=2)))
    second = data.draw(st.none() | st.text(st.sampled_from("xyz "), max_size=60))
    limit = data.draw(st.integers(16, 50))
    features = _build(_example(text, *markers, second=second), max_tokens=limit)
    full = _build(_example(text, *markers, second=second), max_tokens=1000)
    (row,), (whole,) = _rows(features), _rows(full)

    assert len(row) <= limit
    assert bool(features.is_cut[0]) == (len(whole) > limit) == (row != whole)
    if markers:
        assert [row.count(mark) for mark in "[]<>"] == [1, 1, 1, 1]
    if row != whole:
        assert len(row) == limit  # no more is cut than must be


def test_training_sees_every_row_once_an_epoch() -> None:
    features = _build(*(_example("a" * (1 + number % 9)) for number in range(53)))
    batches = training_batches(features, seed=3, num_rows_per_step=8, num_rows_per_micro_batch=3)
    sizes = [
        sum(len(batch.labels) for batch in batches.micro_batches(step)) for step in range(batches.num_steps_per_epoch)
    ]

    assert batches.num_steps_per_epoch == 7
    assert sum(sizes) == 53
    assert sorted(sizes) == [5, *[8] * 6]


class _Vocabulary:
    """Entries by their places; a word that is none is [UNK], 0; [SEP] and [MASK] come next."""

    unk_id, sep_id, mask_id = 0, 1, 2

    def __init__(self, *entries: str) -> None:
        self.entries = ["[UNK]", "[SEP]", "[MASK]", *entries]
        self.size = len(self.entries)

    def tokens(self, ids: range) -> list[str]:
        return [self.entries[number] for number in ids]

    def encode_words(self, words: list[str]) -> list[list[int]]:
        return [[self.entries.index(letter) if letter in self.entries else 0 for letter in word] for word in words]


@pytest.mark.parametrize(
    ("entries", "marks"),
    [
        (["[unused7]", "a", "[unused8]", "[unused9]", "[unused10]"], ((3,), (5,), (6,), (7,))),
        (["[unused7]", "<", ">", "[", "]"], ((4, 4), (5, 5), (6, 6), (7, 7))),
        (["(", ")", "{", "}"], ((3,), (4,), (5,), (6,))),
        (["(", ")"], ((2,), (2,), (1,), (1,))),
    ],
)
def test_every_vocabulary_has_marks(entries: list[str], marks: tuple[tuple[int, ...], ...]) -> None:
    assert choose_marks(_Vocabulary(*entries)) == marks
