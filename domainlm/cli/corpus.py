"""`domainlm corpus`: a group whose commands are each in a module of their own."""

from __future__ import annotations

import click

from domainlm.cli.lazy import LazyCommand

_TABLE = (("fetch", "domainlm.cli.corpus_fetch:fetch", "Fetch the real data of a corpus."),)


@click.group(short_help="Get and prepare corpora.")
def corpus() -> None:
    """Get and prepare corpora."""


for _name, _target, _short_help in _TABLE:
    corpus.add_command(LazyCommand(_name, _target, _short_help))
