"""How well a vocabulary fits a text."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from domainlm.errors import DataError
from domainlm.vocab.vocabulary import Vocabulary

_RUNS_AT_ONCE = 2**14

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TextFit:
    """What becomes of a text in a vocabulary. White space is never counted.

    Attributes:
        num_characters: of the text.
        num_runs: words between white space.
        num_sub_tokens: sub-tokens of the text, [UNK] included.
        num_unknown: sub-tokens that are [UNK].
        num_unknown_characters: characters that [UNK] stands for.
        num_whole: words between white space that are one sub-token.
        num_used: different entries that occur, [UNK] not counted.
    """

    num_characters: int
    num_runs: int
    num_sub_tokens: int
    num_unknown: int
    num_unknown_characters: int
    num_whole: int
    num_used: int

    @property
    def characters_per_sub_token(self) -> float:
        """The higher, the shorter the text is for a model."""
        return self.num_characters / self.num_sub_tokens

    @property
    def coverage(self) -> float:
        """Share of the characters that are not hidden by [UNK]."""
        return 1.0 - self.num_unknown_characters / self.num_characters

    @property
    def unknown_rate(self) -> float:
        """Share of the sub-tokens that are [UNK]."""
        return self.num_unknown / self.num_sub_tokens

    def as_dict(self) -> dict[str, float]:
        """The counts and the rates."""
        return {
            **asdict(self),
            "characters_per_sub_token": self.characters_per_sub_token,
            "coverage": self.coverage,
            "unknown_rate": self.unknown_rate,
        }


def count_runs(sentences: Iterable[str]) -> Counter[str]:
    """How often each run of characters between white space occurs."""
    runs: Counter[str] = Counter()
    for sentence in sentences:
        runs.update(sentence.split())
    return runs


def measure_text(vocabulary: Vocabulary, runs: Mapping[str, int]) -> tuple[TextFit, Counter[int]]:
    """Measure a vocabulary on a text, and count its sub-tokens by id.

    Each different run is encoded once, for no sub-token reaches over white space: only added tokens with white space
    in them do, which are not met; the log says so.

    Args:
        vocabulary: what cuts the text.
        runs: the text, as `count_runs` gives it.

    Raises:
        DataError: where the text gives no sub-token.
    """
    _warn_of_blanks(vocabulary)
    ids_seen: Counter[int] = Counter()
    num_unknown_characters = num_whole = 0
    for batch in _batches(runs):
        for (ids, spans), run in zip(vocabulary.encode_with_spans(batch), batch, strict=True):
            count = runs[run]
            for number in ids:
                ids_seen[number] += count
            if vocabulary.unk_id in ids:
                num_unknown_characters += _num_hidden(ids, spans, vocabulary.unk_id) * count
            elif len(ids) == 1:
                num_whole += count
    if not ids_seen:
        raise DataError("the text gives no sub-token to measure a vocabulary by")
    num_unknown = ids_seen[vocabulary.unk_id]
    fit = TextFit(
        num_characters=sum(len(run) * count for run, count in runs.items()),
        num_runs=sum(runs.values()),
        num_sub_tokens=ids_seen.total(),
        num_unknown=num_unknown,
        num_unknown_characters=num_unknown_characters,
        num_whole=num_whole,
        num_used=len(ids_seen) - (num_unknown > 0),
    )
    return fit, ids_seen


def _warn_of_blanks(vocabulary: Vocabulary) -> None:
    tokens = [token["content"] for token in vocabulary.description["added_tokens"] if not token["special"]]
    with_blanks = [content for content in tokens if len(content.split()) > 1]
    if with_blanks:
        _logger.warning(
            "added tokens with white space in them are not met, since each word is measured by itself: %d, as %r",
            len(with_blanks),
            with_blanks[0],
        )


def _num_hidden(ids: Sequence[int], spans: Sequence[tuple[int, int]], unknown: int) -> int:
    """Characters that stand in an [UNK], each counted once."""
    pairs = zip(ids, spans, strict=True)
    return len({place for number, span in pairs if number == unknown for place in range(*span)})


def describe(vocabulary: Vocabulary, sentences: Iterable[str]) -> dict[str, Any]:
    """A short report of a vocabulary and how it fits a text, as JSON values."""
    fit, _ = measure_text(vocabulary, count_runs(sentences))
    special = set(vocabulary.special_ids)
    single = [piece for number, piece in enumerate(vocabulary.pieces) if number not in special and len(piece.text) == 1]
    return {
        "kind": vocabulary.kind,
        "size": vocabulary.size,
        "cased": vocabulary.cased,
        "num_characters_in_alphabet": len({piece.text for piece in single}),
        "num_word_beginnings": sum(not goes_on for goes_on in vocabulary.is_continuation) - len(special),
        "num_continuations": sum(vocabulary.is_continuation),
        "text": fit.as_dict(),
    }


def _batches(runs: Mapping[str, int]) -> Iterator[list[str]]:
    names = iter(runs)
    while batch := list(islice(names, _RUNS_AT_ONCE)):
        yield batch
