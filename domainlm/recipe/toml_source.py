"""A recipe as nested tables: read from TOML, `extends` followed, overridden, each key remembering where it stands."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domainlm.errors import RecipeError, nearest_name
from domainlm.recipe.dotted import map_study_paths
from domainlm.text.home import with_home

Table = dict[str, Any]

_PATH_KEYS = (
    ("corpus", "files", "*"),
    ("general", "files", "*"),
    ("mixture", "corpora", "*", "files", "*"),
    ("vocabulary", "file"),
    ("start", "path"),
    ("start", "vocabulary"),
    ("tasks", "*", "folder"),
    ("tasks", "*", "files", "*", "*"),
)
"""Keys whose values are paths, relative to the file they stand in ("*": any key or place in a list)."""


@dataclass(slots=True)
class RecipeSource:
    """Merged tables of a recipe and of what it extends.

    Attributes:
        tables: the merged tables.
        origins: for each dotted key, the file (or "--set") that gave it.
        files: every file read, the recipe itself first.
    """

    tables: Table
    origins: dict[str, str] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)

    def origin(self, dotted: str) -> str | None:
        """The file that gave `dotted`, or the nearest table above it."""
        parts = dotted.split(".")
        for length in range(len(parts), 0, -1):
            found = self.origins.get(".".join(parts[:length]))
            if found is not None:
                return found
        return str(self.files[0]) if self.files else None

    def merge(self, tables: Table, origin: str) -> None:
        """Lay `tables` over what is there: tables merge key by key, anything else is replaced."""
        _merge(self.tables, tables, "", origin, self.origins)


def read_source(path: Path, find_shipped: Callable[[str], Path] | None = None) -> RecipeSource:
    """Read a recipe file and, below it, all that it extends.

    Args:
        path: the TOML file.
        find_shipped: gives the file of a recipe that ships with a plugin, by its spec name.

    Raises:
        RecipeError: a file that is missing, is no TOML, or extends itself.
    """
    chain = list(_read_chain(path, find_shipped))
    source = RecipeSource({}, files=[file for file, _ in chain])
    for file, tables in reversed(chain):
        source.merge(tables, str(file))
    return source


def _read_chain(path: Path, find_shipped: Callable[[str], Path] | None) -> Iterator[tuple[Path, Table]]:
    seen: list[Path] = []
    file: Path | None = path
    while file is not None:
        if file.resolve() in seen:
            raise RecipeError("extends itself", where=file, given=" -> ".join(p.name for p in [*seen, file]))
        seen.append(file.resolve())
        tables = read_toml(file)
        base = tables.pop("extends", None)
        anchor_paths(tables, file.parent)
        yield file, tables
        file = None if base is None else _base_file(base, file, find_shipped)


def _base_file(base: object, file: Path, find_shipped: Callable[[str], Path] | None) -> Path:
    if not isinstance(base, str):
        raise RecipeError(
            "extends must be text", where=file, given=repr(base), allowed="a path or the name of a shipped recipe"
        )
    if base.endswith(".toml") or find_shipped is None:
        return (file.parent / base).resolve()
    return find_shipped(base)


def read_toml(path: Path) -> Table:
    """Read one TOML file.

    Raises:
        RecipeError: missing, not UTF-8, or not TOML (with line and column).
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")  # some editors put a byte-order mark first
    except FileNotFoundError:
        # By stem: all share the ending, which would make strangers look alike.
        siblings = [p.stem for p in path.parent.glob("*.toml")] if path.parent.is_dir() else []
        nearest = nearest_name(path.stem, siblings)
        raise RecipeError(
            "no such recipe",
            where=path,
            nearest=None if nearest is None else f"{nearest}.toml",
            remedy="give the path of a TOML file, or a name that `domainlm recipe list` shows",
        ) from None
    except IsADirectoryError:
        raise RecipeError("is a folder, not a recipe", where=path, remedy="name a TOML file in it") from None
    except UnicodeDecodeError as error:
        raise RecipeError(f"not UTF-8 at byte {error.start}", where=path, remedy="save the file as UTF-8") from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"not TOML: {error}", where=path) from None


def anchor_paths(tables: Table, folder: Path) -> None:
    """Make the relative paths among `tables` absolute, in place; those that begin with `${` wait for their variable."""

    def anchored(value: object) -> object:
        if not isinstance(value, str) or value.startswith("${"):
            return value
        return str(folder.absolute() / with_home(value))

    map_all_paths(tables, anchored)
    map_study_paths(tables, lambda nested: map_all_paths(nested, anchored))


def relate_paths(tables: Table, folder: Path) -> None:
    """Make the absolute paths among `tables` relative to `folder`, in place: they say the same on any machine."""

    def related(value: object) -> object:
        return relative_path(value, folder)

    map_all_paths(tables, related)
    map_study_paths(tables, lambda nested: map_all_paths(nested, related))


def relative_path(value: object, folder: Path) -> object:
    """A value relative to `folder` where it is an absolute path; any other as it is."""
    is_absolute = isinstance(value, str) and Path(value).is_absolute()
    return os.path.relpath(str(value), folder.absolute()) if is_absolute else value


def map_all_paths(tables: Table, change: Callable[[Any], Any]) -> None:
    """Apply `change` to every value among `tables` that is a path, in place; not to what is varied or scaled."""
    for keys in _PATH_KEYS:
        map_path_values(tables, keys, change)


def map_path_values(node: object, keys: Sequence[str], change: Callable[[Any], Any]) -> None:
    """Apply `change` in place to the values at `keys` below `node`; what is not there is passed over."""
    if not keys:
        return
    places: list[Any]
    if isinstance(node, dict):
        places = list(node) if keys[0] == "*" else [key for key in node if key == keys[0]]
    elif isinstance(node, list) and keys[0] == "*":
        places = list(range(len(node)))
    else:
        return
    for place in places:
        if len(keys) == 1:
            node[place] = change(node[place])
        else:
            map_path_values(node[place], keys[1:], change)


def _merge(into: Table, tables: Table, prefix: str, origin: str, origins: dict[str, str]) -> None:
    for key, value in tables.items():
        dotted = f"{prefix}{key}"
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value, f"{dotted}.", origin, origins)
            continue
        for stale in [name for name in origins if name.startswith(f"{dotted}.")]:
            del origins[stale]
        origins[dotted] = origin
        if isinstance(value, dict):
            into[key] = {}
            _merge(into[key], value, f"{dotted}.", origin, origins)
        else:
            into[key] = value
