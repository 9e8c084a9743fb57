"""Notes in work folders of what was begun there, to tell where a stage does not go on for its machine's sake alone."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from domainlm.files import read_json, write_json
from domainlm.study.attempts import has_begun, is_locked
from domainlm.study.stage import Stage
from domainlm.study.store import BEGUN, Store

_log = logging.getLogger(__name__)
_OF_THE_MACHINE = ("device", "device_name", "num_threads")
"""Facts of the hardware that no recipe need say, so that they change unnoticed."""


def note_begun(folder: Path, stage: Stage) -> None:
    """Leave a note in the work folder of a stage that depends on the hardware."""
    if "hardware" in stage.identity():
        write_json(folder / BEGUN, _what(stage))


def warn_if_begun_elsewhere(store: Store, stage: Stage, own: Collection[str]) -> None:
    """Warn where the same stage lies begun for another kind of machine, and begins anew here.

    Args:
        store: where the stage is to be made.
        stage: not done yet.
        own: keys of the run's stages; what was begun for one of them is no cause to wonder.
    """
    if "hardware" not in stage.identity() or has_begun(store, stage):
        return
    known = {store.folder(stage.kind, key).name for key in own}
    for note in store.folder(stage.kind, stage.key).parent.glob(f"*.partial/{BEGUN}"):
        partial = note.parent
        here = _what(stage)
        name = partial.name.removesuffix(".partial")
        changed = {} if name in known or is_locked(partial.with_name(f"{name}.lock")) else _changed(note, here)
        if changed:
            now = here["identity"]["hardware"]
            _log.warning(
                "%s: %s begins anew here, though %s is begun: that was with %s, this is with %s. To go on from it, %s; "
                "else remove it",
                *(stage.kind, stage.label, partial, _text(changed), _text({name: now.get(name) for name in changed})),
                f"set runtime.num_threads = {changed['num_threads']}"
                if list(changed) == ["num_threads"]
                else "run this on such a machine",
            )


def _what(stage: Stage) -> dict[str, Any]:
    inputs = {role: below.key for role, below in stage.inputs.items()}
    content: dict[str, Any] = json.loads(
        json.dumps({"version": stage.version, "identity": stage.identity(), "inputs": inputs})
    )
    return content


def _changed(note: Path, here: Mapping[str, Any]) -> dict[str, Any]:
    """Facts of the machine as they were, where nothing else has changed."""
    try:
        there = read_json(note)
        was, now = there["identity"]["hardware"], here["identity"]["hardware"]
        if _without_machine(there) != _without_machine(here):
            return {}
        return {name: was.get(name) for name in _OF_THE_MACHINE if was.get(name) != now.get(name)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _without_machine(content: Mapping[str, Any]) -> dict[str, Any]:
    identity = content["identity"]
    kept = {name: value for name, value in identity["hardware"].items() if name not in _OF_THE_MACHINE}
    return {**content, "identity": {**identity, "hardware": kept}}


def _text(facts: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in facts.items())
