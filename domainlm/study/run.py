"""Runs a recipe from its file to its report: the engine behind `domainlm run` and `domainlm.run`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from domainlm.api import RunInfo, RunSummary
from domainlm.errors import StorageError, StudyError
from domainlm.files import write_json
from domainlm.plugin.manager import LoadedPlugins
from domainlm.process import launched
from domainlm.recipe.scored_texts import warn_of_copies
from domainlm.recipe.unscored import warn_of_unscored_tasks
from domainlm.study.choose_workers import WorkersAsked, choose_workers
from domainlm.study.cost import write_cost
from domainlm.study.dry_run import describe
from domainlm.study.energy import EnergyMeter
from domainlm.study.graph import Graph
from domainlm.study.inputs import check_inputs
from domainlm.study.models import copy_models
from domainlm.study.out_folder import check_out_folder, mark_out_folder
from domainlm.study.plan import PlannedRun, plan_run, resolve_recipe
from domainlm.study.ranks import with_launched_ranks
from domainlm.study.results import collect_results, copy_logs, score_of
from domainlm.study.runner import Runner
from domainlm.study.status import remember_call
from domainlm.study.store import Store

_RESULTS = "results.json"
_LOCK = ".lock"


def describe_run(
    recipe: str | Path,
    *,
    out: Path,
    store: Path | None,
    overrides: Sequence[str],
    plugins: LoadedPlugins,
    only: Sequence[str] = (),
) -> str:
    """What `run_recipe` would do, stage by stage, and what of it is done already."""
    planned = plan_run(recipe, out=out, store=store, overrides=overrides, plugins=plugins, only=only)
    check_out_folder(out, planned)
    planned.hashes.save()
    warn_of_unscored_tasks(planned.resolved)
    warn_of_copies(planned.resolved, planned.hashes.of)
    name, num_cells, stages = planned.resolved.loaded.recipe.name, planned.resolved.num_cells, planned.stages()
    return f"{name}: {num_cells} cell(s), {len(stages)} stage(s), into {out}\n{describe(planned)}"


def run_recipe(
    recipe: str | Path,
    *,
    out: Path,
    store: Path | None,
    overrides: Sequence[str],
    plugins: LoadedPlugins,
    workers: WorkersAsked = None,
    only: Sequence[str] = (),
) -> RunSummary:
    """Run a recipe to the end, or go on with one that was stopped.

    Leaves in `out`: results.json, report.md, report.html, logs/, models/ and, unless `store` is given, artifacts/.
    As one of several ranks that torchrun or srun launched, other than rank 0, it only trains as rank 0 asks it to.

    A stage that fails is told in the results, and what does not need it goes on; the same call tries it again.
    Every score is there once results.json is; the report and then the models follow, and a call that ends without an
    error has left all of them.

    Args: as for `plan_run`, and
        workers: how many stages may be made at once by processes of their own, or "slurm"; None: as the recipe says.
        only: the part of the study to make. What was made of the rest before stands in the results as well.

    Raises:
        StudyError: some stages failed; the results hold the others.
        UserError: as for `plan_run`, `check_out_folder` and `check_inputs`; what a stage failed with, where there is
            nothing else to report; also where another run is writing in `out`.
        KeyboardInterrupt: passed on after the stage in work has saved what it can; the same call goes on from there.
    """

    def run() -> RunSummary:
        def plan() -> PlannedRun:
            return plan_run(recipe, out=out, store=store, overrides=overrides, plugins=plugins, only=only)

        return _run_study(plan, out=out, store=store, overrides=overrides, plugins=plugins, workers=workers)

    return with_launched_ranks(lambda: resolve_recipe(recipe, overrides, plugins), run, out / _RESULTS)


def _run_study(
    plan: Callable[[], PlannedRun],
    *,
    out: Path,
    store: Path | None,
    overrides: Sequence[str],
    plugins: LoadedPlugins,
    workers: WorkersAsked,
) -> RunSummary:
    started = time.monotonic()
    planned = _checked_plan(plan, out)
    Store(out).prepare()
    with _only_run_in(out):
        _begin(planned, out=out, store=store, overrides=overrides)
        info = RunInfo(
            name=planned.resolved.loaded.recipe.name,
            recipe_path=planned.resolved.loaded.path,
            out=out,
            num_stages=len(planned.stages()),
        )
        chosen = choose_workers(planned, workers, out=out, overrides=overrides)
        keeps_going = launched() is None
        runner = Runner(planned.store, info, plugins.observers, chosen, keeps_going, wanted=planned.wanted)
        return _make_observed(planned, runner, out, started)


def _checked_plan(plan: Callable[[], PlannedRun], out: Path) -> PlannedRun:
    """The plan of a run that nothing stands against; `out` is as it was."""
    if (out / _LOCK).is_file():
        with _only_run_in(out):  # told at once where another run is writing there, before inputs are read
            pass
    planned = plan()  # before anything is written: a recipe that is refused leaves no folder
    check_out_folder(out, planned)
    if planned.hashes.took_long:  # once is enough, also where what follows refuses the run
        planned.store.prepare()
        planned.hashes.save()
    check_inputs(planned)
    warn_of_unscored_tasks(planned.resolved)
    warn_of_copies(planned.resolved, planned.hashes.of)
    return planned


def _begin(planned: PlannedRun, *, out: Path, store: Path | None, overrides: Sequence[str]) -> None:
    """Mark `out` as this run's, and keep what its workers and later commands need to know."""
    check_out_folder(out, planned)  # another run may have begun here meanwhile
    mark_out_folder(out, planned.resolved.loaded.recipe.name)
    planned.store.prepare()
    planned.hashes.save()  # the store was not there before a first run; its workers need not read all again
    remember_call(out, planned.resolved.loaded, store, overrides)


def _make_observed(planned: PlannedRun, runner: Runner, out: Path, started: float) -> RunSummary:
    """Make stages, results, report and models; observers hear of the start and, whatever happens, of the end.

    Args:
        planned: the run.
        runner: makes its stages, and knows the observers.
        out: folder of the results.
        started: when the run began, by `time.monotonic`.
    """
    runner.observers.run_started(runner.run)
    status = "failed"
    results: Path | None = None
    try:
        made, rows = _make(planned, runner, out)
        results = out / _RESULTS
        _report(rows, runner, out)
        copy_models(made, runner.artifacts, out / "models")  # last, since they may fill the disk
        if runner.failed:
            raise _study_error(runner, out)
        status = "complete"
    except KeyboardInterrupt:
        status = "interrupted"
        raise
    finally:
        seconds = time.monotonic() - started
        summary = RunSummary(status=status, results=results, seconds=seconds, num_stages_cached=runner.num_cached)
        runner.observers.run_ended(runner.run, summary)
    return summary


def _make(planned: PlannedRun, runner: Runner, out: Path) -> tuple[Graph, Sequence[Mapping[str, Any]]]:
    """Make the stages and write results.json, after all that it names; returns what was made and its rows."""
    started = time.monotonic()
    with EnergyMeter() as meter:
        artifacts = runner.run_all(planned.graph)
    made = Graph(tuple(runner.cells), planned.graph.measured)
    results = collect_results(planned.resolved, made, artifacts, planned.lock, runner.failed)
    rows: Sequence[Mapping[str, Any]] = results["rows"]
    if runner.failed and not rows:
        raise runner.error or _study_error(runner, None)
    stops = runner.early_stops.as_list()
    if stops:
        results["early_stops"] = stops
    copy_logs(made, artifacts, out / "logs")
    write_cost(out, artifacts.values(), seconds=time.monotonic() - started, joules=meter.joules)
    write_json(out / _RESULTS, results)
    return made, rows


def _report(rows: Sequence[Mapping[str, Any]], runner: Runner, out: Path) -> None:
    """Tell of the scores and write the report."""
    from domainlm.study.report.write import write_report  # imports matplotlib, which no worker needs

    for row in rows:
        runner.observers.task_scored(runner.run, score_of(row))
    write_report(out)


def _study_error(runner: Runner, out: Path | None) -> StudyError:
    first = next(iter(runner.failed.values()))
    rest = f", and {len(runner.left_out)} that need them were not made" if runner.left_out else ""
    more = " (the first of them)" if len(runner.failed) > 1 else ""
    return StudyError(
        f"{len(runner.failed)} of {runner.run.num_stages} stages failed{rest}{more}: {first}",
        where=None if out is None else out / "report.md",
        remedy="mend what is wrong and run the same command again: what is done is kept, what failed is tried again",
    )


@contextmanager
def _only_run_in(out: Path) -> Iterator[None]:
    lock = FileLock(out / _LOCK)
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
