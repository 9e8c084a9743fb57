"""The group: lazy commands, those of plugins, unknown ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
import pytest

from domainlm import hookimpl
from domainlm.cli.commands import domainlm_commands
from domainlm.cli.lazy import LazyCommand

Fixture = Callable[..., Any]


class _Tides:
    @hookimpl
    def domainlm_commands(self) -> list[click.Command]:
        return [click.Command("tides", callback=lambda: click.echo("low"), short_help="Print the tide.")]


class _Wreck:
    @hookimpl
    def domainlm_commands(self) -> None:
        raise RuntimeError("sunk")


@pytest.mark.parametrize("lazy", domainlm_commands(), ids=lambda lazy: str(lazy.name))
def test_the_lazy_table_says_what_the_commands_say(lazy: LazyCommand) -> None:
    command = lazy.load()

    assert command.name == lazy.name
    assert command.get_short_help_str(200) == lazy.get_short_help_str(200)
    assert (command.help or "").strip().startswith(str(lazy.short_help).rstrip("."))


def test_commands_of_plugins_stand_below_the_cores(call: Fixture, load_these: Fixture) -> None:
    output = call("--help", plugins=load_these(harbour=_Tides())).output

    assert output.index("run ") < output.index("completion ") < output.index("tides ")
    assert "Print the tide." in output


def test_a_plugins_command_runs(call: Fixture, load_these: Fixture) -> None:
    assert call("tides", plugins=load_these(harbour=_Tides())).output == "low\n"


def test_an_unknown_command_is_refused_with_the_nearest(call: Fixture) -> None:
    result = call("docter")

    assert result.exit_code == 2
    assert "no such command: docter (nearest: doctor)" in result.output


def test_an_unknown_option_is_refused(call: Fixture) -> None:
    result = call("--versoin")

    assert result.exit_code == 2
    assert "--version" in result.output


def test_broken_plugins_are_mentioned_where_their_commands_are_missed(call: Fixture, load_these: Fixture) -> None:
    plugins = load_these(wreck=_Wreck())

    assert "1 broken plugin(s), see: domainlm plugins list" in call("--help", plugins=plugins).output
    assert "1 plugin(s) could not be loaded" in call("tides", plugins=plugins).output


def test_sound_plugins_are_not_mentioned(call: Fixture) -> None:
    assert "broken" not in call("--help").output


def test_without_arguments_the_help_is_shown(call: Fixture) -> None:
    result = call()

    assert result.exit_code == 2
    assert "Usage: " in result.output


def test_the_version_is_shown(call: Fixture) -> None:
    assert call("--version").output.startswith("domainlm 0.")
