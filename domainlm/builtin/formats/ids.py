"""Ids that are unique in their file."""

from __future__ import annotations

from pathlib import Path

from domainlm.api import ProblemLog


class UniqueIds:
    """The ids seen in one file; false as long as there is none.

    Args:
        path: the file, for problems.
        problems: told of ids given twice.
    """

    def __init__(self, path: Path, problems: ProblemLog) -> None:
        self._path, self._problems = path, problems
        self._seen: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._seen)

    def unique(self, name: str, line: int) -> str:
        """The name as it is; where it was there before, followed by its line number."""
        if name in self._seen:
            self._problems.add("id given twice", name, path=self._path, line=line)
            name = f"{name}#{line}"
            while name in self._seen:
                name = f"{name}#"
        self._seen.add(name)
        return name
