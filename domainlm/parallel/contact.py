"""Telling the loss of other ranks from errors of this one's own."""

from __future__ import annotations

import re

from torch import distributed

from domainlm.errors import UserError, causes
from domainlm.parallel.device_errors import device_error

_SIGNS_OF_LOSS = re.compile(
    r"connection (closed|reset|refused|was)|broken pipe|timed out waiting|socket timeout|gloo|nccl|"
    r"remote process|peer|\brpc\b|TCPStore",
    re.IGNORECASE,
)


def lost_contact(error: BaseException) -> str | None:
    """In a line, how an error says that another rank is gone or does not answer; None where it does not say so.

    Such an error is an effect, whose cause is elsewhere. What it was raised from counts as well, since
    torch.distributed.pipelining wraps whatever a stage raises.
    """
    if isinstance(error, UserError) or device_error(error) is not None:
        return None
    found = next((each for each in causes(error) if _is_of_a_connection(each)), None)
    return None if found is None else next(iter(str(found).strip().splitlines()), type(found).__name__)


def _is_of_a_connection(error: BaseException) -> bool:
    if isinstance(error, distributed.DistError | ConnectionError):
        return True
    return isinstance(error, RuntimeError) and _SIGNS_OF_LOSS.search(str(error)) is not None
