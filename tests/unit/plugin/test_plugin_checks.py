"""Functions that look like hooks, and of which nothing would ever run, are refused."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from domainlm import hookimpl
from domainlm.api import ModelSizeSpec, RunInfo
from domainlm.errors import PluginError

Fixture = Callable[..., Any]


@hookimpl
def domainlm_model_sizes() -> list[ModelSizeSpec]:
    return [ModelSizeSpec(name="harbour/dinghy", description="a small one", layers=1, hidden=32, heads=2)]


@hookimpl
async def _awaited(run: RunInfo) -> None:
    del run


@hookimpl
async def _awaited_pieces(run: RunInfo) -> AsyncIterator[int]:
    del run
    yield 1


@hookimpl
def _with_a_yield(run: RunInfo) -> Iterator[int]:
    del run
    yield 1


@pytest.fixture
def error_of(load_these: Fixture, make_plugin: Fixture) -> Callable[..., PluginError]:
    def find(**attributes: object) -> PluginError:
        with pytest.raises(PluginError) as caught:
            load_these(harbour=make_plugin(domainlm_model_sizes, **attributes))
        return caught.value

    return find


@pytest.mark.parametrize(
    ("observer", "problem"),
    [
        (_awaited, "domainlm_run_started is asynchronous, and nobody awaits it"),
        (_awaited_pieces, "domainlm_run_started is asynchronous, and nobody awaits it"),
        (_with_a_yield, "domainlm_run_started has a yield, so that calling it runs nothing"),
    ],
)
def test_observers_of_which_nothing_runs(error_of: Fixture, observer: Any, problem: str) -> None:  # noqa: ANN401
    error = error_of(domainlm_run_started=observer)

    assert error.problem == problem
    assert error.where == f"plugin harbour 1.2, {__file__}:{observer.__code__.co_firstlineno}"


def test_a_declaration_may_yield(load_these: Fixture, make_plugin: Fixture) -> None:
    @hookimpl
    def domainlm_model_sizes() -> Iterator[ModelSizeSpec]:
        yield ModelSizeSpec(name="harbour/raft", description="a raft", layers=1, hidden=32, heads=2)

    assert "harbour/raft" in load_these(harbour=make_plugin(domainlm_model_sizes)).registry.model_sizes


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("corpus", "corpora"), ("task", "tasks"), ("vocabulary", "vocabularies"), ("stage_end", "stage_ended")],
)
def test_a_misspelled_hook_without_a_mark(error_of: Fixture, name: str, nearest: str) -> None:
    def misspelled() -> list[object]:
        return []

    error = error_of(**{f"domainlm_{name}": misspelled})

    assert error.problem == f"domainlm_{name} is no hook, and the function is not marked"
    assert error.nearest == f"domainlm_{nearest}"
    assert error.where == f"plugin harbour 1.2, {__file__}:{misspelled.__code__.co_firstlineno}"


def test_a_hooks_name_that_is_no_function(error_of: Fixture) -> None:
    error = error_of(domainlm_corpora=["harbour/logs"])

    assert error.problem == "domainlm_corpora is a hook's name, and this is no function"
    assert error.given == "['harbour/logs']"


def test_names_like_no_hook_are_the_plugins_own(load_these: Fixture, make_plugin: Fixture) -> None:
    def helper() -> str:
        return ""

    names = ("home", "task_reader", "corpus_reader", "recipe_path", "score", "step", "sizes", "run")
    helpers = {f"domainlm_{name}": helper for name in names}
    beside = ModuleType("domainlm_tasks")  # as `import domainlm_tasks.readers` binds it
    plugin = make_plugin(domainlm_model_sizes, domainlm_tide=3, domainlm_tasks=beside, **helpers)
    loaded = load_these(harbour=plugin)

    assert "harbour/dinghy" in loaded.registry.model_sizes


def test_a_hook_that_ends_the_process(load_these: Fixture, make_plugin: Fixture) -> None:
    @hookimpl
    def domainlm_tasks() -> list[object]:
        raise SystemExit(0)

    with pytest.raises(PluginError, match=r"harbour 1\.2, hook domainlm_tasks, .*the hook failed: SystemExit: 0"):
        load_these(harbour=make_plugin(domainlm_tasks))
