"""A vocabulary's file that is not there, or is no text: whose it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainlm.api import VocabularySpec
from domainlm.errors import DataError, RecipeError, SpecError, VocabularyError
from domainlm.plugin import Provider, Registry
from domainlm.recipe.schema import StartSettings, VocabularySettings
from domainlm.recipe.start import resolve_start
from domainlm.recipe.vocabulary_file import vocabulary_file
from domainlm.vocab.making import load_listed

SETTINGS = VocabularySettings(spec="harbour/words")
WHERE = "ships.toml: vocabulary"


def spec_of(file: Path | None) -> VocabularySpec:
    return VocabularySpec(name="harbour/words", description="Words.", algorithm="file", file=file)


def found(file: Path | None, settings: VocabularySettings = SETTINGS) -> Path:
    spec, registry = spec_of(file), Registry()
    registry.vocabularies.add(spec, Provider("domainlm-harbour", "1.0", "harbour"))
    return vocabulary_file(settings, spec, registry, WHERE)


def test_the_recipe_s_goes_before_the_spec_s(tmp_path: Path) -> None:
    for name in ("own.txt", "other.txt"):
        (tmp_path / name).write_text("[PAD]\n", "utf-8")

    assert found(tmp_path / "own.txt") == tmp_path / "own.txt"
    assert found(tmp_path / "own.txt", VocabularySettings(file=str(tmp_path / "other.txt"))) == tmp_path / "other.txt"
    with pytest.raises(RecipeError, match="reads a file, and none is named"):
        found(None)


def test_one_that_a_plugin_lacks_names_plugin_and_spec(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        found(tmp_path / "vocab.txt")

    assert caught.value.where == "plugin domainlm-harbour 1.0, vocabulary harbour/words@1"
    assert caught.value.problem == "the vocabulary's file is not there"
    assert caught.value.given == tmp_path / "vocab.txt"
    assert "package's data files, or name another: file = ..." in str(caught.value.remedy)


@pytest.mark.parametrize(("content", "problem"), [(b"", "is empty"), (b"\xe9t\xe9\n", "not UTF-8 at byte 0")])
def test_one_that_is_no_text_names_plugin_and_spec(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "vocab.txt").write_bytes(content)

    with pytest.raises(SpecError) as caught:
        found(tmp_path / "vocab.txt")

    named = f"plugin domainlm-harbour 1.0, vocabulary harbour/words@1, {tmp_path / 'vocab.txt'}"
    assert str(caught.value.where).startswith(named)
    assert problem in caught.value.problem


def test_one_that_the_recipe_names_is_told_with_its_key(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("[PAD]\n", "utf-8")
    with pytest.raises(DataError) as caught:
        found(None, VocabularySettings(file=str(tmp_path / "vocap.txt")))

    assert caught.value.where == f"ships.toml: vocabulary.file, {tmp_path / 'vocap.txt'}"
    assert caught.value.nearest == str(tmp_path / "vocab.txt")


@pytest.mark.parametrize("kind", ["general", "megatron"])
def test_that_of_a_start_is_told_with_its_key(tmp_path: Path, kind: str) -> None:
    settings = StartSettings.model_validate(
        {"kind": kind, "vocabulary": str(tmp_path / "vocab.txt")}
        | ({"path": str(tmp_path)} if kind == "megatron" else {"num_steps": 1})
    )
    with pytest.raises(VocabularyError) as caught:
        resolve_start(settings, "ships.toml: start")

    assert caught.value.where == f"ships.toml: start.vocabulary, {tmp_path / 'vocab.txt'}"


def test_entries_that_are_no_vocabulary_name_the_spec(tmp_path: Path) -> None:
    file = tmp_path / "vocab.txt"
    file.write_text("ship\n##s\n", "utf-8")
    with pytest.raises(VocabularyError, match=r"^vocabulary harbour/words@1, \S+vocab\.txt: .* lacks the special"):
        load_listed(spec_of(file), file, cased=None)


def test_a_folder_stands_for_the_vocabulary_in_it(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", "utf-8")  # the first by name, as a model's folder has it
    with pytest.raises(VocabularyError, match="no vocabulary in the folder") as caught:
        found(None, VocabularySettings(file=str(tmp_path)))

    assert caught.value.where == f"ships.toml: vocabulary.file, {tmp_path}"
    (tmp_path / "vocab.txt").write_text("[PAD]\n", "utf-8")
    assert found(None, VocabularySettings(file=str(tmp_path))) == tmp_path / "vocab.txt"
