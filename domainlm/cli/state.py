"""What the commands of one call share: the loaded plugins and how much to print."""

from __future__ import annotations

from functools import cached_property

import click

from domainlm.plugin import LoadedPlugins, load_plugins


class CliState:
    """Kept by click's context as `obj`."""

    def __init__(self) -> None:
        self.quiet = False

    @cached_property
    def all_plugins(self) -> LoadedPlugins:
        """The plugins, loaded once; the broken ones are named in `.broken`."""
        return load_plugins(strict=False)

    @property
    def plugins(self) -> LoadedPlugins:
        """The plugins for commands that use them; `PluginError` where one is broken."""
        self.all_plugins.raise_if_broken()
        return self.all_plugins


def cli_state(context: click.Context) -> CliState:
    """The state of this call; made on the first request."""
    return context.find_root().ensure_object(CliState)
