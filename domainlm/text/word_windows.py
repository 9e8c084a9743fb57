"""Words to predict on held-out text, chosen by their place in the text alone: the same whatever the vocabulary."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from domainlm.text.files import open_text
from domainlm.text.randomness import uniforms
from domainlm.text.words import split_words


@dataclass(frozen=True, slots=True)
class WordChoice:
    """Which words are predicted, and how much text stands around them.

    Attributes:
        rate: share of the words to predict.
        max_characters: most characters of a window.
        max_word_characters: longer words are never chosen.
        seed: of the choice.
    """

    rate: float
    max_characters: int
    max_word_characters: int
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class WordWindow:
    """A piece of text within which words are predicted from one another.

    Attributes:
        words: as they stand in the text.
        is_chosen: which of them to predict, bool [words]; at least one where any is short enough.
        middle: index of the word that begins the second half: the first of the sentence that begins nearest to the
            middle, or of all words in a window of one sentence. At least 1; the number of words in a window of one.
    """

    words: tuple[str, ...]
    is_chosen: NDArray[np.bool_]
    middle: int


@dataclass(frozen=True, slots=True, eq=False)
class _Sentence:
    words: list[str]
    draws: NDArray[np.float64]
    num_characters: int


def word_windows(path: Path, choice: WordChoice, *, every: int = 1) -> Iterator[WordWindow]:
    """Stream the windows of a text: consecutive sentences of one document, as many as have so many characters.

    A sentence that has more by itself is cut between words. Each word has a random number from its document, sentence
    and place among the sentence's words; those below the rate are chosen, and in each window the lowest at least.

    Args:
        path: a sentence a line, a blank line after each document.
        choice: rate, window and seed.
        every: take the first of every so many windows.
    """
    number = 0
    for index, document in enumerate(_documents(path)):
        for sentences in _filled(_sentences(document, index, choice), choice.max_characters):
            if number % every == 0:
                yield _window(sentences, choice)
            number += 1


def _documents(path: Path) -> Iterator[list[str]]:
    document: list[str] = []
    for line in open_text(path):
        if line:
            document.append(line)
        elif document:
            yield document
            document = []
    if document:
        yield document


def _sentences(document: list[str], index: int, choice: WordChoice) -> Iterator[_Sentence]:
    """The sentences with their words' numbers; a long one in parts."""
    for place, text in enumerate(document):
        spans = split_words(text)
        if not spans:
            continue
        draws = uniforms(choice.seed, np.array([index]), np.array([place]), len(spans))[0]
        first = 0
        for end in range(1, len(spans) + 1):
            if end == len(spans) or spans[end][1] - spans[first][0] > choice.max_characters:
                words = [text[slice(*span)] for span in spans[first:end]]
                yield _Sentence(words, draws[first:end], spans[end - 1][1] - spans[first][0])
                first = end


def _filled(sentences: Iterator[_Sentence], max_characters: int) -> Iterator[list[_Sentence]]:
    window: list[_Sentence] = []
    num_characters = 0
    for sentence in sentences:
        if window and num_characters + sentence.num_characters > max_characters:
            yield window
            window, num_characters = [], 0
        window.append(sentence)
        num_characters += sentence.num_characters
    if window:
        yield window


def _window(sentences: list[_Sentence], choice: WordChoice) -> WordWindow:
    words = tuple(word for sentence in sentences for word in sentence.words)
    draws = np.concatenate([sentence.draws for sentence in sentences])
    is_short = np.array([len(word) <= choice.max_word_characters for word in words])
    lowest = np.where(is_short, draws, np.inf).argmin()
    is_chosen = is_short & ((draws < choice.rate) | (np.arange(len(words)) == lowest))
    return WordWindow(words, is_chosen, _middle(sentences, words))


def _middle(sentences: list[_Sentence], words: tuple[str, ...]) -> int:
    starts = np.cumsum([len(word) for word in words]) - np.array([len(word) for word in words])
    candidates = np.cumsum([len(sentence.words) for sentence in sentences])[:-1]
    if not len(candidates):
        candidates = np.arange(1, len(words))
    if not len(candidates):
        return len(words)
    half = (starts[-1] + len(words[-1])) / 2
    return int(candidates[np.abs(starts[candidates] - half).argmin()])
