"""Data is never run: no unpickling, no evaluation, no shell."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Source

_UNSAFE_MODULES = ("cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve", "xml.dom", "xml.etree")
_UNSAFE_CALLS = ("eval", "exec", "os.system", "yaml.load", "yaml.unsafe_load", "__import__")


def _unsafe(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of each unsafe import or call."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            if isinstance(node, ast.Call) and _is_unsafe_call(node):
                yield node.lineno, ast.unparse(node)
            continue
        for name in names:
            if f"{name}.".startswith(tuple(f"{module}." for module in _UNSAFE_MODULES)) or name == "torch.load":
                yield node.lineno, f"import {name}"


def _is_unsafe_call(call: ast.Call) -> bool:
    keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    called = ast.unparse(call.func)
    return (
        called in _UNSAFE_CALLS
        or (called == "torch.load" and keywords.get("weights_only") != "True")
        or keywords.get("allow_pickle", "False") != "False"
        or keywords.get("shell", "False") != "False"
    )


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from pickle import loads",
        "import xml.etree.ElementTree as tree",
        "from xml import etree",
        "from torch import load",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "numpy.load(path, allow_pickle=True)",
        "subprocess.run(line, shell=True)",
        "eval(text)",
        "def f():\n    exec(text)",
        "yaml.load(text, Loader)",
    ],
)
def test_unsafe_code_is_found(code: str) -> None:
    assert len(list(_unsafe(ast.parse(code)))) == 1


@pytest.mark.parametrize(
    "code", ["torch.load(path, weights_only=True)", "model.eval()", "json.load(file)", "import safetensors.torch"]
)
def test_safe_code_is_let_be(code: str) -> None:
    assert list(_unsafe(ast.parse(code))) == []


def test_nothing_unsafe_is_used(core: list[Source], plugin: list[Source], root: Path) -> None:
    found = [
        f"{source.path.relative_to(root)}:{line}: {text}"
        for source in [*core, *plugin]
        for line, text in _unsafe(source.tree)
    ]
    assert found == []
