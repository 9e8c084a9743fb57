"""What the files beside a vocabulary say of it: added tokens, classes, casing. Checked against package transformers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from domainlm.errors import ModelError, VocabularyError
from domainlm.interop.export import export_huggingface
from domainlm.interop.huggingface import read_huggingface_vocabulary
from domainlm.interop.importing import import_model
from domainlm.recipe.schema import StartSettings
from domainlm.recipe.start import resolve_start
from domainlm.vocab.vocabulary import Vocabulary

MakeSource = Callable[..., tuple[Path, Any]]
SIZE = 28
"""Entries of the vocab.txt."""
DRUG = {"content": "[DRUG]", "special": True, "normalized": False}
TEXTS = ["the ship [DRUG] left", "COVID harbour", "covids sailed in oslo"]


def write(folder: Path, name: str, content: object) -> None:
    (folder / name).write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture
def source(make_source: MakeSource) -> Path:
    """A folder with two rows more than its vocab.txt has entries, and no tokenizer.json."""
    folder, _ = make_source("bert", rows=SIZE + 2)
    (folder / "tokenizer.json").unlink()
    return folder


def older_files(folder: Path) -> None:
    write(folder, "added_tokens.json", {"[DRUG]": SIZE, "covid": SIZE + 1})
    write(folder, "special_tokens_map.json", {"additional_special_tokens": ["[DRUG]"], "mask_token": "[MASK]"})
    write(folder, "tokenizer_config.json", {"do_lower_case": True, "tokenizer_class": "BertTokenizer"})


def newer_files(folder: Path) -> None:
    decoder = {
        "4": {"content": "[MASK]", "special": True},
        str(SIZE + 1): {"content": "covid", "special": False, "normalized": True},
        str(SIZE): DRUG,
    }
    write(folder, "tokenizer_config.json", {"do_lower_case": True, "added_tokens_decoder": decoder})
    write(folder, "added_tokens.json", {"left over": 3})


@pytest.mark.parametrize("write_files", [older_files, newer_files])
def test_tokens_added_to_a_list_keep_their_rows(
    write_files: Callable[[Path], None], source: Path, tmp_path: Path
) -> None:
    transformers = pytest.importorskip("transformers")
    write_files(source)
    entries = (source / "vocab.txt").read_text(encoding="utf-8").split()
    vocabulary = read_huggingface_vocabulary(source)
    assert vocabulary.tokens(range(vocabulary.size)) == [*entries, "[DRUG]", "covid"]
    theirs = transformers.BertTokenizer.from_pretrained(source)
    for text in TEXTS:
        assert vocabulary.encode_batch([text])[0] == theirs(text, add_special_tokens=False)["input_ids"]
    assert SIZE in vocabulary.encode_batch([TEXTS[0]])[0]
    own = {*vocabulary.special_ids}
    assert len(own) == 5
    assert not own - {vocabulary.unk_id} & {*vocabulary.encode_batch(["the [MASK] ship [SEP]"])[0]}
    import_model(source, tmp_path / "ours")
    export_huggingface(tmp_path / "ours", tmp_path / "back")
    words = "bert.embeddings.word_embeddings.weight"
    before, after = (load_file(folder / "model.safetensors")[words] for folder in (source, tmp_path / "back"))
    assert torch.equal(before, after)
    assert not (tmp_path / "back" / "vocab.txt").exists()  # which would cut "covids" otherwise
    with pytest.raises(VocabularyError, match=r"'\[DRUG\]' was added to it"):
        vocabulary.save_entries(tmp_path / "list.txt")
    back = transformers.AutoTokenizer.from_pretrained(tmp_path / "back")
    for text in TEXTS:
        expected = theirs(text, add_special_tokens=False)["input_ids"]
        assert back(text, add_special_tokens=False)["input_ids"] == expected


@pytest.mark.parametrize(
    "tokens", [{"covid": SIZE + 1}, {"covid": 7}, {"ship": SIZE}, {"a b": SIZE, "covid": SIZE + 2}, {"[MASK]": SIZE}]
)
def test_added_tokens_that_do_not_fit_the_list_are_refused(tokens: dict[str, int], source: Path) -> None:
    write(source, "added_tokens.json", tokens)
    with pytest.raises(VocabularyError, match="do not go on where the entries end"):
        read_huggingface_vocabulary(source)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("added_tokens.json", {"covid": "28"}),
        ("tokenizer_config.json", {"added_tokens_decoder": {"28": "covid"}}),
        ("tokenizer_config.json", {"added_tokens_decoder": {"x": {"content": "covid"}}}),
        ("tokenizer_config.json", {"added_tokens_decoder": {"28": {"content": ""}}}),
    ],
)
def test_damaged_added_tokens_are_refused(name: str, content: object, source: Path) -> None:
    write(source, name, content)
    with pytest.raises(ModelError, match="not an added token"):
        read_huggingface_vocabulary(source)


def test_a_run_starts_from_added_tokens_by_way_of_a_model_folder(source: Path, tmp_path: Path) -> None:
    older_files(source)
    with pytest.raises(ModelError, match="tokens were added") as caught:
        resolve_start(StartSettings(kind="huggingface", path=str(source)), "start")
    assert f"domainlm model import {source} FOLDER --encoder-only" in str(caught.value.remedy)
    import_model(source, tmp_path / "ours", encoder_only=True)
    start = resolve_start(StartSettings(kind="model", path=str(tmp_path / "ours")), "start")
    assert start is not None
    assert Vocabulary.load(start.vocabulary).size == SIZE + 2


def test_a_run_starts_where_only_entries_are_declared(source: Path) -> None:
    write(source, "added_tokens.json", {"[MASK]": 4})
    assert resolve_start(StartSettings(kind="huggingface", path=str(source)), "start") is not None


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"tokenizer_class": "BertJapaneseTokenizer", "word_tokenizer_type": "mecab"}, "tokenizer_class"),
        ({"word_tokenizer_type": "mecab"}, "word_tokenizer_type"),
        ({"do_basic_tokenize": False}, "do_basic_tokenize"),
        ({"subword_tokenizer_type": "character"}, "subword_tokenizer_type"),
    ],
)
def test_a_list_of_another_tokeniser_is_refused(settings: dict[str, object], key: str, source: Path) -> None:
    write(source, "tokenizer_config.json", settings)
    for read in (
        read_huggingface_vocabulary,
        lambda folder: resolve_start(StartSettings(kind="huggingface", path=str(folder)), "start"),
    ):
        with pytest.raises(ModelError, match=rf"tokenizer_config.json: {key}: this tokeniser cuts text otherwise"):
            read(source)


@pytest.mark.parametrize("name", [None, "BertTokenizer", "BertTokenizerFast", "PreTrainedTokenizerFast"])
def test_a_list_of_bert_is_taken(name: str | None, source: Path) -> None:
    write(source, "tokenizer_config.json", {"tokenizer_class": name, "do_basic_tokenize": True})
    assert read_huggingface_vocabulary(source).size == SIZE


def settings_beside(folder: Path, cased: bool, settings: dict[str, object]) -> None:
    Vocabulary.load(folder / "vocab.txt", cased=cased).save_tokenizer(folder / "tokenizer.json")
    write(folder, "tokenizer_config.json", settings)


@pytest.mark.parametrize("cased", [True, False])
@pytest.mark.parametrize("key", ["do_lower_case", "strip_accents"])
def test_files_that_contradict_one_another_are_refused(key: str, cased: bool, source: Path) -> None:
    settings_beside(source, cased, {key: cased, "tokenizer_class": "BertTokenizer"})
    for read in (
        read_huggingface_vocabulary,
        lambda folder: resolve_start(StartSettings(kind="huggingface", path=str(folder)), "start"),
    ):
        with pytest.raises(ModelError, match=f"{key}: tokenizer_config.json contradicts the normalizer"):
            read(source)
    settings_beside(source, cased, {key: not cased, "tokenizer_class": "BertTokenizer"})
    assert read_huggingface_vocabulary(source).cased is cased


def test_a_contradiction_that_transformers_does_not_heed_is_none(source: Path) -> None:
    transformers = pytest.importorskip("transformers")
    settings_beside(source, False, {"do_lower_case": False, "tokenizer_class": "PreTrainedTokenizerFast"})
    theirs = transformers.AutoTokenizer.from_pretrained(source)
    ours = read_huggingface_vocabulary(source)
    assert ours.encode_batch(["The Ship"])[0] == theirs("The Ship", add_special_tokens=False)["input_ids"]
    settings_beside(source, False, {"do_lower_case": False, "tokenizer_class": "BertTokenizer"})
    theirs = transformers.AutoTokenizer.from_pretrained(source)
    assert theirs("The Ship", add_special_tokens=False)["input_ids"] == [1, 1]  # what is refused above: capitals stay
