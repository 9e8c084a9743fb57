"""Tasks without a split to score: they are trained, and no number comes of it."""

from __future__ import annotations

import logging

from domainlm.recipe.resolved import Resolved

_LOG = logging.getLogger(__name__)


def unscored_tasks(resolved: Resolved) -> dict[str, str]:
    """By name, the recipe's key of each task that has neither dev nor test in any cell that trains."""
    tasks = [(f"tasks.{index}", task) for cell in resolved.cells for index, task in enumerate(cell.tasks)]
    scored = {
        task.name for _, task in tasks if task.sample is not None or task.files.get("dev") or task.files.get("test")
    }
    return {task.name: key for key, task in tasks if task.name not in scored}


def warn_of_unscored_tasks(resolved: Resolved) -> None:
    """Say which tasks will not be scored, but for those that another one goes on from."""
    gone_on_from = {task.after for cell in resolved.cells for task in cell.tasks}
    for name, key in unscored_tasks(resolved).items():
        if name not in gone_on_from:
            _LOG.warning("%s (%s) has neither dev nor test: nothing will be scored", key, name)
