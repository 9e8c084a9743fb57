"""From a spec's fetch plan and a user's choice to the files to fetch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from domainlm.api import FetchPlan, FetchSource, FolderListing, Registration, RemoteFile
from domainlm.api.failures import blamed, refused
from domainlm.api.fetching import check_base_url
from domainlm.errors import FetchError, SpecError
from domainlm.fetch.client import Client, SourceReader
from domainlm.fetch.listing import files_in
from domainlm.fetch.selection import Numbered, Selection, choose


@dataclass(frozen=True, slots=True)
class Chosen:
    """Files of a source.

    Attributes:
        numbered: the files with their numbers, found as they are asked for.
        num_files: how many; None where that is not known beforehand.
    """

    numbered: Iterable[Numbered]
    num_files: int | None


def source_of(plan: FetchPlan | None, name: str | None, where: str) -> FetchSource:
    """The source that a user chose, the first where none was named.

    Raises:
        FetchError: the spec has no plan, asks for a registration, or has no such source.
    """
    if plan is None:
        raise FetchError(
            "this spec does not say how to fetch its data",
            where=where,
            remedy="see its `source`: domainlm plugins show",
        )
    if plan.registration is not None:
        raise FetchError(
            "this data needs a registration, so it cannot be fetched for you",
            where=where,
            remedy=_instructions(plan.registration),
        )
    sources = {source.name: source for source in plan.sources}
    if name is None:
        return plan.sources[0]
    if name not in sources:
        raise FetchError("no such part", where=where, given=name, allowed=list(sources))
    return sources[name]


def _instructions(registration: Registration) -> str:
    lines = [f"register at {registration.url}", *registration.instructions.splitlines()]
    if registration.files:
        lines.append(f"then these are in the folder: {', '.join(registration.files)}")
    return "\n           ".join(lines)


def base_url_of(source: FetchSource, given: str | None) -> str:
    """The address that relative addresses start from: a user's mirror, or the source's own; ends with a slash.

    Raises:
        FetchError: it is no web address.
    """
    url = given or source.base_url
    try:
        check_base_url(url, "--base-url")
    except SpecError as error:
        raise FetchError(error.problem, where=error.where, given=url, allowed=error.allowed) from None
    return url if url.endswith("/") else f"{url}/"


def choose_files(source: FetchSource, selection: Selection, client: Client, base_url: str) -> Chosen:
    """The files that a user chose among those of a source.

    Raises:
        FetchError: a listing cannot be had, or a number is not in it. Where files are found one after the other, that
            is known, and raised, at their end only.
    """
    reader = SourceReader(client, base_url)
    if isinstance(source.files, FolderListing):
        html = reader.read(base_url).decode("utf-8", errors="replace")
        found = list(choose(files_in(html, base_url, source.files), selection, base_url))
        return Chosen(found, len(found))
    if isinstance(source.files, tuple):
        found = list(choose(enumerate(source.files, start=1), selection, base_url))
        return Chosen(found, len(found))
    return Chosen(choose(_counted(source, reader), selection, base_url), selection.size)


def _counted(source: FetchSource, reader: SourceReader) -> Iterator[Numbered]:
    find = source.files
    assert callable(find)
    spec = f'part "{source.name}"'
    with blamed(find, spec, "the files could not be found"):
        for number, file in enumerate(find(reader, reader.base_url), start=1):
            if not isinstance(file, RemoteFile):
                problem = "what finds the files must give RemoteFiles"
                raise refused(find, spec, problem, given=repr(file)[:200], allowed="RemoteFile")
            yield number, file
