"""Checks that what a recipe requires is installed, in a version that fits."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from domainlm.errors import RecipeError, nearest_name
from domainlm.plugin.discovery import CORE, installed_candidates, normalise
from domainlm.recipe.schema import RequiresSettings


def check_requires(requires: RequiresSettings, path: Path) -> None:
    """Raise `RecipeError` where a distribution is missing, has the wrong version, or is asked for in a wrong form."""
    wanted = dict(requires.plugins)
    if requires.domainlm is not None:
        wanted["domainlm"] = requires.domainlm
    for name, specifier in wanted.items():
        if not name:
            raise RecipeError(
                "a distribution without a name",
                where=f"{path}: requires.plugins",
                given=f'"" = "{specifier}"',
                remedy='give its name, as in domainlm-toys = ">=1", or leave it out',
            )
        _check(name, specifier, f"{path}: requires: {name}")


def _check(name: str, specifier: str, where: str) -> None:
    try:
        allowed = SpecifierSet(specifier)
    except InvalidSpecifier:
        raise RecipeError(
            "not a version specifier", where=where, given=specifier, allowed='PEP 440, as in ">=0.1,<1"'
        ) from None
    try:
        installed = version(name)
    except PackageNotFoundError:
        near = _nearest_plugin(name)
        install = f"pip install {name}{specifier and repr(specifier)}"
        raise RecipeError(
            "this recipe needs a distribution that is not installed",
            where=where,
            given=name,
            nearest=near,
            remedy=install if near is None else f"write {near}, which is installed, if that is meant; or {install}",
        ) from None
    if not allowed.contains(installed, prereleases=True):
        raise RecipeError(
            f"version {installed} of {name} is installed",
            where=where,
            allowed=specifier,
            remedy=f"pip install '{name}{specifier}'",
        )


def _nearest_plugin(name: str) -> str | None:
    """The installed plugin of the most like name; what most begin with would make all of them alike."""
    plugins = {candidate.provider.distribution for candidate in installed_candidates()}
    by_ending = {_ending(plugin): plugin for plugin in sorted(plugins)}
    near = nearest_name(_ending(name), by_ending)
    return None if near is None else by_ending[near]


def _ending(name: str) -> str:
    return normalise(name).removeprefix(f"{CORE}-")
