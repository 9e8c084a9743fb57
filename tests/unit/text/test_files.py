from __future__ import annotations

import bz2
import gzip
import lzma
import os
import tarfile
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainlm.api import ProblemLog
from domainlm.errors import DataError
from domainlm.text import files
from domainlm.text.files import open_text


def test_lines_come_without_their_ends(tmp_path: Path) -> None:
    path = tmp_path / "ships.txt"
    path.write_bytes("\ufeffbrig\r\n\nschooner – zwei Masten\nketch".encode())
    assert list(open_text(path)) == ["brig", "", "schooner – zwei Masten", "ketch"]


@given(lines=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n\ufeff")), min_size=1))
def test_packed_and_plain_files_give_the_lines_that_were_written(
    lines: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("lines")
    content = "".join(f"{line}\n" for line in lines).encode()
    (folder / "plain.txt").write_bytes(content)
    (folder / "packed.txt.gz").write_bytes(gzip.compress(content))
    assert list(open_text(folder / "plain.txt")) == lines
    assert list(open_text(folder / "packed.txt.gz")) == lines


def _error(path: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        list(open_text(path))
    return caught.value


def test_a_missing_file_is_answered_with_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "contracts.txt").write_text("x")
    error = _error(tmp_path / "contract.txt")
    assert "no such file" in error.problem
    assert error.nearest == str(tmp_path / "contracts.txt")


def test_a_missing_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        open_text(tmp_path / "nowhere" / "contract.txt")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "is a folder" in _error(tmp_path).problem


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "is a pipe" in _error(tmp_path / "pipe").problem


@pytest.mark.parametrize("name", ["empty.txt", "empty.txt.gz"])
def test_an_empty_file_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(b"") if name.endswith(".gz") else b"")
    error = _error(path)
    assert (error.problem, error.where) == ("is empty", str(path))


def test_a_file_of_blank_lines_is_not_empty(tmp_path: Path) -> None:
    path = tmp_path / "blank.txt"
    path.write_bytes(b"\n\n")
    assert list(open_text(path)) == ["", ""]


def test_a_truncated_gzip_file_is_refused_where_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "cut.txt.gz"
    path.write_bytes(gzip.compress(b"".join(b"%d\n" % number**7 for number in range(20_000)))[:-2000])
    error = _error(path)
    assert "cut short" in error.problem
    assert int(str(error.where).rpartition(":")[2]) > 1000


def test_a_damaged_gzip_file_is_refused(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(b"".join(b"%d\n" % number**7 for number in range(20_000))))
    content[len(content) // 2] ^= 0xFF
    path = tmp_path / "damaged.txt.gz"
    path.write_bytes(content)
    assert "damaged" in _error(path).problem


def test_plain_text_named_gz_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plain.txt.gz"
    path.write_bytes(b"plain")
    assert "not a gzip file" in _error(path).problem


def test_a_wrong_encoding_is_refused_with_line_and_byte(tmp_path: Path) -> None:
    path = tmp_path / "latin.txt"
    path.write_bytes("Käse\nfür\n".encode() + "Gemüse\n".encode("latin-1"))
    error = _error(path)
    assert error.where == f"{path}:3"
    assert "byte 14 " in error.problem  # 6 + 5 bytes of lines, 3 letters
    assert error.given == "fc 73 65 0a"


def test_the_byte_is_counted_from_the_start_of_the_file_with_its_mark(tmp_path: Path) -> None:
    path = tmp_path / "mark.txt"
    path.write_bytes(b"\xef\xbb\xbfab\xff\n")
    assert "byte 5 " in _error(path).problem


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (gzip.compress(b"text", mtime=0), "name that ends in .gz"),
        ("text".encode("utf-16"), "UTF-16"),
        ("some text".encode("utf-16-le"), "UTF-16LE"),
        ("\u00e9t\u00e9\nsome text\n".encode("utf-16-be"), "UTF-16BE"),
        (b"\xe4", "WINDOWS-1252"),
    ],
)
def test_the_remedy_of_a_wrong_encoding_fits(tmp_path: Path, content: bytes, hint: str) -> None:
    path = tmp_path / "file.txt"
    path.write_bytes(content)
    assert hint in str(_error(path).remedy)


def test_stray_nul_bytes_do_not_make_a_line_utf16(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_bytes(b"\0\nthe\0 mast\n" + b"\0" * 20 + b"\nx\0y\0")
    assert list(open_text(path)) == ["\0", "the\0 mast", "\0" * 20, "x\0y\0"]


def _archived(make: Callable[[BytesIO], None]) -> bytes:
    content = BytesIO()
    make(content)
    return content.getvalue()


def _zip(stream: BytesIO) -> None:
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.txt", "some text\n")


def _tar(stream: BytesIO) -> None:
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        member = tarfile.TarInfo("a.txt")
        member.size = 10
        archive.addfile(member, BytesIO(b"some text\n"))


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.zip", _archived(_zip), "a zip archive"),
        ("a.tar.gz", _archived(_tar), "a tar archive"),
        ("a.txt.bz2", bz2.compress(b"some text\n"), "a bzip2 file"),
        ("a.txt.xz", lzma.compress(b"some text\n"), "an xz file"),
        ("a.pdf", b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", "a PDF"),
    ],
)
def test_what_is_not_text_is_called_by_its_name(tmp_path: Path, name: str, content: bytes, kind: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert str(_error(tmp_path / name).given).startswith(kind)
    problems = ProblemLog(skip_bad_input=True)
    assert list(open_text(tmp_path / name, problems)) == []
    assert problems.counts == {"is not text (left out)": 1}


def test_an_overlong_line_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_LINE_BYTES", 10)
    path = tmp_path / "long.txt"
    path.write_bytes(b"123456789\n12345678901\n")
    error = _error(path)
    assert error.where == f"{path}:2"
    assert "too long" in error.problem


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret.txt"
    path.write_text("x")
    path.chmod(0)
    assert "may not be read" in _error(path).problem
