"""`domainlm doctor`: is everything here that a run needs?"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

import click

from domainlm.cli.arguments import json_option
from domainlm.cli.doctor.facts import Fact
from domainlm.cli.state import cli_state
from domainlm.cli.table import echo_json
from domainlm.plugin import LoadedPlugins


@click.command(short_help="Check this installation and this machine.")
@json_option
@click.pass_context
def doctor(context: click.Context, as_json: bool) -> None:
    """Check this installation and this machine: versions, devices, kernels, memory, plugins.

    The exit code is 0 if all is well; otherwise it is 2, and what to do is printed.
    """
    facts = diagnose(cli_state(context).all_plugins, Path.cwd())
    amiss = [fact for fact in facts if fact.remedy]
    if as_json:
        echo_json({"facts": [_as_dict(fact) for fact in facts], "num_amiss": len(amiss)})
    else:
        _print(facts, amiss)
    context.exit(2 if amiss else 0)


def diagnose(plugins: LoadedPlugins, folder: Path) -> list[Fact]:
    """All that can be found out, section by section; `folder` is where a run would write."""
    from domainlm.cli.doctor.compute import compute_facts
    from domainlm.cli.doctor.machine import machine_facts
    from domainlm.cli.doctor.plugins import plugin_facts
    from domainlm.cli.doctor.versions import version_facts

    return [*version_facts(), *machine_facts(folder), *compute_facts(), *plugin_facts(plugins)]


def _print(facts: Iterable[Fact], amiss: list[Fact]) -> None:
    for section, members in groupby(facts, key=lambda fact: fact.section):
        click.echo(section)
        for fact in members:
            click.echo(f"  {fact.name}: {fact.value}")
            if fact.remedy:
                click.echo(f"    -> {fact.remedy}")
    click.echo(f"\n{len(amiss)} thing(s) amiss, marked with ->" if amiss else "\nall is well")


def _as_dict(fact: Fact) -> dict[str, str | None]:
    return {"section": fact.section, "name": fact.name, "value": fact.value, "remedy": fact.remedy or None}
