"""`domainlm task`: a group whose commands are each in a module of their own."""

from __future__ import annotations

import click

from domainlm.cli.lazy import LazyCommand

_TABLE = (("fetch", "domainlm.cli.task_fetch:fetch", "Fetch the real data of a task."),)


@click.group(short_help="Get the data of tasks.")
def task() -> None:
    """Get the data of tasks."""


for _name, _target, _short_help in _TABLE:
    task.add_command(LazyCommand(_name, _target, _short_help))
