"""Shell completion."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Fixture = Callable[..., Any]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_asks_domainlm(call: Fixture, shell: str) -> None:
    result = call("completion", shell)

    assert result.exit_code == 0
    assert f"_DOMAINLM_COMPLETE={shell}_complete" in result.output


def test_an_unknown_shell_is_refused(call: Fixture) -> None:
    assert call("completion", "csh").exit_code == 2


def _complete(domainlm_process: Fixture, line: str) -> list[str]:
    words = line.split(" ")
    ended = domainlm_process(_DOMAINLM_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD=str(len(words) - 1))
    assert ended.returncode == 0, ended.stderr
    return [entry.partition(",")[2] for entry in ended.stdout.split()]


def test_commands_and_options_are_completed(domainlm_process: Fixture) -> None:
    assert _complete(domainlm_process, "domainlm re") == ["recipe", "report"]
    assert _complete(domainlm_process, "domainlm run --dry") == ["--dry-run"]
    assert _complete(domainlm_process, "domainlm plugins sh") == ["show"]


def test_shipped_recipes_are_completed(domainlm_process: Fixture, install: Fixture, tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\nfrom domainlm import hookimpl\nfrom domainlm.api import RecipeSpec\n"
        "@hookimpl\ndef domainlm_recipes():\n"
        "    return [RecipeSpec(name='cook/soups', description='x', path=Path('soups.toml').absolute())]\n"
    )
    install("domainlm-cook", code)

    assert _complete(domainlm_process, "domainlm run cook/") == ["cook/soups"]


def test_an_unknown_instruction_is_refused(domainlm_process: Fixture) -> None:
    assert domainlm_process(_DOMAINLM_COMPLETE="csh_complete").returncode == 1
