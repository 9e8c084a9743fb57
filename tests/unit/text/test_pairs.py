"""Segments of samples, in order, swapped, or from elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from domainlm.text.cuts import Text
from domainlm.text.masking import TokenTable
from domainlm.text.pairs import Segments, segments
from domainlm.text.samples import SampleMap

if TYPE_CHECKING:
    from conftest import MakeDataset

_WORD, _PIECE = 5, 50
_SENTENCE = st.lists(st.sampled_from([_WORD, _WORD, _PIECE]), min_size=1, max_size=9)
_DOCUMENTS = st.lists(st.lists(_SENTENCE, min_size=1, max_size=6), min_size=1, max_size=8)


def _many(text: Text, starts: list[int], stops: list[int], number: int) -> Segments:
    """Next-sentence pairs of the samples, each drawn so many times, one after the other."""
    random = np.random.default_rng(0)
    draws = random.random((3, number * len(starts)))
    return segments(text, "next_sentence", np.array(starts * number), np.array(stops * number), draws)


@settings(max_examples=40)
@given(_DOCUMENTS, st.integers(3, 30), st.integers(0, 2**32))
def test_a_second_segment_is_the_next_one_or_from_another_document(
    make_dataset: MakeDataset, table: TokenTable, documents: list[list[list[int]]], capacity: int, seed: int
) -> None:
    text = Text.of(make_dataset(documents), table.is_continuation)
    samples = SampleMap(text, capacity)
    draws = np.random.default_rng(seed).random((3, len(samples)))
    found = segments(text, "next_sentence", samples.starts, samples.stops, draws)
    assert found.second_starts is not None
    assert found.second_lengths is not None
    assert found.is_changed is not None
    for number, (start, stop) in enumerate(zip(samples.starts.tolist(), samples.stops.tolist(), strict=True)):
        first_length, second = int(found.lengths[number]), int(found.second_starts[number])
        length, room = int(found.second_lengths[number]), stop - start - first_length
        assert found.starts[number] == start
        document = np.searchsorted(text.documents, start, side="right")
        if not found.is_changed[number]:
            assert (second, length) == (start + first_length, room)
            continue
        assert 0 < length <= room
        assert second in text.sentences
        assert np.searchsorted(text.documents, second, side="right") != document
        assert text.document_ends(np.array([second]))[0] >= second + length
    if len(documents) == 1:
        assert not found.is_changed.any()


def test_half_of_the_pairs_are_changed(make_dataset: MakeDataset, table: TokenTable) -> None:
    text = Text.of(make_dataset([[[_WORD] * 8] * 4] * 30), table.is_continuation)
    found = _many(text, text.documents[:-1].tolist(), text.documents[1:].tolist(), 400)
    assert found.is_changed is not None
    assert abs(found.is_changed.mean() - 0.5) < 5 * 0.5 / 12_000**0.5


def test_the_end_does_not_tell_what_is_from_elsewhere(make_dataset: MakeDataset, table: TokenTable) -> None:
    # Sentences of 7 and 5; the first sample ends with a sentence, the second one within a sentence.
    documents = [[[_WORD] * 7, [_WORD] * 5] * 4 for _ in range(20)]
    text = Text.of(make_dataset(documents), table.is_continuation)
    found = _many(text, [0, 48], [24, 48 + 22], 2_000)
    assert found.is_changed is not None
    assert found.second_starts is not None
    assert found.second_lengths is not None
    ends = np.isin(found.second_starts + found.second_lengths, text.sentences).reshape(2_000, 2)
    is_changed = found.is_changed.reshape(2_000, 2) == 1
    assert ends[:, 0].all()
    assert not ends[~is_changed[:, 1], 1].any()
    # A piece of 10, 15 or 17 tokens from elsewhere ends within a sentence; one of 22 - 12 or so may end with one.
    assert ends[is_changed[:, 1], 1].mean() < 0.35


def test_what_comes_from_elsewhere_nearly_fills_the_room(make_dataset: MakeDataset, table: TokenTable) -> None:
    random = np.random.default_rng(1)
    documents = [[[_WORD] * int(size) for size in random.integers(10, 40, 12)] for _ in range(60)]
    text = Text.of(make_dataset(documents), table.is_continuation)
    samples = SampleMap(text, 125)
    found = segments(text, "next_sentence", samples.starts, samples.stops, random.random((3, len(samples))))
    share = found.sizes().sum() / (samples.stops - samples.starts + 3).sum()
    assert share > 0.985


def test_every_place_may_come_as_a_second_segment(make_dataset: MakeDataset, table: TokenTable) -> None:
    text = Text.of(make_dataset([[[_WORD] * 6] * 4] * 10), table.is_continuation)
    found = _many(text, [0], [24], 4_000)
    assert found.is_changed is not None
    assert found.second_starts is not None
    taken = np.unique(found.second_starts[found.is_changed == 1])
    assert set(taken.tolist()) <= set(text.sentences[4:-1].tolist())
    assert len(taken) > 25  # of 36; one that is at the end of its document is too short for most rooms
