"""XML read record by record in constant memory, with all that a hostile file could use switched off.

Entities are never expanded, the DTD is never loaded, nothing is fetched, and libxml2's limits on depth and text size
stay on. A file that declares entities of its own is refused: neither NLM nor PMC writes such files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from domainlm.api import DataError, ProblemLog
from domainlm_biomegatron.readers.bytes import DamagedFileError, report_break

if TYPE_CHECKING:
    from lxml import etree

BROKEN_XML = "broken XML"
DAMAGED_FILE = "damaged file"
_MAX_LINE = 65_535
_MAX_RECORD_BYTES = 1 << 26
"""A record takes some ten times its size in memory; the largest real ones have a few megabytes."""


def stream_records(
    pieces: Iterable[bytes],
    where: Path | str,
    *,
    roots: Sequence[str],
    records: Sequence[str],
    problems: ProblemLog,
) -> Iterator[etree._Element]:
    """Yield each complete element named in `records`, and free it afterwards.

    A file that breaks in the middle yields what came before the break; then the break is counted or refused.

    Args:
        pieces: the content of the file.
        where: what messages call the file.
        roots: names that the outermost element may have.
        records: names of the elements to yield. They do not contain one another.
        problems: gets the break, with file and line, where damaged input is to be skipped.

    Raises:
        DataError: missing, empty, no XML, XML of another kind, a file that declares entities, or a damaged one.
    """
    pieces = iter(pieces)
    start = _check_start(pieces, where, roots)
    parser = _new_parser("end", records)
    num_pending = 0  # bytes since the last complete record
    try:
        for piece in chain((start,), pieces):
            error = _syntax_error(parser, piece)
            num_pending += len(piece)
            for record in _complete_records(parser):
                num_pending = 0
                yield record
            if error is not None:
                report_break(problems, BROKEN_XML, error.msg or "", where=where, line=error.lineno)
                return
            if num_pending > _MAX_RECORD_BYTES:
                detail = f"no end of a record in {num_pending:,} bytes"
                report_break(problems, "a record is too large", detail, where=where)
                return
    except DamagedFileError as damage:
        report_break(problems, DAMAGED_FILE, str(damage), where=where)
        return
    error = _syntax_error(parser, None)
    if error is not None:
        report_break(problems, BROKEN_XML, error.msg or "", where=where, line=error.lineno)


def line_of(element: etree._Element) -> int | None:
    """Return the line on which `element` starts, None beyond those that libxml2 can count."""
    line = cast("int | None", element.sourceline)
    return line if line is not None and line < _MAX_LINE else None


def _new_parser(event: Literal["start", "end"], tags: Sequence[str] | None) -> etree.XMLPullParser:
    from lxml import etree

    return etree.XMLPullParser(
        events=(event,),
        tag=tags,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )


def _syntax_error(parser: etree.XMLPullParser, piece: bytes | None) -> etree.XMLSyntaxError | None:
    """Feed one piece, or the end of the file (None); return what is wrong with the XML, if anything."""
    from lxml import etree

    try:
        if piece is None:
            parser.close()
        else:
            parser.feed(piece)
    except etree.XMLSyntaxError as error:
        return error
    return None


def _elements(parser: etree.XMLPullParser) -> Iterator[etree._Element]:
    for _, element in parser.read_events():
        yield cast("Any", element)  # an element, for start and end events


def _complete_records(parser: etree.XMLPullParser) -> Iterator[etree._Element]:
    for record in _elements(parser):
        yield record
        record.clear()
        parent = record.getparent()
        while parent is not None and parent[0] is not record:
            del parent[0]


def _check_start(pieces: Iterable[bytes], where: Path | str, roots: Sequence[str]) -> bytes:
    """Read up to the outermost element, check it, and return the bytes read.

    The whole file is not parsed in search of records where it cannot have any.
    """
    parser = _new_parser("start", None)
    read = b""
    try:
        for piece in pieces:
            read += piece
            error = _syntax_error(parser, piece)
            for root in _elements(parser):
                _check_root(root, where, roots)
                return read
            if error is not None:
                raise _no_xml(where, f"line {error.lineno}: {error.msg}", roots)
            if len(read) > _MAX_RECORD_BYTES:
                raise _no_xml(where, f"no element in the first {len(read):,} bytes", roots)
    except DamagedFileError as damage:
        raise DataError("damaged file, nothing could be read", where=where, given=str(damage)) from None
    raise _no_xml(where, "no element in it", roots)


def _check_root(root: etree._Element, where: Path | str, roots: Sequence[str]) -> None:
    dtd = root.getroottree().docinfo.internalDTD
    declared = [entity.name for entity in cast("Any", dtd).entities()] if dtd is not None else []
    if declared:
        raise DataError(
            "declares entities of its own, which is refused",
            where=where,
            given=", ".join(declared[:5]),
            remedy="get the file from its official source, which has none",
        )
    if root.tag not in roots:
        raise DataError("XML of another kind", where=where, given=f"<{root.tag}>", allowed=_listed(roots))


def _no_xml(where: Path | str, found: str, roots: Sequence[str]) -> DataError:
    return DataError("not XML", where=where, given=found, allowed=_listed(roots))


def _listed(roots: Sequence[str]) -> str:
    return "a file whose outermost element is " + " or ".join(f"<{root}>" for root in roots)
