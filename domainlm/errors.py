"""One tree of user errors: where it happened, what was given, what is allowed, the nearest name, the remedy.

Everything a user can cause raises a `UserError`; the command line prints it without a traceback and exits with
code 2. Anything else that escapes is a bug of ours.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

_MAX_ALLOWED_SHOWN = 20


def nearest_name(name: str, choices: Iterable[str]) -> str | None:
    """Return the choice most like `name`, or None where none is like it."""
    names = list(choices)
    by_folded = {choice.casefold(): choice for choice in reversed(names)}
    close = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.5)
    return by_folded[close[0]] if close else None


def shortened(names: Sequence[str], most: int, *, separator: str = ", ", before_rest: str = " ") -> str:
    """The first `most` names of a list, and how many others there are: "a, b and 3 more"; "" where there are none."""
    shown = separator.join(names[:most])
    rest = len(names) - most
    return f"{shown}{before_rest}and {rest} more" if rest > 0 else shown


class UserError(ValueError):
    """Something the user can fix.

    Args:
        problem: one clause saying what is wrong, without a full stop.
        where: the place: a file with its line, a dotted recipe key, a plugin with its version.
        given: the offending value.
        allowed: what would have been right: a sentence, or the list of valid names.
        nearest: the valid name most like the given one. Worked out from `given` where `allowed` is a list of names.
        remedy: what to do about it.

    Example:
        import domainlm

        try:
            domainlm.load("nowhere")
        except domainlm.UserError as error:
            print(error.problem, error.where, error.remedy, sep="; ")
            print(error)  # all of it, a line for each part
    """

    def __init__(
        self,
        problem: str,
        *,
        where: str | Path | None = None,
        given: object = None,
        allowed: str | Sequence[str] | None = None,
        nearest: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.problem = problem
        self.where = None if where is None else str(where)
        self.given = given
        self.allowed = allowed
        if nearest is None and isinstance(given, str) and allowed is not None and not isinstance(allowed, str):
            nearest = nearest_name(given, allowed)
        self.nearest = nearest
        self.remedy = remedy
        super().__init__(self._render())

    def at(self, where: str | Path) -> None:
        """Say where, in an error that does not say it."""
        if self.where is None:
            self.where = str(where)
            self.args = (self._render(),)

    def within(self, whole: str) -> None:
        """Say what the place is part of, or who came to it."""
        self.where = f"{whole}, {self.where}" if self.where else whole
        self.args = (self._render(),)

    def _render(self) -> str:
        head = f"{self.where}: {self.problem}" if self.where else self.problem
        lines = [head]
        if self.given is not None:
            lines.append(f"  given:   {self.given}")
        if self.allowed is not None:
            lines.append(f"  allowed: {_render_allowed(self.allowed)}")
        if self.nearest is not None:
            lines.append(f"  nearest: {self.nearest}")
        if self.remedy is not None:
            lines.append(f"  remedy:  {self.remedy}")
        return "\n".join(lines)


def _render_allowed(allowed: str | Sequence[str]) -> str:
    if isinstance(allowed, str):
        return allowed
    return shortened(allowed, _MAX_ALLOWED_SHOWN) if allowed else "(none)"


TOLD = "(its traceback is shown above)"
"""A note on an error whose traceback has been shown, so that it is not shown again."""


class Terminated(KeyboardInterrupt):
    """SIGTERM. Whoever cleans up after Ctrl-C cleans up after it too."""


class RecipeError(UserError):
    """A recipe that cannot be read, resolved or run as it stands."""


class PluginError(UserError):
    """A plugin that cannot be loaded, or that breaks a rule of the plugin interface."""


class SpecError(UserError):
    """A declared spec (corpus, vocabulary, model size, task, recipe) with a wrong field or an unknown name."""


class DataError(UserError):
    """An input file that is missing, empty, damaged or not in the stated format."""


class FetchError(UserError):
    """Data that cannot be fetched: no such address, a server that fails, a wrong checksum."""


class VocabularyError(UserError):
    """A vocabulary that cannot be learned, loaded or used."""


class ModelError(UserError):
    """A model folder or checkpoint that cannot be loaded, or settings no model can be built from."""


class StudyError(UserError):
    """Some stages of a study failed, and the others are done."""


class StorageError(UserError):
    """A folder that cannot be written: disk full, read-only, locked, or holding something else."""


class MachineError(UserError):
    """Something this machine or this installation lacks: a device, memory, a library."""


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error, what it was raised from, what that was raised from, and so on: libraries wrap errors in their own."""
    seen: list[BaseException] = []
    each: BaseException | None = error
    while each is not None and each not in seen:
        seen.append(each)
        yield each
        each = each.__cause__


_STORAGE_REMEDIES = {
    errno.ENOSPC: ("the disk is full", "free some space or choose another folder, then run the same command again"),
    errno.EDQUOT: ("the disk quota is used up", "free some space, then run the same command again"),
    errno.EROFS: ("the file system is read-only", "choose a folder that can be written, with --out or --store"),
    errno.EACCES: ("permission denied", "choose a folder you may write to, or change its permissions"),
    errno.EPERM: ("operation not permitted", "choose a folder you may write to, or change its permissions"),
    errno.EFBIG: ("the file would be larger than this system allows", "raise the limit (ulimit -f), then run it again"),
}


def storage_error(error: OSError, folder: str | Path | None = None) -> StorageError | None:
    """Translate an operating-system error about writing into a `StorageError`; None where it is something else."""
    known = _STORAGE_REMEDIES.get(error.errno or 0)
    if known is None:
        return None
    problem, remedy = known
    return StorageError(problem, where=error.filename or folder, remedy=remedy)


_PLACE_REMEDIES = {
    errno.ENOENT: ("no such file or folder", "correct the path, or make the folder it lies in"),
    errno.ENOTDIR: ("a part of this path is a file, not a folder", "correct the path"),
    errno.EISDIR: ("is a folder, not a file", "name a file in it"),
    errno.ENAMETOOLONG: ("the name is too long for this file system", "choose a shorter one"),
}


def place_error(error: OSError, place: str | Path | None = None) -> StorageError | None:
    """Translate an operating-system error about a path that cannot be; None where it is something else.

    Apart from `storage_error`, whose errors meet everything on the machine alike: these are of one path.
    """
    place = place or error.filename
    known = _PLACE_REMEDIES.get(error.errno or 0)
    if known is None or place is None:
        return None
    problem, remedy = known
    return StorageError(problem, where=place, remedy=remedy)
