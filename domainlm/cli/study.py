"""`domainlm study`: a group whose commands are each in a module of their own."""

from __future__ import annotations

import click

from domainlm.cli.lazy import LazyCommand

_TABLE = (
    ("status", "domainlm.cli.study_status:status", "Show which stages are done, running, failed or to do."),
    ("compare", "domainlm.cli.study_compare:compare", "Put the scores of two runs side by side."),
    ("stage", "domainlm.cli.study_stage:stage", "Make one stage of a run, as its workers do."),
)


@click.group(short_help="Follow a run, compare two, make one stage.")
def study() -> None:
    """Follow a run, compare two, make one stage."""


for _name, _target, _short_help in _TABLE:
    study.add_command(LazyCommand(_name, _target, _short_help))
