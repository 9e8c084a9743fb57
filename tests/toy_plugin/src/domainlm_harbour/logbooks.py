"""Log books: a line `== DATE SHIP ==`, then an entry a line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from domainlm.api import DataError, Document, ProblemLog
from domainlm.reading import open_text

_HEAD = re.compile(r"== (\d{4}-\d\d-\d\d) (.+) ==")


def read_logbook(path: Path, problems: ProblemLog) -> Iterator[Document]:
    """Stream the days of one log book; entries before the first head line are left out and counted.

    Raises:
        DataError: the file cannot be read, or holds no day.
    """
    num_days = 0
    identity, ship, entries = "", "", list[str]()
    for number, line in enumerate(open_text(path, problems), start=1):
        head = _HEAD.fullmatch(line.strip())
        if head is not None:
            if entries:
                yield Document(identity, tuple(entries), {"ship": ship})
            num_days += 1
            identity, ship, entries = f"{path.name}:{head[1]}:{num_days}", head[2], []
        elif line.strip() and not num_days:
            problems.add("entry before the first day", line.strip(), path=path, line=number)
        elif line.strip():
            entries.append(line.strip())
    if entries:
        yield Document(identity, tuple(entries), {"ship": ship})
    if not num_days:
        raise DataError("no day in this log book", where=path, allowed="== YYYY-MM-DD SHIP ==")
