"""Reads the pages of the documentation into blocks, and runs what stands in them as a reader would.

docs/index.md, "Writing these pages", tells authors the rules that are applied here.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import domainlm

ROOT = Path(__file__).resolve().parents[2]
_CORE = Path(domainlm.__file__).parents[1]
_SLOW_PAGES = {"docs/tutorial.md", "docs/how-to/write-a-plugin.md", "docs/how-to/resume-and-share.md"}
_COMMAND_SECONDS = 200

LANGUAGES = ("console", "sh", "python", "toml", "text")
_NOTE = re.compile(
    r"<!-- (?:(?P<kind>not run|real data|real data, dry run|numbers vary)|exit code (?P<code>\d+))(?:: (?P<reason>.+?))? -->"
)
_NEEDS_REASON = {"not run", "real data, dry run"}
_FENCE = re.compile(r"(?P<fence>`{3,}|~{3,})(?P<language>.*)")
_FILE_LINE = re.compile(r"# (?P<name>[\w./-]+\.(?:py|toml))\n")
_NUMBER = re.compile(r"\d[\d,.]*")


class PageError(Exception):
    """A page that breaks the rules, or says something that is not so."""


@dataclass(frozen=True)
class Step:
    """A command and what the page says it prints (None: nothing is said)."""

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
    def exit_code(self) -> int:
        return int(self.notes.get("exit code", "0"))

    @property
    def file(self) -> str | None:
        """Name of the file that the block is, where its first line says so."""
        match = _FILE_LINE.match(self.text) if self.language in {"python", "toml"} else None
        return match["name"] if match else None

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
    text: str
    name: str

    @classmethod
    def read(cls, path: Path) -> Page:
        return cls(path, path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix())

    @property
    def blocks(self) -> list[Block]:
        return list(_blocks(self.text, self.name))

    @property
    def prose(self) -> str:
        """The text without its blocks."""
        return "\n".join(line for line, inside in _marked_lines(self.text) if not inside)


def _marked_lines(text: str) -> Iterator[tuple[str, bool]]:
    """Every line, and whether it belongs to a fenced block."""
    fence = ""
    for line in text.splitlines():
        match = _FENCE.match(line.strip())
        if not fence and match:
            fence = match["fence"]
            yield line, True
        elif fence:
            yield line, True
            fence = "" if line.strip() == fence else fence
        else:
            yield line, False


def _blocks(text: str, name: str) -> Iterator[Block]:
    notes: dict[str, str] = {}
    fence, language, start, lines = "", "", 0, list[str]()
    for number, line in enumerate(text.splitlines(), start=1):
        match = _FENCE.match(line.strip())
        if fence:
            if line.strip() == fence:
                yield Block(f"{name}:{start}", language, "".join(f"{entry}\n" for entry in lines), notes)
                fence, notes, lines = "", {}, []
            else:
                lines.append(line)
        elif match:
            fence, language, start = match["fence"], match["language"].strip(), number
        elif line.strip():
            notes = {**notes, **_note(line, f"{name}:{number}")} if line.startswith("<!-- ") else {}
    if fence:
        raise PageError(f"{name}:{start}: this block is never closed")


def _note(line: str, place: str) -> dict[str, str]:
    match = _NOTE.fullmatch(line.strip())
    if match is None:
        if "docs/generate.py" in line or line == "<!-- to here -->":
            return {}
        raise PageError(f"{place}: not a note that the tests know: {line}")
    if match["code"]:
        return {"exit code": match["code"]}
    if match["kind"] in _NEEDS_REASON and not match["reason"]:
        raise PageError(f"{place}: say why, as in <!-- {match['kind']}: REASON -->")
    return {match["kind"]: match["reason"] or ""}


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


def matches(said: str, printed: str, *, numbers_vary: bool) -> bool:
    """Whether a command printed what a page says; `...` there stands for anything, blanks may be more or fewer."""
    said, printed = ("\n".join(line.rstrip() for line in text.strip().splitlines()) for text in (said, printed))
    if numbers_vary:
        said, printed = (_NUMBER.sub("0", text.replace("...", "\0")).replace("\0", "...") for text in (said, printed))
    pattern = re.escape(re.sub(r"[ \t]+", " ", said)).replace(r"\.\.\.", ".*")
    return re.fullmatch(pattern, re.sub(r"[ \t]+", " ", printed), re.DOTALL) is not None


@dataclass(frozen=True)
class Shell:
    """Runs commands in one folder, as a reader's shell would."""

    folder: Path
    environment: dict[str, str]

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
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

    def follow(self, block: Block) -> None:
        """Do what a block says, and compare.

        Raises:
            PageError: it ends or prints otherwise than the page says.
        """
        if block.file is not None:
            path = self.folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text.partition("\n")[2], encoding="utf-8")
        for step in block.steps:
            ended = self.run(step.command)
            told = f"{block.place}: {step.command}\nprinted:\n{ended.stdout}"
            if ended.returncode != block.exit_code:
                raise PageError(f"exit code {ended.returncode}, not {block.exit_code}: {told}")
            if step.output is not None:
                vary = "numbers vary" in block.notes
                if not matches(step.output, ended.stdout, numbers_vary=vary):
                    raise PageError(f"{told}\nbut the page says:\n{step.output}")


@pytest.fixture
def make_shell(tmp_path: Path) -> Callable[..., Shell]:
    """Makes a shell in a fresh folder, where `domainlm`, `python` and `pip` are those of this environment.

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
        inherited = {name: value for name, value in os.environ.items() if name not in {"DOMAINLM_DATA", "PIP_CONSTRAINT"}}
        environment = inherited | {
            "PATH": os.pathsep.join([str(tools), os.environ.get("PATH", os.defpath)]),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(site), str(_CORE), os.environ.get("PYTHONPATH")])),
            "PYTHONUNBUFFERED": "1",
            "OMP_NUM_THREADS": "1",
            "NO_COLOR": "1",
            "COLUMNS": "120",
            "PIP_TARGET": str(site),
            "PIP_UPGRADE": "1",
            "PIP_NO_DEPS": "1",
            "PIP_NO_INDEX": "1",
            "PIP_NO_BUILD_ISOLATION": "0",  # pip's own oddity: 0 means without isolation
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        return Shell(folder, environment | variables)

    return make


@pytest.fixture
def make_page() -> Callable[[str], Page]:
    """Makes a page of a text."""
    return lambda text: Page(ROOT / "docs" / "made-up.md", text, "made-up.md")


@pytest.fixture(scope="session")
def all_pages() -> list[Page]:
    return _all_pages()


def _all_pages() -> list[Page]:
    return [Page.read(path) for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every page to each test that takes a `page`; those that train a model are marked slow where they run."""
    if "page" in metafunc.fixturenames:
        runs = "make_shell" in metafunc.fixturenames and "data_dir" not in metafunc.fixturenames
        metafunc.parametrize(
            "page",
            [
                pytest.param(
                    page, id=page.name, marks=[pytest.mark.slow] if runs and page.name in _SLOW_PAGES else []
                )
                for page in _all_pages()
            ],
        )
