"""The plugins, broken ones with their cause."""

from __future__ import annotations

from collections.abc import Iterator

from domainlm.cli.doctor.facts import Fact
from domainlm.plugin import LoadedPlugins
from domainlm.plugin.discovery import CORE, DISABLE_VARIABLE

_SECTION = "plugins"


def plugin_facts(plugins: LoadedPlugins) -> Iterator[Fact]:
    """Every plugin beside the core's own."""
    outside = [plugin.provider for plugin in plugins.loaded if plugin.provider.distribution != CORE]
    for provider in outside:
        yield Fact(_SECTION, provider.distribution, provider.version)
    for provider in plugins.disabled:
        yield Fact(_SECTION, provider.distribution, f"{provider.version}, switched off by {DISABLE_VARIABLE}")
    for broken in plugins.broken:
        provider = broken.provider
        yield Fact(
            _SECTION,
            provider.distribution,
            f"{provider.version}, broken: {broken.error.problem}",
            broken.error.remedy or "",
        )
    if not (outside or plugins.disabled or plugins.broken):
        yield Fact(_SECTION, "(none)", "only the core's own")
