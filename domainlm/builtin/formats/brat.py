"""Brat's standoff format: a text in NAME.txt, its annotations in NAME.ann beside it (Stenetorp et al. 2012).

    T1<TAB>ship 4 8<TAB>Vega
    T2<TAB>place 14 18;24 30<TAB>Oslo harbor

Offsets count the characters of the text file, line ends included; the end is exclusive. A mention of several fragments
is read as all from its first to its last character, and counted. Lines of other kinds (relations, events, attributes,
notes) are passed over.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from domainlm.api import DataError, Entity, ProblemLog, TokenExample
from domainlm.text.annotated import sentence_examples, sound_entity

_NUMBERS = r"[0-9]{1,15} [0-9]{1,15}"
_MENTION = re.compile(rf"T\S*\t(\S+) ({_NUMBERS}(?:;{_NUMBERS})*)\t(.*)")
_OTHER_KINDS = frozenset("REAMNWC*#")
_ANNOTATIONS, _TEXT = ".ann", ".txt"


def read_brat(path: Path, problems: ProblemLog) -> Iterator[TokenExample]:
    """Stream the sentences of one document; `id` is "NAME:n".

    Args:
        path: the .ann file, plain or `.gz`. Of a .txt file beside one, and of brat's .conf files, there is nothing to
            read, so that a whole folder can be given.
        problems: told of lines and mentions that are left out or mended, and of texts without annotations.

    Raises:
        DataError: a file is missing or cannot be read, or the file is none of brat's.
    """
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    if suffix == ".conf":
        return
    stem = path.name.removesuffix(".gz").removesuffix(suffix)
    if suffix == _TEXT:
        _read(path)
        if not _beside(path, stem, _ANNOTATIONS).is_file():
            problems.add("text without annotations (left out)", f"no {stem}{_ANNOTATIONS}", path=path)
        return
    if suffix != _ANNOTATIONS:
        raise DataError("not a file of brat's", where=path, allowed=f"names that end in {_ANNOTATIONS}")
    annotations = _read(path)
    text = _read(_beside(path, stem, _TEXT))
    yield from sentence_examples(stem, text, _entities(annotations, text, path, problems))


def text_beside(path: Path) -> tuple[Path, ...]:
    """The text that belongs to a file of annotations, for `TaskSpec.companions`."""
    stem = path.name.removesuffix(".gz").removesuffix(_ANNOTATIONS)
    return (_beside(path, stem, _TEXT),) if stem != path.name else ()


def _beside(path: Path, stem: str, suffix: str) -> Path:
    plain = path.with_name(f"{stem}{suffix}")
    packed = path.with_name(f"{stem}{suffix}.gz")
    return packed if packed.is_file() and not plain.is_file() else plain


def _entities(annotations: str, text: str, path: Path, problems: ProblemLog) -> Iterator[Entity]:
    for number, line in enumerate(annotations.split("\n"), 1):
        content = line.rstrip("\r")
        if not content.strip() or content[0] in _OTHER_KINDS:
            continue
        match = _MENTION.fullmatch(content)
        if match is None:
            problems.add("line of no known kind (left out)", repr(content[:80]), path=path, line=number)
            continue
        entity_type, places, given = match.groups()
        fragments = [(int(first), int(last)) for first, last in (each.split(" ") for each in places.split(";"))]
        found = " ".join(text[first:last] for first, last in fragments)
        if _on_one_line(found) != _on_one_line(given):
            detail = f"{given[:80]!r} at {places}, where {found[:80]!r} is"
            problems.add("mention text differs (left out)", detail, path=path, line=number)
            continue
        entity = sound_entity(text, fragments, entity_type, problems=problems, path=path, line=number)
        if entity is not None:
            yield entity


def _on_one_line(text: str) -> str:
    """Brat writes the line breaks of a mention as blanks."""
    return re.sub(r"[\r\n]", " ", text)


def _read(path: Path) -> str:
    """The whole file, its line ends as they are, since offsets count them."""
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
        return content.decode("utf-8")
    except FileNotFoundError:
        raise DataError("no such file", where=path, remedy="brat keeps NAME.txt beside NAME.ann") from None
    except IsADirectoryError:
        raise DataError("is a folder, not a file", where=path, remedy="name a file in it") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError("the gzip file is damaged, or not a gzip file", where=path, given=str(error)) from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"not UTF-8 at byte {error.start:,} (counted from 0)",
            where=path,
            remedy="convert it to UTF-8, for example with iconv -f WINDOWS-1252 -t UTF-8",
        ) from error
