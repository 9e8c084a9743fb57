"""`domainlm plugins`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from domainlm import hookimpl
from domainlm.api import ModelSizeSpec, RunInfo
from domainlm.plugin.discovery import DISABLE_VARIABLE

Fixture = Callable[..., Any]


class _Harbour:
    @hookimpl
    def domainlm_model_sizes(self) -> list[ModelSizeSpec]:
        return [ModelSizeSpec(name="harbour/dinghy", description="a small one", layers=1, hidden=32, heads=2)]

    @hookimpl
    def domainlm_run_started(self, run: RunInfo) -> None:
        del run


class _Wreck:
    @hookimpl
    def domainlm_tasks(self) -> list[object]:
        return [3]


def test_the_list_counts_what_each_gives(call: Fixture, load_these: Fixture) -> None:
    result = call("plugins", "list", plugins=load_these(harbour=_Harbour()))

    lines = result.output.splitlines()
    assert lines[0].split() == ["distribution", "version", "entry", "point", "gives"]
    assert "harbour       1.2      main         1 model size, 1 observer" in lines
    assert any("3 corpora, 5 vocabularies, 6 model sizes, 7 tasks, 1 output format" in line for line in lines)


def test_the_list_shows_broken_and_disabled_ones(
    call: Fixture, load_these: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DISABLE_VARIABLE, "harbour")

    result = call("plugins", "list", plugins=load_these(harbour=_Harbour(), wreck=_Wreck()))

    assert result.exit_code == 0
    assert f"switched off by {DISABLE_VARIABLE}" in result.output
    assert "broken, see below" in result.output
    assert "broken: plugin wreck 1.2, hook domainlm_tasks: not a TaskSpec: int" in result.output


def test_the_list_is_there_for_programs(call: Fixture, load_these: Fixture) -> None:
    listed = json.loads(
        call("plugins", "list", "--json", plugins=load_these(harbour=_Harbour(), wreck=_Wreck())).output
    )

    by_name = {plugin["distribution"]: plugin for plugin in listed if plugin["distribution"] != "domainlm"}
    assert by_name["harbour"] == {
        "distribution": "harbour",
        "version": "1.2",
        "entry_point": "main",
        "status": "loaded",
        "hooks": ["domainlm_model_sizes", "domainlm_run_started"],
        "specs": [{"kind": "model size", "name": "harbour/dinghy", "version": 1}],
        "commands": [],
    }
    assert by_name["wreck"]["status"] == "broken"
    assert "not a TaskSpec" in by_name["wreck"]["cause"]


def test_show_prints_every_field(call: Fixture, load_these: Fixture) -> None:
    output = call("plugins", "show", "Harbour", plugins=load_these(harbour=_Harbour())).output

    assert "harbour 1.2 [main]" in output
    assert "model size harbour/dinghy@1" in output
    assert "  layers: 1\n" in output
    assert "observes: domainlm_run_started" in output


def test_show_of_the_core_names_its_readers(call: Fixture) -> None:
    output = call("plugins", "show", "domainlm").output

    assert "read: domainlm.builtin.specs.read_conll" in output
    assert "commands: run, recipe, study, plan, checkpoint, report" in output


def test_show_of_a_broken_one_tells_the_cause(call: Fixture, load_these: Fixture) -> None:
    result = call("plugins", "show", "wreck", plugins=load_these(wreck=_Wreck()))

    assert "not a TaskSpec" in str(result.exception)


def test_show_of_an_unknown_one_names_the_nearest(call: Fixture, load_these: Fixture) -> None:
    result = call("plugins", "show", "harbor", plugins=load_these(harbour=_Harbour()))

    assert "nearest: harbour" in str(result.exception)
