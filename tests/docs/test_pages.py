"""Every page does what it says: what it runs, what it names, where it leads."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from pydantic import ValidationError

from domainlm.cli.group import PROGRAM, cli
from domainlm.cli.state import CliState
from domainlm.plugin import load_plugins
from domainlm.recipe.load import load_recipe
from domainlm.recipe.schema import Recipe

if TYPE_CHECKING:
    from docs_pages import Block, Page
    from docs_shell import Shell

_CODE_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_SHELL_JOIN = re.compile(r"\s(?:&&|\|\||[|;])\s")


def _core() -> CliState:
    state = CliState()
    state.all_plugins = load_plugins(candidates=[])
    return state


def _parse(words: list[str]) -> None:
    """Parse the words after `domainlm` as a call would, without making it; click's UsageError where that is refused."""
    with suppress(click.exceptions.Exit):  # --help
        context = cli.make_context(PROGRAM, words, obj=_core())
        while isinstance(context.command, click.Group):
            name, command, rest = context.command.resolve_command(context, [*context._protected_args, *context.args])
            assert command is not None, name
            context = command.make_context(name, rest, parent=context)


def _domainlm_calls(script: str) -> Iterator[list[str]]:
    """The words after `domainlm` in each call of a shell script."""
    for line in script.replace("\\\n", " ").splitlines():
        for part in _SHELL_JOIN.split(line):
            words = shlex.split(part, comments=True)
            places = [place for place, word in enumerate(words) if word == PROGRAM or word.endswith(f"/{PROGRAM}")]
            if places and not any("install" in word for word in words[: places[0]]):
                yield words[places[0] + 1 :]


def _unsound(blocks: list[Block]) -> Iterator[str]:
    """What cannot be right in blocks that are not run, and what is in no block that can be checked."""
    for block in blocks:
        if block.language not in {"console", "sh", "python", "toml", "text"}:
            yield f"{block.place}: a block of this language is not checked: {block.language!r}"
        elif block.language == "text":
            yield from (
                f"{block.place}: not in a console block: {line}"
                for line in block.text.splitlines()
                if line.startswith(("$ ", f"{PROGRAM} ")) and "[OPTIONS]" not in line
            )
        elif not block.is_run or block.language == "toml":
            yield from _mistakes(block)


def _mistakes(block: Block) -> Iterator[str]:
    try:
        if block.language == "python":
            ast.parse(block.text)
        elif block.language == "toml":
            tomllib.loads(block.text)
        for step in block.steps if block.language in {"console", "sh"} else ():
            checked = subprocess.run(
                ["/bin/bash", "-n"], input=step.command, capture_output=True, text=True, check=False
            )
            if checked.returncode:
                yield f"{block.place}: {checked.stderr}"
            for words in _domainlm_calls(step.command):
                _parse(words)
    except click.UsageError as error:
        yield f"{block.place}: {error.format_message()}"
    except (SyntaxError, tomllib.TOMLDecodeError) as error:
        yield f"{block.place}: {error}"


def _unknown_commands(page: Page) -> Iterator[str]:
    """Commands and options of domainlm in the running text that there are not, those aside that the page defines."""
    defined = {name for block in page.blocks for name in re.findall(r"@click\.command\(\"([\w-]+)\"", block.text)}
    for span in _CODE_SPAN.findall(page.prose):
        words = span.split()
        if words[0] != PROGRAM or (len(words) > 1 and words[1] in defined):
            continue
        context = click.Context(cli, info_name=PROGRAM, obj=_core(), **cli.context_settings)
        for word in words[1:]:
            option = word.partition("=")[0]
            if word.startswith("-"):
                known = {
                    name
                    for param in context.command.get_params(context)
                    for name in [*param.opts, *param.secondary_opts]
                }
                if option not in known:
                    yield f"{page.name}: no option {option}: {span}"
            elif isinstance(context.command, click.Group):
                found = context.command.get_command(context, word)
                if found is None:
                    yield f"{page.name}: no command {word}: {span}"
                    break
                context = getattr(found, "load", lambda found=found: found)().make_context(
                    word, [], parent=context, resilient_parsing=True
                )


def _missing_paths(page: Page, root: Path) -> Iterator[str]:
    """Paths of this repository in the running text that do not exist."""
    for span in _CODE_SPAN.findall(page.prose):
        if re.fullmatch(r"(?:domainlm|docs|tests|plugins|recipes)/[\w./-]*", span) and not (root / span).exists():
            yield f"{page.name}: {span}"


def _broken_links(page: Page) -> Iterator[str]:
    for target in _LINK.findall(page.prose):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        path = (page.path.parent / name).resolve() if name else page.path
        if not path.exists():
            yield f"{page.name}: {target}"
        elif anchor and anchor not in _anchors(path.read_text(encoding="utf-8")):
            yield f"{page.name}: {target}: no such heading"


def _anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to headings."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(text)}


def test_the_page_does_what_it_says(page: Page, make_shell: Callable[..., Shell]) -> None:
    make_shell().follow_page(page)


def test_no_block_is_left_unchecked(page: Page) -> None:
    assert list(_unsound(page.blocks)) == []


def test_commands_in_the_running_text_exist(page: Page) -> None:
    assert list(_unknown_commands(page)) == []


def test_paths_in_the_running_text_exist(page: Page, root: Path) -> None:
    assert list(_missing_paths(page, root)) == []


def test_links_lead_somewhere(page: Page) -> None:
    assert list(_broken_links(page)) == []


def test_recipes_on_pages_have_the_right_keys(all_pages: list[Page], tmp_path: Path) -> None:
    recipes = [block for page in all_pages for block in page.blocks if block.language == "toml" and block.file]
    recipes = [block for block in recipes if {"corpus", "name"} <= tomllib.loads(block.text).keys()]
    assert len(recipes) > 3
    for number, block in enumerate(recipes):
        path = tmp_path / f"{number}.toml"
        path.write_text(block.text, encoding="utf-8")
        load_recipe(path)


def test_parts_of_recipes_on_pages_have_the_right_keys(all_pages: list[Page]) -> None:
    unknown = []
    for block in (block for page in all_pages for block in page.blocks if block.language == "toml" and not block.file):
        tables = tomllib.loads(block.text)
        if tables.keys() <= Recipe.model_fields.keys():
            with pytest.raises(ValidationError) as caught:  # at least the name is missing
                Recipe.model_validate(tables)
            found = [each for each in caught.value.errors() if each["type"] == "extra_forbidden"]
            unknown += [f"{block.place}: {'.'.join(map(str, each['loc']))}" for each in found]
    assert unknown == []


def test_the_index_leads_to_every_page(all_pages: list[Page], root: Path) -> None:
    index = next(page for page in all_pages if page.name == "docs/index.md")
    linked = {(index.path.parent / target.partition("#")[0]).resolve() for target in _LINK.findall(index.prose)}
    below = {page.path for page in all_pages if page.path.is_relative_to(root / "docs")} - {index.path}
    assert sorted(path.name for path in below - linked) == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("```console\n$ echo one\ntwo\n```\n", "the page says"),
        ("```console\n$ echo one two\none ...\nthree\n```\n", "the page says"),
        ("```console\n$ false\n```\n", "exit code 1"),
        ("<!-- exit code 2 -->\n```console\n$ true\n```\n", "exit code 0"),
        ("<!-- exit code 1 -->\n```console\n$ false\n$ true\n```\n", "exit code 1"),
        ("```sh\nfalse\ntrue\n```\n", "exit code 1"),
        ("```python\nraise SystemExit(3)\n```\n", "exit code 3"),
        ("```python\nname = 1\n```\n```python\nprint(name)\n```\n", r'exit code 1(.|\n)*"made-up.md:4", line 1'),
        ("```sh\necho 1 > file\n```\n<!-- excerpt of file -->\n```text\none\n```\n", "something else"),
    ],
)
def test_a_page_that_says_something_else_is_found(
    text: str, complaint: str, make_page: Callable[[str], Page], make_shell: Callable[..., Shell]
) -> None:
    with pytest.raises(AssertionError, match=complaint):
        make_shell().follow_page(make_page(text))


def test_a_page_is_followed_in_one_folder(make_page: Callable[[str], Page], make_shell: Callable[..., Shell]) -> None:
    text = (
        "```python\n# folder/module.py\nprint('first 12,345')\n```\n"
        "```console\n$ python folder/module.py > file\n$ cat file \\\n> file\nfirst ...\nfirst   12,345\n```\n"
        "<!-- exit code 137 or 4 -->\n```console\n$ exit 4\n```\n"
        "<!-- excerpt of file -->\n```text\n**first** 7\n```\n"
        "<!-- not run: no reason -->\n```sh\nexit 1\n```\n"
        "```sh\ndomainlm task fetch core/conll --out data\n```\n"
    )
    shell = make_shell()
    shell.follow_page(make_page(text))
    assert [path.name for path in sorted(shell.folder.iterdir())] == ["file", "folder"]


@pytest.mark.parametrize(
    "text",
    [
        "<!-- not run -->\n```sh\ntrue\n```\n",
        "<!-- not ran: why -->\n```sh\ntrue\n```\n",
        "```sh\ntrue\n",
        "```console\ntrue\n```\n",
    ],
)
def test_a_page_that_breaks_the_rules_is_found(text: str, make_page: Callable[[str], Page]) -> None:
    with pytest.raises(AssertionError):
        assert [block.steps for block in make_page(text).blocks]


@pytest.mark.parametrize(
    "text",
    [
        "```bash\ntrue\n```\n",
        "```text\n$ true\n```\n",
        "```toml\nkey = \n```\n",
        "<!-- not run: long -->\n```python\nif\n```\n",
        "<!-- not run: long -->\n```sh\nif\n```\n",
        "<!-- not run: long -->\n```sh\ndomainlm ran recipe.toml\n```\n",
        "<!-- not run: long -->\n```sh\ncd x && .venv/bin/domainlm run recipe.toml --sets key=1\n```\n",
        "<!-- not run: long -->\n```sh\ndomainlm predict \\\n    --format xml folder\n```\n",
        "```sh\ndomainlm task fetch core/conll\n```\n",
    ],
)
def test_a_block_that_cannot_be_right_is_found(text: str, make_page: Callable[[str], Page]) -> None:
    assert len(list(_unsound(make_page(text).blocks))) == 1


def test_what_the_running_text_names_and_there_is_not_is_found(make_page: Callable[[str], Page], root: Path) -> None:
    page = make_page(
        "`domainlm recipe keys PREFIX`, `domainlm run --dry-run`, `domainlm recipe key`, `domainlm run --dry`,\n"
        "`domainlm/errors.py`, `domainlm/error.py`, [a](index.md), [b](lost.md), [c](index.md#documentation),\n"
        "[d](index.md#lost), [e](https://example.org)\n"
    )
    assert [message.rpartition(": ")[2] for message in _unknown_commands(page)] == [
        "domainlm recipe key",
        "domainlm run --dry",
    ]
    assert list(_missing_paths(page, root)) == ["made-up.md: domainlm/error.py"]
    assert list(_broken_links(page)) == ["made-up.md: lost.md", "made-up.md: index.md#lost: no such heading"]
