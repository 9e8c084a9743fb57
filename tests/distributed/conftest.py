"""What the tests of several ranks share."""

from __future__ import annotations

from pathlib import Path

import pytest

_SECONDS = 240
"""Eight ranks on two cores take some seconds where the machine is theirs, and a minute where it is not."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test here more time than others have, where it does not say its own."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(_SECONDS))
