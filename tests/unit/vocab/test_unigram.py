from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from domainlm.api import VocabularySettings
from domainlm.vocab import unigram
from domainlm.vocab.lattice import Lattices
from domainlm.vocab.substrings import Words, find_substrings
from domainlm.vocab.unigram import learn_unigram
from domainlm.vocab.vocabulary import Vocabulary

_TEXT = ["low low low low low", "lower lower", "newest newest newest newest newest newest", "widest widest widest"]


def _pieces(text: str) -> dict[str, float]:
    return dict(json.loads(text)["model"]["vocab"][5:])


def test_the_whole_words_are_the_best_pieces_where_there_is_room() -> None:
    pieces = _pieces(learn_unigram(_TEXT, VocabularySettings(size=5 + 11 + 4, cased=True)))
    # 11 single characters, the mark among them, and four more: the words are most probable whole.
    assert [piece for piece in pieces if len(piece) > 1] == ["\u2581newest", "\u2581low", "\u2581widest", "\u2581lower"]


def test_a_word_that_no_other_word_holds_can_be_a_piece() -> None:
    pieces = _pieces(learn_unigram(["a, b, c, xyz"] * 50, VocabularySettings(size=18, cased=True)))
    assert "\u2581," in pieces
    assert "\u2581xyz" in pieces


def test_entries_are_ordered_by_probability_and_all_characters_are_there() -> None:
    pieces = _pieces(learn_unigram(_TEXT, VocabularySettings(size=40, cased=True)))
    assert list(pieces.values()) == sorted(pieces.values(), reverse=True)
    assert {*"lowernstid", "\u2581"} <= set(pieces)


def test_characters_of_words_left_out_can_still_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unigram, "MAX_WORDS", 1)
    path = tmp_path / "tokenizer.json"
    path.write_text(learn_unigram(["ship ship ship oar oar"], VocabularySettings(size=14, cased=True)))
    vocabulary = Vocabulary.load(path)
    (ids,) = vocabulary.encode_words(["oar"])
    assert vocabulary.unk_id not in ids
    assert vocabulary.tokens(vocabulary.encode_words(["ship"])[0]) == ["\u2581ship"]


def test_the_word_mark_in_a_text_is_not_learned_from() -> None:
    text = learn_unigram(["low\u2581low low low"] * 3, VocabularySettings(size=11, cased=True))
    assert all("\u2581" not in piece[1:] for piece in _pieces(text))


def test_maximisation_raises_the_likelihood() -> None:
    words = Words.of({"\u2581lower": 4, "\u2581low": 9, "\u2581newer": 3, "\u2581west": 5})
    substrings = find_substrings(words, max_length=7, min_frequency=1)
    lattices = Lattices(words, substrings)
    scores = np.full(len(substrings), -math.log(len(substrings)))
    likelihoods = []
    for _ in range(6):
        expectation = lattices.expectation(scores)
        likelihoods.append(expectation.log_likelihood)
        scores = np.log(np.maximum(expectation.counts, 1e-12) / expectation.counts.sum())
    assert likelihoods == sorted(likelihoods)
    assert likelihoods[-1] > likelihoods[0] + 10


def test_the_digamma_function_is_right() -> None:
    places = np.array([0.5, 1.0, 1.5, 2.0, 5.9, 6.0, 30.0, 1e9])
    assert unigram._digamma(places) == pytest.approx(torch.digamma(torch.from_numpy(places)).numpy(), rel=1e-9)
