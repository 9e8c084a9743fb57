"""Telling the loss of other ranks from errors of this one's own."""

from __future__ import annotations

import re

from torch import distributed

_SIGNS_OF_LOSS = re.compile(
    r"connection (closed|reset|refused|was)|broken pipe|timed out waiting|socket timeout|gloo|nccl|"
    r"remote process|peer|\brpc\b|TCPStore",
    re.IGNORECASE,
)


def is_lost_contact(error: BaseException) -> bool:
    """Whether an error says that another rank is gone or does not answer: an effect, whose cause is elsewhere."""
    if isinstance(error, distributed.DistError | ConnectionError):
        return True
    return isinstance(error, RuntimeError) and _SIGNS_OF_LOSS.search(str(error)) is not None
