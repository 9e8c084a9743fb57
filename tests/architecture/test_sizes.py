"""Small files and functions: each fits a reader's head."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Source

_MAX_FILE_LINES = 320
_MAX_FUNCTION_LINES = 60  # without the docstring


def _num_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, the docstring not counted."""
    total = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function, clean=False) is None:
        return total
    docstring = function.body[0]
    return total - ((docstring.end_lineno or docstring.lineno) - docstring.lineno + 1)


def test_lines_of_a_function_are_counted_without_its_docstring() -> None:
    function = ast.parse('def f(\n    a,\n):\n    """One.\n\n    Two.\n    """\n    return a\n').body[0]
    assert isinstance(function, ast.FunctionDef)
    assert _num_lines(function) == 4


def test_files_are_short(core: list[Source], plugin: list[Source]) -> None:
    lengths = {source.module: len(source.text.splitlines()) for source in [*core, *plugin]}
    assert {module: lines for module, lines in lengths.items() if lines > _MAX_FILE_LINES} == {}


def test_functions_are_short(core: list[Source], plugin: list[Source]) -> None:
    long = [
        f"{source.at(node)} {node.name}: {_num_lines(node)} lines"
        for source in [*core, *plugin]
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _num_lines(node) > _MAX_FUNCTION_LINES
    ]
    assert long == []
