"""`domainlm task`: a group whose commands are each in a module of their own."""

from __future__ import annotations

import click

from domainlm.cli.lazy import LazyCommand

_TABLE = (
    ("list", "domainlm.cli.task_look:list_", "List the tasks of the core and of the installed plugins."),
    ("show", "domainlm.cli.task_look:show", "Show all that is declared about a task."),
    ("stats", "domainlm.cli.task_look:stats", "Count what is in a task's data, split by split."),
    ("check", "domainlm.cli.task_look:check", "Check a task's spec and reader, on its sample or on a file."),
    ("compare", "domainlm.cli.task_compare:compare", "Test whether two models differ by more than chance."),
    ("fetch", "domainlm.cli.task_fetch:fetch", "Fetch the real data of a task."),
)


@click.group(short_help="List and check tasks, get and count their data, compare models.")
def task() -> None:
    """List and check tasks, get and count their data, compare models."""


for _name, _target, _short_help in _TABLE:
    task.add_command(LazyCommand(_name, _target, _short_help))
