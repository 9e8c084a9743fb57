"""Makes one stage of a run: what a worker does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from domainlm.api import RunInfo
from domainlm.errors import StudyError
from domainlm.plugin.manager import LoadedPlugins
from domainlm.study.attempts import is_of_the_machine, message_of, note_failure, note_observers
from domainlm.study.making import make_stage
from domainlm.study.plan import plan_run
from domainlm.study.status import has_changed


def make_one(
    recipe: Path, key: str, *, out: Path, store: Path | None, overrides: Sequence[str], plugins: LoadedPlugins
) -> Path:
    """Make the stage whose key begins so, and return its folder.

    Observers hear of its steps and checkpoints; of the run's and the stage's end they hear in the process of the run.

    Raises:
        StudyError: there is no such stage in the run as this machine plans it, maybe since the recipe has changed; or
            an input is not there yet.
        Exception: what the stage fails with, which is noted in the store.
    """
    planned = plan_run(recipe, out=out, store=store, overrides=overrides, plugins=plugins)
    planned.store.prepare()
    planned.hashes.save()
    stages = planned.graph.ordered()
    found = [stage for stage in stages if stage.key.startswith(key)]
    if not found and has_changed(out, planned.resolved.loaded):
        raise StudyError(
            "the recipe has changed since this run began, and this stage is none of its stages any more",
            where=recipe,
            given=key,
            remedy="when the run has ended, run the same command again: what is done is kept; leave a recipe alone "
            "while it runs, and try changes on a copy",
        )
    if len(found) != 1:
        raise StudyError(
            "no such stage" if not found else "several stages begin so",
            where=recipe,
            given=key,
            remedy="name one that `domainlm run --dry-run` lists; what they are depends on the input files, the kind "
            "of device, torch's version and, on a CPU, the number of threads: start runs from a machine like those of "
            "their workers, and set runtime.num_threads",
        )
    (stage,) = found
    for below in stage.inputs.values():
        if planned.store.find(below.kind, below.key) is None:
            raise StudyError("an input is not there yet", where=stage.label, given=f"{below.kind} {below.key[:12]}")
    info = RunInfo(name=planned.resolved.loaded.recipe.name, recipe_path=recipe, out=out, num_stages=len(stages))
    try:
        return make_stage(stage, planned.store, info, plugins.observers).folder
    except Exception as error:
        if not is_of_the_machine(error):
            note_failure(planned.store, stage, message_of(error))
        raise
    finally:
        note_observers(planned.store, stage, plugins.observers.failures)
