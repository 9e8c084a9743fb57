"""Sentences to token ids on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from tqdm import tqdm

from domainlm.errors import DataError
from domainlm.text.files import open_text
from domainlm.text.indexed import IndexedWriter, smallest_dtype

EncodeBatch = Callable[[list[str]], list[list[int]]]
_SENTENCES_PER_BATCH = 4096


@dataclass(slots=True)
class EncodeCounts:
    """What `encode_corpus` wrote.

    Attributes:
        num_documents: documents with at least one token.
        num_sentences: sentences with at least one token.
        num_tokens: sub-tokens, without any special ones.
        num_empty_sentences: sentences that gave no token, which were left out.
    """

    num_documents: int = 0
    num_sentences: int = 0
    num_tokens: int = 0
    num_empty_sentences: int = 0

    def as_dict(self) -> dict[str, int]:
        """For a manifest."""
        return asdict(self)


def encode_corpus(text: Path, prefix: Path, *, encode_batch: EncodeBatch, vocabulary_size: int) -> EncodeCounts:
    """Write the token ids of a file of sentences as an indexed dataset, one sequence a sentence, no special token.

    Args:
        text: one sentence a line, a blank line after each document.
        prefix: `prefix.bin` and `prefix.idx` are written; they appear whole or not at all.
        encode_batch: gives the ids of each of some sentences.
        vocabulary_size: chooses the type of the ids; every id is below it.

    Raises:
        DataError: where the text gives no token at all.
    """
    counts = EncodeCounts()
    progress = tqdm(desc="encode", unit=" sentences", disable=None)
    with progress, IndexedWriter(prefix, smallest_dtype(vocabulary_size)) as writer:
        documents = _Documents(writer, counts)
        for sentences, ends in _batches(text):
            encoded = encode_batch(sentences)
            start = 0
            for end in ends:
                documents.add(encoded[start:end])
                documents.end()
                start = end
            documents.add(encoded[start:])
            progress.update(len(sentences))
        documents.end()
        if not counts.num_tokens:
            raise DataError("the text gives no token", where=text)
    return counts


class _Documents:
    """Writes and counts sentences and documents, leaving out the empty ones."""

    def __init__(self, writer: IndexedWriter, counts: EncodeCounts) -> None:
        self._writer = writer
        self._counts = counts
        self._has_sentence = False

    def add(self, sentences: list[list[int]]) -> None:
        lengths = [len(sentence) for sentence in sentences if sentence]
        self._counts.num_empty_sentences += len(sentences) - len(lengths)
        if not lengths:
            return
        num_tokens = sum(lengths)
        self._writer.add_sequences(np.fromiter(chain.from_iterable(sentences), np.int64, num_tokens), lengths)
        self._counts.num_sentences += len(lengths)
        self._counts.num_tokens += num_tokens
        self._has_sentence = True

    def end(self) -> None:
        if self._has_sentence:
            self._writer.end_document()
            self._counts.num_documents += 1
            self._has_sentence = False


def _batches(text: Path) -> Iterator[tuple[list[str], list[int]]]:
    """Yield some sentences with the indices before which a document ends."""
    sentences: list[str] = []
    ends: list[int] = []
    for line in open_text(text):
        if line:
            sentences.append(line)
        else:
            ends.append(len(sentences))
        if len(sentences) >= _SENTENCES_PER_BATCH:
            yield sentences, ends
            sentences, ends = [], []
    if sentences or ends:
        yield sentences, ends
