"""The group `domainlm`: its commands are those that the plugins declare, the core's own among them."""

from __future__ import annotations

import click

import domainlm
from domainlm.cli.logs import verbosity_options
from domainlm.cli.state import cli_state
from domainlm.errors import nearest_name
from domainlm.plugin.discovery import CORE

PROGRAM = "domainlm"


class PluginGroup(click.Group):
    """A group that takes its commands from the plugins when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The core's commands in their own order, then those of other plugins by name."""
        commands = cli_state(ctx).all_plugins.commands
        core = [name for name, entry in commands.items() if entry.provider.distribution == CORE]
        return core + sorted(set(commands) - set(core))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, without importing its module where it is lazy."""
        entry = cli_state(ctx).all_plugins.commands.get(cmd_name)
        return None if entry is None else entry.command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command to call; an unknown one is refused with the nearest name."""
        name = args[0]
        if not ctx.resilient_parsing and not name.startswith("-") and self.get_command(ctx, name) is None:
            raise click.UsageError(_unknown(name, self.list_commands(ctx), len(cli_state(ctx).all_plugins.broken)), ctx)
        return super().resolve_command(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Say below the commands where plugins are broken, since their commands are not listed."""
        broken = cli_state(ctx).all_plugins.broken
        if broken:
            formatter.write_paragraph()
            formatter.write_text(f"{len(broken)} broken plugin(s), see: domainlm plugins list")


def _unknown(name: str, names: list[str], num_broken: int) -> str:
    message = f"no such command: {name}"
    nearest = nearest_name(name, names)
    if nearest is not None:
        message += f" (nearest: {nearest})"
    if num_broken:
        message += f"; {num_broken} plugin(s) could not be loaded, see: domainlm plugins list"
    return message


@click.group(cls=PluginGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(domainlm.__version__, prog_name=PROGRAM, message="%(prog)s %(version)s")
@verbosity_options
def cli() -> None:
    """Adapt language models to a domain, and measure what helps.

    One recipe file states the question; `domainlm run RECIPE` answers it.
    """
