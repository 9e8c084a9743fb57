"""Files that are one JSON value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from domainlm.errors import DataError
from domainlm.text.files import read_text


def read_json(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    """Read a file, plain or `.gz`, that holds one JSON value.

    Raises:
        DataError: the file cannot be read, or is not JSON; with line and column.
    """
    text = read_text(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(
            f"not JSON: {error.msg}",
            where=f"{path}:{error.lineno}",
            given=f"column {error.colno}",
            remedy="fetch the file again: it may be cut short" if error.pos >= len(text.rstrip()) - 1 else None,
        ) from None
    except (RecursionError, ValueError) as error:
        raise DataError(f"not JSON that can be read: {error}", where=path) from None
