"""Writes what pages take from the code: keys of recipes, specs, commands, functions, tables of the plan's arithmetic.

    python docs/generate.py

tests/docs fails while a page says something else than the code does.
"""  # noqa: INP001 - a script

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from generating.command_line import command_line
from generating.interface import python_interface
from generating.plugin_functions import plugin_functions
from generating.recipe_keys import recipe_keys
from generating.scaling import scaling_tables
from generating.specs import core_specs

_REFERENCE = Path(__file__).parent / "reference"
_BEGIN = "<!-- written by docs/generate.py from here -->\n"
_END = "<!-- to here -->\n"

PAGES: dict[str, Callable[[], str]] = {
    "recipe.md": lambda: f"{recipe_keys()}\n{core_specs()}",
    "command-line.md": command_line,
    "hooks.md": plugin_functions,
    "python.md": python_interface,
    "../explanation/scaling.md": scaling_tables,
}
"""Pages, from docs/reference, with what is generated in them."""


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


if __name__ == "__main__":
    main()
