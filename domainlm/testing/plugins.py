"""Checks of whole plugins."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Collection
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import TYPE_CHECKING

from domainlm.api import (
    CorpusSpec,
    ModelSizeSpec,
    OutputSpec,
    RecipeSpec,
    ReferenceTable,
    Spec,
    TaskSpec,
    VocabularySpec,
)
from domainlm.errors import PluginError
from domainlm.plugin import LoadedPlugins, Provider, Registry, load_plugins
from domainlm.plugin.discovery import Candidate, normalise
from domainlm.plugin.marker import PROJECT
from domainlm.testing.corpora import check_corpus
from domainlm.testing.failure import CheckError
from domainlm.testing.recipes import check_recipe, required_plugins
from domainlm.testing.sizes import check_model_size
from domainlm.testing.stand_ins import UNDER_TEST
from domainlm.testing.tasks import check_task, check_task_defaults
from domainlm.testing.vocabularies import check_vocabulary

if TYPE_CHECKING:
    import click

HEAVY_LIBRARIES = (
    "fairscale",
    "matplotlib",
    "numpy",
    "pandas",
    "scipy",
    "sklearn",
    "tokenizers",
    "torch",
    "transformers",
)
"""Libraries that loading a plugin must not import: each costs every start of domainlm a tenth of a second or more."""

_IMPORT_LIMIT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class PluginReport:
    """What was checked.

    Attributes:
        checked: references of the specs that were checked, and names of commands.
        skipped: references of corpora and tasks that write no sample, so that their readers were not tried.
    """

    checked: tuple[str, ...]
    skipped: tuple[str, ...]


def check_plugin(plugin: object) -> PluginReport:
    """Check all that a plugin gives, and that loading it is cheap.

    Its recipes may use the core, the plugin itself and the installed plugins that they name under `requires.plugins`;
    other installed plugins are left out.

    Args:
        plugin: what the entry point names, as it stands there ("my_plugin.hooks", "my_plugin:instance"), or the module
            or instance itself. It must be importable, but need not be installed.

    Raises:
        CheckError: a rule is broken by a spec, or loading imports a heavy library.
        UserError: the plugin cannot be loaded (`PluginError`), or something it gives cannot be used.
    """
    name = _entry_value(plugin)
    loaded = _load_with_required(plugin)
    _check_cheap(name)
    own = next(entry for entry in loaded.loaded if entry.provider.distribution == name)
    checked: list[str] = []
    skipped: list[str] = []
    for spec in own.specs:
        if isinstance(spec, (CorpusSpec, TaskSpec)) and spec.sample is None:
            skipped.append(spec.reference)
            if isinstance(spec, TaskSpec):
                check_task_defaults(spec, f"task {spec.reference}")
        else:
            _check_spec(spec, loaded.registry)
            checked.append(spec.reference)
    for command in own.commands:
        _check_command(loaded.commands[command].command, command)
        checked.append(command)
    return PluginReport(tuple(checked), tuple(skipped))


def plugin_registry(*plugins: object) -> Registry:
    """The core's specs and those of the given plugins, installed or not; other installed plugins are left out.

        from domainlm.testing import Registry, plugin_registry

        @pytest.fixture
        def registry() -> Registry:
            return plugin_registry("my_plugin.hooks")

    Args:
        plugins: each as `check_plugin` takes it.

    Raises:
        PluginError: a plugin breaks a rule.
    """
    return _load(*plugins).registry


def loaded_heavy(entry_value: str) -> list[str]:
    """The heavy libraries that are imported once a plugin is loaded. Only of use in a fresh process."""
    _load(entry_value)
    return [name for name in HEAVY_LIBRARIES if name in sys.modules]


def _load(*plugins: object) -> LoadedPlugins:
    return load_plugins(candidates=[_candidate(plugin) for plugin in plugins])


def _load_with_required(plugin: object) -> LoadedPlugins:
    """The plugin, and the installed ones that its recipes require, and those that the recipes they extend require."""
    name = _entry_value(plugin)
    loaded = _load(plugin)
    required: set[str] = set()
    while True:
        own = next(entry for entry in loaded.loaded if entry.provider.distribution == name)
        recipes = [spec for spec in own.specs if isinstance(spec, RecipeSpec)]
        wanted = {normalise(each) for spec in recipes for each in required_plugins(spec, loaded.registry)}
        if wanted <= required:
            return loaded
        required |= wanted
        loaded = load_plugins(candidates=[_candidate(plugin), *_installed(required, name)])


def _installed(distributions: Collection[str], name: str) -> list[Candidate]:
    """The plugins of these distributions, without the one under test, which may be installed, too."""
    return [
        Candidate(Provider(entry.dist.name, entry.dist.version, entry.name), entry.load)
        for entry in entry_points(group=PROJECT)
        if entry.dist is not None and normalise(entry.dist.name) in distributions and entry.value != name
    ]


def _candidate(plugin: object) -> Candidate:
    value = _entry_value(plugin)
    entry = EntryPoint(name="plugin", value=value, group=PROJECT)
    return Candidate(Provider(value, UNDER_TEST, entry.name), entry.load if isinstance(plugin, str) else lambda: plugin)


def _entry_value(plugin: object) -> str:
    """What an entry point would name.

    Raises:
        PluginError: an object that stands at the top of no module of its package.
    """
    if isinstance(plugin, str):
        return plugin
    if isinstance(plugin, ModuleType):
        return plugin.__name__
    home = type(plugin).__module__
    package = home.partition(".")[0]
    near = [name for name in sorted(sys.modules) if name == package or name.startswith(f"{package}.")]
    for name in (home, *near):
        for attribute, value in vars(sys.modules.get(name, ModuleType(name))).items():
            if value is plugin:
                return f"{name}:{attribute}"
    raise PluginError(
        "no module has this plugin at its top, so that no entry point could name it",
        where=home,
        given=repr(plugin),
        allowed='a module, an instance in it, or their names: "my_plugin.hooks", "my_plugin:instance"',
    )


def _check_cheap(entry_value: str) -> None:
    """Load the plugin in a fresh process, since this one may have imported anything already."""
    code = f"from domainlm.testing.plugins import loaded_heavy; print(*loaded_heavy({entry_value!r}))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    ended = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        timeout=_IMPORT_LIMIT_SECONDS,
        check=False,
    )
    if ended.returncode != 0:
        raise CheckError(
            "the plugin cannot be loaded on its own", where=entry_value, given=ended.stderr.strip()[-2000:]
        )
    if ended.stdout.strip():
        raise CheckError(
            "loading the plugin imports heavy libraries",
            where=entry_value,
            given=ended.stdout.strip(),
            remedy="import them inside the functions that use them",
        )


def _check_spec(spec: Spec, registry: Registry) -> None:
    match spec:
        case CorpusSpec():
            check_corpus(spec)
        case VocabularySpec():
            check_vocabulary(spec)
        case ModelSizeSpec():
            check_model_size(spec)
        case TaskSpec():
            check_task(spec)
        case RecipeSpec():
            check_recipe(spec, registry)
        case OutputSpec() | ReferenceTable():
            pass  # checks itself when it is declared; only its author knows what it should write


def _check_command(command: click.Command, name: str) -> None:
    """Make the help text, which imports a lazy command and evaluates its options."""
    from click.testing import CliRunner

    result = CliRunner().invoke(command, ["--help"])
    if result.exit_code != 0:
        raise CheckError(
            "the command has no working --help", where=f"command {name}", given=result.output or result.exception
        )
