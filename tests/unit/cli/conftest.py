"""Calling the command line, inside this process and in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import domainlm
from domainlm.cli.group import cli
from domainlm.cli.state import CliState
from domainlm.plugin import LoadedPlugins, Provider, load_plugins
from domainlm.plugin.discovery import DISABLE_VARIABLE, Candidate

_CORE = Path(domainlm.__file__).parents[1]


def _same(plugin: object) -> object:
    return plugin


@pytest.fixture(autouse=True)
def _nothing_disabled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DISABLE_VARIABLE, raising=False)


@pytest.fixture
def load_these() -> Callable[..., LoadedPlugins]:
    """Load the core and the given plugins leniently: `distribution=plugin`, each in version 1.2."""

    def load(**plugins: object) -> LoadedPlugins:
        return load_plugins(
            strict=False,
            candidates=[
                Candidate(Provider(name, "1.2", "main"), partial(_same, plugin)) for name, plugin in plugins.items()
            ],
        )

    return load


@pytest.fixture
def call(load_these: Callable[..., LoadedPlugins]) -> Callable[..., Result]:
    """Call a command in this process, with no plugins beside the core's own unless some are given.

    User errors are left as exceptions: `result.exception`.
    """

    def invoke(*arguments: str, plugins: LoadedPlugins | None = None, stdin: str | bytes | None = None) -> Result:
        state = CliState()
        state.all_plugins = load_these() if plugins is None else plugins
        return CliRunner().invoke(cli, arguments, obj=state, input=stdin)

    return invoke


@pytest.fixture
def domainlm_process(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `python -m domainlm` in an empty folder; modules and plugins lying there can be imported."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(_CORE), str(tmp_path)])
        return subprocess.run(
            [sys.executable, "-m", "domainlm", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path, **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def install(tmp_path: Path) -> Callable[[str, str], None]:
    """Lay a one-module plugin where `domainlm_process` finds it, as an installer would."""

    def lay(distribution: str, code: str) -> None:
        module = distribution.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(code, encoding="utf-8")
        metadata = tmp_path / f"{module}-2.0.dist-info"
        metadata.mkdir()
        text = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 2.0\n"
        (metadata / "METADATA").write_text(text, encoding="utf-8")
        (metadata / "entry_points.txt").write_text(f"[domainlm]\nmain = {module}\n", encoding="utf-8")

    return lay
