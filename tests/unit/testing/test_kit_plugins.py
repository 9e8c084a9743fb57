"""The kit checks whole plugins, in modules that need not be installed."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from domainlm.errors import PluginError, UserError
from domainlm.testing import CheckError, Registry, check_plugin, plugin_registry

_PLUGIN = """
{imports}
import click
from domainlm import hookimpl
from domainlm.api import CorpusSpec, ModelSizeSpec

@hookimpl
def domainlm_corpora():
    return [CorpusSpec(name="cook/soups", description="soups", read=lambda path, problems: iter(()))]

@hookimpl
def domainlm_model_sizes():
    return [ModelSizeSpec(name="cook/pan", description="small", layers=1, hidden=32, heads=2)]

@hookimpl
def domainlm_commands():
    return [click.Command("taste", help="Taste it.")]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("cook_")]:
        del sys.modules[name]


def test_a_sound_plugin_is_reported_on(folder: Path) -> None:
    (folder / "cook_sound.py").write_text(_PLUGIN.format(imports=""), encoding="utf-8")

    report = check_plugin("cook_sound")

    assert report.checked == ("cook/pan@1", "taste")
    assert report.skipped == ("cook/soups@1",)


def test_misspelled_defaults_of_a_task_without_sample_are_found(folder: Path) -> None:
    task = """
from domainlm.api import TaskSpec

@hookimpl
def domainlm_tasks():
    read = lambda path, problems: iter(())
    return [TaskSpec(name="cook/herbs", description="x", kind="token", read=read, defaults={"num_epoch": 3})]
"""
    (folder / "cook_defaults.py").write_text(_PLUGIN.format(imports="") + task, encoding="utf-8")

    with pytest.raises(
        UserError, match=r"(?s)task cook/herbs@1, defaults: num_epoch: unknown key.*nearest: num_epochs.*TaskSpec"
    ):
        check_plugin("cook_defaults")


def test_a_plugin_that_imports_a_heavy_library_is_found(folder: Path) -> None:
    (folder / "cook_heavy.py").write_text(_PLUGIN.format(imports="import numpy"), encoding="utf-8")

    with pytest.raises(CheckError, match="imports heavy libraries\n  given:   numpy"):
        check_plugin("cook_heavy")


def test_an_instance_named_as_in_an_entry_point_is_checked(folder: Path) -> None:
    code = """
from domainlm import hookimpl
from domainlm.api import ModelSizeSpec

class Plugin:
    @hookimpl
    def domainlm_model_sizes(self):
        return [ModelSizeSpec(name="cook/pan", description="small", layers=1, hidden=32, heads=2)]

plugin = Plugin()
"""
    (folder / "cook_instance.py").write_text(code, encoding="utf-8")

    assert check_plugin("cook_instance:plugin").checked == ("cook/pan@1",)
    made = importlib.import_module("cook_instance")
    assert check_plugin(made.plugin).checked == ("cook/pan@1",)
    registry: Registry = plugin_registry(made.plugin)
    assert registry.model_size("cook/pan").hidden == 32


@pytest.mark.parametrize("checked", [check_plugin, plugin_registry])
def test_an_instance_that_no_entry_point_could_name_is_refused(checked: Callable[[object], object]) -> None:
    with pytest.raises(PluginError, match="no module has this plugin at its top"):
        checked(object())


def test_a_plugin_that_cannot_be_loaded_is_refused() -> None:
    with pytest.raises(PluginError, match="No module named 'no_such_plugin'"):
        check_plugin("no_such_plugin")


def test_a_command_whose_help_fails_is_found(folder: Path) -> None:
    lazy = 'LazyCommand("taste", "cook_missing:taste", "Taste it.")'
    code = _PLUGIN.format(imports="from domainlm.cli.lazy import LazyCommand").replace(
        'click.Command("taste", help="Taste it.")', lazy
    )
    (folder / "cook_helpless.py").write_text(code, encoding="utf-8")

    with pytest.raises(CheckError, match="no working --help"):
        check_plugin("cook_helpless")


def test_the_registry_for_tests_holds_the_core_and_the_given_plugins(folder: Path) -> None:
    (folder / "cook_registry.py").write_text(_PLUGIN.format(imports=""), encoding="utf-8")

    registry = plugin_registry("cook_registry")

    assert registry.model_size("cook/pan").hidden == 32
    assert "core/tiny" in registry.model_sizes
    assert "cook/pan" not in plugin_registry().model_sizes


def _install(folder: Path, name: str, module: str) -> None:
    information = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    (information / "entry_points.txt").write_text(f"[domainlm]\nplugin = {module}\n", encoding="utf-8")
    importlib.invalidate_caches()


def _write_recipe_plugin(folder: Path, requires: str) -> None:
    (folder / "base.toml").write_text(
        'name = "first"\ncorpus = { spec = "core/text", files = ["none.txt"] }\nvocabulary.size = 100\n'
        f'model.size = "cook/pan"\npretraining.num_steps = 1\n{requires}',
        encoding="utf-8",
    )
    (folder / "first.toml").write_text('extends = "base.toml"\n', encoding="utf-8")
    code = f"""
from pathlib import Path
from domainlm import hookimpl
from domainlm.api import RecipeSpec

@hookimpl
def domainlm_recipes():
    return [RecipeSpec(name="guest/first", description="x", path=Path({str(folder / "first.toml")!r}))]
"""
    (folder / "cook_guest.py").write_text(code, encoding="utf-8")


def test_the_installed_plugins_that_a_recipe_requires_are_loaded_with_it(folder: Path) -> None:
    (folder / "cook_pans.py").write_text(_PLUGIN.format(imports=""), encoding="utf-8")
    _install(folder, "cook-pans", "cook_pans")
    _install(folder, "cook-guest", "cook_guest")
    _write_recipe_plugin(folder, "requires = { plugins = { cook_pans = '>=1', cook-guest = '' } }\n")

    assert check_plugin("cook_guest").checked == ("guest/first@1",)


def test_a_recipe_may_not_use_a_plugin_that_it_does_not_require(folder: Path) -> None:
    (folder / "cook_pans.py").write_text(_PLUGIN.format(imports=""), encoding="utf-8")
    _install(folder, "cook-pans", "cook_pans")
    _write_recipe_plugin(folder, "")

    with pytest.raises(UserError, match="cook/pan"):
        check_plugin("cook_guest")
