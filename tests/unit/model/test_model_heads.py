"""The heads of pretraining and their losses."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from domainlm.model import decoder_loss
from domainlm.model.config import ModelConfig
from domainlm.model.decoder_loss import decoder_loss_sum
from domainlm.model.gather import gather_rows
from domainlm.model.heads import MaskedLanguageModelHead
from domainlm.model.pretraining import PretrainingModel

MakeConfig = Callable[..., ModelConfig]
SpreadOut = Callable[[torch.nn.Module], None]


def _inputs(num: int, hidden: int, vocabulary: int, padding: int) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(num * vocabulary)
    states = torch.randn(num, hidden, generator=generator).requires_grad_()
    weight = torch.randn(vocabulary + padding, hidden, generator=generator).requires_grad_()
    bias = torch.randn(vocabulary + padding, generator=generator).requires_grad_()
    return states, weight, bias, torch.randint(0, vocabulary, (num,), generator=generator)


@given(
    num=st.integers(0, 13), vocabulary=st.integers(1, 30), padding=st.integers(0, 4), rows_at_once=st.integers(1, 14)
)
@settings(max_examples=40, deadline=None)
def test_the_loss_is_cross_entropy_over_the_true_vocabulary(
    num: int, vocabulary: int, padding: int, rows_at_once: int
) -> None:
    states, weight, bias, labels = _inputs(num, 6, vocabulary, padding)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoder_loss, "_SCORES_BYTES_AT_ONCE", rows_at_once * 4 * len(weight))
        loss = decoder_loss_sum(states, weight, bias, labels, vocabulary)
        gradients = torch.autograd.grad(loss * 0.7, (states, weight, bias))
    logits = functional.linear(states, weight[:vocabulary], bias[:vocabulary])
    expected = functional.cross_entropy(logits, labels, reduction="sum")

    torch.testing.assert_close(loss, expected, atol=1e-4, rtol=1e-5)
    for ours, theirs in zip(gradients, torch.autograd.grad(expected * 0.7, (states, weight, bias)), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_large_scores_do_not_overflow() -> None:
    states, weight, bias, labels = _inputs(5, 6, 20, 3)
    scaled = states * 1e4

    loss = decoder_loss_sum(scaled, weight, bias, labels, 20)

    expected = functional.cross_entropy((scaled @ weight.T + bias)[:, :20], labels, reduction="sum")
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-2)


def test_bf16_loses_little() -> None:
    states, weight, bias, labels = _inputs(40, 64, 500, 12)
    states, weight = states.detach() * 0.2, weight.detach()

    exact = decoder_loss_sum(states, weight, bias, labels, 500)
    with torch.autocast("cpu", torch.bfloat16):
        rough = decoder_loss_sum(states, weight, bias, labels, 500)

    assert rough.dtype == torch.float32
    assert 0.0 < abs(rough - exact) / exact < 0.005


def test_padded_entries_get_neither_probability_nor_gradient(make_config: MakeConfig) -> None:
    head = MaskedLanguageModelHead(make_config())
    embedding = torch.full((64, 32), 0.1).requires_grad_()
    with torch.no_grad():
        head.bias[50:] = 1e6
    states = torch.randn(7, 32)

    assert head(states, embedding).shape == (7, 50)
    torch.autograd.backward(head.loss_sum(states, embedding, torch.zeros(7, dtype=torch.int64)))

    assert embedding.grad is not None
    assert head.bias.grad is not None
    assert embedding.grad[50:].abs().max() == 0.0
    assert head.bias.grad[50:].abs().max() == 0.0
    assert embedding.grad[:50].abs().min() > 0.0


@pytest.mark.parametrize("sentence_order", [True, False])
def test_losses_are_those_of_the_logits(make_config: MakeConfig, spread_out: SpreadOut, sentence_order: bool) -> None:
    model = PretrainingModel(make_config(), sentence_order=sentence_order).eval()
    spread_out(model)
    tokens = torch.arange(48).reshape(2, 24)
    inputs = tokens, torch.zeros_like(tokens), torch.tensor([24, 13])
    masked, labels, is_swapped = torch.tensor([0, 3, 22, 24, 30]), torch.tensor([4, 49, 0, 1, 2]), torch.tensor([1, 0])

    words, orders = model(*inputs, masked)
    states = model.encoder(*inputs)
    word_loss, order_loss = model.losses(states, masked, labels, is_swapped)

    torch.testing.assert_close(word_loss, functional.cross_entropy(words, labels, reduction="sum"))
    if sentence_order:
        torch.testing.assert_close(order_loss, functional.cross_entropy(orders, is_swapped, reduction="sum"))
        assert model.losses(states, masked, labels, None)[1] is None
    else:
        assert orders is None
        assert order_loss is None


def test_the_decoder_is_the_word_embedding(make_config: MakeConfig) -> None:
    model = PretrainingModel(make_config(), sentence_order=False)
    tokens = torch.full((1, 4), 7)
    states = model.encoder(tokens, torch.zeros_like(tokens), torch.tensor([4]))
    words, _ = model.losses(states, torch.tensor([2]), torch.tensor([9]), None)
    torch.autograd.backward(words)

    gradient = model.encoder.embeddings.word.weight.grad
    assert gradient is not None
    assert gradient[7].abs().max() > 0.0  # read
    assert gradient[9].abs().max() > 0.0  # predicted
    assert not [name for name in model.state_dict() if "decoder" in name]


def test_gathered_rows_give_their_gradients_back() -> None:
    rows = torch.randn(9, 3, requires_grad=True)
    places = torch.tensor([1, 2, 8])
    gathered = gather_rows(rows, places)
    torch.autograd.backward(gathered, torch.arange(9.0).reshape(3, 3))

    assert torch.equal(gathered, rows[places])
    expected = torch.zeros(9, 3)
    expected[places] = torch.arange(9.0).reshape(3, 3)
    assert rows.grad is not None
    assert torch.equal(rows.grad, expected)
