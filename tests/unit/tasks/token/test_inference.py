from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from domainlm.api import Entity, TokenExample
from domainlm.parallel.device import Device
from domainlm.tasks.token.features import WindowSettings, WordEncoder, build_features, encode_examples, word_slices
from domainlm.tasks.token.inference import decode_entities, label_words

MakeExample = Callable[..., TokenExample]
CPU = Device(torch_device=torch.device("cpu"), precision="fp32")


class SayLetter(nn.Module):
    """Label 1 for `a`, 2 for `b`, 0 for all else; the probability is 1/2 whatever the row."""

    def forward(
        self,
        tokens: torch.Tensor,
        token_types: torch.Tensor,
        lengths: torch.Tensor,
        slots: torch.Tensor,
        *places: torch.Tensor | None,
    ) -> torch.Tensor:
        letters = tokens.flatten()[slots]
        labels = (letters == ord("a")) + 2 * (letters == ord("b"))
        return nn.functional.one_hot(labels, 3).float() * math.log(2.0)


@given(
    st.lists(st.lists(st.text("abc", min_size=1, max_size=9), max_size=15).map(" ".join), max_size=6),
    st.integers(4, 20),
)
@settings(deadline=None)
def test_every_word_gets_the_label_of_its_first_sub_token(
    letter_encoder: WordEncoder, make_example: MakeExample, texts: list[str], max_tokens: int
) -> None:
    examples = [make_example(text) for text in texts]
    features = build_features(encode_examples(examples, letter_encoder), letter_encoder, WindowSettings(max_tokens, 3))
    labelled = label_words(SayLetter(), features, CPU)
    for text, place in zip(texts, word_slices(examples), strict=True):
        assert labelled.labels[place].tolist() == ["cab".index(word[0]) for word in text.split()]
    assert labelled.probabilities == pytest.approx(0.5)


def test_more_rows_than_go_through_at_once(letter_encoder: WordEncoder, make_example: MakeExample) -> None:
    texts = [" ".join(["abc"[n % 3]] * (1 + n % 50)) for n in range(900)]
    examples = [make_example(text) for text in texts]
    features = build_features(encode_examples(examples, letter_encoder), letter_encoder, WindowSettings(64, 3))
    labelled = label_words(SayLetter(), features, CPU)
    expected = ["cab".index(word) for text in texts for word in text.split()]
    assert labelled.labels.tolist() == expected


def test_entities_have_the_offsets_of_their_words_and_the_mean_of_their_probabilities() -> None:
    example = TokenExample("log:1", "The  SS Vega (Oslo)", ((0, 3), (5, 7), (8, 12), (13, 14), (14, 18), (18, 19)))
    tags = ["O", "B-ship", "I-ship", "O", "I-place", "O"]
    found = decode_entities(example, tags, [0.9, 0.5, 0.75, 0.9, 0.25, 0.9])
    assert [(each.entity, each.score) for each in found] == [
        (Entity(5, 12, "ship"), 0.625),
        (Entity(14, 18, "place"), 0.25),
    ]
