"""What plugins may import besides records and specs: a line for each function."""

from __future__ import annotations

import inspect
from types import ModuleType

from domainlm import reading, testing
from generating.docstrings import docstring_of
from generating.signatures import short_signature
from generating.tables import table


def plugin_functions() -> str:
    """The functions for readers, and those for the tests of plugins."""
    return "\n".join(
        [
            "### `domainlm.reading`\n",
            "For readers.\n",
            _functions(reading),
            "### `domainlm.testing`\n",
            "For the tests of a plugin. A check raises `CheckError` where a rule is broken.\n",
            _functions(testing),
        ]
    )


def _functions(module: ModuleType) -> str:
    functions = [each for name in module.__all__ if inspect.isfunction(each := getattr(module, name))]
    rows = [(short_signature(each.__name__, each), docstring_of(each).summary) for each in functions]
    return table(("function", "what it does"), rows)
