"""Finding plugins: the core's own, and every installed distribution with an entry point in the group `domainlm`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import Distribution, EntryPoint, entry_points

import domainlm
from domainlm.errors import PluginError
from domainlm.plugin.marker import PROJECT
from domainlm.plugin.provider import Provider

CORE = "domainlm"
"""The distribution of the core."""

DISABLE_VARIABLE = "DOMAINLM_DISABLE_PLUGINS"
"""Environment variable: distributions, separated by commas, whose plugins are left alone (the core cannot be)."""

_CORE_ENTRY_POINTS = (
    EntryPoint(name="builtin", value="domainlm.builtin.specs", group=PROJECT),
    EntryPoint(name="commands", value="domainlm.cli.commands", group=PROJECT),
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A plugin that was found but not imported yet.

    Attributes:
        provider: who gives it.
        load: imports and returns the plugin: a module or an object with hook implementations.
    """

    provider: Provider
    load: Callable[[], object]


def core_candidates() -> list[Candidate]:
    """The core's own plugins. They go the same way as anyone's, but need no installed metadata to be found."""
    version = domainlm.__version__
    return [Candidate(Provider(CORE, version, entry.name), entry.load) for entry in _CORE_ENTRY_POINTS]


def installed_candidates() -> list[Candidate]:
    """The plugins of all installed distributions, sorted by distribution and entry point."""
    found = [
        Candidate(_provider(entry, entry.dist), partial(_load, entry))
        for entry in entry_points(group=PROJECT)
        if entry.dist is not None
    ]
    return sorted(found, key=lambda candidate: candidate.provider)


def _provider(entry: EntryPoint, distribution: Distribution) -> Provider:
    """Who gives it; a folder of metadata that is left of a distribution need not say."""
    name: str | None = distribution.name
    version: str | None = distribution.version
    return Provider(name or normalise(entry.value.partition(":")[0]), version or "(no version)", entry.name)


def _load(entry: EntryPoint) -> object:
    if EntryPoint.pattern.match(entry.value) is None:
        raise PluginError(
            f'the entry point "{entry.name}" names no module',
            given=entry.value,
            allowed='"package.module", or "package.module:object"',
        )
    return entry.load()


def disabled_names() -> frozenset[str]:
    """Normalised names of the distributions that the environment switches off."""
    return frozenset(normalise(name) for name in os.environ.get(DISABLE_VARIABLE, "").split(",") if name.strip())


def split_disabled(candidates: Iterable[Candidate]) -> tuple[list[Candidate], list[Provider]]:
    """Part the candidates into those to load and those that the environment switches off."""
    names = disabled_names()
    kept: list[Candidate] = []
    disabled: list[Provider] = []
    for candidate in candidates:
        if normalise(candidate.provider.distribution) in names:
            disabled.append(candidate.provider)
        else:
            kept.append(candidate)
    return kept, disabled


def normalise(name: str) -> str:
    """A distribution's name as the package index compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()
