"""Telling plugins what happened. An observer that raises is reported once, and the run goes on."""

from __future__ import annotations

import logging
from collections import Counter

import pluggy

from domainlm.api import CheckpointInfo, RunInfo, RunSummary, Score, StageInfo, StepInfo

_LOG = logging.getLogger(__name__)


class Observers:
    """Calls the observer hooks of all plugins. To be used on world rank 0 only.

    A run takes hours and an observer is somebody's dashboard, so a failing one must not end it: the first failure of
    each plugin's hook is logged as a warning (its traceback at debug level), later ones are counted, and the count is
    logged when the run ends. The hook goes on being called, since what failed may come back. KeyboardInterrupt and
    SystemExit pass through.
    """

    def __init__(self, manager: pluggy.PluginManager) -> None:
        self._manager = manager
        self._failures: Counter[tuple[str, str]] = Counter()

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
        for (plugin, hook), count in self._failures.items():
            if count > 1:
                _LOG.warning("%s of plugin %s failed %d times", hook, plugin, count)

    def _tell(self, hook: str, **facts: object) -> None:
        for implementation in reversed(getattr(self._manager.hook, hook).get_hookimpls()):
            try:
                implementation.function(*(facts[name] for name in implementation.argnames))
            except Exception as error:  # noqa: BLE001 - whatever a plugin raises
                self._failed(implementation.plugin_name, hook, error)

    def _failed(self, plugin: str, hook: str, error: Exception) -> None:
        self._failures[plugin, hook] += 1
        if self._failures[plugin, hook] == 1:
            _LOG.warning("%s of plugin %s failed: %s: %s", hook, plugin, type(error).__name__, error)
            _LOG.debug("its traceback", exc_info=error)
