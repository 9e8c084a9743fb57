from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainlm.errors import DataError
from domainlm.text import files
from domainlm.text.files import expand_files, open_text


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
        (b"\xe4", "WINDOWS-1252"),
    ],
)
def test_the_remedy_of_a_wrong_encoding_fits(tmp_path: Path, content: bytes, hint: str) -> None:
    path = tmp_path / "file.txt"
    path.write_bytes(content)
    assert hint in str(_error(path).remedy)


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


@pytest.fixture
def library(tmp_path: Path) -> Path:
    for name in ("b.txt", "a.txt.gz", "notes.md", "more/c.txt", "more/.hidden.txt", ".git/d.txt", "[odd]/e.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    return tmp_path


def _names(paths: tuple[Path, ...], base: Path) -> list[str]:
    return [str(path.relative_to(base.resolve())) for path in paths]


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["b.txt"], ["b.txt"]),
        (["notes.md"], ["notes.md"]),
        (["."], ["a.txt.gz", "b.txt", "more/c.txt", "[odd]/e.txt"]),
        (["more", "b.txt", "more/c.txt"], ["b.txt", "more/c.txt"]),
        (["*.txt"], ["b.txt"]),
        (["**/*.txt"], ["more/.hidden.txt", "b.txt", "more/c.txt", ".git/d.txt", "[odd]/e.txt"]),
        (["m*"], ["more/c.txt"]),
        (["[odd]/e.txt"], ["[odd]/e.txt"]),
        (["more/../*.gz"], ["a.txt.gz"]),
    ],
)
def test_files_folders_and_patterns_become_sorted_files(
    library: Path, patterns: list[str], expected: list[str]
) -> None:
    assert _names(expand_files(patterns, library, ("*.txt", "*.txt.gz")), library) == expected


def test_the_order_is_that_of_the_names_whatever_the_folders_are_called(tmp_path: Path) -> None:
    expected = ["nlm/log26n0001.xml", "nlm/log26n0002.xml.gz", "daily/log26n1335.xml", "other/log26n1335.xml"]
    for name in expected:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    assert _names(expand_files(["."], tmp_path), tmp_path) == expected
    assert _names(expand_files(["other", "daily", "nlm/*"], tmp_path), tmp_path) == expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a.txt", ["a.txt.gz"]),
        ("b.txt.gz", ["b.txt"]),
        ("a*.txt", ["a.txt.gz"]),
        ("more/?.txt.gz", ["more/c.txt"]),
    ],
)
def test_a_file_that_is_there_in_the_other_form_is_taken(library: Path, pattern: str, expected: list[str]) -> None:
    assert _names(expand_files([pattern], library), library) == expected


def test_the_form_that_is_asked_for_comes_first(library: Path) -> None:
    (library / "b.txt.gz").write_bytes(gzip.compress(b"x"))
    assert _names(expand_files(["b.txt"], library), library) == ["b.txt"]
    assert _names(expand_files(["?.txt.gz"], library), library) == ["a.txt.gz", "b.txt.gz"]


@pytest.mark.parametrize("pattern", ["more.gz", "more/**", "none/**", ".gz"])
def test_a_folder_is_no_other_form_of_a_file(library: Path, pattern: str) -> None:
    (library / "more" / "c.txt").unlink()
    with pytest.raises(DataError):
        expand_files([pattern], library, ("*.txt",))


def test_absolute_names_need_no_base(library: Path) -> None:
    assert expand_files([str(library / "b.txt")], Path("/nowhere"), ("*",)) == (library.resolve() / "b.txt",)


def test_a_link_keeps_its_name(library: Path) -> None:
    (library / "link.txt.gz").symlink_to(library / "notes.md")
    assert _names(expand_files(["link.txt.gz"], library, ("*",)), library) == ["link.txt.gz"]


@pytest.mark.parametrize(
    ("pattern", "nearest"),
    [("b.text", "b.txt"), ("mor/c.txt", "more"), ("notes*.txt", "notes.md"), ("more/d.txt", "c.txt")],
)
def test_what_matches_nothing_is_answered_with_the_nearest_name(library: Path, pattern: str, nearest: str) -> None:
    with pytest.raises(DataError) as caught:
        expand_files(["b.txt", pattern], library, ("*",))
    assert str(caught.value.nearest).endswith(nearest)


def test_a_folder_without_files_of_the_format_is_refused(library: Path) -> None:
    with pytest.raises(DataError, match=r"\*\.nxml"):
        expand_files(["more"], library, ("*.nxml",))


def test_the_home_of_a_user_who_is_not_there_is_one_clear_error(library: Path) -> None:
    with pytest.raises(DataError, match=r"~nosuchuser stands for the home folder of a user"):
        expand_files(["~nosuchuser/b.txt"], library)
