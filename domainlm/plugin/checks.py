"""Checks of a plugin's hook implementations before any of them is called."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any

import pluggy

from domainlm.api.owners import place_of
from domainlm.errors import PluginError, nearest_name
from domainlm.plugin import hookspecs

_PREFIX = "domainlm_"
_MAX_SHOWN = 200
_LEAST_LIKENESS = 0.8
_SINGULARS = {"corpora": "corpus"}
"""Of hooks that are not most like themselves without an s."""
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
        _check_kind(hook, function, place)
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
    if hook not in HOOKS:
        raise PluginError("no such hook", where=place, given=hook, allowed=list(HOOKS), nearest=_nearest_hook(hook))


def _nearest_hook(name: str) -> str | None:
    by_ending = {hook.removeprefix(_PREFIX): hook for hook in HOOKS}
    ending = nearest_name(name.removeprefix(_PREFIX), by_ending)  # their common beginning would make all of them alike
    return by_ending[ending] if ending is not None else None


def _check_options(hook: str, options: Mapping[str, Any], place: str) -> None:
    """Refuse wrappers: a plugin adds to what others declare and watches, and never changes it."""
    if options.get("wrapper") or options.get("hookwrapper"):
        raise PluginError(f"{hook} is marked as a wrapper", where=place, remedy="use @hookimpl without wrapper")


def _check_kind(hook: str, function: Callable[..., object], place: str) -> None:
    """Refuse functions of which nothing runs when they are called."""
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise PluginError(f"{hook} is asynchronous, and nobody awaits it", where=place, remedy="write it without async")
    is_observer = bool(HOOKS[hook])
    if is_observer and inspect.isgeneratorfunction(function):
        raise PluginError(f"{hook} has a yield, so that calling it runs nothing", where=place, remedy="leave it out")


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
    """Refuse what looks like a hook, and would be passed over in silence."""
    for name in dir(plugin):
        if not name.startswith(_PREFIX) or manager.parse_hookimpl_opts(plugin, name) is not None:
            continue
        value = inspect.getattr_static(plugin, name, None)
        if name in HOOKS and inspect.ismodule(value):  # a package called so, which `import` binds
            continue
        if name in HOOKS and not inspect.isroutine(getattr(plugin, name)):
            raise PluginError(
                f"{name} is a hook's name, and this is no function",
                where=where,
                given=repr(value)[:_MAX_SHOWN],
                remedy="write a function that returns it, with @domainlm.hookimpl above, or give it another name",
            )
        if name in HOOKS:
            raise PluginError(
                f"{name} is a hook's name, but the function is not marked",
                where=f"{where}, {place_of(getattr(plugin, name))}",
                remedy="put @domainlm.hookimpl above it, or give it another name",
            )
        nearest = _nearest_hook(name)
        if nearest is not None and inspect.isfunction(value) and _is_misspelled(name, nearest):
            raise PluginError(
                f"{name} is no hook, and the function is not marked",
                where=f"{where}, {place_of(value)}",
                given=name,
                allowed=list(HOOKS),
                nearest=nearest,
                remedy=f"put @domainlm.hookimpl above it, and call it {nearest}, or give it another beginning",
            )


def _is_misspelled(name: str, hook: str) -> bool:
    """Whether it is that hook but for a slip: a plugin's helpers may begin as hooks do."""
    ending, right = name.removeprefix(_PREFIX), hook.removeprefix(_PREFIX)
    return ending == _SINGULARS.get(right) or SequenceMatcher(None, ending, right).ratio() >= _LEAST_LIKENESS
