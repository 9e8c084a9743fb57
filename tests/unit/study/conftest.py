"""Inputs that several tests of studies write."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

_SHIPS, _CARGO = ("aurora", "borealis", "cormorant"), ("grain", "timber", "copper")


@pytest.fixture(scope="session")
def write_ships() -> Callable[[Path], None]:
    """Writes logs.txt and train.tsv, dev.tsv and test.tsv with the ships of such logs."""

    def write(folder: Path) -> None:
        draw = random.Random(1)  # noqa: S311 - made-up ships
        logs = [f"The {draw.choice(_SHIPS)} left the harbour with {draw.choice(_CARGO)}. Fair wind." for _ in range(80)]
        (folder / "logs.txt").write_text("\n\n".join(logs), encoding="utf-8")
        for split in ("train", "dev", "test"):
            rows = [f"The\tO\n{draw.choice(_SHIPS)}\tB-Ship\ncarried\tO\n{draw.choice(_CARGO)}\tO\n" for _ in range(8)]
            (folder / f"{split}.tsv").write_text("\n".join(rows), encoding="utf-8")

    return write


@pytest.fixture(scope="session")
def write_two_corpora() -> Callable[[Path], None]:
    """Writes logs.txt and letters.txt."""

    def write(folder: Path) -> None:
        for name, writer in (("logs", "Aurora"), ("letters", "Mother")):
            lines = [f"{writer} number {number} wrote of salt and wool.\n" for number in range(60)]
            (folder / f"{name}.txt").write_text("\n".join(lines), encoding="utf-8")

    return write
