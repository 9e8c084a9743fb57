"""Checksum files in the forms in which they are found, and checksums of files."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from domainlm.errors import FetchError
from domainlm.fetch.checksums import Checksums, checksums_of, difference, read_md5
from domainlm.fetch.faults import Stopped

HEX = "246e75874963b153bfd517320f4e891e"


@pytest.mark.parametrize(
    "text",
    [
        f"MD5(log.gz)= {HEX}\n",
        f"MD5 (log.gz) = {HEX}",  # BSD's md5
        f"MD5(/data/logs/log.gz)= {HEX}",
        f"{HEX}  log.gz\n",  # md5sum
        f"{HEX} *log.gz\n",  # md5sum --binary
        f"{HEX}  ./log.gz\r\n",
        f"{HEX.upper()}  log.gz",
        HEX,
        f"00000000000000000000000000000000  other.gz\n\n{HEX}  log.gz\n",
    ],
)
def test_every_common_form_is_read(text: str) -> None:
    assert read_md5(text.encode(), "log.gz", "here") == HEX


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", f"{HEX}  other.gz".encode(), f"SHA1(log.gz)= {HEX}".encode(), HEX[:-1].encode(), b"\xff\xfe"],
)
def test_anything_else_states_nothing(content: bytes) -> None:
    with pytest.raises(FetchError, match=r"here: states no MD5 of log\.gz"):
        read_md5(content, "log.gz", "here")


def test_checksums_are_those_of_the_standards(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    found = checksums_of(tmp_path / "abc", threading.Event())
    # RFC 1321, A.5, and FIPS 180-2, B.1
    assert found.md5 == "900150983cd24fb0d6963f7d28e17f72"
    assert found.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_what_is_not_stated_cannot_differ() -> None:
    found = Checksums("a" * 32, "b" * 64)
    assert difference(found, md5="", sha256="") == ""
    assert difference(found, md5="a" * 32, sha256="b" * 64) == ""
    assert "MD5" in difference(found, md5="c" * 32, sha256="b" * 64)
    assert "SHA-256" in difference(found, md5="a" * 32, sha256="c" * 64)


def test_reading_ends_when_it_is_told_to(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        checksums_of(tmp_path / "abc", stop)
