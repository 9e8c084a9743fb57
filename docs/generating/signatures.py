"""Signatures as they stand in the code."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

_MAX_CHARACTERS = 100


def short_signature(name: str, function: Callable[..., Any]) -> str:
    """Names and defaults: `check_task(spec, path=None)`."""
    return f"{name}({', '.join(_parameters(function, has_types=False))})"


def full_signature(name: str, function: Callable[..., Any]) -> str:
    """With types, and with a line for each parameter where one line does not hold them."""
    parameters = _parameters(function, has_types=True)
    result = inspect.signature(function).return_annotation
    end = "" if result is inspect.Signature.empty else f" -> {_text(result)}"
    line = f"{name}({', '.join(parameters)}){end}"
    if len(line) <= _MAX_CHARACTERS:
        return line
    return "\n".join([f"{name}(", *(f"    {each}," for each in parameters), f"){end}"])


def _parameters(function: Callable[..., Any], *, has_types: bool) -> list[str]:
    shown = []
    needs_star = True
    for each in inspect.signature(function).parameters.values():
        if each.name == "self":
            continue
        if each.kind is each.VAR_POSITIONAL:
            needs_star = False
        if each.kind is each.KEYWORD_ONLY and needs_star:
            shown.append("*")
            needs_star = False
        text = f"*{each.name}" if each.kind is each.VAR_POSITIONAL else each.name
        is_typed = has_types and each.annotation is not each.empty
        text += f": {_text(each.annotation)}" if is_typed else ""
        if each.default is not each.empty:
            text += f"{' = ' if is_typed else '='}{_value(each.default)}"
        shown.append(text)
    return shown


def _value(default: object) -> str:
    if isinstance(default, str):
        return f'"{default}"'
    return "..." if callable(default) else repr(default)


def _text(annotation: object) -> str:
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
