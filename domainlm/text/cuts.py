"""Where text may be cut: at the end of a sentence if one is near, else between words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domainlm.text.indexed import IndexedDataset

Places = NDArray[np.int64]
"""Places in the text, as indices into `dataset.tokens`."""

_MAX_WORD = 64
"""A longer word is cut like any other text."""


@dataclass(frozen=True, eq=False)
class Text:
    """Tokens with the places where sentences, documents and words begin.

    Attributes:
        tokens: ids, [num_tokens].
        sentences: start of each sentence that is not empty, and the end of the last one, [num_sentences + 1].
        documents: start of each document that is not empty, and the end of the last one, [num_documents + 1].
        is_continuation: which entries continue a word, bool [vocabulary size].
    """

    tokens: NDArray[Any]
    sentences: Places
    documents: Places
    is_continuation: NDArray[np.bool_]

    @classmethod
    def of(cls, dataset: IndexedDataset, is_continuation: NDArray[np.bool_]) -> Text:
        """The text of a dataset."""
        starts = np.append(dataset.starts, len(dataset.tokens))
        sentences = starts[np.append(np.diff(starts) > 0, True)]
        return cls(dataset.tokens, sentences, np.unique(starts[dataset.documents]), is_continuation)

    def continues(self, places: Places) -> NDArray[np.bool_]:
        """Whether tokens at some places go on with a word; whoever reads them checks that the vocabulary has all."""
        continues: NDArray[np.bool_] = self.is_continuation.take(self.tokens[places], mode="clip")
        return continues

    def document_ends(self, places: Places) -> Places:
        """The end of the document that each place lies in."""
        return self.documents[np.searchsorted(self.documents, places, side="right")]

    def sentence_ends(self, limits: Places) -> Places:
        """The last start or end of a sentence at or before each limit."""
        return self.sentences[np.searchsorted(self.sentences, limits, side="right") - 1]

    def word_ends(self, starts: Places, limits: Places) -> Places:
        """The last place at or before each limit, and behind the start, where a word begins; the limit if none does.

        Args:
            starts: where each piece begins.
            limits: behind the starts, and within the text.
        """
        ends = limits.copy()
        inside = np.flatnonzero(self.continues(ends))
        for _ in range(_MAX_WORD):
            if not len(inside):
                break
            ends[inside] -= 1
            inside = inside[(ends[inside] > starts[inside]) & self.continues(ends[inside])]
        is_stuck = self.continues(ends) | (ends <= starts)
        ends[is_stuck] = limits[is_stuck]
        return ends

    def cuts(self, starts: Places, limits: Places, tolerance: int) -> Places:
        """Where to cut pieces that begin at `starts`, at or before `limits`.

        At the end of a sentence that is at most `tolerance` tokens before the limit, else between words.
        """
        ends = self.sentence_ends(limits)
        is_far = (limits - ends > tolerance) | (ends <= starts)
        ends[is_far] = self.word_ends(starts[is_far], limits[is_far])
        return ends
