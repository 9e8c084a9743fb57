"""Loading all plugins, each on its own, so that a broken one is named and the rest still loads."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import pluggy

from domainlm.api import Spec
from domainlm.api.owners import comes_from_a_signal, raised_at
from domainlm.errors import PluginError, UserError
from domainlm.plugin import hookspecs
from domainlm.plugin.checks import check_implementations
from domainlm.plugin.declarations import ProvidedCommand, as_plugin_error, collect, enter, where_raised
from domainlm.plugin.discovery import (
    CORE,
    DISABLE_VARIABLE,
    Candidate,
    core_candidates,
    installed_candidates,
    split_disabled,
)
from domainlm.plugin.marker import PROJECT
from domainlm.plugin.observers import Observers
from domainlm.plugin.provider import Provider
from domainlm.plugin.registry import Registry


@dataclass(frozen=True, slots=True)
class BrokenPlugin:
    """A plugin that is installed but cannot be used, and why."""

    provider: Provider
    error: PluginError


@dataclass(frozen=True, slots=True)
class LoadedPlugin:
    """A plugin that is sound, with all it gives.

    Attributes:
        provider: its distribution, version and entry point.
        hooks: the hooks it implements, sorted.
        specs: what it declares.
        commands: names of the commands it adds.
    """

    provider: Provider
    hooks: tuple[str, ...]
    specs: tuple[Spec, ...]
    commands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LoadedPlugins:
    """All plugins of this installation.

    Attributes:
        loaded: the plugins that loaded, the core's own first.
        broken: those that did not. Nothing of them is in the registry.
        disabled: those that the environment switches off.
        registry: every declared spec.
        commands: every declared command by its name, those of the core included.
        observers: tells the plugins what happens.
    """

    loaded: tuple[LoadedPlugin, ...]
    broken: tuple[BrokenPlugin, ...]
    disabled: tuple[Provider, ...]
    registry: Registry
    commands: Mapping[str, ProvidedCommand]
    observers: Observers

    def raise_if_broken(self) -> None:
        """Raise one `PluginError` that names every broken plugin and how to go on without it."""
        if not self.broken:
            return
        if len(self.broken) == 1:
            raise self.broken[0].error
        names = ",".join(dict.fromkeys(plugin.provider.distribution for plugin in self.broken))
        raise PluginError(
            "\n".join([f"{len(self.broken)} plugins cannot be used:", *(str(plugin.error) for plugin in self.broken)]),
            remedy=f"mend or uninstall them, or go on without: {DISABLE_VARIABLE}={names}",
        )


def load_plugins(*, strict: bool = True, candidates: Sequence[Candidate] | None = None) -> LoadedPlugins:
    """Find, import, check and register all plugins.

    Args:
        strict: raise where a plugin is broken; otherwise load the rest and keep the broken ones in `.broken`.
        candidates: the plugins to load beside the core's own; all installed ones where None.

    Raises:
        PluginError: where `strict` and a plugin cannot be imported, has a misspelled hook, an unknown argument or a
            wrong spec, or gives a name that another plugin gives.
    """
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    kept, disabled = split_disabled(installed_candidates() if candidates is None else candidates)
    registry = Registry(disabled=dict.fromkeys(provider.distribution for provider in disabled))
    commands: dict[str, ProvidedCommand] = {}
    loaded: list[LoadedPlugin] = []
    broken: list[BrokenPlugin] = []
    for candidate in [*core_candidates(), *kept]:
        try:
            loaded.append(_load_one(candidate, manager, registry, commands))
        except PluginError as error:
            broken.append(BrokenPlugin(candidate.provider, _with_remedy(error, candidate.provider)))
    plugins = LoadedPlugins(
        loaded=tuple(loaded),
        broken=tuple(broken),
        disabled=tuple(disabled),
        registry=registry,
        commands=MappingProxyType(commands),
        observers=Observers(manager),
    )
    if strict:
        plugins.raise_if_broken()
    return plugins


def _load_one(
    candidate: Candidate, manager: pluggy.PluginManager, registry: Registry, commands: dict[str, ProvidedCommand]
) -> LoadedPlugin:
    """Take one plugin in; on a `PluginError` nothing of it stays."""
    provider = candidate.provider
    where = f"plugin {provider}"
    plugin = _import(candidate, where)
    check_implementations(plugin, manager, where)
    _register(plugin, manager, provider)
    try:
        declared = collect(plugin, provider, manager)
        enter(declared, provider, registry, commands)
    except PluginError:
        manager.unregister(plugin)
        raise
    hooks = sorted(caller.name for caller in manager.get_hookcallers(plugin) or ())
    return LoadedPlugin(
        provider, tuple(hooks), declared.specs, tuple(str(command.name) for command in declared.commands)
    )


def _import(candidate: Candidate, where: str) -> object:
    try:
        return candidate.load()
    except UserError as error:
        raise as_plugin_error(error, where_raised(error, where)) from error
    except (Exception, SystemExit) as error:
        if comes_from_a_signal(error):
            raise
        place = raised_at(error)
        cause = f"{type(error).__name__}: {error}{f' ({place})' if place else ''}"
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        remedy = _remedy_for(missing, has_begun=bool(place)) if missing else None
        raise PluginError(f"the plugin cannot be imported: {cause}", where=where, remedy=remedy) from error


def _remedy_for(missing: str, *, has_begun: bool) -> str:
    """What to do about a module that is not there; nothing of the plugin ran where its own is not."""
    if not has_begun:
        return "install the plugin again, or correct its entry point: this module is the one that it names"
    package = missing.partition(".")[0]
    if package != missing and package in sys.modules:
        return f"correct the name, or install a version of {package} that has it: the one here does not"
    return f"install what provides {missing}, and name it among the plugin's dependencies"


def _register(plugin: object, manager: pluggy.PluginManager, provider: Provider) -> None:
    """Register under a unique name; pluggy's own checks (`check_pending`) come last and must find nothing new."""
    if manager.is_registered(plugin):
        raise PluginError(
            f"two entry points name the same plugin: {manager.get_name(plugin)} and {provider.label}",
            where=f"plugin {provider}",
            remedy="keep one of them",
        )
    try:
        manager.register(plugin, provider.label)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        if manager.is_registered(plugin):
            manager.unregister(plugin)
        raise PluginError(str(error), where=f"plugin {provider}") from error


def _with_remedy(error: PluginError, provider: Provider) -> PluginError:
    """Add how to go on without the plugin; the core's own cannot be switched off."""
    if provider.distribution == CORE:
        return error
    without = f"go on without it: {DISABLE_VARIABLE}={provider.distribution}"
    remedy = f"{error.remedy}; or {without}" if error.remedy else f"mend or uninstall the plugin, or {without}"
    extended = PluginError(
        error.problem,
        where=error.where,
        given=error.given,
        allowed=error.allowed,
        nearest=error.nearest,
        remedy=remedy,
    )
    extended.__cause__ = error.__cause__
    return extended
