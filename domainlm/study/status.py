"""How far a run is, stage by stage, as its store tells."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from domainlm.errors import DataError
from domainlm.files import read_json, write_json
from domainlm.plugin.manager import LoadedPlugins
from domainlm.recipe.load import LoadedRecipe
from domainlm.study.attempts import failure_of, has_begun, is_being_made
from domainlm.study.duration import duration
from domainlm.study.plan import plan_run
from domainlm.study.stage import Stage
from domainlm.study.store import Store

_CALL = ".recipe.json"
State = Literal["done", "running", "failed", "stopped", "to do"]


class Call(NamedTuple):
    """What a run was called with.

    Attributes:
        recipe: its file.
        out: output folder.
        store: of the artifacts; None where they are in `out`.
        overrides: `KEY=VALUE` texts.
    """

    recipe: Path
    out: Path
    store: Path | None
    overrides: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StageState:
    """How far a stage is.

    Attributes:
        stage: the stage.
        state: "stopped" is one of which an attempt has left something to go on from.
        seconds: of the last attempt where it is done, and since the beginning of this one where it is running.
        message: what it failed with.
    """

    stage: Stage
    state: State
    seconds: float | None = None
    message: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As JSON values."""
        facts = {"kind": self.stage.kind, "key": self.stage.key, "label": self.stage.label}
        return {"state": self.state, **facts, "seconds": self.seconds, "message": self.message}

    def cells(self) -> tuple[str, ...]:
        """A row for people."""
        what = self.stage.label + (f": {self.message.splitlines()[0]}" if self.message else "")
        taken = "" if self.seconds is None else duration(self.seconds)
        return (self.state, self.stage.kind, self.stage.key[:12], taken, what)


def stage_states(
    recipe: Path, *, out: Path, store: Path | None, overrides: Sequence[str], plugins: LoadedPlugins
) -> list[StageState]:
    """The states of a run's stages, in their order; arguments and errors as of `plan_run`."""
    planned = plan_run(recipe, out=out, store=store, overrides=overrides, plugins=plugins)
    planned.hashes.save()
    return [_state(planned.store, stage) for stage in planned.graph.ordered()]


def remember_call(out: Path, recipe: LoadedRecipe, store: Path | None, overrides: Sequence[str]) -> None:
    """Keep in OUT how its run was called, relative to OUT, and the hash of its recipe."""
    call = read_json(out / _CALL)
    call |= {
        "recipe": os.path.relpath(recipe.path, out),
        "sha256": recipe.sha256,
        "store": None if store is None else os.path.relpath(store, out),
        "set": list(overrides),
    }
    write_json(out / _CALL, call)


def has_changed(out: Path, recipe: LoadedRecipe) -> bool:
    """Whether a recipe says something else than when the last run into OUT began; False where none did."""
    try:
        return bool(read_json(out / _CALL)["sha256"] != recipe.sha256)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def read_call(out: Path, store: Path | None, overrides: Sequence[str]) -> Call:
    """How the run of a folder was called; what is given here goes first.

    Raises:
        DataError: no run has begun in this folder.
    """
    try:
        call = read_json(out / _CALL)
        path = Path(os.path.normpath(out / call["recipe"]))
        kept = None if call["store"] is None else Path(os.path.normpath(out / call["store"]))
        return Call(path, out, store or kept, (*call["set"], *overrides))
    except (OSError, ValueError, KeyError, TypeError):
        raise DataError("no run has begun here", where=out, remedy="give its recipe, and --out") from None


def _state(store: Store, stage: Stage) -> StageState:
    artifact = store.find(stage.kind, stage.key)
    if artifact is not None:
        return StageState(stage, "done", artifact.manifest.get("seconds_of_last_attempt"))
    if is_being_made(store, stage):
        lock = store.folder(stage.kind, stage.key).with_suffix(".lock")
        return StageState(stage, "running", max(0.0, time.time() - lock.stat().st_mtime))
    message = failure_of(store, stage)
    if message is not None:
        return StageState(stage, "failed", None, message)
    return StageState(stage, "stopped" if has_begun(store, stage) else "to do")
