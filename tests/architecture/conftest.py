"""The source files that the architecture tests look at: those of the checkout, whatever is installed."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Source:
    """One Python file of a package."""

    path: Path
    module: str

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, str(self.path))

    def at(self, node: ast.stmt | ast.expr) -> str:
        path = self.path.relative_to(_ROOT) if self.path.is_relative_to(_ROOT) else self.path
        return f"{path}:{node.lineno}"

    def imported(self) -> Iterator[tuple[str, ast.stmt]]:
        """Dotted names that the file imports anywhere; `from a import b` counts as `a.b`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((alias.name, node) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                yield from ((f"{node.module}.{alias.name}", node) for alias in node.names)


@pytest.fixture
def make_source() -> Callable[[Path], Source]:
    """Makes a `Source` of a file that a test has written."""
    return lambda path: Source(path, path.stem)


def _sources(package: Path) -> list[Source]:
    found = []
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found.append(Source(path, ".".join(part for part in parts if part != "__init__")))
    assert found, f"no Python file in {package}"
    return found


@pytest.fixture(scope="session")
def root() -> Path:
    """The top folder of the checkout."""
    return _ROOT


@pytest.fixture(scope="session")
def core() -> list[Source]:
    """Every Python file of the core."""
    return _sources(_ROOT / "domainlm")


@pytest.fixture(scope="session")
def plugin() -> list[Source]:
    """Every Python file of the BioMegatron plugin."""
    return _sources(_ROOT / "plugins" / "domainlm-biomegatron" / "domainlm_biomegatron")


@pytest.fixture(scope="session")
def pyproject() -> dict[str, Any]:
    """The tables of pyproject.toml."""
    return tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
