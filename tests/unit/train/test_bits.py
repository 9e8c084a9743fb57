from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from domainlm.errors import DataError
from domainlm.model.config import ModelConfig
from domainlm.model.initialise import initialise
from domainlm.model.pretraining import PretrainingModel
from domainlm.parallel.device import Device
from domainlm.text.word_windows import WordWindow
from domainlm.train.bits import WordRows, bits_per_character
from domainlm.vocab.vocabulary import Vocabulary

_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_LETTERS = [*"abcdefghijklmnoprstuwy,.", *(f"##{letter}" for letter in "abcdefghijklmnoprstuwy")]
_WORDS = ["the", "ship", "came", "back", "at", "noon", "to", "port", "##s", "##ed", "sail"]
_TEXT = (
    "the ship came back at noon.\nthe sailors slept, and it rained.\n\n"
    "a ship sailed to the port.\nno one came back.\nthe port lay empty at noon.\n"
)
_CPU = Device(torch_device=torch.device("cpu"), precision="fp32")


@pytest.fixture
def vocabulary(tmp_path: Path) -> Callable[[list[str]], Vocabulary]:
    def make(entries: list[str]) -> Vocabulary:
        path = tmp_path / "vocab.txt"
        path.write_text("\n".join([*_SPECIAL, *dict.fromkeys(entries)]) + "\n", encoding="utf-8")
        return Vocabulary.load(path, cased=True)

    return make


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "held_out.txt"
    path.write_text(_TEXT * 8, encoding="utf-8")
    return path


def _model(size: int, *, sentence_order: bool = False) -> PretrainingModel:
    config = ModelConfig(
        layers=1,
        hidden=16,
        heads=2,
        feed_forward=32,
        max_positions=64,
        architecture="bert",
        dropout=0.1,
        vocabulary_size=size,
        padded_vocabulary_size=-(-size // 64) * 64,
    )
    model = PretrainingModel(config, sentence_order=sentence_order)
    initialise(model, 5)
    return model


def _uniform(size: int) -> PretrainingModel:
    """All weights zero: every entry is as likely as any other."""
    model = _model(size)
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    return model


def _window(words: str, chosen: set[int], middle: int = 99) -> WordWindow:
    cut = tuple(words.split())
    return WordWindow(cut, np.array([place in chosen for place in range(len(cut))]), middle)


def test_a_model_that_knows_nothing_pays_for_each_sub_token(
    vocabulary: Callable[[list[str]], Vocabulary], text: Path
) -> None:
    entries = vocabulary(_LETTERS)
    scores = bits_per_character(_uniform(entries.size), entries, text, _CPU, max_tokens=64, pairs=False, num_rows=8)
    # Every sub-token is a letter, so there are as many of them as characters.
    assert scores["bits_per_character"] == pytest.approx(math.log2(entries.size), rel=1e-5)
    assert scores["unknown_character_share"] == 0.0


def test_sub_tokens_and_characters_are_counted_by_hand(vocabulary: Callable[[list[str]], Vocabulary]) -> None:
    entries = vocabulary(_LETTERS + _WORDS)
    layout = WordRows(entries, max_tokens=32, pairs=False)
    (row,) = layout.rows([_window("the ships sailed , xylo", {1, 2, 4})])
    ids = dict(zip(entries.tokens(range(entries.size)), range(entries.size), strict=True))
    mask = ids["[MASK]"]
    expected = ["[CLS]", "the", *["[MASK]"] * 4, ",", "[UNK]", "[SEP]"]
    assert entries.tokens(row.tokens) == expected
    assert row.masked == [2, 3, 4, 5]
    assert mask not in row.labels
    assert entries.tokens(row.labels) == ["ship", "##s", "sail", "##ed"]
    counts = layout.counts
    assert (counts.num_words, counts.num_characters, counts.num_unknown_characters) == (3, 5 + 6 + 4, 4)
    assert counts.alphabet == set("theshipssailed,xylo")
    assert counts.bits_of_unknown == pytest.approx(4 * math.log2(len(set("theshipssailed,xylo"))))
    assert counts.bits_of_sub_token_numbers == 0.0  # both have two


def test_numbers_of_sub_tokens_cost_their_entropy(vocabulary: Callable[[list[str]], Vocabulary]) -> None:
    layout = WordRows(vocabulary(_LETTERS + _WORDS), max_tokens=32, pairs=False)
    list(layout.rows([_window("the ship sailed to ports a", {0, 1, 2, 4})]))
    assert layout.counts.bits_of_sub_token_numbers == pytest.approx(4.0)  # 1 1 2 2: a bit each


def test_the_same_words_are_chosen_whatever_the_vocabulary(
    vocabulary: Callable[[list[str]], Vocabulary], text: Path
) -> None:
    found = set()
    for entries in (_LETTERS, _LETTERS + _WORDS, ["ship"]):
        loaded = vocabulary(entries)
        model = _uniform(loaded.size)
        scores = bits_per_character(model, loaded, text, _CPU, max_tokens=64, pairs=False, num_rows=8)
        found.add((scores["num_scored_words"], scores["num_scored_characters"]))
    assert len(found) == 1
    assert min(found)[0] > 20


@pytest.mark.parametrize("pairs", [True, False])
def test_the_score_does_not_depend_on_the_rows_at_once(
    vocabulary: Callable[[list[str]], Vocabulary], text: Path, pairs: bool
) -> None:
    entries = vocabulary(_LETTERS + _WORDS)
    model = _model(entries.size, sentence_order=pairs)
    one, three, all_rows = (
        bits_per_character(model, entries, text, _CPU, max_tokens=64, pairs=pairs, num_rows=number)
        for number in (1, 3, 1000)
    )
    assert one == pytest.approx(three, rel=1e-6)
    assert one == pytest.approx(all_rows, rel=1e-6)
    assert one == bits_per_character(model, entries, text, _CPU, max_tokens=64, pairs=pairs, num_rows=1)


def test_an_unknown_word_costs_a_uniform_code_of_its_characters(
    vocabulary: Callable[[list[str]], Vocabulary], text: Path
) -> None:
    entries = vocabulary(["ship"])
    scores = bits_per_character(_uniform(entries.size), entries, text, _CPU, max_tokens=64, pairs=False, num_rows=8)
    known, alphabet = 1.0 - scores["unknown_character_share"], set(_TEXT) - {" ", "\n"}
    expected = known * math.log2(entries.size) / 4 + (1.0 - known) * math.log2(len(alphabet))
    assert 0.0 < known < 1.0
    assert scores["bits_per_character"] == pytest.approx(expected, rel=1e-5)


def test_halves_are_laid_out_as_segments(vocabulary: Callable[[list[str]], Vocabulary]) -> None:
    entries = vocabulary(_LETTERS + _WORDS)
    layout = WordRows(entries, max_tokens=32, pairs=True)
    (row,) = layout.rows([_window("the ship came back", {3}, middle=2)])
    assert entries.tokens(row.tokens) == ["[CLS]", "the", "ship", "[SEP]", "came", "[MASK]", "[SEP]"]
    assert (row.num_first, row.masked) == (4, [5])
    (row,) = layout.rows([_window("ship", {0}, middle=1)])
    assert entries.tokens(row.tokens) == ["[CLS]", "[MASK]", "[SEP]"]
    assert row.num_first == 3


def test_a_window_of_too_many_sub_tokens_is_cut_between_words(vocabulary: Callable[[list[str]], Vocabulary]) -> None:
    entries = vocabulary(_LETTERS)
    layout = WordRows(entries, max_tokens=8, pairs=False)
    rows = list(layout.rows([_window("ship came lay unmoored", {0, 2, 3})]))
    assert [entries.tokens(row.tokens) for row in rows] == [
        ["[CLS]", *["[MASK]"] * 4, "[SEP]"],
        ["[CLS]", *["[MASK]"] * 3, "[UNK]", "[SEP]"],  # "came" is not to predict, "unmoored" never fits
    ]
    assert layout.counts.num_words == 3
    assert layout.counts.num_unknown_characters == 8
    assert all(len(row.tokens) <= 8 for row in rows)


def test_over_long_words_stand_as_unknown(vocabulary: Callable[[list[str]], Vocabulary]) -> None:
    entries = vocabulary(_LETTERS)
    (row,) = WordRows(entries, max_tokens=512, pairs=False).rows([_window(f"{'a' * 101} b", {1})])
    assert entries.tokens(row.tokens) == ["[CLS]", "[UNK]", "[MASK]", "[SEP]"]


def test_a_text_without_a_word_is_refused(vocabulary: Callable[[list[str]], Vocabulary], tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text("a" * 101 + "\n", encoding="utf-8")
    entries = vocabulary(_LETTERS)
    with pytest.raises(DataError, match="no word to score"):
        bits_per_character(_uniform(entries.size), entries, path, _CPU, max_tokens=64, pairs=False, num_rows=8)


def test_a_better_model_pays_less(vocabulary: Callable[[list[str]], Vocabulary], text: Path) -> None:
    """One that knows how often each sub-token occurs, by its output bias alone."""
    entries = vocabulary(_LETTERS + _WORDS)
    uniform, knowing = _uniform(entries.size), _uniform(entries.size)
    seen = np.bincount(
        [number for line in _TEXT.splitlines() for number in entries.encode_batch([line])[0]], minlength=entries.size
    )
    with torch.no_grad():
        for name, parameter in knowing.named_parameters():
            if name.startswith("masked_lm") and parameter.ndim == 1 and len(parameter) >= entries.size:
                parameter[: entries.size] = torch.from_numpy(np.log(seen + 0.5)).float()
    scores = [
        bits_per_character(model, entries, text, _CPU, max_tokens=64, pairs=False, num_rows=8)["bits_per_character"]
        for model in (uniform, knowing)
    ]
    assert scores[1] < scores[0] - 0.3
