"""Plugins made on the spot."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType

import pytest

from domainlm.plugin import LoadedPlugins, Provider, load_plugins
from domainlm.plugin.discovery import DISABLE_VARIABLE, Candidate


def _same(plugin: object) -> object:
    return plugin


MakePlugin = Callable[..., ModuleType]
LoadThese = Callable[..., LoadedPlugins]


@pytest.fixture(autouse=True)
def _nothing_disabled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DISABLE_VARIABLE, raising=False)


@pytest.fixture
def make_plugin() -> MakePlugin:
    """A module holding the given functions under their own names."""

    def make(*functions: Callable[..., object], **attributes: object) -> ModuleType:
        module = ModuleType("made_plugin")
        for function in functions:
            setattr(module, function.__name__, function)
        for name, value in attributes.items():
            setattr(module, name, value)
        return module

    return make


@pytest.fixture
def load_these() -> LoadThese:
    """Load the core and the given plugins: `distribution=plugin`, each in version 1.2."""

    def load(*, strict: bool = True, **plugins: object) -> LoadedPlugins:
        return load_plugins(
            strict=strict,
            candidates=[
                Candidate(Provider(name.replace("_", "-"), "1.2", "main"), partial(_same, plugin))
                for name, plugin in plugins.items()
            ],
        )

    return load
