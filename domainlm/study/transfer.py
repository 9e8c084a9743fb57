"""`domainlm.transfer`: adapt a model to a domain from a program, with the engine and the artifacts of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import domainlm
from domainlm.api import RunInfo, RunSummary, StageInfo, StepInfo
from domainlm.cancellation import cancellable
from domainlm.errors import StorageError, StudyError, UserError
from domainlm.files import read_json, write_whole
from domainlm.plugin.discovery import Candidate, installed_candidates
from domainlm.plugin.manager import load_plugins
from domainlm.plugin.marker import hookimpl
from domainlm.plugin.provider import Provider
from domainlm.process import launched
from domainlm.recipe.toml_source import anchor_paths
from domainlm.recipe.toml_text import dump_toml
from domainlm.study.models import folder_name
from domainlm.study.out_folder import has_owner
from domainlm.study.results import score_of
from domainlm.study.run import run_recipe
from domainlm.study.store import Store
from domainlm.study.transfer_arguments import check_arguments
from domainlm.study.transfer_recipe import Budget, PathLike, transfer_recipe
from domainlm.study.transfer_result import TransferResult
from domainlm.train.signals import interrupt

_RECIPE = "transfer.toml"
_HEAD = b"# Written by domainlm.transfer; its next call for this folder writes over it.\n"

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
    check_arguments(
        base=base,
        corpus=corpus,
        out=out,
        vocabulary=vocabulary,
        tasks=tasks,
        general=general,
        grid=grid,
        settings=settings,
        store=store,
        progress=progress,
        cancelled=cancelled,
    )
    folder = Path(out).absolute()
    path = folder / _RECIPE
    tables = transfer_recipe(base, corpus, budget, vocabulary, tasks, general, grid, settings or {})
    recipe = {"name": folder_name(folder.name), **tables}
    anchor_paths(recipe, Path.cwd())
    follower = _Follower(progress, cancelled)
    provider = Provider("domainlm-transfer", domainlm.__version__, "progress")
    plugins = load_plugins(candidates=[*installed_candidates(), Candidate(provider, lambda: follower)])
    try:
        with cancellable(follower.look), _recipe_at(path, _HEAD + dump_toml(recipe).encode(), follower):
            summary: RunSummary = run_recipe(
                path, out=folder, store=None if store is None else Path(store), overrides=(), plugins=plugins
            )
    except KeyboardInterrupt:
        if not follower.has_cancelled:
            raise
        return TransferResult("cancelled", folder)
    if summary.status == "interrupted":  # as rank 0 says to the others
        raise KeyboardInterrupt
    if summary.status == "failed":
        raise StudyError("rank 0 has failed", where=folder, remedy="see what it says")
    rows = read_json(folder / "results.json")["rows"]
    return TransferResult(summary.status, folder, tuple(map(score_of, rows)))


@contextmanager
def _recipe_at(path: Path, content: bytes, follower: _Follower) -> Iterator[None]:
    """The recipe's file, for a run; where none begins, all is left as it was."""
    before = path.read_bytes() if path.is_file() else None
    had_owner = has_owner(path.parent)
    if not (before in (None, content) or before.startswith(_HEAD) or had_owner):
        raise StorageError(
            "a file that no transfer has written, and one would write over it", where=path, remedy="choose another out"
        )
    made = [folder for folder in path.parents if not folder.exists()]
    Store(path.parent).prepare()
    write_whole(path, content)
    try:
        yield
    except BaseException as error:
        is_another_run = before is None and not had_owner and has_owner(path.parent)
        if follower.has_begun or is_another_run or launched() is not None:  # then rank 0 alone begins
            raise
        if before is not None:
            write_whole(path, before)
            raise
        path.unlink(missing_ok=True)
        with suppress(OSError):  # not empty
            for folder in made:
                folder.rmdir()
        if isinstance(error, UserError) and (error.where or "").startswith(f"{path}: "):
            raise _without(path, error) from error
        raise


def _without(path: Path, error: UserError) -> UserError:
    """The same error, of a key of the recipe whose file is not there any more."""
    return type(error)(
        error.problem,
        where=(error.where or "").removeprefix(f"{path}: "),
        given=error.given,
        allowed=error.allowed,
        nearest=error.nearest,
        remedy=error.remedy,
    )


class _Follower:
    """Tells the caller what happens, and stops where it says so."""

    def __init__(self, progress: Callable[[Told], None] | None, cancelled: Callable[[], bool] | None) -> None:
        self._progress, self._cancelled = progress, cancelled
        self.has_begun = self.has_cancelled = False

    @hookimpl
    def domainlm_run_started(self, run: RunInfo) -> None:  # noqa: ARG002 - as the hook is declared
        self.has_begun = True

    @hookimpl
    def domainlm_step_ended(self, run: RunInfo, step: StepInfo) -> None:  # noqa: ARG002
        self._follow(step)

    @hookimpl
    def domainlm_stage_ended(self, run: RunInfo, stage: StageInfo) -> None:  # noqa: ARG002
        self._follow(stage)

    def look(self) -> None:
        """Ask between two pieces of a stage; where that fails, it is told after the next step or stage."""
        with suppress(Exception):
            self._ask()

    def _follow(self, told: Told) -> None:
        try:
            if self._progress is not None:
                self._progress(told)
        finally:
            self._ask()

    def _ask(self) -> None:
        if self._cancelled is not None and not self.has_cancelled and self._cancelled():
            self.has_cancelled = True
            interrupt()
