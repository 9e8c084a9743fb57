"""Versions: Python, domainlm, and the libraries it needs."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version

import domainlm
from domainlm.cli.doctor.facts import Fact

_SECTION = "versions"
_DISTRIBUTION = "domainlm"
_MAIN_LIBRARIES = ("torch", "fairscale", "tokenizers", "safetensors", "numpy")
"""Asked for where domainlm runs from its sources, so that no installer's record says what it needs."""


def version_facts() -> Iterator[Fact]:
    """Versions found, those that are missing or do not fit with the command that mends it."""
    yield Fact(_SECTION, "domainlm", domainlm.__version__)
    yield Fact(_SECTION, "python", f"{platform.python_version()} ({sys.executable})")
    yield Fact(_SECTION, "system", platform.platform())
    try:
        needed = requires(_DISTRIBUTION) or []
    except PackageNotFoundError:
        yield Fact(_SECTION, "installation", "none: this runs from its sources")
        needed = list(_MAIN_LIBRARIES)
    for requirement in needed:
        yield from requirement_facts(requirement)


def requirement_facts(text: str) -> Iterator[Fact]:
    """One requirement (PEP 508) against what is installed; nothing where it is not for this system or an extra's."""
    from packaging.requirements import Requirement

    requirement = Requirement(text)
    if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
        return
    wanted = f"{requirement.name}{requirement.specifier}"
    try:
        installed = version(requirement.name)
    except PackageNotFoundError:
        yield Fact(_SECTION, requirement.name, "missing", f"pip install '{wanted}'")
        return
    fits = requirement.specifier.contains(installed, prereleases=True)
    yield Fact(_SECTION, requirement.name, installed, "" if fits else f"pip install '{wanted}'")
