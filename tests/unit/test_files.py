"""Files that are whole or absent, and folders that a file system does not sync."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from domainlm.files import sha256_of, sync_file, sync_folder, whole_file, write_json, write_json_lines, write_whole


def _write_and_fail(path: Path) -> None:
    with whole_file(path) as stream:
        stream.write(b"half of it")
        raise KeyboardInterrupt


def test_a_file_that_was_begun_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"before")
    for name in ("log", "other"):
        with pytest.raises(KeyboardInterrupt):
            _write_and_fail(tmp_path / name)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"log": b"before"}


def test_a_file_is_there_once_it_is_whole(tmp_path: Path) -> None:
    with whole_file(tmp_path / "log") as stream:
        stream.write(b"all of it")
        assert not (tmp_path / "log").exists()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"log": b"all of it"}


def test_what_a_killed_writer_left_goes_with_the_next(tmp_path: Path) -> None:
    (tmp_path / ".log.partial").write_bytes(b"half of it, and much more than will be")
    with whole_file(tmp_path / "log") as stream:
        stream.write(b"all of it")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"log": b"all of it"}


def test_nothing_is_left_where_the_name_is_taken_by_a_folder(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    with pytest.raises(IsADirectoryError):
        write_whole(tmp_path / "log", b"all of it")
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_json_has_the_bytes_that_earlier_runs_wrote(tmp_path: Path) -> None:
    write_json(tmp_path / "a" / "b.json", {"port": "Århus", "days": [1, 2.5]})
    assert (tmp_path / "a" / "b.json").read_bytes() == (
        b'{\n  "port": "\xc3\x85rhus",\n  "days": [\n    1,\n    2.5\n  ]\n}\n'
    )
    write_json_lines(tmp_path / "b.jsonl", [{"port": "Århus"}, 1])
    assert (tmp_path / "b.jsonl").read_bytes() == b'{"port": "\xc3\x85rhus"}\n1\n'
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "c.json", float("nan"))
    assert not (tmp_path / "c.json").exists()


def test_the_hash_is_sha256(tmp_path: Path) -> None:
    """FIPS 180-2, appendix B.1."""
    (tmp_path / "abc").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_of(tmp_path / "abc") == expected


@pytest.mark.usefixtures("folders_refuse_to_sync")
def test_a_folder_that_refuses_to_sync_is_no_error(tmp_path: Path) -> None:
    sync_folder(tmp_path)
    (tmp_path / "log").write_bytes(b"all of it")
    sync_file(tmp_path / "log")
    with pytest.raises(OSError, match="Invalid argument"):
        sync_file(tmp_path)


def test_a_disk_that_fails_is_an_error_and_what_was_there_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_whole(tmp_path / "log", b"before")

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        sync_folder(tmp_path)
    with pytest.raises(OSError, match="No space left"):
        write_whole(tmp_path / "log", b"all of it")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"log": b"before"}
