"""Telling plugins what happened. An observer that raises is reported once, and the run goes on."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace

import pluggy

from domainlm.api import CheckpointInfo, RunInfo, RunSummary, Score, StageInfo, StepInfo

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserverFailure:
    """An observer that raised.

    Attributes:
        plugin: whose it is.
        hook: which one.
        error: what it raised first.
        count: how often it raised.
    """

    plugin: str
    hook: str
    error: str
    count: int


class Observers:
    """Calls the observer hooks of all plugins. To be used on world rank 0 only.

    A run takes hours and an observer is somebody's dashboard, so a failing one must not end it: the first failure of
    each plugin's hook is logged as a warning (its traceback at debug level), later ones are counted, and the count is
    logged when the run ends. The hook goes on being called, since what failed may come back. KeyboardInterrupt and
    SystemExit pass through.
    """

    def __init__(self, manager: pluggy.PluginManager) -> None:
        self._manager = manager
        self._failures: dict[tuple[str, str], ObserverFailure] = {}

    @property
    def failures(self) -> tuple[ObserverFailure, ...]:
        """Those that raised since the run started, or since this process did."""
        return tuple(self._failures.values())

    def repeat(self, failures: Iterable[ObserverFailure]) -> None:
        """Warn of, and count, what failed in another process of the run."""
        for failure in failures:
            self._add(failure)

    def run_started(self, run: RunInfo) -> None:
        """Tell of a run that starts."""
        self._failures.clear()
        self._tell("domainlm_run_started", run=run)

    def stage_ended(self, run: RunInfo, stage: StageInfo) -> None:
        """Tell of a stage that ended."""
        self._tell("domainlm_stage_ended", run=run, stage=stage)

    def step_ended(self, run: RunInfo, step: StepInfo) -> None:
        """Tell of an optimizer step."""
        self._tell("domainlm_step_ended", run=run, step=step)

    def checkpoint_saved(self, run: RunInfo, checkpoint: CheckpointInfo) -> None:
        """Tell of a complete checkpoint."""
        self._tell("domainlm_checkpoint_saved", run=run, checkpoint=checkpoint)

    def task_scored(self, run: RunInfo, score: Score) -> None:
        """Tell of a score."""
        self._tell("domainlm_task_scored", run=run, score=score)

    def run_ended(self, run: RunInfo, summary: RunSummary) -> None:
        """Tell of a run that ended, and log which observers failed more than once."""
        self._tell("domainlm_run_ended", run=run, summary=summary)
        for failure in self._failures.values():
            if failure.count > 1:
                _LOG.warning("%s of plugin %s failed %d times", failure.hook, failure.plugin, failure.count)

    def _tell(self, hook: str, **facts: object) -> None:
        for implementation in reversed(getattr(self._manager.hook, hook).get_hookimpls()):
            try:
                implementation.function(*(facts[name] for name in implementation.argnames))
            except Exception as error:  # noqa: BLE001 - whatever a plugin raises
                message = f"{type(error).__name__}: {error}"
                failure = ObserverFailure(plugin=implementation.plugin_name, hook=hook, error=message, count=1)
                if self._add(failure):
                    _LOG.debug("its traceback", exc_info=error)

    def _add(self, failure: ObserverFailure) -> bool:
        """Count a failure; warn where it is the first of this hook, and return whether it is."""
        place = (failure.plugin, failure.hook)
        earlier = self._failures.get(place)
        if earlier is not None:
            self._failures[place] = replace(earlier, count=earlier.count + failure.count)
            return False
        self._failures[place] = failure
        _LOG.warning("%s of plugin %s failed: %s", failure.hook, failure.plugin, failure.error)
        return True
