"""Loading: what a sound plugin gives, and every way a broken one is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from domainlm import hookimpl
from domainlm.api import CorpusSpec, Document, ModelSizeSpec, ProblemLog, RunInfo, StepInfo
from domainlm.errors import PluginError
from domainlm.plugin import Provider, load_plugins
from domainlm.plugin.discovery import DISABLE_VARIABLE, Candidate

Fixture = Callable[..., Any]


def _read(path: Path, problems: ProblemLog) -> Iterator[Document]:
    del problems
    yield Document(path.name, ("Low water at noon.",))


def _size(name: str = "harbour/dinghy") -> ModelSizeSpec:
    return ModelSizeSpec(name=name, description="a small one", layers=1, hidden=32, heads=2)


@hookimpl
def domainlm_model_sizes() -> list[ModelSizeSpec]:
    return [_size()]


@hookimpl
def domainlm_corpora() -> Iterator[CorpusSpec]:
    yield CorpusSpec(name="harbour/logs", description="log books", read=_read)


@hookimpl
def domainlm_commands() -> list[click.Command]:
    return [click.Command("tides")]


def _error(load_these: Fixture, **plugins: object) -> str:
    with pytest.raises(PluginError) as caught:
        load_these(**plugins)
    return str(caught.value)


def test_everything_a_plugin_gives_is_entered_with_its_provider(load_these: Fixture, make_plugin: Fixture) -> None:
    loaded = load_these(harbour=make_plugin(domainlm_model_sizes, domainlm_corpora, domainlm_commands))

    provider = Provider("harbour", "1.2", "main")
    assert loaded.registry.model_sizes["harbour/dinghy"] == (_size(), provider)
    assert loaded.registry.corpora["harbour/logs"].provider == provider
    assert loaded.commands["tides"].provider == provider
    own = loaded.loaded[-1]
    assert own.provider == provider
    assert own.hooks == ("domainlm_commands", "domainlm_corpora", "domainlm_model_sizes")
    assert [spec.name for spec in own.specs] == ["harbour/logs", "harbour/dinghy"]
    assert own.commands == ("tides",)


def test_the_core_comes_through_the_same_hooks(load_these: Fixture) -> None:
    loaded = load_these()

    assert {plugin.provider.distribution for plugin in loaded.loaded} == {"domainlm"}
    assert "core/base" in loaded.registry.model_sizes
    assert "run" in loaded.commands


def test_an_instance_is_a_plugin_too(load_these: Fixture) -> None:
    class Plugin:
        @hookimpl
        def domainlm_model_sizes(self) -> list[ModelSizeSpec]:
            return [_size()]

    assert "harbour/dinghy" in load_these(harbour=Plugin()).registry.model_sizes


def test_a_class_is_refused(load_these: Fixture) -> None:
    class Plugin:
        @hookimpl
        def domainlm_model_sizes(self) -> list[ModelSizeSpec]:
            return [_size()]

    assert "the entry point names a class" in _error(load_these, harbour=Plugin)


def test_a_misspelled_hook_is_refused_with_the_nearest_name(load_these: Fixture, make_plugin: Fixture) -> None:
    @hookimpl
    def domainlm_corpus() -> list[CorpusSpec]:
        return []

    message = _error(load_these, harbour=make_plugin(domainlm_corpus))

    assert message.startswith("plugin harbour 1.2, ")
    assert f"{__file__}:" in message
    assert "no such hook" in message
    assert "given:   domainlm_corpus" in message
    assert "nearest: domainlm_corpora" in message


def test_a_misspelled_specname_is_refused(load_these: Fixture, make_plugin: Fixture) -> None:
    @hookimpl(specname="domainlm_task")
    def tasks() -> list[object]:
        return []

    assert "nearest: domainlm_tasks" in _error(load_these, harbour=make_plugin(tasks))


def test_an_unknown_argument_is_refused_with_the_allowed_ones(load_these: Fixture, make_plugin: Fixture) -> None:
    @hookimpl
    def domainlm_step_ended(run: RunInfo, stepp: StepInfo) -> None:
        del run, stepp

    message = _error(load_these, harbour=make_plugin(domainlm_step_ended))

    assert "domainlm_step_ended has an unknown argument" in message
    assert "given:   stepp" in message
    assert "allowed: run, step\n" in message
    assert "nearest: step\n" in message
    assert "domainlm_step_ended(run, step)" in message


def test_an_argument_with_a_default_would_never_be_passed_and_is_refused(
    load_these: Fixture, make_plugin: Fixture
) -> None:
    @hookimpl
    def domainlm_step_ended(step: StepInfo | None = None) -> None:
        del step

    assert "arguments without default" in _error(load_these, harbour=make_plugin(domainlm_step_ended))


def test_arguments_may_be_left_out(load_these: Fixture, make_plugin: Fixture) -> None:
    @hookimpl
    def domainlm_step_ended(step: StepInfo) -> None:
        del step

    assert load_these(harbour=make_plugin(domainlm_step_ended)).loaded[-1].hooks == ("domainlm_step_ended",)


def test_wrappers_are_refused(load_these: Fixture, make_plugin: Fixture) -> None:
    @hookimpl(wrapper=True)
    def domainlm_tasks() -> Iterator[None]:
        return (yield)

    assert "marked as a wrapper" in _error(load_these, harbour=make_plugin(domainlm_tasks))


def test_a_hook_without_mark_is_refused(load_these: Fixture, make_plugin: Fixture) -> None:
    def domainlm_tasks() -> list[object]:
        return []

    message = _error(load_these, harbour=make_plugin(domainlm_model_sizes, domainlm_tasks))

    assert "domainlm_tasks is a hook's name, but the function is not marked" in message


def test_a_plugin_without_hooks_is_refused(load_these: Fixture, make_plugin: Fixture) -> None:
    assert "implements no hook" in _error(load_these, harbour=make_plugin())


def test_two_plugins_giving_one_name_are_both_named_with_versions(load_these: Fixture, make_plugin: Fixture) -> None:
    message = _error(load_these, harbour=make_plugin(domainlm_model_sizes), quay=make_plugin(domainlm_model_sizes))

    assert 'model size "harbour/dinghy" is given twice: by harbour 1.2 and by quay 1.2' in message


def test_one_name_for_two_kinds_of_spec_is_fine(load_these: Fixture, make_plugin: Fixture) -> None:
    @hookimpl
    def domainlm_corpora() -> list[CorpusSpec]:
        return [CorpusSpec(name="harbour/dinghy", description="of the same name", read=_read)]

    loaded = load_these(harbour=make_plugin(domainlm_model_sizes, domainlm_corpora))

    assert len(loaded.loaded[-1].specs) == 2


def test_a_plugin_giving_one_name_twice_is_refused(load_these: Fixture, make_plugin: Fixture) -> None:
    @hookimpl
    def domainlm_model_sizes() -> list[ModelSizeSpec]:
        return [_size(), _size()]

    assert '"harbour/dinghy" is given twice by the same plugin' in _error(
        load_these, harbour=make_plugin(domainlm_model_sizes)
    )


def test_a_spec_with_a_wrong_field_names_plugin_hook_and_field(load_these: Fixture, make_plugin: Fixture) -> None:
    @hookimpl
    def domainlm_model_sizes() -> list[ModelSizeSpec]:
        return [ModelSizeSpec(name="harbour/odd", description="odd", layers=1, hidden=30, heads=4)]

    message = _error(load_these, harbour=make_plugin(domainlm_model_sizes))

    place = f"{__file__}:{domainlm_model_sizes.__code__.co_firstlineno + 2}"
    assert message.startswith(f"plugin harbour 1.2, hook domainlm_model_sizes, {place}: ModelSizeSpec 'harbour/odd':")
    assert "hidden 30 is not divisible by heads 4" in message


def test_a_misspelled_field_names_plugin_hook_spec_and_the_nearest(load_these: Fixture, make_plugin: Fixture) -> None:
    @hookimpl
    def domainlm_corpora() -> list[CorpusSpec]:
        return [CorpusSpec(name="harbour/logs", describtion="logs", read=_read)]  # type: ignore[call-arg]

    text = _error(load_these, domainlm_harbour=make_plugin(domainlm_corpora))

    assert text.startswith("plugin domainlm-harbour 1.2, hook domainlm_corpora, ")
    assert f"{__file__}:" in text
    assert ": CorpusSpec 'harbour/logs': no such field\n  given:   describtion\n  allowed: name, description, " in text
    assert "nearest: description" in text
    assert "TypeError" not in text


def test_an_error_in_a_hook_is_told_with_its_line(load_these: Fixture, make_plugin: Fixture) -> None:
    def give() -> ModelSizeSpec:
        return ModelSizeSpec(name="harbour/odd", description="odd", layers=len(1), hidden=4, heads=4)  # type: ignore[arg-type]

    @hookimpl
    def domainlm_model_sizes() -> list[ModelSizeSpec]:
        return [give()]

    message = _error(load_these, harbour=make_plugin(domainlm_model_sizes))

    place = f"{__file__}:{give.__code__.co_firstlineno + 1}"
    assert f"hook domainlm_model_sizes, {place}: the hook failed: TypeError: " in message
    assert "'int' has no len()" in message


def test_something_that_is_no_spec_is_refused(load_these: Fixture, make_plugin: Fixture) -> None:
    @hookimpl
    def domainlm_corpora() -> list[object]:
        return [_size()]

    assert "not a CorpusSpec: ModelSizeSpec" in _error(load_these, harbour=make_plugin(domainlm_corpora))


@pytest.mark.parametrize("given", [None, 3, "harbour/dinghy", {"harbour/dinghy": 1}])
def test_a_declaration_must_return_a_list(load_these: Fixture, make_plugin: Fixture, given: object) -> None:
    @hookimpl
    def domainlm_model_sizes() -> object:
        return given

    assert "the hook must return a list" in _error(load_these, harbour=make_plugin(domainlm_model_sizes))


def test_a_hook_that_raises_halfway_leaves_nothing_behind(load_these: Fixture, make_plugin: Fixture) -> None:
    @hookimpl
    def domainlm_model_sizes() -> Iterator[ModelSizeSpec]:
        yield _size()
        raise RuntimeError("the tide is out")

    loaded = load_these(strict=False, harbour=make_plugin(domainlm_corpora, domainlm_model_sizes))

    assert "the hook failed: RuntimeError: the tide is out" in str(loaded.broken[0].error)
    assert "harbour/dinghy" not in loaded.registry.model_sizes
    assert "harbour/logs" not in loaded.registry.corpora


def test_the_namespace_of_the_core_is_its_own(load_these: Fixture, make_plugin: Fixture) -> None:
    @hookimpl
    def domainlm_model_sizes() -> list[ModelSizeSpec]:
        return [_size("core/dinghy")]

    assert 'the namespace "core/" is the core\'s own' in _error(load_these, harbour=make_plugin(domainlm_model_sizes))


def test_a_command_of_the_cores_name_is_refused(load_these: Fixture, make_plugin: Fixture) -> None:
    @hookimpl
    def domainlm_commands() -> list[click.Command]:
        return [click.Command("run")]

    message = _error(load_these, harbour=make_plugin(domainlm_commands))

    assert 'command "run" is given twice: by domainlm ' in message
    assert "and by harbour 1.2" in message


def test_something_that_is_no_command_is_refused(load_these: Fixture, make_plugin: Fixture) -> None:
    @hookimpl
    def domainlm_commands() -> list[object]:
        return [len]

    assert "not a click.Command with a name" in _error(load_these, harbour=make_plugin(domainlm_commands))


def _failing(error: BaseException) -> Candidate:
    def load() -> object:
        raise error

    return Candidate(Provider("wreck", "0.9", "main"), load)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (ModuleNotFoundError("No module named 'sextant'"), "ModuleNotFoundError: No module named 'sextant'"),
        (SyntaxError("invalid syntax"), "SyntaxError: invalid syntax"),
        (SystemExit(3), "SystemExit: 3"),
    ],
)
def test_a_failing_import_is_named_with_version_and_cause(error: BaseException, cause: str) -> None:
    with pytest.raises(PluginError) as caught:
        load_plugins(candidates=[_failing(error)])

    message = str(caught.value)
    assert message.startswith(f"plugin wreck 0.9: the plugin cannot be imported: {cause}")
    assert f"{DISABLE_VARIABLE}=wreck" in message
    assert caught.value.__cause__ is error


def test_a_missing_dependency_is_told_how_to_get_it() -> None:
    with pytest.raises(PluginError) as caught:
        load_plugins(candidates=[_failing(ModuleNotFoundError("No module named 'astro'", name="astro"))])
    assert str(caught.value.remedy).startswith("install what provides astro, and name it among")


def test_a_file_that_is_no_python_is_the_place() -> None:
    with pytest.raises(PluginError, match=r"\(harbour/logs\.py:4\)"):
        load_plugins(candidates=[_failing(SyntaxError("invalid syntax", ("harbour/logs.py", 4, 1, "def (:")))])


def test_ctrl_c_while_importing_is_no_fault_of_the_plugin() -> None:
    with pytest.raises(KeyboardInterrupt):
        load_plugins(candidates=[_failing(KeyboardInterrupt())])


def test_the_rest_loads_beside_a_broken_plugin(make_plugin: Fixture) -> None:
    sound = Candidate(Provider("harbour", "1.2", "main"), lambda: make_plugin(domainlm_model_sizes))

    loaded = load_plugins(strict=False, candidates=[_failing(ImportError("leak")), sound])

    assert [str(plugin.provider) for plugin in loaded.broken] == ["wreck 0.9"]
    assert "harbour/dinghy" in loaded.registry.model_sizes
    with pytest.raises(PluginError, match="wreck"):
        loaded.raise_if_broken()


def test_several_broken_plugins_are_named_in_one_error(load_these: Fixture, make_plugin: Fixture) -> None:
    message = _error(load_these, harbour=make_plugin(), quay=make_plugin())

    assert message.startswith("2 plugins cannot be used:")
    assert "plugin harbour 1.2" in message
    assert "plugin quay 1.2" in message
    assert f"{DISABLE_VARIABLE}=harbour,quay" in message


def test_two_entry_points_naming_one_module_are_refused(load_these: Fixture, make_plugin: Fixture) -> None:
    plugin = make_plugin(domainlm_model_sizes)

    message = _error(load_these, harbour=plugin, quay=plugin)

    assert "two entry points name the same plugin: harbour 1.2 [main] and quay 1.2 [main]" in message


def test_a_plugin_can_be_switched_off(
    load_these: Fixture, make_plugin: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DISABLE_VARIABLE, " Harbour_Logs ,other")

    loaded = load_these(harbour_logs=make_plugin(domainlm_model_sizes))

    assert loaded.disabled == (Provider("harbour-logs", "1.2", "main"),)
    assert "harbour/dinghy" not in loaded.registry.model_sizes


def test_the_core_cannot_be_switched_off(load_these: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DISABLE_VARIABLE, "domainlm")

    assert "core/base" in load_these().registry.model_sizes
