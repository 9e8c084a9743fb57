"""Where text may be cut, on cases worked by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from domainlm.text.cuts import Text
from domainlm.text.masking import TokenTable

if TYPE_CHECKING:
    from conftest import MakeDataset

_W, _P = 5, 50
# Places:      0   1   2   3   4   5    6   7   8   9       10  11  12  13  14
_DOCUMENTS = [[[_W, _P, _W, _W, _P, _P], [_W, _W, _P, _W]], [], [[], [_W, _P, _P, _P, _W]]]


@pytest.fixture(scope="module")
def text(make_dataset: MakeDataset, table: TokenTable) -> Text:
    return Text.of(make_dataset(_DOCUMENTS), table.is_continuation)


def test_sentences_and_documents_have_tokens(text: Text) -> None:
    assert text.sentences.tolist() == [0, 6, 10, 15]
    assert text.documents.tolist() == [0, 10, 15]
    assert text.document_ends(np.array([0, 9, 10, 14])).tolist() == [10, 10, 15, 15]
    assert text.sentence_ends(np.array([0, 5, 6, 9, 14, 15])).tolist() == [0, 0, 6, 6, 10, 15]


@pytest.mark.parametrize(
    ("start", "limit", "end"),
    [
        (0, 3, 3),  # a word begins there
        (0, 5, 3),  # within the word of 3 to 5
        (0, 1, 1),  # within the first word: no other place
        (3, 5, 5),  # the piece would have no word
        (2, 5, 3),
        (10, 13, 13),  # the word begins with the piece
        (8, 9, 9),
    ],
)
def test_words_stay_whole_where_they_can(text: Text, start: int, limit: int, end: int) -> None:
    assert text.word_ends(np.array([start]), np.array([limit])).tolist() == [end]


@pytest.mark.parametrize(
    ("start", "limit", "tolerance", "end"),
    [
        (0, 8, 2, 6),  # the sentence ends two tokens before
        (0, 8, 1, 7),  # too far: the word before
        (6, 8, 2, 7),  # the sentence begins with the piece, it does not end there
        (0, 6, 0, 6),
        (2, 9, 3, 6),
        (2, 9, 2, 9),
    ],
)
def test_a_sentence_that_ends_nearby_is_not_gone_beyond(
    text: Text, start: int, limit: int, tolerance: int, end: int
) -> None:
    assert text.cuts(np.array([start]), np.array([limit]), tolerance).tolist() == [end]
