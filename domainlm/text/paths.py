"""Finding input files: what names, folders and patterns stand for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from domainlm.errors import DataError, nearest_name
from domainlm.text.home import with_home

_MAGIC_CHARACTERS = frozenset("*?[")


def expand_files(patterns: Sequence[str], base: Path, file_patterns: tuple[str, ...] = ("*",)) -> tuple[Path, ...]:
    """Return the files that files, folders and glob patterns stand for, each once, in the order of their names.

    The order is that of the files' own names, whatever folders they lie in: where later files revise earlier ones,
    their names say so, and not those of the folders.

    Args:
        patterns: names of files or folders, or patterns with `*`, `?`, `[...]` or `**`; relative ones start at `base`.
            What matches nothing stands for the same files gzipped (`NAME.gz`), or plain where it ends in `.gz`.
        base: folder that relative patterns start from.
        file_patterns: file-name patterns to take from a folder, in capitals or small letters (it is searched with its
            sub-folders and those that are linked there; hidden ones are not).

    Raises:
        DataError: where a pattern matches no file; names what is nearest.
    """
    found: set[Path] = set()
    for pattern in patterns:
        files = _expand(pattern, base, file_patterns) or _expand_other_form(pattern, base)
        if not files:
            raise _no_match(pattern, base, file_patterns)
        found.update(files)
    return tuple(sorted(found, key=lambda path: (path.name, path)))


def files_named(folder: Path, name: str) -> tuple[Path, ...]:
    """The file of this name in a folder, or else with `.gz` added; all that match, sorted, where it is a pattern.

    A file that is there both plain and gzipped is taken once, plain.
    """
    if _MAGIC_CHARACTERS.isdisjoint(name):
        found = [folder / name, folder / f"{name}.gz"]
        return tuple(path for path in found if path.is_file())[:1]
    matches = {path.name.removesuffix(".gz"): path for path in sorted(folder.glob(f"{name}.gz")) if path.is_file()}
    matches |= {path.name: path for path in sorted(folder.glob(name)) if path.is_file()}
    return tuple(matches[key] for key in sorted(matches))


def _expand(pattern: str, base: Path, file_patterns: tuple[str, ...]) -> set[Path]:
    files: set[Path] = set()
    for match in _matches(_absolute(pattern, base)):
        files.update(_files_below(match, file_patterns) if match.is_dir() else {match})
    return _with_own_names(files)


def _expand_other_form(pattern: str, base: Path) -> set[Path]:
    """The files that are there gzipped where plain ones are asked for, or the other way round."""
    path = _absolute(pattern, base)
    if path.exists() or path.name in {"", "**"}:
        return set()
    name = path.name.removesuffix(".gz")
    other = path.with_name(f"{name}.gz" if name == path.name else name or path.name)
    return _with_own_names({match for match in _matches(other) if match.is_file()})


def _matches(path: Path) -> list[Path]:
    if path.exists():
        return [path]
    folder, rest = _literal_part(path)
    return list(folder.glob(rest)) if rest and folder.is_dir() else []


def _with_own_names(files: set[Path]) -> set[Path]:
    """The folder is resolved, not the file: a link's own name says how to read it (".gz")."""
    return {file.parent.resolve() / file.name for file in files}


def _absolute(pattern: str, base: Path) -> Path:
    return base.absolute() / with_home(pattern)


def _literal_part(path: Path) -> tuple[Path, str]:
    """Split before the first part that holds a glob character: (folder, pattern below it)."""
    for index, part in enumerate(path.parts):
        if _MAGIC_CHARACTERS.intersection(part):
            return Path(*path.parts[:index]), str(Path(*path.parts[index:]))
    return path, ""


def _files_below(folder: Path, file_patterns: tuple[str, ...]) -> set[Path]:
    return {
        path
        for path in _walk(folder)
        if any(fnmatchcase(path.name.lower(), pattern.lower()) for pattern in file_patterns)
    }


def _walk(folder: Path) -> Iterator[Path]:
    """The files below a folder that are not hidden; links to folders are followed, and each folder is entered once."""
    entered: set[Path] = set()
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        if (place := current.resolve()) in entered:
            continue
        entered.add(place)
        for path in current.iterdir():
            if path.name.startswith("."):
                continue
            if path.is_dir():
                waiting.append(path)
            elif path.is_file():
                yield path


def _no_match(pattern: str, base: Path, file_patterns: tuple[str, ...]) -> DataError:
    path = _absolute(pattern, base)
    if path.is_dir():
        return DataError("no file of this format in the folder", where=path, allowed=file_patterns)
    folder, rest = _literal_part(path)
    if rest and folder.is_dir():
        return DataError(
            "no file matches the pattern",
            where=folder,
            given=pattern,
            nearest=nearest_name(Path(rest).parts[0], _names_in(folder)),
            remedy="correct the pattern; ** stands for any folders",
        )
    return missing_file(path, folder)


def missing_file(path: Path, wanted: Path) -> DataError:
    """The error for a path that is not there, naming the nearest thing that is.

    Args:
        path: what was asked for.
        wanted: what lacks of it: `path` itself or a folder above it.
    """
    there = next(parent for parent in wanted.parents if parent.is_dir())
    next_part = wanted.relative_to(there).parts[0]
    near = nearest_name(next_part, _names_in(there))
    return DataError(
        "no such file or folder",
        where=path,
        nearest=None if near is None else str(there / near),
        remedy=f"correct the path: {there} has no {next_part}",
    )


def _names_in(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir())
    except PermissionError:
        return []
