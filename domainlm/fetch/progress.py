"""Progress on the terminal: bytes, files, speed and time left."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from tqdm import tqdm


class Progress:
    """A bar of bytes over all files. May be used by several threads.

    The total is an estimate until every size is known: files whose size is not known yet count as the mean of those
    that are.

    Args:
        num_files: how many there are; None where that is not known beforehand.
        shown: True shows the bar, False does not, None shows it on terminals.
    """

    def __init__(self, num_files: int | None, *, shown: bool | None = None) -> None:
        self._guard = threading.Lock()
        self._num_files = num_files
        self._num_ended = 0
        self._sizes: dict[str, int] = {}
        disable = None if shown is None else not shown
        self.bar = tqdm(total=None, unit="B", unit_scale=True, desc="fetching", disable=disable, dynamic_ncols=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.close()

    def meter(self, name: str) -> FileMeter:
        """The meter of one file."""
        return FileMeter(self, name)

    def ended(self, *, counts: bool) -> None:
        """A file is settled; it does not count among the files to fetch where it was there or is not wanted."""
        with self._guard:
            if counts:
                self._num_ended += 1
            elif self._num_files is not None:
                self._num_files -= 1
            of = "" if self._num_files is None else f"/{self._num_files}"
            self.bar.set_postfix_str(f"{self._num_ended}{of} files", refresh=False)
            self._estimate()

    def add(self, name: str, num_bytes: int, size: int | None, *, new: bool) -> None:
        """So many bytes more (or fewer) of a file are here."""
        with self._guard:
            if size is not None and self._sizes.get(name) != size:
                self._sizes[name] = size
                self._estimate()
            if self.bar.disable:  # then it has no attributes
                return
            if not new:
                self.bar.initial += num_bytes  # they are here, and say nothing of the speed
                self.bar.n += num_bytes
            elif num_bytes:
                self.bar.update(num_bytes)

    def _estimate(self) -> None:
        known = len(self._sizes)
        if known:
            total = sum(self._sizes.values())
            unknown = 0 if self._num_files is None else max(0, self._num_files - known)
            self.bar.total = total + total // known * unknown


class FileMeter:
    """Reports one file's bytes to the bar they share."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress = progress
        self._name = name
        self._reached = 0

    def reached(self, num_bytes: int, size: int | None, *, new: bool) -> None:
        """So much of the file is here; `new` bytes came just now, others were here before or are dropped."""
        self._progress.add(self._name, num_bytes - self._reached, size, new=new)
        self._reached = num_bytes
