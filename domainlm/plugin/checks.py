"""Checks of a plugin's hook implementations before any of them is called."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pluggy

from domainlm.api.failures import place_of
from domainlm.errors import PluginError, nearest_name
from domainlm.plugin import hookspecs

_PREFIX = "domainlm_"
HOOKS: Mapping[str, tuple[str, ...]] = {
    name: tuple(inspect.signature(function).parameters)
    for name, function in vars(hookspecs).items()
    if name.startswith(_PREFIX)
}
"""Every hook with the names of its arguments."""


def check_implementations(plugin: object, manager: pluggy.PluginManager, where: str) -> None:
    """Raise `PluginError` for the first function of `plugin` that is no proper hook implementation.

    Args:
        plugin: the module or object that an entry point names.
        manager: reads the marks that `hookimpl` left.
        where: the plugin, for the error.
    """
    if inspect.isclass(plugin):
        raise PluginError(
            "the entry point names a class",
            where=where,
            given=plugin.__qualname__,
            remedy="let it name a module, or an instance of the class",
        )
    found = False
    for name, options in _marked(plugin, manager):
        function = getattr(plugin, name)
        hook = options.get("specname") or name
        place = f"{where}, {place_of(function)}"
        _check_name(hook, place)
        _check_options(hook, options, place)
        _check_arguments(hook, function, place)
        found = True
    _check_unmarked(plugin, manager, where)
    if not found:
        raise PluginError(
            "the plugin implements no hook",
            where=where,
            allowed=list(HOOKS),
            remedy="mark its functions with @domainlm.hookimpl",
        )


def _marked(plugin: object, manager: pluggy.PluginManager) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name in dir(plugin):
        options = manager.parse_hookimpl_opts(plugin, name)
        if options is not None:
            yield name, dict(options)


def _check_name(hook: str, place: str) -> None:
    if hook in HOOKS:
        return
    by_ending = {name.removeprefix(_PREFIX): name for name in HOOKS}
    ending = nearest_name(hook.removeprefix(_PREFIX), by_ending)  # their common beginning would make all of them alike
    nearest = by_ending[ending] if ending is not None else None
    raise PluginError("no such hook", where=place, given=hook, allowed=list(HOOKS), nearest=nearest)


def _check_options(hook: str, options: Mapping[str, Any], place: str) -> None:
    """Refuse wrappers: a plugin adds to what others declare and watches, and never changes it."""
    if options.get("wrapper") or options.get("hookwrapper"):
        raise PluginError(f"{hook} is marked as a wrapper", where=place, remedy="use @hookimpl without wrapper")


def _check_arguments(hook: str, function: Callable[..., object], place: str) -> None:
    allowed = HOOKS[hook]
    signature = ", ".join(allowed)
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name not in allowed:
            raise PluginError(
                f"{hook} has an unknown argument",
                where=place,
                given=parameter.name,
                allowed=list(allowed),
                remedy=f"write it as {hook}({signature}); arguments may be left out",
            )
        if parameter.kind is not parameter.POSITIONAL_OR_KEYWORD or parameter.default is not parameter.empty:
            raise PluginError(
                f"{hook}: an argument is not a plain one",
                where=place,
                given=str(parameter),
                allowed="arguments without default, * or **: only those are passed",
                remedy=f"write it as {hook}({signature}); arguments may be left out",
            )


def _check_unmarked(plugin: object, manager: pluggy.PluginManager, where: str) -> None:
    for name in HOOKS:
        function = inspect.getattr_static(plugin, name, None)
        if inspect.isfunction(function) and manager.parse_hookimpl_opts(plugin, name) is None:
            raise PluginError(
                f"{name} is a hook's name, but the function is not marked",
                where=f"{where}, {place_of(function)}",
                remedy="put @domainlm.hookimpl above it, or give it another name",
            )
