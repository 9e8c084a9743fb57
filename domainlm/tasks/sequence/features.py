"""From texts to rows of sub-tokens: `[CLS] text [SEP]` or `[CLS] text [SEP] second text [SEP]`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from domainlm.api import Entity, SequenceExample
from domainlm.tasks.batches import FlatRows, Ints, SpecialIds
from domainlm.tasks.sequence.marking import Marks
from domainlm.text.surrogates import without_surrogates

_FAR = 2**30

LongTexts = Literal["start", "both_ends", "end"]


class TextEncoder(SpecialIds, Protocol):
    """What of a vocabulary is needed here."""

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        """Sub-tokens of each text, without special tokens."""


class ReadSettings(NamedTuple):
    """How examples are read.

    Attributes:
        max_tokens: longest row in sub-tokens, special tokens included.
        marks: what is put around mentions; None leaves them as they are.
        reads_mentions: whether the classifier reads where the two mentions begin.
        long_texts: what stays of a text without mentions that does not fit.
    """

    max_tokens: int
    marks: Marks | None = None
    reads_mentions: bool = False
    long_texts: LongTexts = "start"

    @property
    def num_slots(self) -> int:
        """Places of each row whose states the classifier reads."""
        return 3 if self.reads_mentions else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceFeatures(FlatRows):
    """All rows of a data set; a row for each example.

    Attributes:
        first_lengths: sub-tokens of each row that are of the first text, [CLS] and its [SEP] included [num_rows].
        slots: places in its row whose states the classifier reads [num_rows, num_slots].
        labels: label id of each row [num_rows]; zeros where there are no labels.
        is_cut: whether the example did not fit into its row [num_rows].
    """

    first_lengths: Ints
    slots: Ints
    labels: Ints
    is_cut: npt.NDArray[np.bool_]


@dataclass(slots=True)
class _Segment:
    """Sub-tokens of one text, each with its distance from what must stay; and where the mentions begin."""

    tokens: list[int] = field(default_factory=list)
    is_kept: list[bool] = field(default_factory=list)
    is_mark: list[bool] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)


def build_features(
    examples: Sequence[SequenceExample], encoder: TextEncoder, settings: ReadSettings, labels: Sequence[int] = ()
) -> SequenceFeatures:
    """Encode examples, and cut those that are too long.

    Of a pair the longer text is cut until both fit. Of a text with mentions those sub-tokens are kept that
    are nearest to a mention, whether before, between or after them.

    Args:
        examples: texts; with two markers each where `settings.reads_mentions`.
        encoder: the vocabulary.
        settings: how they are read.
        labels: label id of each example; zeros where empty.
    """
    cut = [_pieces(example) for example in examples]
    distinct = list(dict.fromkeys(piece for pieces in cut for piece in pieces.texts))
    ids = dict(zip(distinct, encoder.encode_batch(distinct), strict=True))
    rows = [_row(pieces, ids, encoder, settings) for pieces in cut]
    lengths = np.array([len(row.tokens) for row in rows], dtype=np.int64)
    return SequenceFeatures(
        tokens=np.fromiter((token for row in rows for token in row.tokens), np.int32, int(lengths.sum())),
        row_starts=np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]),
        first_lengths=np.array([row.first_length for row in rows], dtype=np.int64),
        slots=np.array([row.slots for row in rows], dtype=np.int64).reshape(len(rows), settings.num_slots),
        labels=np.array(labels, dtype=np.int64) if len(labels) else np.zeros(len(rows), np.int64),
        is_cut=np.array([row.is_cut for row in rows], dtype=np.bool_),
        max_tokens=settings.max_tokens,
        pad_id=encoder.pad_id,
    )


class _Pieces(NamedTuple):
    """A text cut where mentions begin and end."""

    texts: list[str]  # those of the first text, then the second text, where there is one
    borders: list[list[tuple[bool, int]]]  # before each piece of the first text but the first: (opens, which mention)
    has_second: bool


class _Row(NamedTuple):
    tokens: list[int]
    first_length: int
    slots: list[int]
    is_cut: bool


def _pieces(example: SequenceExample) -> _Pieces:
    places = sorted({place for marker in example.markers for place in (marker.start, marker.end)})
    edges = [0, *places, len(example.text)]
    texts = [example.text[start:end] for start, end in pairwise(edges)]
    borders = [_borders_at(place, example.markers) for place in places]
    if example.second_text is not None:
        texts.append(example.second_text)
    return _Pieces([without_surrogates(text) for text in texts], borders, example.second_text is not None)


def _borders_at(place: int, markers: Sequence[Entity]) -> list[tuple[bool, int]]:
    """What happens at a place: inner mentions close before outer ones, outer ones open before inner ones."""
    numbered = list(enumerate(markers))
    closing = sorted((-marker.start, -number) for number, marker in numbered if marker.end == place)
    opening = sorted((-marker.end, number) for number, marker in numbered if marker.start == place)
    return [(False, -number) for _, number in closing] + [(True, number) for _, number in opening]


def _row(pieces: _Pieces, ids: dict[str, list[int]], encoder: TextEncoder, settings: ReadSettings) -> _Row:
    first = _first_segment(pieces, ids, settings.marks)
    second = ids[pieces.texts[-1]] if pieces.has_second else []
    room = settings.max_tokens - (3 if pieces.has_second else 2)
    first_room, second_room = _share(len(first.tokens), len(second), room)
    kept = _nearest(first, first_room, settings.long_texts)
    tokens = [encoder.cls_id, *(first.tokens[place] for place in kept), encoder.sep_id]
    first_length = len(tokens)
    if pieces.has_second:
        tokens += [*(second[place] for place in _some(len(second), second_room, settings.long_texts)), encoder.sep_id]
    slots = [0]
    if settings.reads_mentions:
        place_in_row = {place: number for number, place in enumerate(kept, start=1)}
        slots += [place_in_row.get(start, 0) for start in first.starts]
    return _Row(tokens, first_length, slots, len(kept) < len(first.tokens) or second_room < len(second))


def _first_segment(pieces: _Pieces, ids: dict[str, list[int]], marks: Marks | None) -> _Segment:
    segment = _Segment(starts=[0] * sum(opens for borders in pieces.borders for opens, _ in borders))
    num_open = 0
    texts = pieces.texts[:-1] if pieces.has_second else pieces.texts
    for borders, text in zip([[], *pieces.borders], texts, strict=True):
        for opens, which in borders:
            if opens:
                segment.starts[which] = len(segment.tokens)
            _extend(segment, marks[2 * which + (not opens)] if marks else (), is_kept=True, is_mark=True)
            num_open += 1 if opens else -1
        _extend(segment, ids[text], is_kept=num_open > 0)
    return segment


def _extend(segment: _Segment, tokens: Sequence[int], *, is_kept: bool, is_mark: bool = False) -> None:
    segment.tokens.extend(tokens)
    segment.is_kept.extend([is_kept] * len(tokens))
    segment.is_mark.extend([is_mark] * len(tokens))


def _share(first: int, second: int, room: int) -> tuple[int, int]:
    """How much of each fits: the longer one gives way until both are of one length."""
    half = room // 2
    if first + second <= room:
        return first, second
    if second <= half:
        return room - second, second
    if first <= room - half:
        return first, room - first
    return room - half, half


def _some(num_tokens: int, room: int, long_texts: LongTexts) -> Sequence[int]:
    """The places that are kept of a text without mentions, ascending."""
    if num_tokens <= room:
        return range(num_tokens)
    num_first = {"start": room, "both_ends": room - room // 2, "end": 0}[long_texts]
    return [*range(num_first), *range(num_tokens - (room - num_first), num_tokens)]


def _nearest(segment: _Segment, room: int, long_texts: LongTexts) -> Sequence[int]:
    """The places that are kept, ascending: those nearest to a mention, marks before all."""
    num_tokens = len(segment.tokens)
    if num_tokens <= room or not any(segment.is_kept):
        return _some(num_tokens, room, long_texts)
    distances = [0 if kept else _FAR for kept in segment.is_kept]
    for place in range(1, num_tokens):
        distances[place] = min(distances[place], distances[place - 1] + 1)
    for place in range(num_tokens - 2, -1, -1):
        distances[place] = min(distances[place], distances[place + 1] + 1)
    rank = sorted(range(num_tokens), key=lambda place: (not segment.is_mark[place], distances[place], place))
    return sorted(rank[:room])
