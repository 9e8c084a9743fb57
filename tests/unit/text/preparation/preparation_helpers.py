"""An encoder for tests, and a reader that takes its time. A module, so that worker processes can import it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from domainlm.api import Document, ProblemLog
from domainlm.builtin.specs import read_text

SLOW = 0.05


class Letters:
    """One id a letter of the ASCII alphabet, 1 for a; everything else gives none."""

    def __init__(self, dtype: str) -> None:
        self.dtype: np.dtype[Any] = np.dtype(dtype)

    def encode(self, sentences: Sequence[str]) -> list[bytes]:
        ids = ([ord(letter) - 96 for letter in sentence.lower() if "a" <= letter <= "z"] for sentence in sentences)
        return [np.array(list(entry), self.dtype).tobytes() for entry in ids]


def short() -> Letters:
    return Letters("<u2")


def long() -> Letters:
    return Letters("<i4")


def read_slowly(path: Path, problems: ProblemLog) -> Iterator[Document]:
    for document in read_text(path, problems):
        time.sleep(SLOW)
        yield document


def kill_this_process() -> Letters:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError
