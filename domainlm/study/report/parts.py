"""What captions say where only a part of a split was scored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from domainlm.study.report.words import join_words
from domainlm.tasks.signature import Signature


def part_sentence(signatures: Mapping[str, Iterable[str]]) -> str:
    """Say of how many examples the scores are; empty where they are of whole splits.

    Args:
        signatures: of the scores shown, by data set.
    """
    said = {
        f"{part[0]:,} of {part[1]:,} examples of {dataset}": None
        for dataset, texts in signatures.items()
        for text in texts
        if (parsed := Signature.parse(text)) is not None and (part := parsed.part) is not None
    }
    return f"Scored on a part, not to be compared with scores on all: {join_words(list(said))}." if said else ""
