from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from domainlm.errors import DataError
from domainlm.text.paths import expand_files


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


def test_folders_that_are_linked_are_searched_once(tmp_path: Path) -> None:
    for name in ("here/a.txt", "there/b.txt", "there/more/c.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "here" / "link").symlink_to(tmp_path / "there")
    (tmp_path / "there" / "more" / "back").symlink_to(tmp_path / "here")
    (tmp_path / "here" / "again").symlink_to(tmp_path / "there" / "more")
    expected = ["here/a.txt", "there/b.txt", "there/more/c.txt"]
    assert _names(expand_files(["here"], tmp_path, ("*.txt",)), tmp_path) == expected


def test_the_ending_of_a_file_in_a_folder_may_be_in_capitals(tmp_path: Path) -> None:
    for name in ("A.TXT", "b.txt", "C.Txt.GZ", "d.md"):
        (tmp_path / name).write_text("x")
    assert _names(expand_files(["."], tmp_path, ("*.txt", "*.txt.gz")), tmp_path) == ["A.TXT", "C.Txt.GZ", "b.txt"]


def test_a_folder_without_files_of_the_format_is_refused(library: Path) -> None:
    with pytest.raises(DataError, match=r"\*\.nxml"):
        expand_files(["more"], library, ("*.nxml",))


def test_the_home_of_a_user_who_is_not_there_is_one_clear_error(library: Path) -> None:
    with pytest.raises(DataError, match=r"~nosuchuser stands for the home folder of a user"):
        expand_files(["~nosuchuser/b.txt"], library)
