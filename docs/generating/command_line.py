"""Every command with its arguments, options and help text."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from domainlm.cli.group import PROGRAM, cli
from domainlm.cli.lazy import LazyCommand
from domainlm.cli.state import CliState
from domainlm.plugin import load_plugins
from generating.tables import table


def command_line() -> str:
    """Every command of the core with its arguments, options and help text."""
    state = CliState()
    state.all_plugins = load_plugins(candidates=[])  # the core's commands alone, whatever is installed here
    context = click.Context(cli, info_name=PROGRAM, obj=state, **cli.context_settings)
    return "\n".join(part for command in _commands(context) for part in _command_parts(command))


def _commands(context: click.Context) -> Iterator[click.Context]:
    """The context of every command, each group before its members."""
    yield context
    command = context.command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None, name
            real = found.load() if isinstance(found, LazyCommand) else found
            yield from _commands(click.Context(real, info_name=name, parent=context))


def _command_parts(context: click.Context) -> Iterator[str]:
    command = context.command
    depth = "##" if context.parent is None or context.parent.parent is None else "###"
    yield f"{depth} `{context.command_path}`\n"
    pieces = " ".join(command.collect_usage_pieces(context))
    yield f"```text\n{context.command_path} {pieces}\n```\n"
    yield _help_text(command.help or "")
    records = [record for param in command.params if (record := param.get_help_record(context)) and record[1]]
    if records:
        yield table(("option", "meaning"), records)
    if isinstance(command, click.Group):
        names = command.list_commands(context)
        members = [(name, found) for name in names if (found := command.get_command(context, name))]
        yield table(("command", "what it does"), [(name, found.get_short_help_str(200)) for name, found in members])


def _help_text(text: str) -> str:
    """A docstring of a command as Markdown: what click would not wrap stands in a block of its own."""
    parts = [part for part in re.split(r"\n\s*\n", inspect.cleandoc(text)) if part]
    paragraphs = [
        "```text\n" + part.removeprefix("\b\n") + "\n```" if part.startswith("\b") else " ".join(part.split())
        for part in parts
    ]
    return "\n\n".join(paragraphs) + "\n"
