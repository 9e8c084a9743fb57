"""The encoder against the papers' equations, written out a second time with torch.nn.functional alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn import functional

from domainlm.model.config import ModelConfig
from domainlm.model.encoder import Encoder, EncoderInputs, Layer

MakeConfig = Callable[..., ModelConfig]
SpreadOut = Callable[[torch.nn.Module], None]


Weights = Mapping[str, torch.Tensor]


def _norm(weights: Weights, name: str, x: torch.Tensor, epsilon: float) -> torch.Tensor:
    return functional.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], epsilon)


def _linear(weights: Weights, name: str, x: torch.Tensor) -> torch.Tensor:
    return functional.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])


def _attention(weights: Weights, name: str, x: torch.Tensor, heads: int) -> torch.Tensor:
    """Multi-head attention of one sequence [tokens, hidden], head by head (Vaswani et al. 2017, section 3.2)."""
    hidden = x.shape[-1]
    width = hidden // heads
    rows = weights[f"{name}.query_key_value.weight"].reshape(heads, 3, width, hidden)
    offsets = weights[f"{name}.query_key_value.bias"].reshape(heads, 3, width)
    mixed = []
    for head in range(heads):
        query, key, value = (x @ rows[head, part].T + offsets[head, part] for part in range(3))
        mixed.append(torch.softmax(query @ key.T / math.sqrt(width), dim=-1) @ value)
    return _linear(weights, f"{name}.output", torch.cat(mixed, dim=-1))


def _feed_forward(weights: Weights, name: str, x: torch.Tensor) -> torch.Tensor:
    inner = _linear(weights, f"{name}.inner", x)
    return _linear(weights, f"{name}.output", 0.5 * inner * (1.0 + torch.erf(inner / math.sqrt(2.0))))


def _reference(
    weights: Weights, tokens: torch.Tensor, types: torch.Tensor, *, layers: int, heads: int, architecture: str
) -> torch.Tensor:
    """Hidden states of one sequence without padding, [tokens, hidden]."""
    epsilon = {"megatron": 1e-5, "bert": 1e-12}[architecture]
    x = weights["embeddings.word.weight"][tokens]
    x = x + weights["embeddings.position.weight"][: len(tokens)] + weights["embeddings.token_type.weight"][types]
    if architecture == "bert":
        x = _norm(weights, "embeddings.norm", x, epsilon)
    for layer in range(layers):
        name = f"layers.{layer}"
        if architecture == "megatron":  # Shoeybi et al. 2019, figure 7, right
            x = x + _attention(
                weights, f"{name}.attention", _norm(weights, f"{name}.attention_norm", x, epsilon), heads
            )
            normed = _norm(weights, f"{name}.feed_forward_norm", x, epsilon)
            x = x + _feed_forward(weights, f"{name}.feed_forward", normed)
        else:  # the same figure, left
            x = _norm(
                weights, f"{name}.attention_norm", x + _attention(weights, f"{name}.attention", x, heads), epsilon
            )
            after = x + _feed_forward(weights, f"{name}.feed_forward", x)
            x = _norm(weights, f"{name}.feed_forward_norm", after, epsilon)
    return _norm(weights, "norm", x, epsilon) if architecture == "megatron" else x


@pytest.mark.parametrize("architecture", ["megatron", "bert"])
@pytest.mark.parametrize("lengths", [[24, 24, 24], [24, 9, 1]], ids=["full", "padded"])
@pytest.mark.parametrize("mode", ["training", "evaluation"])
def test_hidden_states_and_gradients_are_the_papers(
    make_config: MakeConfig,
    spread_out: SpreadOut,
    architecture: str,
    lengths: list[int],
    mode: str,
) -> None:
    encoder = Encoder(make_config(architecture=architecture)).train(mode == "training")
    spread_out(encoder)
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(0, 50, (3, 24), generator=generator)
    types = torch.randint(0, 2, (3, 24), generator=generator)

    states = encoder(tokens, types, torch.tensor(lengths))
    real = torch.cat([states[row, :length] for row, length in enumerate(lengths)])
    weights = {name: tensor.detach().clone().requires_grad_() for name, tensor in encoder.named_parameters()}
    expected = torch.cat(
        [
            _reference(weights, tokens[row, :length], types[row, :length], layers=2, heads=4, architecture=architecture)
            for row, length in enumerate(lengths)
        ]
    )

    torch.testing.assert_close(real, expected, atol=2e-5, rtol=1e-5)
    direction = torch.randn(real.shape, generator=generator)
    torch.autograd.backward((real * direction).sum())
    torch.autograd.backward((expected * direction).sum())
    for name, weight in encoder.named_parameters():
        torch.testing.assert_close(weight.grad, weights[name].grad, atol=1e-4, rtol=1e-4, msg=f"gradient of {name}")


def test_without_gradients_the_numbers_are_the_same(make_config: MakeConfig, spread_out: SpreadOut) -> None:
    encoder = Encoder(make_config())
    spread_out(encoder)
    tokens = torch.arange(40).reshape(2, 20)
    inputs = tokens, torch.zeros_like(tokens), torch.tensor([20, 11])

    trained = encoder(*inputs)
    with torch.no_grad():
        predicted = encoder(*inputs)

    torch.testing.assert_close(predicted[1, :11], trained[1, :11], atol=1e-5, rtol=1e-5)


def test_padding_changes_nothing(make_config: MakeConfig, spread_out: SpreadOut) -> None:
    encoder = Encoder(make_config())
    spread_out(encoder)
    tokens = torch.arange(1, 13).reshape(1, 12)
    padded = torch.cat([tokens, torch.full((1, 8), 49)], dim=1)

    alone = encoder(tokens, torch.zeros_like(tokens), torch.tensor([12]))
    with_padding = encoder(padded, torch.ones_like(padded) * (torch.arange(20) >= 12), torch.tensor([12]))

    torch.testing.assert_close(with_padding[:, :12], alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("mode", ["training", "evaluation"])
def test_samples_that_share_a_row_do_not_see_one_another(
    make_config: MakeConfig, spread_out: SpreadOut, mode: str
) -> None:
    encoder = Encoder(make_config()).train(mode == "training")
    spread_out(encoder)
    first, second = torch.arange(1, 8), torch.arange(11, 16)
    tokens = torch.cat([first, second, torch.full((4,), 49)])[None]
    samples = torch.tensor([[0] * 7 + [1] * 5 + [0] * 4])
    positions = torch.cat([torch.arange(7), torch.arange(5), torch.arange(4)])[None]

    packed = encoder(tokens, torch.zeros_like(tokens), torch.tensor([12]), positions, samples)
    alone = [encoder(each[None], torch.zeros_like(each)[None], torch.tensor([len(each)])) for each in (first, second)]

    assert packed.isfinite().all()
    torch.testing.assert_close(packed[:, :7], alone[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(packed[:, 7:12], alone[1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("architecture", ["megatron", "bert"])
@given(places=st.sets(st.integers(0, 39), min_size=1))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_states_that_are_read_do_not_depend_on_which_are(
    make_config: MakeConfig, spread_out: SpreadOut, architecture: str, places: set[int]
) -> None:
    encoder = Encoder(make_config(architecture=architecture))
    spread_out(encoder)
    tokens, read = torch.arange(40).reshape(2, 20), torch.tensor(sorted(places))
    inputs = EncoderInputs(tokens, torch.zeros_like(tokens), torch.tensor([20, 20]))
    direction = torch.randn(len(read), 32, generator=torch.Generator().manual_seed(1))
    found = {}
    for each in (None, read):
        encoder.zero_grad()
        states = encoder(*inputs._replace(read=each)).flatten(0, 1)[read]
        torch.autograd.backward((states * direction).sum())
        found[each is None] = [states, *(parameter.grad for parameter in encoder.parameters())]

    for all_states, some_states in zip(found[True], found[False], strict=True):
        torch.testing.assert_close(some_states, all_states, atol=1e-4, rtol=1e-4)


def test_the_last_layer_gives_zeros_for_what_nobody_reads(make_config: MakeConfig) -> None:
    encoder = Encoder(make_config(architecture="bert"))
    tokens = torch.arange(40).reshape(2, 20)
    inputs = EncoderInputs(tokens, torch.zeros_like(tokens), torch.tensor([20, 11]), read=torch.tensor([3, 27]))

    is_zero = (encoder(*inputs) == 0).all(-1).flatten()

    assert (~is_zero).nonzero().flatten().tolist() == [3, 27]


def test_bf16_stays_near_fp32(make_config: MakeConfig, spread_out: SpreadOut) -> None:
    encoder = Encoder(make_config())
    spread_out(encoder)
    tokens = torch.arange(40).reshape(2, 20)
    inputs = tokens, torch.zeros_like(tokens), torch.tensor([20, 11])

    exact = encoder(*inputs)
    with torch.autocast("cpu", torch.bfloat16):
        rough = encoder(*inputs)

    assert rough.dtype == torch.float32  # what residuals add up in
    error = (rough - exact)[0].norm() / exact[0].norm()
    assert 0.0 < error < 0.03


def test_products_keep_their_digits_beside_a_large_bias_in_bf16(make_config: MakeConfig) -> None:
    """bfloat16 has steps of 0.5 from 64 on: a product of about 1 would be all but lost in its sum with such a bias."""
    layer = Encoder(make_config()).layers[0]
    assert isinstance(layer, Layer)
    states = torch.randn(3, 32, generator=torch.Generator().manual_seed(7))
    for linear, inputs in ((layer.attention.output, states), (layer.feed_forward.output, states.repeat(1, 2)[:, :48])):
        with torch.no_grad():
            linear.weight.normal_(0.0, 0.2, generator=torch.Generator().manual_seed(8))
            linear.bias.fill_(100.0)
            exact = linear(inputs) - 100.0
            with torch.autocast("cpu", torch.bfloat16):
                rough = linear(inputs) - 100.0
        assert exact.std() > 0.5
        torch.testing.assert_close(rough, exact, atol=0.03, rtol=0.03)


@pytest.mark.parametrize("architecture", ["megatron", "bert"])
def test_dropout_acts_in_training_alone(make_config: MakeConfig, architecture: str) -> None:
    encoder = Encoder(make_config(dropout=0.5, architecture=architecture))
    tokens = torch.arange(40).reshape(2, 20)
    inputs = tokens, torch.zeros_like(tokens), torch.tensor([20, 11])

    encoder.eval()
    torch.testing.assert_close(encoder(*inputs), encoder(*inputs), atol=0.0, rtol=0.0)
    encoder.train()
    assert not torch.equal(encoder(*inputs), encoder(*inputs))
