"""Encoding much text quickly: the ids of pieces between blanks are remembered.

BERT's tokenisers read every run of characters between blanks by itself, so the ids of a sentence are those of its runs,
one after the other. A dictionary of the runs seen so far then does most of the work: running text repeats them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, chain
from pathlib import Path
from typing import Any

import numpy as np

from domainlm.vocab.vocabulary import Vocabulary

_MAX_REMEMBERED = 2**18
"""Runs remembered, of some 150 bytes each. The frequent ones come early; the rest is encoded anew each time."""

_RUNS_PER_TEXT = 256

_NORMALIZERS = {"BertNormalizer", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "StripAccents"}
_PRE_TOKENIZERS = {"BertPreTokenizer", "Whitespace", "WhitespaceSplit"}


class BulkEncoder:
    """Turns sentences into token ids: the same ids as `Vocabulary.encode_batch`, at several times its speed.

    Attributes:
        dtype: integer type of the ids.

    Args:
        vocabulary: the vocabulary.
        dtype: integer type that holds all its ids.
    """

    def __init__(self, vocabulary: Vocabulary, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self._vocabulary = vocabulary
        self._parts_at_blanks = parts_at_blanks(vocabulary.description)
        self._ids: dict[str, bytes] = {}

    def encode(self, sentences: Sequence[str]) -> list[bytes]:
        """The ids of each sentence, without special tokens, as the bytes of an array of `dtype`."""
        if not self._parts_at_blanks:
            return self._encode_whole(list(sentences))
        runs = [sentence.split(" ") for sentence in sentences]
        new = [run for run in dict.fromkeys(chain.from_iterable(runs)) if run not in self._ids]
        self._ids.update(zip(new, self._encode_runs(new), strict=True))
        ids_of = self._ids.__getitem__
        encoded = [b"".join(map(ids_of, sentence_runs)) for sentence_runs in runs]
        for run in new[max(len(new) - len(self._ids) + _MAX_REMEMBERED, 0) :]:
            del self._ids[run]
        return encoded

    def _encode_runs(self, runs: list[str]) -> Iterator[bytes]:
        """The ids of each run. Many are encoded as one text, since every text costs time whatever its length."""
        groups = [runs[first : first + _RUNS_PER_TEXT] for first in range(0, len(runs), _RUNS_PER_TEXT)]
        encoded = self._vocabulary.encode_with_places([" ".join(group) for group in groups])
        for group, (ids, places) in zip(groups, encoded, strict=True):
            starts = np.fromiter(accumulate((len(run) + 1 for run in group), initial=0), np.int64, len(group) + 1)
            ends = np.searchsorted(places, starts[1:]) * self.dtype.itemsize
            content = np.array(ids, self.dtype).tobytes()
            first = 0
            for end in ends.tolist():
                yield content[first:end]
                first = end

    def _encode_whole(self, texts: list[str]) -> list[bytes]:
        dtype = self.dtype
        return [np.array(ids, dtype).tobytes() for ids in self._vocabulary.encode_batch(texts)]


def load_encoder(path: Path, dtype: str, cased: bool | None = None) -> BulkEncoder:
    """Load a vocabulary and make its encoder. A process can be told to do so by this function's name."""
    return BulkEncoder(Vocabulary.load(path, cased=cased), np.dtype(dtype))


def parts_at_blanks(description: Mapping[str, Any]) -> bool:
    """Whether a tokeniser, given as the content of its tokenizer.json, reads each run between blanks by itself."""
    normalizers = _steps(description.get("normalizer"), "normalizers")
    pre_tokenizers = _steps(description.get("pre_tokenizer"), "pretokenizers")
    return (
        not any(_reaches_over_blanks(token) for token in description.get("added_tokens", ()))
        and all(step.get("type") in _NORMALIZERS for step in normalizers)
        and bool(pre_tokenizers)
        and pre_tokenizers[0].get("type") in _PRE_TOKENIZERS
    )


def _reaches_over_blanks(token: Mapping[str, Any]) -> bool:
    """Whether an added token is found across blanks, or takes those beside it; text is never read as a special one."""
    has_blank = any(character.isspace() for character in token["content"])
    return not token["special"] and (has_blank or bool(token["lstrip"]) or bool(token["rstrip"]))


def _steps(entry: Mapping[str, Any] | None, key: str) -> list[Mapping[str, Any]]:
    if entry is None:
        return []
    return list(entry.get(key, [entry]))
