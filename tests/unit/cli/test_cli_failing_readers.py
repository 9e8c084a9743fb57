"""A plugin's reader that raises what is no error of the user's."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Fixture = Callable[..., Any]

_PLUGIN = """
from domainlm import hookimpl
from domainlm.api import CorpusSpec, TaskSpec

def read(path, problems):
    yield {}["text"]

@hookimpl
def domainlm_corpora():
    return [CorpusSpec(name="harbour/logs", description="logs", read=read)]

@hookimpl
def domainlm_tasks():
    return [TaskSpec(name="harbour/ships", description="ships", kind="token", read=read)]
"""
_RECIPE = """
name = "first"
[corpus]
spec = "SPEC"
files = ["log.txt"]
[vocabulary]
size = 60
[model]
size = "core/tiny"
[pretraining]
num_steps = 0
"""


@pytest.fixture
def harbour(install: Fixture, domainlm_process: Fixture, tmp_path: Path) -> Fixture:
    install("domainlm-harbour", _PLUGIN)
    (tmp_path / "log.txt").write_text("The Vega left.\n", encoding="utf-8")
    return domainlm_process


@pytest.mark.parametrize(
    ("spec", "arguments"),
    [
        ("harbour/ships", ("task", "stats", "harbour/ships", "--train", "LOG")),
        ("harbour/logs", ("corpus", "build", "--spec", "harbour/logs", "--file", "LOG", "--out", "OUT")),
        (
            "harbour/logs",
            ("vocab", "learn", "--corpus", "harbour/logs", "--file", "LOG", "--size", "60", "--out", "OUT"),
        ),
        ("harbour/logs", ("run", "RECIPE", "--out", "OUT")),
    ],
)
def test_it_is_named_with_its_plugin_and_the_file(
    harbour: Fixture, tmp_path: Path, spec: str, arguments: tuple[str, ...]
) -> None:
    places = {"LOG": tmp_path / "log.txt", "OUT": tmp_path / "out", "RECIPE": tmp_path / "first.toml"}
    places["RECIPE"].write_text(_RECIPE.replace("SPEC", spec), encoding="utf-8")
    ended = harbour(*(str(places.get(each, each)) for each in arguments))
    told = (
        rf"error: plugin domainlm-harbour [\d.]+, {spec}@1, \S+\.py:\d+: "
        rf"the reader failed at {re.escape(str(places['LOG']))}: KeyError: 'text'\n  remedy:  mend the file, or tell"
    )
    assert re.search(told, ended.stderr), ended.stderr
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert "bug" not in ended.stderr
