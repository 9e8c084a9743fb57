"""Files of a folder on a web server, read off its listing in HTML (Apache, nginx, Python's http.server ...)."""

from __future__ import annotations

import logging
import re
from html.parser import HTMLParser
from urllib.parse import quote, unquote, urljoin, urlsplit

from domainlm.api import FolderListing, RemoteFile
from domainlm.errors import FetchError
from domainlm.fetch.selection import Numbered

_LOG = logging.getLogger(__name__)


class _Links(HTMLParser):
    """Collects the targets of links; text, sizes and dates beside them differ from server to server."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the target of an `a`."""
        if tag == "a":
            self.targets += [value for key, value in attrs if key == "href" and value]


def names_in(html: str, url: str) -> list[str]:
    """Names of the files that a listing links to directly below itself, sorted; hidden ones are not wanted."""
    links = _Links()
    links.feed(html)
    folder = urlsplit(url).path.rpartition("/")[0] + "/"
    names = set()
    for target in links.targets:
        try:
            there = urlsplit(urljoin(url, target))
        except ValueError:
            continue
        name = unquote(there.path.removeprefix(folder))
        directly_below = there.netloc == urlsplit(url).netloc and there.path.startswith(folder) and "/" not in name
        if directly_below and name and not name.startswith("."):
            names.add(name)
    return sorted(names)


def files_in(html: str, url: str, listing: FolderListing) -> list[Numbered]:
    """The files of a listing that a plan means, with their numbers, in the order of these.

    Raises:
        FetchError: no name fits, or two have one number.
    """
    names = names_in(html, url)
    matches = {name: match for name in names if (match := re.fullmatch(listing.pattern, name))}
    if not matches:
        raise FetchError(
            "no file in this listing has a fitting name",
            where=url,
            given=f"{len(names)} names: {', '.join(names[:3])} ..." if names else "no link to any file",
            allowed=listing.pattern,
        )
    matches = _last_edition(matches)
    numbered: dict[int, RemoteFile] = {}
    for place, (name, match) in enumerate(matches.items(), start=1):
        number = int(match["number"]) if "number" in match.groupdict() else place
        if number in numbered:
            raise FetchError(f"two files have the number {number}", where=url, given=f"{numbered[number].name}, {name}")
        numbered[number] = _remote_file(name, listing)
    return sorted(numbered.items())


def _last_edition(matches: dict[str, re.Match[str]]) -> dict[str, re.Match[str]]:
    """Leave out what belongs to earlier editions, as while a server changes from one year's files to the next's."""
    editions = sorted({match["edition"] for match in matches.values() if "edition" in match.groupdict()})
    if len(editions) < 2:
        return matches
    _LOG.warning("editions %s are there: only %s is taken", ", ".join(editions), editions[-1])
    return {name: match for name, match in matches.items() if match["edition"] == editions[-1]}


def _remote_file(name: str, listing: FolderListing) -> RemoteFile:
    address = "./" + quote(name)  # so that a colon in the name makes no scheme of what is before it
    suffix = listing.checksum_suffix
    return RemoteFile(name=name, urls=(address,), checksum_url=address + suffix if suffix else "")
