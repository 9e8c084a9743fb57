"""What `domainlm corpus fetch` and `domainlm task fetch` share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

import domainlm
from domainlm.api import FetchPlan, FetchSource
from domainlm.fetch.client import Client
from domainlm.fetch.engine import Report, fetch_files
from domainlm.fetch.journal import open_journal
from domainlm.fetch.plan import base_url_of, choose_files, source_of
from domainlm.fetch.policy import Policy
from domainlm.fetch.selection import Selection

_Function = TypeVar("_Function", bound=Callable[..., Any])
_DEFAULTS = Policy()


@dataclass(frozen=True, slots=True)
class Order:
    """What a user wants fetched.

    Attributes:
        plan: the spec's, where it has one.
        where: the spec, for errors.
        part: name of the source; the first where None.
        base_url: address instead of the source's own.
        selection: which of its files.
        policy: connections and patience.
    """

    plan: FetchPlan | None
    where: str
    part: str | None
    base_url: str | None
    selection: Selection
    connections: int | None
    attempts: int
    timeout: float
    max_failures: int

    @property
    def source(self) -> FetchSource:
        """The source it names."""
        return source_of(self.plan, self.part, self.where)


def fetch_options(function: _Function) -> _Function:
    """Add the options that say how to fetch."""
    options = (
        click.option("--part", metavar="NAME", help="Part of the data, if there are several.  [default: the first]"),
        click.option("--base-url", metavar="URL", help="Folder of a mirror to fetch from instead."),
        click.option(
            "--connections",
            type=click.IntRange(1),
            help=f"Files to fetch at once.  [default: {_DEFAULTS.connections}, or as many as the server allows]",
        ),
        click.option(
            "--attempts",
            type=click.IntRange(1, 100),
            default=_DEFAULTS.attempts,
            show_default=True,
            help="Tries of a file without progress.",
        ),
        click.option(
            "--timeout",
            type=click.FloatRange(0.1, 3600),
            default=_DEFAULTS.read_timeout_seconds,
            show_default=True,
            help="Seconds to wait for a silent server.",
        ),
        click.option(
            "--max-failures",
            type=click.IntRange(1),
            default=_DEFAULTS.max_failures,
            show_default=True,
            help="Files that may fail in a row before the rest is given up.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def list_files(order: Order) -> None:
    """Print the chosen files with their numbers."""
    source = order.source
    base_url = base_url_of(source, order.base_url)
    with Client(_policy(order), threading.Event()) as client:
        click.echo(f"{base_url}: {source.description}")
        for number, file in choose_files(source, order.selection, client, base_url).numbered:
            click.echo(f"{number}  {file.name}")


def fetch(order: Order, folder: Path) -> None:
    """Fetch the chosen files and say what became of them."""
    source = order.source
    base_url = base_url_of(source, order.base_url)
    assert order.plan is not None
    click.echo(f"{source.description}\nfrom {base_url}\nlicence: {order.plan.licence}", err=True)
    with Client(_policy(order), threading.Event()) as client:
        chosen = choose_files(source, order.selection, client, base_url)
        with open_journal(folder) as journal:
            report = fetch_files(
                (file for _, file in chosen.numbered),
                client=client,
                journal=journal,
                base_url=base_url,
                folder=folder,
                num_files=chosen.num_files,
            )
    click.echo(f"{folder}: {summary(report)}")


def summary(report: Report) -> str:
    """What became of the files, in one line."""
    parts = [f"{report.num_fetched} file(s) fetched"]
    if report.num_there:
        parts.append(f"{report.num_there} there already")
    parts += [f"{count} left out ({reason})" for reason, count in sorted(report.left_out.items())]
    return f"{', '.join(parts)}; {report.num_bytes / 1e6:,.1f} MB"


def _policy(order: Order) -> Policy:
    most = order.source.max_connections
    connections = order.connections if order.connections is not None else min(_DEFAULTS.connections, most)
    if connections > most:
        raise click.UsageError(f"--connections {connections}: this server is asked for {most} files at once at most")
    return Policy(
        connections=connections,
        attempts=order.attempts,
        max_failures=order.max_failures,
        read_timeout_seconds=order.timeout,
        connect_timeout_seconds=min(order.timeout, _DEFAULTS.connect_timeout_seconds),
        user_agent=f"domainlm/{domainlm.__version__}",
    )
