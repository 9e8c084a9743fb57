"""The project's own files agree with one another: pins, commands, the plugin's needs."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

_PIN = re.compile(r"([A-Za-z0-9._-]+)==([0-9A-Za-z.]+)")


@pytest.fixture(scope="module")
def pins(root: Path) -> dict[str, Version]:
    """Pinned versions by name; a line of any other form fails: no option, no address, no local version."""
    lines = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    matches = [(_PIN.fullmatch(line), line) for line in lines if line and not line.startswith("#")]
    assert [line for match, line in matches if match is None] == []
    return {canonicalize_name(match[1]): Version(match[2]) for match, _ in matches if match is not None}


def _direct_requirements(root: Path, pyproject: dict[str, Any]) -> list[Requirement]:
    """What the core, its extras and dependency groups and the plugin ask for by name, build tools included."""
    text = (root / "plugins" / "domainlm-biomegatron" / "pyproject.toml").read_text(encoding="utf-8")
    lines = [entry for group in pyproject["dependency-groups"].values() for entry in group if isinstance(entry, str)]
    lines += [entry for extra in pyproject["project"]["optional-dependencies"].values() for entry in extra]
    for tables in (pyproject, tomllib.loads(text)):
        lines += [*tables["project"]["dependencies"], *tables["build-system"]["requires"]]
    return [req for line in lines if (req := Requirement(line)).name != "domainlm"]


def _installed_below(names: set[str]) -> Iterator[importlib.metadata.Distribution]:
    """The named distributions and all that they require, as far as installed here."""
    seen: set[str] = set()
    queue = sorted(names)
    while queue:
        name = canonicalize_name(queue.pop())
        found = next(iter(importlib.metadata.distributions(name=name)), None)
        if name in seen or found is None:
            continue
        seen.add(name)
        yield found
        needed = (Requirement(line) for line in found.requires or [])
        queue += [req.name for req in needed if req.marker is None or req.marker.evaluate({"extra": ""})]


def test_every_requirement_is_pinned_within_its_range(
    root: Path, pyproject: dict[str, Any], pins: dict[str, Version]
) -> None:
    wrong = [
        str(req)
        for req in _direct_requirements(root, pyproject)
        if (pin := pins.get(canonicalize_name(req.name))) is None or not req.specifier.contains(pin)
    ]
    assert wrong == []


def test_all_that_the_requirements_bring_is_pinned(
    root: Path, pyproject: dict[str, Any], pins: dict[str, Version]
) -> None:
    brought = list(_installed_below({req.name for req in _direct_requirements(root, pyproject)}))
    assert len(brought) > 30
    assert sorted(found.name for found in brought if canonicalize_name(found.name) not in pins) == []


def test_ci_runs_the_readme_commands_word_for_word(root: Path) -> None:
    script = (root / ".ci" / "run").read_text(encoding="utf-8")
    commands = re.findall(r"^readonly \w+_command='(.+)'$", script, flags=re.MULTILINE)
    assert len(commands) == 2
    readme = (root / "README.md").read_text(encoding="utf-8").splitlines()
    assert [command for command in commands if command not in readme] == []


def test_the_tour_leads_to_places_that_exist(root: Path) -> None:
    page = (root / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:domainlm|tests|plugins)/[^`\s]*)`", page)
    assert len(named) > 15
    assert [place for place in named if not (root / place).exists()] == []
