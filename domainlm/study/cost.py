"""OUT/cost.json: what a run cost in time and energy. Apart from results.json, where nothing depends on time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from domainlm.files import read_json, write_json
from domainlm.study.report.cost_file import COST_NAME
from domainlm.study.store import Artifact

_FORMAT = 1


def write_cost(out: Path, artifacts: Iterable[Artifact], *, seconds: float, joules: Mapping[str, float]) -> None:
    """Write how long each stage took to make, and add this invocation to those before.

    Args:
        out: the output folder.
        artifacts: all that the results are made of; each counts once, whoever made it and when.
        seconds: duration of this invocation.
        joules: energy that it took, by source; empty where it is not known.
    """
    path = out / COST_NAME
    stages = {
        str(artifact.manifest["key"]): {
            "kind": artifact.manifest["kind"],
            "label": artifact.manifest["label"],
            "seconds": artifact.manifest["seconds_of_last_attempt"],
        }
        for artifact in artifacts
    }
    invocation = {"seconds": round(seconds, 3), "joules": {name: round(value, 1) for name, value in joules.items()}}
    write_json(path, {"format": _FORMAT, "stages": stages, "invocations": [*_earlier(path), invocation]})


def _earlier(path: Path) -> list[Any]:
    """Invocations that the file tells of; none where it is not there or damaged."""
    try:
        invocations = read_json(path)["invocations"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return invocations if isinstance(invocations, list) else []
