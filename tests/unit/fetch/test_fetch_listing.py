"""Folder listings of web servers, as these write them."""

from __future__ import annotations

import pytest

from domainlm.api import FetchError, FolderListing, SpecError
from domainlm.fetch.listing import files_in, names_in

URL = "https://harbour.example/logs/"
LISTING = FolderListing(pattern=r"log(?P<edition>\d\d)n(?P<number>\d{4})\.gz", checksum_suffix=".md5")

APACHE_TEXT = """<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">
<html><head><title>Index of /logs</title></head><body><h1>Index of /logs</h1>
<pre>Name                     Last modified      Size  <hr><a href="/">Parent Directory</a>                          -
<a href="README.txt">README.txt</a>               2026-01-12 14:25  4.5K
<a href="log26n0002.gz">log26n0002.gz</a>            2025-12-14 18:08   17M
<a href="log26n0002.gz.md5">log26n0002.gz.md5</a>        2025-12-14 18:08   60
<a href="log26n0001.gz">log26n0001.gz</a>            2025-12-14 18:08   19M
<a href="log26n0001.gz.md5">log26n0001.gz.md5</a>        2025-12-14 18:08   60
<hr></pre></body></html>"""
APACHE_TABLE = """<table><tr><th><a href="?C=N;O=D">Name</a></th><th><a href="?C=M;O=A">Last modified</a></th></tr>
<tr><td><a href="/">Parent Directory</a></td></tr>
<tr><td valign="top"><img src="/icons/compressed.gif"></td><td><a href="log26n0001.gz">log26n0001.gz</a></td></tr>
<tr><td><a href="log26n0002.gz">log26n0002.gz</a></td></tr></table>"""
NGINX = """<html><head><title>Index of /logs/</title></head><body><h1>Index of /logs/</h1><hr><pre><a href="../">../</a>
<a href="log26n0001.gz">log26n0001.gz</a>          14-Dec-2025 18:08      19923944
<a href="log26n0002.gz">log26n0002.gz</a>          14-Dec-2025 18:08      17825792
</pre><hr></body></html>"""
PYTHON = """<!DOCTYPE HTML><html lang="en"><body><ul>
<li><a href="log26n0001.gz">log26n0001.gz</a></li><li><a href="log26n0002.gz">log26n0002.gz</a></li>
<li><a href="old%20logs/">old logs/</a></li></ul></body></html>"""
ABSOLUTE = '<a href="https://harbour.example/logs/log26n0001.gz">1</a><a href="/logs/log26n0002.gz">2</a>'


@pytest.mark.parametrize("html", [APACHE_TEXT, APACHE_TABLE, NGINX, PYTHON, ABSOLUTE])
def test_files_of_all_common_listings(html: str) -> None:
    files = files_in(html, URL, LISTING)
    assert [(number, file.name) for number, file in files] == [(1, "log26n0001.gz"), (2, "log26n0002.gz")]
    assert files[0][1].urls == ("./log26n0001.gz",)
    assert files[0][1].checksum_url == "./log26n0001.gz.md5"


def test_links_to_elsewhere_are_no_files_of_the_folder() -> None:
    html = """<a href="../log26n0001.gz"><a href="sub/log26n0001.gz"><a href="https://other.example/logs/log26n0001.gz">
    <a href="//other.example/logs/x"><a href="#top"><a href="?C=N"><a href="mailto:a@b"><a href="http://[bad"><a>"""
    assert names_in(html, URL) == []


def test_names_that_could_lead_out_of_the_folder_are_not_taken() -> None:
    assert names_in('<a href="%2e%2e"><a href=".hidden"><a href="..%2Fb"><a href="a%2Fb">', URL) == []
    with pytest.raises(SpecError, match="a relative path of plain names"):
        files_in('<a href="c%3A1.gz">', URL, FolderListing(pattern=".*"))


def test_odd_characters_come_through() -> None:
    [(number, file)] = files_in('<a href="log%20%C3%A9%23.gz">', URL, FolderListing(pattern=".*"))
    assert (number, file.name, file.urls) == (1, "log é#.gz", ("./log%20%C3%A9%23.gz",))


def test_without_a_number_in_the_name_the_place_counts() -> None:
    html = "".join(f'<a href="{name}">' for name in ("b.gz", "a.gz", "c.txt", "d.gz"))
    files = files_in(html, URL, FolderListing(pattern=r".\.gz"))
    assert [(number, file.name) for number, file in files] == [(1, "a.gz"), (2, "b.gz"), (3, "d.gz")]


def test_only_the_last_edition_is_taken(caplog: pytest.LogCaptureFixture) -> None:
    html = "".join(f'<a href="{name}">' for name in ("log25n0001.gz", "log26n0001.gz", "log25n0002.gz"))
    assert [file.name for _, file in files_in(html, URL, LISTING)] == ["log26n0001.gz"]
    assert "editions 25, 26 are there: only 26 is taken" in caplog.text


def test_two_files_of_one_number_are_refused() -> None:
    html = '<a href="a1.gz"><a href="b1.gz">'
    with pytest.raises(FetchError, match="two files have the number 1"):
        files_in(html, URL, FolderListing(pattern=r"[ab](?P<number>\d)\.gz"))


@pytest.mark.parametrize("html", ["", "<h1>Moved</h1>", '<a href="README.txt">'])
def test_a_listing_without_such_files_is_refused(html: str) -> None:
    with pytest.raises(FetchError, match="no file in this listing has a fitting name"):
        files_in(html, URL, LISTING)
