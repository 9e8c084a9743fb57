"""`domainlm.transfer`: adapt a model to a domain from a program, with the engine and the artifacts of a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import domainlm
from domainlm.api import RunInfo, RunSummary, StageInfo, StepInfo
from domainlm.files import read_json, write_whole
from domainlm.plugin.discovery import Candidate, installed_candidates
from domainlm.plugin.manager import load_plugins
from domainlm.plugin.marker import hookimpl
from domainlm.plugin.provider import Provider
from domainlm.recipe.overrides import with_values
from domainlm.recipe.toml_source import anchor_paths
from domainlm.recipe.toml_text import dump_toml
from domainlm.study.models import folder_name
from domainlm.study.results import score_of
from domainlm.study.run import run_recipe
from domainlm.study.transfer_recipe import Budget, PathLike, transfer_recipe
from domainlm.study.transfer_result import TransferResult
from domainlm.train.signals import interrupt

_RECIPE = "transfer.toml"

Told = StepInfo | StageInfo


def transfer(
    base: PathLike | None,
    corpus: PathLike | Sequence[PathLike] | Mapping[str, Any],
    *,
    out: PathLike,
    budget: Budget | int,
    vocabulary: PathLike | int | Mapping[str, Any] | None = None,
    tasks: Sequence[Mapping[str, Any]] = (),
    general: PathLike | Mapping[str, Any] | None = None,
    grid: Mapping[str, int] | None = None,
    settings: Mapping[str, Any] | None = None,
    store: PathLike | None = None,
    progress: Callable[[Told], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> TransferResult:
    """Adapt a model to a domain; see `domainlm.transfer`."""
    folder = Path(out).absolute()
    path = folder / _RECIPE
    recipe = {
        "name": folder_name(folder.name),
        **transfer_recipe(base, corpus, budget, vocabulary, tasks, general, settings or {}),
    }
    if grid is not None:
        recipe["parallel"] = dict(grid)
    changes = {tuple(key.split(".")): value for key, value in (settings or {}).items()}
    recipe = with_values(_plain(recipe), _plain(changes), "settings")
    anchor_paths(recipe, Path.cwd())
    write_whole(path, dump_toml(recipe).encode())
    follower = _Follower(progress, cancelled)
    provider = Provider("domainlm-transfer", domainlm.__version__, "progress")
    plugins = load_plugins(candidates=[*installed_candidates(), Candidate(provider, lambda: follower)])
    try:
        summary: RunSummary = run_recipe(
            path, out=folder, store=None if store is None else Path(store), overrides=(), plugins=plugins
        )
    except KeyboardInterrupt:
        if not follower.has_cancelled:
            raise
        return TransferResult("cancelled", folder)
    rows = read_json(folder / "results.json")["rows"]
    return TransferResult(summary.status, folder, tuple(map(score_of, rows)))


class _Follower:
    """Tells the caller what happens, and stops where it says so."""

    def __init__(self, progress: Callable[[Told], None] | None, cancelled: Callable[[], bool] | None) -> None:
        self._progress, self._cancelled = progress, cancelled
        self.has_cancelled = False

    @hookimpl
    def domainlm_step_ended(self, run: RunInfo, step: StepInfo) -> None:  # noqa: ARG002 - as the hook is declared
        self._follow(step)

    @hookimpl
    def domainlm_stage_ended(self, run: RunInfo, stage: StageInfo) -> None:  # noqa: ARG002
        self._follow(stage)

    def _follow(self, told: Told) -> None:
        if self._progress is not None:
            self._progress(told)
        if self._cancelled is not None and self._cancelled() and not self.has_cancelled:
            self.has_cancelled = True
            interrupt()


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever tables hold
    """Paths as text, and tuples as lists."""
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(entry) for entry in value]
    return value
