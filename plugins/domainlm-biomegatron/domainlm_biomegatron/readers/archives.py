"""XML files as they come: by themselves, gzipped, or by the thousand in a tar archive that is read as it streams by."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath

from domainlm.api import DataError, Document, ProblemLog
from domainlm_biomegatron.readers.bytes import DamagedFileError, read_pieces, report_break
from domainlm_biomegatron.readers.tar import Member, TarStream, is_tar

_ENDINGS = (".xml", ".nxml")
_TAR_START = 512
DAMAGED_ARCHIVE = "damaged archive"


@dataclass(frozen=True, slots=True)
class XmlFile:
    """A file of XML, on disk or in an archive.

    Attributes:
        where: what messages call it: its path, in an archive "ARCHIVE:MEMBER".
        name: its file name without the folders.
        pieces: its content, once.
    """

    where: Path | str
    name: str
    pieces: Iterator[bytes]


ReadFile = Callable[[XmlFile, ProblemLog], Iterator[Document]]


def read_each(path: Path, problems: ProblemLog, read_file: ReadFile) -> Iterator[Document]:
    """Stream the documents of a file, or of all XML files in an archive.

    In an archive only ordinary files that end in `.xml` or `.nxml` are read, and nothing is ever written. Counted in
    `problems` with their names: members whose name leads out of the archive's folder (`../`, absolute), links and
    devices, all of which are passed over. Where damaged input is to be skipped, a member that cannot be read is counted
    and the next one follows, and of an archive that breaks off what came before is kept.

    Raises:
        DataError: missing, empty, not what `read_file` reads, or damaged where that is not to be skipped.
    """
    pieces = read_pieces(path)
    try:
        start = _first_bytes(pieces)
    except DamagedFileError as damage:
        raise DataError("damaged file, nothing could be read", where=path, given=str(damage)) from None
    content = chain((start,), pieces)
    if is_tar(start):
        yield from _read_archive(path, content, problems, read_file)
    else:
        yield from read_file(XmlFile(path, path.name, content), problems)


def _first_bytes(pieces: Iterator[bytes]) -> bytes:
    start = b""
    while len(start) < _TAR_START and (piece := next(pieces, None)) is not None:
        start += piece
    return start


def _read_archive(
    path: Path, content: Iterator[bytes], problems: ProblemLog, read_file: ReadFile
) -> Iterator[Document]:
    archive = TarStream(content)
    try:
        for member in archive:
            if not _is_wanted(member, path, problems):
                continue
            inside = XmlFile(f"{path}:{member.name}", PurePosixPath(member.name).name, archive.content())
            yield from _read_member(inside, problems, read_file)
            if archive.damage is not None:
                raise archive.damage  # the member has told of it as its own
    except DamagedFileError as damage:
        report_break(problems, DAMAGED_ARCHIVE, str(damage), where=path)


def _is_wanted(member: Member, path: Path, problems: ProblemLog) -> bool:
    if member.leads_outside:
        problems.add("name in an archive that leads out of it (left out)", _shown(member), path=path)
    elif member.kind not in {"file", "folder"}:
        problems.add(f"{member.kind} in an archive (left out)", _shown(member), path=path)
    return member.kind == "file" and not member.leads_outside and member.name.lower().endswith(_ENDINGS)


def _shown(member: Member) -> str:
    return f"{member.name[:200]!r} at byte {member.offset:,}"


def _read_member(inside: XmlFile, problems: ProblemLog, read_file: ReadFile) -> Iterator[Document]:
    try:
        yield from read_file(inside, problems)
    except DataError as error:
        if not problems.skip_bad_input:
            raise
        problems.add("file in an archive left out", f"{error.problem}: {error.given or ''}", path=inside.where)
