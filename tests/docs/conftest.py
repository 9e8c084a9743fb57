"""Reads the pages of the documentation into blocks, and does what stands in them as a reader would.

docs/index.md, "Writing these pages", tells authors the rules that are applied here.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path

import pytest

import domainlm

ROOT = Path(__file__).resolve().parents[2]
_CORE = Path(domainlm.__file__).parents[1]
_SLOW_PAGES = {
    "docs/how-to/run-a-study.md",
    "docs/tutorial.md",
    "docs/how-to/write-a-plugin.md",
    "docs/how-to/another-domain.md",
    "docs/how-to/resume-and-share.md",
    "docs/how-to/prepare-a-corpus.md",
    "docs/how-to/bring-your-own-data.md",
    "docs/how-to/start-from-a-model.md",
    "docs/how-to/use-in-transformers.md",
    "docs/how-to/run-on-several-ranks.md",
    "docs/reference/python.md",
}
_PLUGIN, _PLUGIN_SPECS = "domainlm_biomegatron", "biomegatron"
_COMMAND_SECONDS = 200
_PAGE_SECONDS = 600  # far more than it takes, for machines with much else to do

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


def _joined(blocks: Sequence[Block]) -> Block:
    """Blocks of Python in a row as one, for one interpreter, which takes seconds to import torch.

    None of them sees the names of another, and an error names the line of the page.
    """
    if len(blocks) == 1:
        return blocks[0]
    parts = [
        f"exec(compile({block.text!r}, {block.place!r}, 'exec'), {{'__name__': '__main__'}})\n" for block in blocks
    ]
    return replace(blocks[0], text="".join(parts))


@dataclass(frozen=True)
class Shell:
    """Runs commands in one folder, as a reader's shell would."""

    folder: Path
    environment: dict[str, str]

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run one command; standard error goes where standard output goes."""
        return subprocess.run(
            ["/bin/bash", "-euo", "pipefail", "-c", command],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )

    def follow_page(self, page: Page) -> None:
        """Do what the page says, but for what the default suite leaves out; `PageError` as in `follow`."""
        for is_plain, blocks in groupby(
            (block for block in page.blocks if block.is_run), lambda each: each.is_plain_python
        ):
            if is_plain:
                self.follow(_joined(list(blocks)))
            else:
                for block in blocks:
                    self.follow(block)

    def follow(self, block: Block, *, dry_run: bool = False) -> None:
        """Do what a block says, and compare.

        Raises:
            PageError: it ends or prints otherwise than the page says.
        """
        if block.file is not None:
            path = self.folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text.partition("\n")[2], encoding="utf-8")
        for number, step in enumerate(block.steps, start=1):
            command = re.sub(r"\bdomainlm run\b", "domainlm run --dry-run", step.command) if dry_run else step.command
            ended = self.run(command)
            told = f"{block.place}: {command}\nprinted:\n{ended.stdout}"
            allowed = block.exit_codes if number == len(block.steps) else {0}
            code = ended.returncode if ended.returncode >= 0 else 128 - ended.returncode
            if code not in allowed:
                raise PageError(f"exit code {code}: {told}")
            if step.output is not None and not printed_as_said(step.output, ended.stdout):
                raise PageError(f"{told}but the page says:\n{step.output}")
        self._compare_excerpt(block)

    def _compare_excerpt(self, block: Block) -> None:
        name = block.notes.get("excerpt of")
        if name is not None and not stands_in(block.text, (self.folder / name).read_text(encoding="utf-8")):
            raise PageError(f"{block.place}: {name} holds something else:\n{self.run(f'cat {name}').stdout}")


@pytest.fixture
def make_shell(tmp_path: Path) -> Callable[..., Shell]:
    """Makes a shell in an empty folder, where `domainlm`, `python` and `pip` are those of this environment.

    What a page installs goes, without network, into a folder of its own.
    """

    def make(**variables: str) -> Shell:
        tools, site, folder = (tmp_path / name for name in ("tools", "site", "work"))
        for path in (tools, site, folder):
            path.mkdir()
        for name, arguments in (("domainlm", " -m domainlm"), ("python", ""), ("pip", " -m pip")):
            tool = tools / name
            tool.write_text(f'#!/bin/sh\nexec "{sys.executable}"{arguments} "$@"\n', encoding="utf-8")
            tool.chmod(0o755)
        path = os.pathsep.join([str(tools), os.environ.get("PATH", os.defpath)])
        importable = filter(None, [str(site), str(_CORE), os.environ.get("PYTHONPATH")])
        offline = {
            "PIP_TARGET": str(site),
            "PIP_UPGRADE": "1",
            "PIP_NO_DEPS": "1",
            "PIP_NO_INDEX": "1",
            "PIP_NO_BUILD_ISOLATION": "0",  # pip's own oddity: 0 means without isolation
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("DOMAINLM_", "PIP_"))},
            **offline,
            "PATH": path,
            "PYTHONPATH": os.pathsep.join(importable),
            "PYTHONUNBUFFERED": "1",
            "OMP_NUM_THREADS": "1",
            "NO_COLOR": "1",
            "COLUMNS": "120",
            **variables,
        }
        return Shell(folder, environment)

    return make


@pytest.fixture
def make_page() -> Callable[[str], Page]:
    """Makes a page of a text."""
    return lambda text: Page(ROOT / "docs" / "made-up.md", "made-up.md", text)


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def all_pages() -> list[Page]:
    return _all_pages()


def _all_pages() -> list[Page]:
    paths = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [Page(path, path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in paths]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every page to a test that takes a `page`; to one that also takes a shell, those where something is run."""
    if "page" not in metafunc.fixturenames:
        return
    pages = _all_pages()
    if "make_shell" not in metafunc.fixturenames:
        metafunc.parametrize("page", [pytest.param(page, id=page.name) for page in pages])
        return
    metafunc.parametrize(
        "page",
        [
            pytest.param(page, id=page.name, marks=list(_marks(page)))
            for page in pages
            if any(block.is_run for block in page.blocks)
        ],
    )


def _marks(page: Page) -> Iterator[pytest.MarkDecorator]:
    yield pytest.mark.timeout(_PAGE_SECONDS)
    if page.name in _SLOW_PAGES:
        yield pytest.mark.slow
    if any(block.is_run and f"{_PLUGIN_SPECS}/" in block.text for block in page.blocks):
        is_missing = find_spec(_PLUGIN) is None
        yield pytest.mark.skipif(is_missing, reason=f"the page uses the plugin {_PLUGIN}, which is not installed")
