"""Starting is cheap: `domainlm --help` is quick, and importing the light parts imports nothing heavy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import domainlm

_CORE = Path(domainlm.__file__).parents[1]
_ENVIRONMENT = {**os.environ, "PYTHONPATH": str(_CORE)}
_HEAVY = ("torch", "numpy", "tokenizers", "matplotlib", "fairscale", "sklearn", "lxml", "safetensors", "tqdm")
_MAX_MODULES_OF_HELP = 130  # 108 of some 520 in November 2026


def _modules_after(code: str) -> set[str]:
    ended = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print('\\n'.join(sys.modules), file=sys.stderr)"],
        env=_ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(ended.stderr.split())


def test_help_imports_nothing_heavy() -> None:
    modules = _modules_after("from domainlm.cli.main import main; main(['--help'])")

    assert {"domainlm.cli.group", "domainlm.builtin.specs"} <= modules
    assert modules.isdisjoint((*_HEAVY, "pydantic", "jinja2"))


@pytest.mark.parametrize("command", ["run", "recipe", "report", "predict", "vocab", "plugins", "doctor"])
def test_the_help_of_each_command_imports_nothing_heavy(command: str) -> None:
    modules = _modules_after(f"from domainlm.cli.main import main; main(['{command}', '--help'])")

    assert f"domainlm.cli.{command}" in modules
    assert modules.isdisjoint(_HEAVY)


@pytest.mark.parametrize(
    "module", ["domainlm", "domainlm.api", "domainlm.plugin", "domainlm.builtin.specs", "domainlm.cli.main"]
)
def test_light_modules_import_nothing_heavy(module: str) -> None:
    modules = _modules_after(f"import {module}")

    assert module in modules
    assert modules.isdisjoint((*_HEAVY, "pydantic"))


def test_the_settings_of_a_recipe_need_nothing_heavy() -> None:
    assert _modules_after("import domainlm.recipe.schema").isdisjoint(_HEAVY)


def test_the_public_names_are_there_without_torch() -> None:
    modules = _modules_after("from domainlm import UserError, __version__, hookimpl, load, run")

    assert modules.isdisjoint(_HEAVY)


def test_help_imports_little_of_ours() -> None:
    """How long it takes is for benchmarks/start_up.py to say; what makes it longer is modules."""
    modules = _modules_after("from domainlm.cli.main import main; main(['--help'])")
    assert len([name for name in modules if name.startswith("domainlm")]) < _MAX_MODULES_OF_HELP


def test_unknown_public_names_are_refused_as_python_does() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'hookimp'"):
        _ = domainlm.hookimp


def test_everything_public_is_listed() -> None:
    assert set(dir(domainlm)) >= {"UserError", "__version__", "hookimpl", "load", "run"}
    assert all(getattr(domainlm, name) is not None for name in domainlm.__all__)
