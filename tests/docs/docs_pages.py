"""Reads the pages of the documentation into blocks.

docs/index.md, "Writing these pages", tells authors the rules that are applied here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_NOTES = (
    re.compile(r"<!-- (?P<kind>not run|real data, dry run): (?P<value>.+) -->"),
    re.compile(r"<!-- (?P<kind>real data) -->"),
    re.compile(r"<!-- (?P<kind>exit code) (?P<value>\d+(?: or \d+)*) -->"),
    re.compile(r"<!-- (?P<kind>excerpt of) (?P<value>\S+) -->"),
)
_OTHER_COMMENTS = {
    "<!-- written by docs/generate.py from here -->",
    "<!-- to here -->",
    "<!-- the quickstart's table, from a run: begin -->",
    "<!-- the quickstart's table, from a run: end -->",
}
_FENCE = re.compile(r"(?P<fence>`{3,}|~{3,})(?P<language>.*)")
_FILE_LINE = re.compile(r"# (?P<name>[\w./-]+\.(?:py|toml))\n")
_NUMBER = re.compile(r"\d[\d,.]*")
_FETCHES = re.compile(r"\bdomainlm (?:corpus|task) fetch\b|^git ", re.MULTILINE)


class PageError(AssertionError):
    """A page that breaks the rules, or says something that is not so."""


@dataclass(frozen=True)
class Step:
    """A command, and what the page says it prints (None: nothing is said)."""

    command: str
    output: str | None = None


@dataclass(frozen=True)
class Block:
    """A fenced block with the notes (HTML comments) right above it."""

    place: str
    language: str
    text: str
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def is_run(self) -> bool:
        """Whether the default suite runs it."""
        if {"not run", "real data", "real data, dry run"} & self.notes.keys() or self.language == "text":
            return "excerpt of" in self.notes
        return self.language not in {"console", "sh"} or not _FETCHES.search(self.text)

    @property
    def exit_codes(self) -> set[int]:
        """Codes with which its last command may end; the others must end with 0."""
        return {int(code) for code in self.notes.get("exit code", "0").split(" or ")}

    @property
    def file(self) -> str | None:
        """Name of the file that the block is, where its first line says so."""
        match = _FILE_LINE.match(self.text) if self.language in {"python", "toml"} else None
        return match["name"] if match else None

    @property
    def is_plain_python(self) -> bool:
        """Whether it is Python to run, of which nothing else is said."""
        return self.is_run and self.language == "python" and self.file is None and not self.notes

    @property
    def steps(self) -> list[Step]:
        """What a reader would run, in order."""
        if self.language == "console":
            return list(_console_steps(self.text, self.place))
        if self.language == "sh":
            return [Step(self.text)]
        if self.language == "python" and self.file is None:
            return [Step(f"python - <<'END_OF_PYTHON'\n{self.text}END_OF_PYTHON")]
        return []


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path
    name: str
    text: str

    @property
    def blocks(self) -> list[Block]:
        """Its fenced blocks, in order."""
        return list(_blocks(self.text, self.name))

    @property
    def prose(self) -> str:
        """The text without its blocks."""
        return "\n".join(line for _, line, in_block in _lines(self.text) if not in_block)


def _lines(text: str) -> Iterator[tuple[int, str, str]]:
    """Every line with its number and the opening line of the block it belongs to; fences belong to their block."""
    opening = ""
    for number, line in enumerate(text.splitlines(), start=1):
        match = _FENCE.match(line.strip())
        if opening:
            yield number, line, opening
            if match and not match["language"] and opening.startswith(match["fence"]):
                opening = ""
        else:
            opening = line.strip() if match else ""
            yield number, line, opening
    if opening:
        raise PageError(f"a block is never closed: {opening}")


def _blocks(text: str, name: str) -> Iterator[Block]:
    notes: dict[str, str] = {}
    inside: list[str] | None = None
    start = 0
    for number, line, opening in _lines(text):
        match = _FENCE.match(line.strip()) if opening else None
        if inside is None and match:
            inside, start = [], number
        elif inside is not None and match and not match["language"] and opening.startswith(match["fence"]):
            language = opening.lstrip("`~").strip()
            yield Block(f"{name}:{start}", language, "".join(f"{entry}\n" for entry in inside), notes)
            inside, notes = None, {}
        elif inside is not None:
            inside.append(line)
        elif line.startswith("<!--") and line not in _OTHER_COMMENTS:
            notes = notes | _note(line, f"{name}:{number}")
        elif line.strip():
            notes = {}


def _note(line: str, place: str) -> dict[str, str]:
    match = next((match for pattern in _NOTES if (match := pattern.fullmatch(line.strip()))), None)
    if match is None:
        raise PageError(f"{place}: no note that the tests know: {line}")
    return {match["kind"]: match.groupdict().get("value", "")}


def _console_steps(text: str, place: str) -> Iterator[Step]:
    """Lines that begin with `$ ` are commands, with `> ` their further lines; the others are what they print."""
    commands: list[tuple[list[str], list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            commands.append(([line[2:]], []))
        elif not commands:
            raise PageError(f"{place}: a console block begins with a command: $ ...")
        elif line.startswith("> ") and not commands[-1][1]:
            commands[-1][0].append(line[2:])
        else:
            commands[-1][1].append(line)
    for command, output in commands:
        yield Step("\n".join(command), "\n".join(output) if output else None)


def printed_as_said(said: str, printed: str) -> bool:
    """Whether a command printed what a page says.

    There `...` stands for anything in a line, or by itself for any number of lines; a blank stands for one or more.
    """
    lines = (
        "(?:.*\n)*" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") + "\n"
        for line in _one_blank(said.strip()).splitlines()
    )
    return re.fullmatch("".join(lines), f"{_one_blank(printed.strip())}\n") is not None


def stands_in(excerpt: str, whole: str) -> bool:
    """Whether the lines stand there, in this order, whatever their numbers and their emphasis."""
    lines = iter(_without_numbers(whole))
    return all(line in lines for line in _without_numbers(excerpt))


def _one_blank(text: str) -> str:
    return re.sub(r"[ \t]+", " ", "\n".join(line.rstrip() for line in text.splitlines()))


def _without_numbers(text: str) -> list[str]:
    return [_NUMBER.sub("0", line.replace("**", "")) for line in _one_blank(text.strip()).splitlines()]
