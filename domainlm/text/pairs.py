"""Two segments of each sample, for the second objective: in order or swapped, or the second from another document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from domainlm.text.cuts import Places, Text

SecondObjective = Literal["sentence_order", "next_sentence", "none"]

_NUM_CANDIDATES = 16
"""Places tried for a second segment from elsewhere; the one that fills its room best is taken."""

_GOLDEN = 0.6180339887498949
"""Multiples of it spread evenly from 0 to 1: many draws out of one."""


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """What stands in each sample: one segment, or two with a [SEP] between them.

    Attributes:
        starts: first token of the first segment, [num_samples].
        lengths: its tokens, [num_samples].
        second_starts: of the second segment; None where there are no pairs.
        second_lengths: of the second segment; 0 in a sample of one token.
        is_changed: whether the pair is not as in the text, int64 [num_samples]; None without pairs.
    """

    starts: Places
    lengths: NDArray[np.int64]
    second_starts: Places | None = None
    second_lengths: NDArray[np.int64] | None = None
    is_changed: NDArray[np.int64] | None = None

    def sizes(self) -> NDArray[np.int64]:
        """Slots of each sample, special tokens included, [num_samples]."""
        if self.second_lengths is None:
            return self.lengths + 2
        return self.lengths + self.second_lengths + 3


def num_special(objective: SecondObjective) -> int:
    """Special tokens of a sample: [CLS] A [SEP], or [CLS] A [SEP] B [SEP]."""
    return 2 if objective == "none" else 3


def segments(
    text: Text, objective: SecondObjective, starts: Places, stops: Places, draws: NDArray[np.float64]
) -> Segments:
    """Divide samples into segments.

    Half of the samples are changed: "sentence_order" swaps their segments (Lan et al. 2020), "next_sentence" takes the
    second one from another document (Devlin et al. 2019).

    Args:
        text: the tokens.
        objective: what is to be told of the segments.
        starts: first token of each sample, [num_samples].
        stops: end of each sample, [num_samples].
        draws: from 0 to 1, [3, num_samples]: where to divide, whether to change, and what to take from elsewhere.
    """
    if objective == "none":
        return Segments(starts, stops - starts)
    pivots = divide(text, starts, stops, draws[0])
    is_changed = (draws[1] < 0.5) & (pivots < stops)
    if objective == "sentence_order":
        return Segments(
            np.where(is_changed, pivots, starts),
            np.where(is_changed, stops - pivots, pivots - starts),
            np.where(is_changed, starts, pivots),
            np.where(is_changed, pivots - starts, stops - pivots),
            is_changed.astype(np.int64),
        )
    seconds, lengths = pivots.copy(), stops - pivots
    changed = np.flatnonzero(is_changed)
    other_starts, other_stops = _from_elsewhere(text, pivots[changed], stops[changed], draws[2][changed])
    found = other_stops > other_starts
    is_changed[changed[~found]] = False
    seconds[changed[found]] = other_starts[found]
    lengths[changed[found]] = (other_stops - other_starts)[found]
    return Segments(starts, pivots - starts, seconds, lengths, is_changed.astype(np.int64))


def divide(text: Text, starts: Places, stops: Places, draws: NDArray[np.float64]) -> Places:
    """Where each sample is divided in two, [num_samples].

    At the start of one of its sentences but the first, each being as likely; in a sample of one sentence, at the start
    of one of its words; in a sample of one word, anywhere between its sub-tokens. Both parts hold a token, unless the
    sample has only one: then the second part is empty.

    Args:
        text: the tokens.
        starts: first token of each sample, [num_samples].
        stops: end of each sample, [num_samples].
        draws: from 0 to 1, [num_samples].
    """
    first = np.searchsorted(text.sentences, starts, side="right")
    num_breaks = np.searchsorted(text.sentences, stops, side="left") - first
    pivots = text.sentences[np.minimum(first + (draws * num_breaks).astype(np.int64), len(text.sentences) - 1)]
    for sample in np.flatnonzero(num_breaks == 0).tolist():
        pivots[sample] = _divide_sentence(text, int(starts[sample]), int(stops[sample]), float(draws[sample]))
    return pivots


def _divide_sentence(text: Text, start: int, stop: int, draw: float) -> int:
    inner = np.arange(start + 1, stop)
    if not len(inner):
        return stop
    words = inner[~text.continues(inner)]
    candidates = words if len(words) else inner
    return int(candidates[int(draw * len(candidates))])


def _from_elsewhere(text: Text, pivots: Places, stops: Places, draws: NDArray[np.float64]) -> tuple[Places, Places]:
    """Segments of other documents in place of [pivots, stops); empty where only one document is to be had.

    They begin with a sentence, as what they replace does, are no longer, and end as it does: with a sentence, or
    between words. Else their ends would tell them from others.
    """
    own_ends = text.document_ends(pivots)
    ends_whole = text.sentence_ends(stops) == stops
    spread = (draws[:, None] + np.arange(_NUM_CANDIDATES) * _GOLDEN) % 1.0
    candidates = text.sentences[(spread * (len(text.sentences) - 1)).astype(np.int64)]
    ends = text.document_ends(candidates)
    limits = np.minimum(candidates + (stops - pivots)[:, None], ends)
    wholes = text.sentence_ends(limits)
    num_tokens = np.where(ends_whole[:, None], wholes, limits) - candidates
    best = np.where(ends == own_ends[:, None], -1, num_tokens).argmax(axis=1)[:, None]
    starts, ends, limits, wholes = (
        np.take_along_axis(each, best, axis=1)[:, 0] for each in (candidates, ends, limits, wholes)
    )
    # Where no whole sentence fits, it is cut.
    cuts = np.where(ends_whole & (wholes > starts), wholes, limits)
    is_inside = (cuts == limits) & (limits < ends)
    cuts[is_inside] = text.word_ends(starts[is_inside], limits[is_inside])
    return starts, np.where(ends == own_ends, starts, cuts)
