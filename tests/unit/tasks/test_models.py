"""What every loaded model can do: embed any text, and say what it cannot do. Language models fill masks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from domainlm.errors import DataError, ModelError
from domainlm.model.encoder import Encoder
from domainlm.model.files import load_weights, read_config
from domainlm.recipe.schema import RuntimeSettings
from domainlm.tasks.load import LanguageModel, load
from domainlm.tasks.models import Record
from domainlm.vocab.vocabulary import Vocabulary

RUNTIME = RuntimeSettings(device="cpu", num_threads=1)


@pytest.fixture(scope="module")
def model(start_folder: Path) -> LanguageModel:
    loaded = load(start_folder, RUNTIME)
    assert isinstance(loaded, LanguageModel)
    return loaded


@pytest.fixture(scope="module")
def states_of(start_folder: Path) -> object:
    """The states that the encoder itself gives for one row of sub-tokens."""
    config = read_config(start_folder).model
    encoder = Encoder(config).eval()
    load_weights(encoder, start_folder, prefix="encoder.")

    def states(row: list[int]) -> torch.Tensor:
        tokens = torch.tensor([row])
        with torch.inference_mode():
            found: torch.Tensor = encoder(tokens, torch.zeros_like(tokens), torch.tensor([len(row)]))[0]
        return found

    return states


@pytest.mark.parametrize("text", ["the ship left Oslo .", "[MASK] is no mask here", "e\u0301 \u4e2d"])
def test_a_vector_is_the_mean_of_the_states(
    model: LanguageModel, states_of: object, start_folder: Path, text: str
) -> None:
    vocabulary = Vocabulary.load(start_folder)
    row = [vocabulary.cls_id, *vocabulary.encode_batch([text])[0], vocabulary.sep_id]
    states = states_of(row)  # type: ignore[operator]
    (mean,) = model.embed([text])
    (first,) = model.embed([text], pooling="cls")

    np.testing.assert_allclose(mean, states[1:-1].mean(dim=0), atol=1e-5)
    np.testing.assert_allclose(first, states[0], atol=1e-5)


def test_a_long_text_is_read_in_windows(model: LanguageModel) -> None:
    """All of it counts: a change at its end changes the vector; what is repeated stays near what it repeats."""
    text = "the ship left Oslo . " * 40
    long, other, short = model.embed([text, text[:-8] + "Porto . ", "the ship left Oslo . " * 2])

    assert not np.allclose(long, other, atol=1e-6)
    assert np.dot(long, short) / np.linalg.norm(long) / np.linalg.norm(short) > 0.9


def test_texts_are_embedded_in_order_and_groups(model: LanguageModel) -> None:
    texts = [f"the ship left on day {number} . " * (number % 5) for number in range(150)]
    together = list(model.embed(iter(texts)))

    assert len(together) == 150
    for text, vector in list(zip(texts, together, strict=True))[::15]:
        np.testing.assert_allclose(next(model.embed([text])), vector, atol=1e-5)
    assert not together[0].any()  # no words, no vector


@given(st.lists(st.text(max_size=60), max_size=3))
@settings(deadline=None, max_examples=40)
def test_any_text_has_a_vector(model: LanguageModel, texts: list[str]) -> None:
    for vector in model.embed([*texts, "\ud83d"]):
        assert vector.dtype == np.float32
        assert np.isfinite(vector).all()


def test_masks_are_filled_with_what_the_head_finds_likeliest(model: LanguageModel) -> None:
    text = "the [MASK] left [MASK]."
    (filled,) = model.fill_masks([text], num_guesses=300)

    assert [text[mask.start : mask.end] for mask in filled.masks] == ["[MASK]", "[MASK]"]
    for mask in filled.masks:
        scores = [guess.score for guess in mask.guesses]
        assert scores == sorted(scores, reverse=True)
        assert sum(scores) == pytest.approx(1.0, abs=1e-4)  # all entries of the vocabulary, and no row of padding
        assert len({guess.token for guess in mask.guesses}) == len(scores)


def test_masks_of_many_texts_stay_with_their_texts(model: LanguageModel) -> None:
    texts = ["no mask", "[MASK]", "the [MASK] left a long way from here [MASK] .", "", "left [MASK]"] * 20
    together = list(model.fill_masks(iter(texts), num_guesses=1))
    alone = [next(model.fill_masks([text], num_guesses=1)) for text in texts[:5]]

    assert [each.text for each in together] == texts
    assert [len(each.masks) for each in together[:5]] == [0, 1, 2, 0, 1]
    for one, other in zip(together[-5:], alone, strict=True):
        assert [mask.guesses[0].token for mask in one.masks] == [mask.guesses[0].token for mask in other.masks]


def test_a_text_with_masks_that_is_too_long_is_named(model: LanguageModel) -> None:
    records = [Record(1, {"text": "[MASK]"}, "in:1"), Record(2, {"text": "the " * 60 + "[MASK]"}, "in:2")]
    with pytest.raises(DataError, match="longer than the model's 48 positions") as caught:
        list(model.predict(records))
    assert caught.value.where == "in:2"
    assert (
        len(next(model.predict([Record(3, {"text": "the " * 60})]))["text"]) == 240
    )  # without masks it does not matter


@pytest.mark.parametrize("embeds", [False, True])
def test_what_comes_before_a_record_that_cannot_be_read_is_answered(model: LanguageModel, embeds: bool) -> None:
    def records() -> Iterator[Record]:
        yield from (Record(number, {"text": "the ship"}, f"in:{number}") for number in (1, 2))
        raise DataError("not a JSON object", where="in:3")

    answered = model.embed_records(records(), "mean") if embeds else model.predict(records())

    assert [next(answered)["id"], next(answered)["id"]] == [1, 2]
    with pytest.raises(DataError, match="not a JSON object"):
        next(answered)


def test_what_a_model_cannot_do_is_said(model: LanguageModel) -> None:
    with pytest.raises(ModelError, match="does not label words") as caught:
        model.tag(["text"])
    assert caught.value.allowed == "fill_masks(), embed()"
    for call in (lambda: model.classify(["text"]), lambda: model.relate([]), lambda: model.answer("who?", "text")):
        with pytest.raises(ModelError, match="this model does not"):
            call()


def test_a_record_without_its_text_is_named(model: LanguageModel) -> None:
    def records() -> Iterator[Record]:
        yield Record("a", {"text": 3}, "in.jsonl:7")

    with pytest.raises(DataError, match="is no text") as caught:
        list(model.predict(records()))
    assert caught.value.where == "in.jsonl:7"
