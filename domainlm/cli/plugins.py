"""`domainlm plugins`: which plugins are installed, what they give, and why one is broken."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click

from domainlm.api import spec_fields
from domainlm.cli.arguments import json_option
from domainlm.cli.state import cli_state
from domainlm.cli.table import echo_json, echo_table
from domainlm.errors import PluginError
from domainlm.plugin import LoadedPlugin, LoadedPlugins, Provider
from domainlm.plugin.discovery import DISABLE_VARIABLE, normalise


@click.group(short_help="List plugins and show what they provide.")
def plugins() -> None:
    """List plugins and show what they provide."""


@plugins.command("list", short_help="List the installed plugins, broken ones with their cause.")
@json_option
@click.pass_context
def list_(context: click.Context, as_json: bool) -> None:
    """List the installed plugins, broken ones with their cause."""
    everything = cli_state(context).all_plugins
    if as_json:
        echo_json(plugins_as_dict(everything))
        return
    rows = [_row(plugin.provider, _gives(plugin, everything)) for plugin in everything.loaded]
    rows += [_row(plugin.provider, "broken, see below") for plugin in everything.broken]
    rows += [_row(provider, f"switched off by {DISABLE_VARIABLE}") for provider in everything.disabled]
    echo_table(("distribution", "version", "entry point", "gives"), rows)
    for broken in everything.broken:
        click.echo(f"\nbroken: {broken.error}")


@plugins.command(short_help="Show all that one plugin gives.")
@click.argument("name")
@click.pass_context
def show(context: click.Context, name: str) -> None:
    """Show all that one plugin provides; NAME is that of its distribution. The core is one of them, domainlm."""
    everything = cli_state(context).all_plugins
    wanted = normalise(name)
    everyone = {normalise(provider.distribution) for provider in _providers(everything)}
    if wanted not in everyone:
        raise PluginError("no such plugin is installed", given=name, allowed=sorted(everyone))
    for plugin in everything.loaded:
        if normalise(plugin.provider.distribution) == wanted:
            _show(plugin, everything)
    for broken in everything.broken:
        if normalise(broken.provider.distribution) == wanted:
            raise broken.error
    for provider in everything.disabled:
        if normalise(provider.distribution) == wanted:
            click.echo(f"{provider.label}: switched off by {DISABLE_VARIABLE}")


def plugins_as_dict(everything: LoadedPlugins) -> list[dict[str, Any]]:
    """Every plugin with its status and what it gives, as JSON values."""
    described: list[dict[str, Any]] = [
        _as_dict(plugin.provider, "loaded")
        | {
            "hooks": list(plugin.hooks),
            "specs": [
                {"kind": _noun(spec, everything), "name": spec.name, "version": spec.version} for spec in plugin.specs
            ],
            "commands": list(plugin.commands),
        }
        for plugin in everything.loaded
    ]
    described += [_as_dict(plugin.provider, "broken") | {"cause": str(plugin.error)} for plugin in everything.broken]
    described += [_as_dict(provider, "disabled") for provider in everything.disabled]
    return described


def _as_dict(provider: Provider, status: str) -> dict[str, Any]:
    return {
        "distribution": provider.distribution,
        "version": provider.version,
        "entry_point": provider.entry_point,
        "status": status,
    }


def _providers(everything: LoadedPlugins) -> Iterable[Provider]:
    yield from (plugin.provider for plugin in everything.loaded)
    yield from (plugin.provider for plugin in everything.broken)
    yield from everything.disabled


def _row(provider: Provider, gives: str) -> tuple[str, str, str, str]:
    return (provider.distribution, provider.version, provider.entry_point, gives)


def _gives(plugin: LoadedPlugin, everything: LoadedPlugins) -> str:
    """How much of what, as in "2 corpora, 1 task, 3 commands"."""
    counts = [
        (sum(isinstance(spec, table.spec_type) for spec in plugin.specs), table.noun, table.key.replace("_", " "))
        for table in everything.registry.tables
    ]
    counts.append((len(plugin.commands), "command", "commands"))
    counts.append((len([hook for hook in plugin.hooks if _observes(hook, everything)]), "observer", "observers"))
    return ", ".join(f"{count} {one if count == 1 else many}" for count, one, many in counts if count)


def _show(plugin: LoadedPlugin, everything: LoadedPlugins) -> None:
    click.echo(plugin.provider.label)
    for spec in plugin.specs:
        shown = spec_fields(spec)
        click.echo(f"\n{_noun(spec, everything)} {shown.pop('name')}@{shown.pop('version')}")
        for key, value in shown.items():
            click.echo(f"  {key}: {value}")
    if plugin.commands:
        click.echo(f"\ncommands: {', '.join(plugin.commands)}")
    observers = [hook for hook in plugin.hooks if _observes(hook, everything)]
    if observers:
        click.echo(f"\nobserves: {', '.join(observers)}")
    click.echo()


def _noun(spec: object, everything: LoadedPlugins) -> str:
    return next(table.noun for table in everything.registry.tables if isinstance(spec, table.spec_type))


def _observes(hook: str, everything: LoadedPlugins) -> bool:
    declaring = {table.hook for table in everything.registry.tables} | {"domainlm_commands"}
    return hook not in declaring
