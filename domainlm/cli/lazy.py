"""Commands whose modules are imported when they are called, so that `domainlm --help` loads nothing heavy."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click


class LazyCommand(click.Command):
    """Stands for a command in another module until it is called.

    Args:
        name: the command's name.
        target: "package.module:attribute" of the real command or group.
        short_help: its line in the list of commands; the real command must say the same.
    """

    def __init__(self, name: str, target: str, short_help: str) -> None:
        super().__init__(name, short_help=short_help)
        self.target = target

    def load(self) -> click.Command:
        """Import the real command."""
        module, _, attribute = self.target.partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command), self.target
        return command

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # noqa: ANN401 - as click declares it
    ) -> click.Context:
        """Hand over to the real command: the context is that command's own."""
        return self.load().make_context(info_name, args, parent, **extra)
