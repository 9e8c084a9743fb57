"""Will the model train in the memory at hand? An estimate made before anything runs."""

from __future__ import annotations

import json
import os
from pathlib import Path

from domainlm.errors import MachineError
from domainlm.plan.memory import memory_of
from domainlm.plan.work import Degrees, Work
from domainlm.text.files import open_text

_GIB = 2**30


def check_memory(work: Work, degrees: Degrees, where: str, name: str) -> None:
    """Raise `MachineError` where training on this machine's CPU would need more than its memory.

    Args:
        work: the step.
        degrees: the grid; all of its ranks run here.
        where: the recipe's key, for the message.
        name: of the model's size.
    """
    at_hand = total_memory()
    per_stage = (memory.total for memory in memory_of(work, degrees))
    needed = sum(per_stage) * degrees.data * degrees.tensor
    if at_hand is not None and needed > at_hand:
        raise MachineError(
            f"training this model needs about {needed / _GIB:.1f} GiB, and this machine has {at_hand / _GIB:.1f} GiB",
            where=where,
            given=name,
            remedy="choose a smaller model.size, or lower num_sequences_per_micro_batch or max_tokens; "
            "`domainlm plan` shows what takes how much",
        )


def total_memory() -> int | None:
    """Bytes of memory of this machine; None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def count_entries(file: Path | None) -> int:
    """Entries of a vocabulary file: lines of a vocab.txt, pieces of a tokenizer.json."""
    if file is None:
        return 0
    if file.suffix == ".json":
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            return len(content["model"]["vocab"])
        except (ValueError, KeyError, TypeError):
            return 0  # reading the vocabulary will say what is wrong with it
    return sum(1 for _ in open_text(file))
