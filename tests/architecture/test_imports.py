"""Who may import what: the contracts of pyproject.toml, and what import-linter cannot see."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from conftest import Source

_HEAVY = ("fairscale", "lxml", "matplotlib", "numpy", "safetensors", "scipy", "sklearn", "tokenizers", "torch")


def _python(code: str, root: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False, timeout=50
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_import_contracts_are_kept(root: Path, pyproject: dict[str, Any]) -> None:
    command = shutil.which("lint-imports", path=sysconfig.get_path("scripts"))
    assert command, "import-linter is not installed"
    path = os.pathsep.join([str(root), str(root / "plugins" / "domainlm-biomegatron")])
    done = subprocess.run(
        [command, "--no-cache", "--no-logo"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    kept = len(pyproject["tool"]["importlinter"]["contracts"])
    assert f"{kept} kept, 0 broken" in done.stdout


def _places_of_torch_distributed(source: Source) -> list[str]:
    """Places where the file imports torch.distributed or reaches it by attribute."""
    imports = [node for name, node in source.imported() if f"{name}.".startswith("torch.distributed.")]
    attributes = [node for node in ast.walk(source.tree) if isinstance(node, ast.Attribute)]
    uses = [node for node in attributes if ast.unparse(node) == "torch.distributed"]
    return [source.at(node) for node in [*imports, *uses]]


@pytest.mark.parametrize(
    ("code", "is_found"),
    [
        ("import torch.distributed as dist", True),
        ("from torch import distributed", True),
        ("def f():\n    from torch.distributed import init_process_group", True),
        ("import torch\ntorch.distributed.barrier()", True),
        ("import torch\ntorch.distributions.Normal(0, 1)", False),
    ],
)
def test_uses_of_torch_distributed_are_found(
    code: str, is_found: bool, tmp_path: Path, make_source: Callable[[Path], Source]
) -> None:
    path = tmp_path / "some.py"
    path.write_text(code, encoding="utf-8")
    assert bool(_places_of_torch_distributed(make_source(path))) == is_found


def test_only_parallel_knows_torch_distributed(core: list[Source], plugin: list[Source]) -> None:
    others = [source for source in [*core, *plugin] if not source.module.startswith("domainlm.parallel")]
    assert [place for source in others for place in _places_of_torch_distributed(source)] == []


def test_api_and_what_lies_below_need_the_standard_library_alone(core: list[Source]) -> None:
    bottom = ("domainlm.api", "domainlm.errors", "domainlm.files", "domainlm.process")
    bare = [source for source in core if source.module.startswith(bottom)]
    allowed = {*sys.stdlib_module_names, "domainlm"}
    foreign = [
        f"{source.at(node)} {name}"
        for source in bare
        for name, node in source.imported()
        if name.split(".")[0] not in allowed
    ]
    assert foreign == []


@pytest.mark.parametrize(
    "module",
    [
        "domainlm",
        "domainlm.api",
        "domainlm.builtin",
        "domainlm.builtin.specs",
        "domainlm.cli",
        "domainlm.cli.main",
        "domainlm.plugin",
        "domainlm.recipe",
    ],
)
def test_importing_is_cheap(module: str, root: Path) -> None:
    code = f"import sys; import {module}; print(*sorted(set({_HEAVY!r}) & set(sys.modules)))"
    assert _python(code, root).split() == []


def test_importing_the_api_loads_nothing_foreign(root: Path) -> None:
    code = "import sys; before = set(sys.modules); import domainlm.api; print(*sorted(set(sys.modules) - before))"
    loaded = {name for name in _python(code, root).split() if name.split(".")[0] not in sys.stdlib_module_names}
    assert {re.sub(r"^(domainlm\.\w+)\..*", r"\1", name) for name in loaded} == {
        "domainlm",
        "domainlm.api",
        "domainlm.errors",
    }


def test_what_is_imported_is_declared_and_what_is_declared_is_imported(
    core: list[Source], pyproject: dict[str, Any]
) -> None:
    owners = importlib.metadata.packages_distributions()
    imported = {
        canonicalize_name(owner)
        for source in core
        for name, _ in source.imported()
        for owner in owners.get(name.split(".")[0], [name.split(".")[0]])
        if name.split(".")[0] not in {*sys.stdlib_module_names, "domainlm"}
    }
    imported.discard(canonicalize_name("pytest"))  # domainlm.testing is for those who have it
    imported.discard(canonicalize_name("triton"))  # torch for CUDA brings it; without it other kernels run
    project = pyproject["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    declared = {canonicalize_name(Requirement(line).name) for line in lines}
    assert imported == declared
