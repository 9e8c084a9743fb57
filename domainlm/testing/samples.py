"""What holds for every reader and every sample: same arguments, same bytes; bad files refused with a clear error."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from domainlm.api import CorpusSpec, ProblemLog, TaskSpec
from domainlm.errors import PluginError, UserError
from domainlm.plugin.samples import write_sample_of
from domainlm.testing.failure import CheckError
from domainlm.text.files import NOT_UTF8

NUM_SAMPLE_DOCUMENTS = 8
_OTHER_ENCODING = "Größe\n".encode("latin-1")
_Record = TypeVar("_Record")
_Reader = Callable[[Path, ProblemLog], Iterator[_Record]]


def write_sample(spec: CorpusSpec | TaskSpec, folder: Path, where: str) -> dict[str, tuple[Path, ...]]:
    """Write a spec's sample and check that it depends on its arguments alone.

    Args:
        spec: the corpus or task.
        folder: an empty folder.
        where: the spec, for errors.

    Returns:
        The files of the sample of seed 0, by split.
    """
    if spec.sample is None:
        raise CheckError("the spec writes no sample", where=where, remedy="pass path=..., a file that it reads")
    files = _written(spec, folder / "sample", 0, where)
    first = _contents(folder / "sample", files)
    if _contents(folder / "again", _written(spec, folder / "again", 0, where)) != first:
        raise CheckError(
            "the sample differs when it is written twice with one seed",
            where=where,
            remedy="draw from random.Random(seed) alone, in a fixed order",
        )
    if _contents(folder / "other", _written(spec, folder / "other", 1, where)) == first:
        raise CheckError(
            "the sample is the same for every seed", where=where, remedy="draw it from random.Random(seed)"
        )
    return {split: tuple(folder / "sample" / name for name in names) for split, names in files.items()}


def read_twice(
    read: _Reader[_Record], path: Path, problems: ProblemLog, where: str, *, may_be_empty: bool = False
) -> list[_Record]:
    """All records of one file, read twice and compared."""
    records = _read(read, path, problems, where)
    if _read(read, path, ProblemLog(), where) != records:
        raise CheckError("the reader gives other records the second time", where=f"{where}, {path}")
    if not records and not may_be_empty:
        raise CheckError("the reader gives nothing", where=f"{where}, {path}")
    return records


def check_refusals(read: _Reader[_Record], folder: Path, suffix: str, where: str) -> None:
    """Check that a missing and an empty file raise a `UserError`, and nothing else."""
    empty = folder / f"empty{suffix}"
    empty.write_bytes(b"")
    for kind, path in (("a missing", folder / f"missing{suffix}"), ("an empty", empty)):
        try:
            for _ in read(path, ProblemLog()):
                break
        except UserError:
            continue
        except Exception as error:
            raise CheckError(
                f"{kind} file must raise a DataError",
                where=where,
                given=f"{type(error).__name__}: {error}",
                remedy="raise domainlm.api.DataError",
            ) from error
        raise CheckError(f"{kind} file must raise a DataError", where=where, remedy="raise domainlm.api.DataError")


def check_skips(read: _Reader[_Record], file: Path, folder: Path, where: str) -> None:
    """Check that a line in another encoding costs no more than itself where bad input is to be skipped.

    Only of a file that is text in lines. A format that is read as a whole may refuse the file.

    Args:
        read: the reader.
        file: a sound file.
        folder: takes one with such a line.
        where: the spec, for errors.
    """
    content = file.read_bytes()
    is_packed = file.suffix.lower() == ".gz"
    lines = (gzip.decompress(content) if is_packed else content).splitlines(keepends=True)
    if not _is_text(b"".join(lines)):
        return
    lines.insert(len(lines) // 2, _OTHER_ENCODING)
    path = folder / f"skip-{file.name}"
    path.write_bytes(gzip.compress(b"".join(lines)) if is_packed else b"".join(lines))
    num_read = 0
    try:
        for _ in read(path, ProblemLog(skip_bad_input=True)):
            num_read += 1
    except UserError as error:
        if num_read and error.problem.startswith(NOT_UTF8):
            raise CheckError(
                'a line in another encoding ends the file where corpus.on_bad_input = "skip"',
                where=where,
                given=error.problem,
                remedy="hand the problems on: open_text(path, problems)",
            ) from error
    except Exception as error:
        raise CheckError(
            "a line in another encoding must be skipped, or raise a DataError",
            where=where,
            given=f"{type(error).__name__}: {error}",
            remedy="read the file by domainlm.reading.open_text(path, problems)",
        ) from error


def _is_text(content: bytes) -> bool:
    try:
        return "\0" not in content.decode("utf-8")
    except UnicodeDecodeError:
        return False


def _read(read: _Reader[_Record], path: Path, problems: ProblemLog, where: str) -> list[_Record]:
    records = read(path, problems)
    if not isinstance(records, Iterator):
        raise CheckError(
            "the reader must stream: return an iterator", where=where, given=type(records).__name__, remedy="use yield"
        )
    return list(records)


def _written(spec: CorpusSpec | TaskSpec, folder: Path, seed: int, where: str) -> dict[str, list[str]]:
    """Names of the files below the folder, by split."""
    folder.mkdir()
    try:
        return write_sample_of(spec, folder, seed=seed, num_documents=NUM_SAMPLE_DOCUMENTS)
    except PluginError as error:
        raise CheckError(error.problem, where=where, given=error.given, allowed=error.allowed) from error


def _contents(folder: Path, files: Mapping[str, Sequence[str]]) -> dict[str, list[tuple[str, bytes]]]:
    """Names and bytes by split."""
    return {split: [(name, (folder / name).read_bytes()) for name in names] for split, names in files.items()}
