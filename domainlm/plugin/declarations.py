"""Asking a plugin what it declares, and checking each answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pluggy

from domainlm.api import Spec
from domainlm.api.owners import comes_from_a_signal, raised_at
from domainlm.errors import PluginError, UserError
from domainlm.plugin.discovery import CORE
from domainlm.plugin.provider import Provider
from domainlm.plugin.registry import Registry

if TYPE_CHECKING:
    import click

COMMANDS_HOOK = "domainlm_commands"
CORE_NAMESPACE = "core/"


@dataclass(frozen=True, slots=True)
class Declarations:
    """All that one plugin gives."""

    specs: tuple[Spec, ...]
    commands: tuple[click.Command, ...]


def collect(plugin: object, provider: Provider, manager: pluggy.PluginManager) -> Declarations:
    """Call the declaration hooks of one registered plugin.

    Raises:
        PluginError: where a hook fails, or gives something it should not.
    """
    specs: list[Spec] = []
    for table in Registry().tables:
        for item in _declared(plugin, table.hook, provider, manager):
            if not isinstance(item, table.spec_type):
                raise _wrong_item(item, table.spec_type.__name__, table.hook, provider)
            _check_namespace(item, provider)
            specs.append(item)
    return Declarations(tuple(specs), tuple(_commands(plugin, provider, manager)))


def enter(declared: Declarations, provider: Provider, registry: Registry, commands: dict[str, ProvidedCommand]) -> None:
    """Enter what a plugin declares, all or nothing.

    Raises:
        PluginError: where a name is taken, by another plugin or by this one itself.
    """
    _check_names_once(declared, provider)
    for spec in declared.specs:
        registry.check_free(spec, provider)
    for command in declared.commands:
        _check_command_free(str(command.name), provider, commands)
    for spec in declared.specs:
        registry.add(spec, provider)
    for command in declared.commands:
        commands[str(command.name)] = ProvidedCommand(command, provider)


@dataclass(frozen=True, slots=True)
class ProvidedCommand:
    """A command and the plugin that gives it."""

    command: click.Command
    provider: Provider


def _declared(plugin: object, hook: str, provider: Provider, manager: pluggy.PluginManager) -> Iterator[object]:
    for implementation in getattr(manager.hook, hook).get_hookimpls():
        if implementation.plugin is not plugin:
            continue
        where = f"plugin {provider}, hook {hook}"
        try:
            given = implementation.function()
            items = list(given) if isinstance(given, Iterable) and not isinstance(given, (str, Mapping)) else None
        except UserError as error:
            raise as_plugin_error(error, where_raised(error, where)) from error
        except (Exception, SystemExit) as error:
            if comes_from_a_signal(error):
                raise
            place = where_raised(error, where)
            raise PluginError(f"the hook failed: {type(error).__name__}: {error}", where=place) from error
        if items is None:
            raise PluginError("the hook must return a list", where=where, given=repr(given))
        yield from items


def _commands(plugin: object, provider: Provider, manager: pluggy.PluginManager) -> Iterator[click.Command]:
    import click  # here, since most plugins give no command

    for item in _declared(plugin, COMMANDS_HOOK, provider, manager):
        if not isinstance(item, click.Command) or not item.name:
            raise _wrong_item(item, "click.Command with a name", COMMANDS_HOOK, provider)
        yield item


def as_plugin_error(error: UserError, where: str) -> PluginError:
    """The same error, as the plugin's that caused it."""
    return PluginError(
        f"{error.where}: {error.problem}" if error.where else error.problem,
        where=where,
        given=error.given,
        allowed=error.allowed,
        nearest=error.nearest,
        remedy=error.remedy,
    )


def where_raised(error: BaseException, where: str) -> str:
    """`where`, and the file and line of the plugin that led to the error."""
    return ", ".join(filter(None, (where, raised_at(error))))


def _wrong_item(item: object, wanted: str, hook: str, provider: Provider) -> PluginError:
    return PluginError(
        f"not a {wanted}: {type(item).__name__}", where=f"plugin {provider}, hook {hook}", given=repr(item)
    )


def _check_namespace(spec: Spec, provider: Provider) -> None:
    if spec.name.startswith(CORE_NAMESPACE) and provider.distribution != CORE:
        raise PluginError(
            f'the namespace "{CORE_NAMESPACE}" is the core\'s own',
            where=f"plugin {provider}",
            given=spec.name,
            remedy="choose a namespace named like your plugin",
        )


def _check_names_once(declared: Declarations, provider: Provider) -> None:
    names = [(type(spec).__name__, spec.name) for spec in declared.specs]
    names += [("command", str(command.name)) for command in declared.commands]
    for kind, name in names:
        if names.count((kind, name)) > 1:
            raise PluginError(f'{kind} "{name}" is given twice by the same plugin', where=f"plugin {provider}")


def _check_command_free(name: str, provider: Provider, commands: Mapping[str, ProvidedCommand]) -> None:
    taken = commands.get(name)
    if taken is not None:
        raise PluginError(
            f'command "{name}" is given twice: by {taken.provider} and by {provider}',
            where=f"plugin {provider}",
            remedy="rename one of them, or uninstall one of the plugins",
        )
