"""Layers packed for prediction against the same layers as they are."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from domainlm.model import packed
from domainlm.model.config import ModelConfig
from domainlm.model.encoder import Encoder, Layer, OutputLinear
from domainlm.model.packed import PackedLinear, pack_layers, packed_layers, packs, replacements

MakeConfig = Callable[..., ModelConfig]
SpreadOut = Callable[[torch.nn.Module], None]
CPU = torch.device("cpu")
NARROW, WIDE = torch.bfloat16, torch.float32

pytestmark = pytest.mark.skipif(not packs(CPU, WIDE), reason="this machine's torch packs no weights")
narrow = pytest.mark.skipif(not packs(CPU, NARROW), reason="this CPU has no products in bfloat16")


def inputs_of(num_rows: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    tokens = torch.arange(num_rows * 20).reshape(num_rows, 20) % 50
    return tokens, torch.zeros_like(tokens), torch.tensor([20, 11, 7][:num_rows])


@given(st.integers(0, 300), st.integers(1, 40), st.integers(1, 40), st.sampled_from([None, "none", "tanh"]))
@settings(deadline=None)
def test_a_packed_product_is_the_product(rows: int, inner: int, outer: int, gelu: str | None) -> None:
    generator = torch.Generator().manual_seed(rows * inner + outer)
    linear = nn.Linear(inner, outer)
    states = torch.randn(rows, inner, generator=generator)
    with torch.inference_mode():
        expected = linear(states)
        if gelu is not None:
            expected = functional.gelu(expected, approximate=gelu)
        found = PackedLinear(linear, WIDE, gelu)(states)
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize("architecture", ["megatron", "bert"])
@pytest.mark.parametrize("activation", ["gelu", "gelu_tanh"])
def test_a_packed_encoder_gives_the_same_states(
    make_config: MakeConfig, spread_out: SpreadOut, architecture: str, activation: str
) -> None:
    encoder = Encoder(make_config(architecture=architecture, activation=activation)).eval()
    spread_out(encoder)
    inputs = inputs_of()
    with torch.inference_mode():
        expected = encoder(*inputs)
        with packed_layers(encoder, CPU, WIDE):
            found = encoder(*inputs)
    for row, length in enumerate([20, 11, 7]):
        torch.testing.assert_close(found[row, :length], expected[row, :length], atol=1e-4, rtol=1e-4)


@narrow
def test_a_packed_encoder_is_as_exact_in_bf16(make_config: MakeConfig, spread_out: SpreadOut) -> None:
    encoder = Encoder(make_config()).eval()
    spread_out(encoder)
    inputs = inputs_of()
    with torch.inference_mode():
        exact = encoder(*inputs)
        with torch.autocast("cpu", NARROW):
            plain = encoder(*inputs)
            with packed_layers(encoder, CPU, NARROW):
                packed = encoder(*inputs)
    assert packed.dtype == plain.dtype == WIDE
    errors = [float((states - exact)[0].norm() / exact[0].norm()) for states in (plain, packed)]
    assert 0.0 < errors[1] < 1.2 * errors[0] < 0.04


@narrow
def test_a_packed_output_keeps_its_digits_beside_a_large_bias_in_bf16() -> None:
    linear = OutputLinear(32, 32)
    with torch.no_grad():
        linear.bias.fill_(100.0)
        states = torch.randn(5, 32, generator=torch.Generator().manual_seed(7))
        exact, rough = linear(states) - 100.0, PackedLinear(linear, NARROW)(states) - 100.0
    torch.testing.assert_close(rough, exact, atol=0.03, rtol=0.03)


def test_weights_and_modules_are_as_before_afterwards(make_config: MakeConfig) -> None:
    encoder = Encoder(make_config())
    modules = dict(encoder.named_modules())
    weights = {name: each.clone() for name, each in encoder.state_dict().items()}

    def interrupted() -> None:
        with packed_layers(encoder, CPU, WIDE):
            assert dict(encoder.named_modules()) != modules
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert dict(encoder.named_modules()) == modules
    assert all(torch.equal(each, weights[name]) for name, each in encoder.state_dict().items())


def test_a_model_whose_packing_is_interrupted_is_whole(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = Encoder(make_config())
    modules, given_out = dict(encoder.named_modules()), []

    def interrupted(linear: nn.Linear, dtype: torch.dtype, gelu: str | None) -> PackedLinear:
        given_out.append(PackedLinear(linear, dtype, gelu))
        if len(given_out) == 3:
            raise KeyboardInterrupt
        return given_out[-1]

    monkeypatch.setattr(packed, "PackedLinear", interrupted)
    with pytest.raises(KeyboardInterrupt), packed_layers(encoder, CPU, WIDE):
        pass

    assert len(given_out) == 3
    assert dict(encoder.named_modules()) == modules


@pytest.mark.parametrize("dtype", [WIDE, pytest.param(NARROW, marks=narrow)])
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])  # noqa: S301
def test_a_packed_model_can_be_copied_and_sent(
    make_config: MakeConfig, copied: Callable[[Encoder], Encoder], dtype: torch.dtype
) -> None:
    encoder = Encoder(make_config()).eval()
    pack_layers(encoder, CPU, dtype)
    with torch.inference_mode():
        assert torch.equal(copied(encoder)(*inputs_of()), encoder(*inputs_of()))


def test_texts_of_all_lengths_need_few_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    linear = PackedLinear(nn.Linear(3, 2), WIDE)
    product, seen = torch.ops.mkldnn._linear_pointwise, set()

    def noted(rows: torch.Tensor, *rest: object) -> torch.Tensor:
        seen.add(len(rows))
        found: torch.Tensor = product(rows, *rest)
        return found

    monkeypatch.setattr(torch.ops.mkldnn, "_linear_pointwise", noted)
    with torch.inference_mode():
        for num_tokens in range(1, 513):
            assert linear(torch.ones(1, num_tokens, 3)).shape == (1, num_tokens, 2)
    assert len(seen) == 16 + 4


def test_each_time_the_weights_of_then_are_packed(make_config: MakeConfig) -> None:
    encoder = Encoder(make_config()).eval()
    inputs = inputs_of(1)
    found = []
    for _ in range(2):
        with torch.no_grad(), packed_layers(encoder, CPU, WIDE):
            found.append(encoder(*inputs))
        with torch.no_grad():
            torch.testing.assert_close(found[-1], encoder(*inputs), atol=1e-5, rtol=1e-5)
            encoder.get_parameter("layers.0.feed_forward.inner.weight").mul_(2.0)
    assert not torch.allclose(found[0], found[1], atol=1e-4)


def test_what_is_packed_already_or_divided_among_ranks_stays(make_config: MakeConfig) -> None:
    class Divided(nn.Linear):
        pass

    encoder = Encoder(make_config())
    layer = encoder.layers[0]
    assert isinstance(layer, Layer)
    layer.feed_forward.inner = Divided(32, 48)

    replaced = {(each.owner, each.name) for each in replacements(encoder, CPU, WIDE)}
    pack_layers(encoder, CPU, WIDE)

    assert (layer.feed_forward, "output") in replaced
    assert not {(layer.feed_forward, "inner"), (layer.feed_forward, "activation")} & replaced
    assert isinstance(layer.feed_forward.output, PackedLinear)
    assert list(replacements(encoder, CPU, WIDE)) == []


@pytest.mark.parametrize(("kind", "dtype"), [("cuda", WIDE), ("cuda", NARROW), ("cpu", torch.float16)])
def test_nothing_is_packed_elsewhere(make_config: MakeConfig, kind: str, dtype: torch.dtype) -> None:
    encoder = Encoder(make_config())
    assert not packs(torch.device(kind), dtype)
    assert list(replacements(encoder, torch.device(kind), dtype)) == []


def test_other_processors_compute_as_before(make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert list(replacements(Encoder(make_config()), CPU, WIDE)) == []
