"""Writes what the pages of docs/reference take from the code: keys of recipes, commands with their options.

    python docs/generate.py

tests/docs fails while a page says something else than the code does.
"""  # noqa: INP001 - a script

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import click

from domainlm.cli.group import PROGRAM, cli
from domainlm.cli.lazy import LazyCommand
from domainlm.cli.recipe_keys import Key, describe_keys
from domainlm.cli.state import CliState
from domainlm.plugin import load_plugins

_REFERENCE = Path(__file__).parent / "reference"
_BEGIN = "<!-- written by docs/generate.py from here -->\n"
_END = "<!-- to here -->\n"


def recipe_keys() -> str:
    """Every key of a recipe, a section for each table."""
    keys = list(describe_keys())
    inside = {key.name: [other for other in keys if other.name.rpartition(".")[0] == key.name] for key in keys}
    for key in keys:
        if key.type.startswith("list of table"):
            inside[key.name] = [other for other in keys if other.name.rpartition(".")[0] == f"{key.name}.N"]
    top = [key for key in keys if "." not in key.name]
    parts = ["## Outside of any table\n", _key_table([key for key in top if not inside[key.name]], "")]
    for key in keys:
        if inside[key.name]:
            title = f"[[{key.name}]]" if key.type.startswith("list of table") else f"[{key.name.replace('.N.', '.')}]"
            prefix = f"{key.name}.N." if title.startswith("[[") else f"{key.name}."
            rows = [entry for entry in inside[key.name] if not inside[entry.name]]
            parts += [f"## `{title}`\n", f"{_presence(key)}{key.help}\n"]
            parts += [_key_table(rows, prefix)] if rows else []
    return "\n".join(parts)


def command_line() -> str:
    """Every command of the core with its arguments, options and help text."""
    state = CliState()
    state.all_plugins = load_plugins(candidates=[])  # the core's commands alone, whatever is installed here
    context = click.Context(cli, info_name=PROGRAM, obj=state, **cli.context_settings)
    return "\n".join(part for command in _commands(context) for part in _command_parts(command))


PAGES: dict[str, Callable[[], str]] = {"recipe.md": recipe_keys, "command-line.md": command_line}
"""Pages of docs/reference with what is generated in them."""


def rewritten(page: str, content: str) -> str:
    """The page with its generated part replaced."""
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"the page lacks {_BEGIN.strip()} or {_END.strip()}")
    return f"{before}{begin}\n{content}\n{end}{after}"


def main() -> None:
    """Rewrite every page."""
    for name, generate in PAGES.items():
        path = _REFERENCE / name
        path.write_text(rewritten(path.read_text(encoding="utf-8"), generate()), encoding="utf-8")


def _presence(key: Key) -> str:
    if key.default is None:
        return "Required. "
    return "Left out where not given. " if key.default == "none" else ""


def _key_table(keys: Iterable[Key], prefix: str) -> str:
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for key in keys:
        default = "required" if key.default is None else f"`{key.default}`" if key.default != "none" else "none"
        cells = (f"`{key.name.removeprefix(prefix)}`", key.type, default, key.help)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


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
        yield _table(("option", "meaning"), records)
    if isinstance(command, click.Group):
        names = command.list_commands(context)
        members = [(name, found) for name in names if (found := command.get_command(context, name))]
        yield _table(("command", "what it does"), [(name, found.get_short_help_str(200)) for name, found in members])


def _help_text(text: str) -> str:
    """A docstring of a command as Markdown: what click would not wrap stands in a block of its own."""
    parts = [part for part in re.split(r"\n\s*\n", inspect.cleandoc(text)) if part]
    paragraphs = [
        "```text\n" + part.removeprefix("\b\n") + "\n```" if part.startswith("\b") else " ".join(part.split())
        for part in parts
    ]
    return "\n\n".join(paragraphs) + "\n"


def _table(header: tuple[str, str], rows: Iterable[tuple[str, str]]) -> str:
    lines = [f"| {header[0]} | {header[1]} |", "|---|---|"]
    lines += [f"| `{_cell(name)}` | {_cell(meaning)} |" for name, meaning in rows]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return re.sub(r"\s{2,}", " ", text).replace("|", "\\|")


if __name__ == "__main__":
    main()
