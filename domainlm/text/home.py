"""The "~" at the beginning of a path."""

from __future__ import annotations

from pathlib import Path

from domainlm.errors import DataError


def with_home(path: str) -> Path:
    """Put the home folder of the user, or of the one that is named, in place of a "~" at the beginning.

    Raises:
        DataError: there is no such user, or this one has no home folder.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise DataError(
            f"{Path(path).parts[0]} stands for the home folder of a user, and none is known",
            given=path,
            remedy="write the whole path",
        ) from None
