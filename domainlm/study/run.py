"""Runs a recipe from its file to its report: the engine behind `domainlm run` and `domainlm.run`."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from domainlm.api import RunInfo, RunSummary
from domainlm.errors import StorageError
from domainlm.plugin.manager import LoadedPlugins
from domainlm.recipe.load import load_recipe
from domainlm.recipe.lock import lock_record
from domainlm.recipe.resolve import resolve
from domainlm.recipe.resolved import Resolved
from domainlm.study.files import FileHashes, read_json, write_json
from domainlm.study.graph import Graph, build_graph
from domainlm.study.hardware import hardware_identity
from domainlm.study.models import copy_models
from domainlm.study.ranks import with_launched_ranks
from domainlm.study.report import write_report
from domainlm.study.results import collect_results, copy_logs, score_of
from domainlm.study.runner import Runner
from domainlm.study.store import Store

_log = logging.getLogger(__name__)
_RESULTS = "results.json"


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A recipe that is checked and turned into stages; nothing has run yet."""

    resolved: Resolved
    graph: Graph
    lock: Mapping[str, Any]
    store: Store


def plan_run(
    recipe: str | Path, *, out: Path, store: Path | None, overrides: Sequence[str], plugins: LoadedPlugins
) -> PlannedRun:
    """Load, check and resolve a recipe, and work out its stages.

    Args:
        recipe: a TOML file, or the name of a recipe that ships with a plugin.
        out: the output folder.
        store: where artifacts are kept; `out/artifacts` where None.
        overrides: `dotted.key=value` texts.
        plugins: the loaded plugins.

    Raises:
        UserError: anything wrong with the recipe, its inputs or the folders.
    """
    registry = plugins.registry
    resolved = _resolve(recipe, overrides, plugins)
    folder = Store(store if store is not None else out / "artifacts")
    hashes = FileHashes(folder.root / "input-hashes.json" if folder.root.is_dir() else None)
    graph = build_graph(resolved, hashes, hardware_identity)
    hardware = hardware_identity(resolved.loaded.recipe.runtime)
    return PlannedRun(resolved, graph, lock_record(resolved, registry, hashes.of, hardware), folder)


def _resolve(recipe: str | Path, overrides: Sequence[str], plugins: LoadedPlugins) -> Resolved:
    registry = plugins.registry

    def find_shipped(name: str) -> Path:
        return registry.recipe(name).path

    text = str(recipe)
    path = Path(text) if text.endswith(".toml") or Path(text).exists() else find_shipped(text)
    return resolve(load_recipe(path, overrides, find_shipped), registry)


def describe_run(
    recipe: str | Path, *, out: Path, store: Path | None, overrides: Sequence[str], plugins: LoadedPlugins
) -> str:
    """What `run_recipe` would do, stage by stage, and what of it is done already."""
    planned = plan_run(recipe, out=out, store=store, overrides=overrides, plugins=plugins)
    stages = planned.graph.ordered()
    loaded = planned.resolved.loaded
    lines = [f"{loaded.recipe.name}: {len(planned.graph.cells)} cell(s), {len(stages)} stage(s), into {out}"]
    for number, stage in enumerate(stages, start=1):
        done = planned.store.find(stage.kind, stage.key) is not None
        lines.append(f"{number:4}  {'done' if done else 'to do':6} {stage.kind:10} {stage.key[:12]}  {stage.label}")
    return "\n".join(lines)


def run_recipe(
    recipe: str | Path, *, out: Path, store: Path | None, overrides: Sequence[str], plugins: LoadedPlugins
) -> RunSummary:
    """Run a recipe to the end, or go on with one that was stopped.

    Leaves in `out`: results.json, report.md, report.html, logs/, models/ and, unless `store` is given, artifacts/.
    As one of several ranks that torchrun or srun launched, other than rank 0, it only trains as rank 0 asks it to.

    Args: as for `plan_run`.

    Raises:
        UserError: as for `plan_run`; also where `out` holds another recipe's results or another run is writing there.
        KeyboardInterrupt: passed on after the stage in work has saved what it can; the same call goes on from there.
    """

    def run() -> RunSummary:
        return _run_study(recipe, out=out, store=store, overrides=overrides, plugins=plugins)

    return with_launched_ranks(lambda: _resolve(recipe, overrides, plugins), run, out / _RESULTS)


def _run_study(
    recipe: str | Path, *, out: Path, store: Path | None, overrides: Sequence[str], plugins: LoadedPlugins
) -> RunSummary:
    started = time.monotonic()
    Store(out).prepare()
    with _only_run_in(out):
        planned = plan_run(recipe, out=out, store=store, overrides=overrides, plugins=plugins)
        planned.store.prepare()
        _check_same_recipe(out, planned.resolved)
        stages = planned.graph.ordered()
        info = RunInfo(
            name=planned.resolved.loaded.recipe.name,
            recipe_path=planned.resolved.loaded.path,
            out=out,
            num_stages=len(stages),
        )
        runner = Runner(planned.store, info, plugins.observers)
        plugins.observers.run_started(info)
        status = "failed"
        results: Path | None = None
        try:
            results = _run(planned, runner, out)
            status = "complete"
        except KeyboardInterrupt:
            status = "interrupted"
            raise
        finally:
            seconds = time.monotonic() - started
            summary = RunSummary(status=status, results=results, seconds=seconds, num_stages_cached=runner.num_cached)
            plugins.observers.run_ended(info, summary)
    return summary


def _run(planned: PlannedRun, runner: Runner, out: Path) -> Path:
    artifacts = runner.run_all(planned.graph)
    made = Graph(tuple(runner.cells))
    results = collect_results(planned.resolved, made, artifacts, planned.lock)
    stops = runner.early_stops.as_list()
    if stops:
        results["early_stops"] = stops
    copy_logs(made, artifacts, out / "logs")
    copy_models(made, artifacts, out / "models")
    write_json(out / _RESULTS, results)
    for row in results["rows"]:
        runner.observers.task_scored(runner.run, score_of(row))
    write_report(out)
    return out / _RESULTS


@contextmanager
def _only_run_in(out: Path) -> Iterator[None]:
    lock = FileLock(out / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise StorageError(
            "another run is writing here", where=out, remedy="wait for it, or choose another folder with --out"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _check_same_recipe(out: Path, resolved: Resolved) -> None:
    """Refuse to overwrite the results of another recipe; remember whose folder this is."""
    name = resolved.loaded.recipe.name
    mark = out / ".recipe.json"
    try:
        owner = read_json(mark)["name"]
    except (OSError, ValueError, KeyError, TypeError):
        owner = None
    if owner is not None and owner != name:
        raise StorageError(
            f"holds the results of the recipe {owner!r}",
            where=out,
            given=name,
            remedy="choose another folder with --out (--store shares finished work between folders)",
        )
    if owner is None:
        write_json(mark, {"name": name})
