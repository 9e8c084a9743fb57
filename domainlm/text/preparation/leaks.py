"""The leak guard: documents of the corpus that hold text of a task's dev or test split.

A document leaks when it shares at least `min_shared` different runs of `num_words` words with the guarded texts, or at
least `min_share` of its own runs: the second finds documents too short to have many. One shorter than a run leaks when
it is, word for word, a guarded example. Words are those of `domainlm.text.preparation.hashing`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save

from domainlm.files import whole_file
from domainlm.text.corpus import normalise_sentence
from domainlm.text.preparation.hashing import Hashes, Places, count_runs, hash_sequences, hash_words

_MIN_FILTER_BITS = 12
_MAX_FILTER_BITS = 26
_FILTER_SLOTS_PER_RUN = 16


@dataclass(frozen=True, slots=True)
class LeakSettings:
    """When a document leaks.

    Attributes:
        num_words: words of a run.
        min_shared: different runs that a document may not share.
        min_share: share of its own different runs that a document may not share.
    """

    num_words: int = 10
    min_shared: int = 4
    min_share: float = 0.5


@dataclass(frozen=True, slots=True)
class GuardedText:
    """A text that the corpus may not hold.

    Attributes:
        task: the data set and its split ("letters, test").
        example: id of the example; `document:n` for the nth part of a document.
        text: its text.
    """

    task: str
    example: str
    text: str


@dataclass(frozen=True, slots=True)
class Leak:
    """What a document shares with guarded texts.

    Attributes:
        task: data set and split of the first shared run.
        example: id of the example with the first shared run.
        num_shared: different runs that are shared.
        share: of the document's own different runs.
    """

    task: str
    example: str
    num_shared: int
    share: float


class LeakGuard:
    """Finds documents that leak.

    Args:
        settings: when a document leaks.
        hashes: of the guarded runs, ascending, each once, [num_runs].
        owners: which example each run is of first, [num_runs].
        examples: task and id of each example.
    """

    def __init__(
        self, settings: LeakSettings, hashes: Hashes, owners: NDArray[np.int64], examples: Sequence[tuple[str, str]]
    ) -> None:
        self.settings = settings
        self._hashes = hashes
        self._owners = owners
        self._examples = examples
        num_bits = (len(hashes) * _FILTER_SLOTS_PER_RUN).bit_length()
        self._shift = np.uint64(64 - min(max(num_bits, _MIN_FILTER_BITS), _MAX_FILTER_BITS))
        self._filter = np.zeros(1 << (64 - int(self._shift)), np.bool_)
        self._filter[hashes >> self._shift] = True

    @classmethod
    def of(cls, texts: Iterable[GuardedText], settings: LeakSettings) -> LeakGuard:
        """Guard some texts. Examples of one document that follow one another are read as one text.

        They are normalised as the corpus's own sentences are, since a letter with an accent may be written in two ways.
        """
        examples: list[tuple[str, str]] = []
        hashes: list[Hashes] = []
        owners: list[Places] = []
        for parts in _documents(texts):
            words, places = hash_words([normalise_sentence(part.text) for part in parts])
            for run_hashes, run_starts in _guarded_runs(words, places, settings.num_words):
                hashes.append(run_hashes)
                owners.append(np.searchsorted(places, run_starts, side="right") - 1 + len(examples))
            examples += [(part.task, part.example) for part in parts]
        if not hashes:
            return cls(settings, np.zeros(0, np.uint64), np.zeros(0, np.int64), examples)
        unique, first = np.unique(np.concatenate(hashes), return_index=True)
        return cls(settings, unique, np.concatenate(owners)[first], examples)

    @property
    def num_examples(self) -> int:
        """Guarded examples."""
        return len(self._examples)

    @property
    def digest(self) -> str:
        """SHA-256 of all that decides which documents leak."""
        return hashlib.sha256(self._as_bytes()).hexdigest()

    def save(self, path: Path) -> None:
        """Write the guard to a file."""
        with whole_file(path) as stream:
            stream.write(self._as_bytes())

    @classmethod
    def load(cls, path: Path) -> LeakGuard:
        """Read a guard that `save` wrote."""
        with safe_open(path, framework="numpy") as file:
            facts = json.loads(file.metadata()["guard"])
            settings = LeakSettings(**facts["settings"])
            examples = [(task, example) for task, example in facts["examples"]]
            return cls(settings, file.get_tensor("hashes"), file.get_tensor("owners"), examples)

    def check(self, words: Hashes, places: Places) -> dict[int, Leak]:
        """The texts that leak, by their number.

        Args:
            words: hashes of the words of some texts, [num_words].
            places: first word of each text, and the number of words, [num_texts + 1].
        """
        leaks: dict[int, Leak] = {}
        if not len(self._hashes):
            return leaks
        runs, starts = self._runs(words, places)
        num_runs = count_runs(places, starts)
        hits = np.flatnonzero(self._filter[runs >> self._shift])
        found = np.searchsorted(self._hashes, runs[hits])
        is_shared = self._hashes[np.minimum(found, len(self._hashes) - 1)] == runs[hits]
        hits, found = hits[is_shared], found[is_shared]
        texts = np.searchsorted(places, starts[hits], side="right") - 1
        for text in np.unique(texts).tolist():
            shared = found[texts == text]
            num_shared = len(np.unique(shared))
            first_run = int(np.searchsorted(starts, places[text]))
            num_own = len(np.unique(runs[first_run : first_run + int(num_runs[text])]))
            share = num_shared / num_own
            if num_shared >= self.settings.min_shared or share >= self.settings.min_share:
                task, example = self._examples[int(self._owners[shared[0]])]
                leaks[text] = Leak(task, example, num_shared, round(share, 4))
        return leaks

    def _runs(self, words: Hashes, places: Places) -> tuple[Hashes, Places]:
        """All runs of the texts, those of short texts being the whole text, by their first word."""
        length = self.settings.num_words
        parts = [hash_sequences(words, places, length), *_short(words, places, length)]
        runs = np.concatenate([hashes for hashes, _ in parts])
        starts = np.concatenate([starts for _, starts in parts])
        order = np.argsort(starts, kind="stable")
        return runs[order], starts[order]

    def _as_bytes(self) -> bytes:
        settings = self.settings
        facts = {
            "settings": {
                "num_words": settings.num_words,
                "min_shared": settings.min_shared,
                "min_share": settings.min_share,
            },
            "examples": self._examples,
        }
        return save({"hashes": self._hashes, "owners": self._owners}, {"guard": json.dumps(facts, ensure_ascii=False)})


def _documents(texts: Iterable[GuardedText]) -> Iterator[list[GuardedText]]:
    """Examples that follow one another and are of one document ("7:0", "7:1"), together."""
    for _, group in groupby(texts, key=lambda text: (text.task, text.example.rpartition(":")[0] or text.example)):
        yield list(group)


def _guarded_runs(words: Hashes, places: Places, length: int) -> Iterator[tuple[Hashes, Places]]:
    whole = np.array([0, len(words)])
    yield hash_sequences(words, whole, length)
    yield from _short(words, places, length)
    if len(words) < length:
        yield from _short(words, whole, length)


def _short(words: Hashes, places: Places, length: int) -> list[tuple[Hashes, Places]]:
    """Each text of fewer than `length` words, and more than none, as one run."""
    runs = []
    counts = np.diff(places)
    for text in np.flatnonzero((counts > 0) & (counts < length)).tolist():
        first, last = int(places[text]), int(places[text + 1])
        hashes, _ = hash_sequences(words[first:last], np.array([0, last - first]), last - first)
        runs.append((hashes, np.array([first])))
    return runs
