"""PMC's open-access articles that may be used commercially.

Since August 2026 PMC gives its article datasets through the PMC Cloud Service alone, an S3 bucket that is read over
https without an account; each article version lies there by itself, and there are no bulk packages any more (NLM Tech
Bull. 2026 Jan-Feb;(468):e8; https://pmc.ncbi.nlm.nih.gov/tools/pmcaws/). The bucket's README
(https://pmc-oa-opendata.s3.amazonaws.com/README.txt) says what is used here:

- `metadata/PMC13901.1.json` describes version 1 of article PMC13901: `license_code`, `is_pmc_openaccess`, and `xml_url`
  ("s3://pmc-oa-opendata/PMC13901.1/PMC13901.1.xml?md5=HEX").
- Articles that permit commercial use are those under CC0, CC BY, CC BY-SA and CC BY-ND.
- Keys are listed with S3's ListObjectsV2, a thousand at a time (AWS API reference: `start-after`, `IsTruncated`).

The bulk packages of before (`oa_comm_xml.PMC003xxxxxx.baseline.2024-12-18.tar.gz`, and one for each day since, as in
`oa_comm_xml.incr.2024-12-18.tar.gz`) live on where somebody mirrored them; the part "bulk" fetches them from there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple
from urllib.parse import parse_qs, quote, urlsplit

from domainlm.api import Details, FetchError, FetchPlan, FetchSource, FolderListing, LeftOut, RemoteFile, RemoteReader

COMMERCIAL_USE = frozenset({"CC0", "CC BY", "CC BY-SA", "CC BY-ND"})
_METADATA = re.compile(r"metadata/(?P<version>PMC(?P<id>[1-9]\d*)\.\d+)\.json")
_MD5 = re.compile(r"[0-9a-f]{32}")
_LIST = "?list-type=2&prefix=metadata/&max-keys=1000&start-after="
_ARTICLES_PER_FOLDER = 10_000


class _Page(NamedTuple):
    keys: list[str]
    is_truncated: bool


def find_articles(reader: RemoteReader, base_url: str) -> Iterator[RemoteFile]:
    """Yield the XML files of all article versions, in the order of their keys; licences are looked at one by one later.

    Raises:
        FetchError: the bucket's list cannot be had or read.
    """
    after = "metadata/"
    while True:
        page = _read_page(reader.read(_LIST + quote(after, safe="")), base_url)
        yield from (_article(match) for key in page.keys if (match := _METADATA.fullmatch(key)))
        if not page.is_truncated:
            return
        if not page.keys or page.keys[-1] <= after:
            raise FetchError("the list of articles does not go on", where=base_url, given=f"after {after}")
        after = page.keys[-1]


def _read_page(content: bytes, base_url: str) -> _Page:
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise FetchError(f"the list of articles is no XML: {error}", where=base_url) from error
    if etree.QName(root).localname != "ListBucketResult":
        raise FetchError("this is no list of an S3 bucket", where=base_url, given=f"<{etree.QName(root).localname}>")
    keys = [str(key.text) for key in root.iterfind("{*}Contents/{*}Key")]
    return _Page(keys, root.findtext("{*}IsTruncated") == "true")


def _article(match: re.Match[str]) -> RemoteFile:
    """The file of an article version, in a folder for each ten thousand numbers: millions lie well in no folder."""
    version = match["version"]
    folder = f"PMC{int(match['id']) // _ARTICLES_PER_FOLDER:05}xxxx"
    return RemoteFile(
        name=f"{folder}/{version}.xml",
        urls=(f"{version}/{version}.xml",),
        details=Details(url=f"metadata/{version}.json", read=read_metadata),
    )


def read_metadata(file: RemoteFile, content: bytes) -> RemoteFile | LeftOut:
    """Take the MD5 from an article version's metadata; leave out what may not be used commercially.

    Raises:
        FetchError: this is no metadata of an article.
    """
    try:
        metadata = json.loads(content)
    except ValueError as error:
        raise FetchError(f"the metadata is no JSON: {error}", where=file.name) from error
    if not isinstance(metadata, dict):
        raise FetchError("the metadata is no JSON object", where=file.name, given=content[:80])
    if metadata.get("is_pmc_openaccess") is not True:
        return LeftOut("not in the open-access subset")
    licence = str(metadata.get("license_code") or "")
    if licence not in COMMERCIAL_USE:
        return LeftOut(f"licence {licence[:40]}" if licence else "no licence stated")
    address = str(metadata.get("xml_url") or "")
    if not address:
        return LeftOut("no XML")
    parts = urlsplit(address)
    md5 = parse_qs(parts.query).get("md5", [""])[0].lower()
    return replace(file, urls=(quote(parts.path.lstrip("/")),), md5=md5 if _MD5.fullmatch(md5) else "")


PMC = FetchPlan(
    licence=(
        "each article states its own; taken are those that may be used commercially (CC0, CC BY, CC BY-SA, CC BY-ND); "
        "NLM's terms: https://pmc-oa-opendata.s3.amazonaws.com/README.txt"
    ),
    sources=(
        FetchSource(
            name="articles",
            description="PMC Cloud Service: article by article, those that may be used commercially",
            base_url="https://pmc-oa-opendata.s3.amazonaws.com/",
            files=find_articles,
            size="about 8 million article versions, the unusable ones included",
            max_connections=16,
        ),
        FetchSource(
            name="bulk",
            description="PMC bulk packages (oa_comm, XML), which NLM removed in August 2026: needs a mirror",
            base_url="https://ftp.ncbi.nlm.nih.gov/pub/pmc/deprecated/oa_bulk/oa_comm/xml/",
            files=FolderListing(
                pattern=r"oa_comm_xml\.(PMC\d{3}[xX]{6}\.baseline|incr)\.\d{4}-\d{2}-\d{2}\.tar\.gz",
            ),
            size="a dozen baseline packages of some GB each, and one package for each day since",
            max_connections=4,
        ),
    ),
)
