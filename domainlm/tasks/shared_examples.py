"""Finds examples of dev and test that training has seen: their scores say what was remembered."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from domainlm.api import ProblemLog, SequenceExample, SpanExample, Split

ALSO_IN_TRAINING = "example that the training split has, too (scored all the same)"

_DIGEST_BYTES = 8
_SHOWN = 80


def count_shared(examples: Mapping[Split, tuple[Any, ...]], problems: Mapping[Split, ProblemLog]) -> None:
    """Count in the problems of dev and test the examples that the training split holds, too; nothing is left out.

    Examples are the same where all that a model reads of them is; their labels are not looked at. Some bytes are kept
    of each.

    Args:
        examples: by split.
        problems: by split; they are told.
    """
    known = {_digest(example) for example in examples["train"]}
    for split in (each for each in examples if each != "train"):
        for example in examples[split]:
            if _digest(example) in known:
                problems[split].add(ALSO_IN_TRAINING, _content(example)[0][:_SHOWN], path=example.id)


def _digest(example: object) -> bytes:
    return hashlib.blake2b(repr(_content(example)).encode(), digest_size=_DIGEST_BYTES).digest()


def _content(example: Any) -> tuple[str, ...]:  # noqa: ANN401 - a record of any kind
    if isinstance(example, SpanExample):
        return example.question, example.context
    if isinstance(example, SequenceExample):
        return example.text, repr(example.second_text), repr(example.markers)
    return (example.text,)
