"""Kernels of attention and of the vocabulary's softmax on a CPU; test_triton_kernels.py runs this interpreted."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch

from domainlm.model.attention import MAX_SHORT_TOKENS

triton_cross_entropy: Any = pytest.importorskip("domainlm.model.triton_cross_entropy")
short_attention: Any = pytest.importorskip("domainlm.model.short_attention")

_SEEDS = torch.tensor([123_456_789, 1_987_654_321], dtype=torch.int32)
_SAMPLES = {
    "one": [40],
    "empty ones too": [0, 33, 0, 1, 32, 31, 0],
    "many blocks": [100, 64],
}


@pytest.fixture(autouse=True)
def plain_launches(monkeypatch: pytest.MonkeyPatch) -> None:
    """What torch 2.11 wraps must be compiled; only newer ones take interpreted kernels."""
    monkeypatch.setattr(short_attention, "wrap_triton", lambda kernel: kernel)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_FORWARD", "_BACKWARD_OF_QUERIES", "_BACKWARD_OF_KEYS"):
        monkeypatch.setattr(short_attention, name, short_attention.Blocks(32, 16, 4, 1))


def mixed(number: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Wellons' "lowbias32"."""
    number = number ^ (number >> np.uint32(16))
    number = number * np.uint32(0x7FEB352D)
    number = number ^ (number >> np.uint32(15))
    number = number * np.uint32(0x846CA68B)
    return number ^ (number >> np.uint32(16))


def kept(num_tokens: int, heads: int, dropout: float, seeds: torch.Tensor = _SEEDS) -> np.ndarray[Any, Any]:
    """Which weights stay [heads, N, N]: what the kernels are said to compute."""
    tokens, numbers = np.arange(num_tokens, dtype=np.uint32), np.arange(heads, dtype=np.uint32)[:, None]
    of_queries, of_keys = (
        mixed(mixed(tokens + np.uint32(int(seeds[which]))) ^ mixed(2 * numbers + np.uint32(which))) | np.uint32(1)
        for which in (0, 1)
    )
    return of_queries[:, :, None] * of_keys[:, None, :] >= np.uint32(int(dropout * 2**32))


def expected(joint: torch.Tensor, bounds: torch.Tensor, dropout: float) -> torch.Tensor:
    """Attention in plain products, in the format of `joint`."""
    num_tokens, heads, _, width = joint.shape
    query, key, value = joint.permute(2, 1, 0, 3)
    samples = torch.bucketize(torch.arange(num_tokens), bounds[1:].long(), right=True)
    scores = (query @ key.transpose(1, 2) / math.sqrt(width)).masked_fill(samples[:, None] != samples, -math.inf)
    weights = torch.softmax(scores, dim=-1)
    if dropout:
        weights = weights * torch.from_numpy(kept(num_tokens, heads, dropout)) / (1.0 - dropout)
    return (weights @ value).permute(1, 0, 2)


def check_attention(lengths: list[int], heads: int, width: int, dropout: float) -> None:
    torch.manual_seed(0)
    bounds = torch.tensor([0, *itertools.accumulate(lengths)], dtype=torch.int32)
    joint = torch.randn(sum(lengths), heads, 3, width)
    exact = joint.double().requires_grad_()
    wanted = expected(exact, bounds, dropout)
    upstream = torch.randn(sum(lengths), heads, width)
    (wanted_gradient,) = torch.autograd.grad(wanted, exact, upstream.double())
    longest = max(lengths) + 3
    attended, sums = short_attention.run_forward(joint, bounds, _SEEDS, longest, dropout)
    gradient = short_attention._gradient(upstream, joint, attended, sums, _SEEDS, bounds, longest, dropout)
    torch.testing.assert_close(attended.double(), wanted.detach(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(gradient.double(), wanted_gradient, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dropout", [0.0, 0.3, 0.6])
@pytest.mark.parametrize("lengths", _SAMPLES.values(), ids=_SAMPLES)
@pytest.mark.usefixtures("small_blocks")
def test_attention_and_its_gradient(lengths: list[int], dropout: float) -> None:
    check_attention(lengths, 2, 32, dropout)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("width", MAX_SHORT_TOKENS)
def test_every_width_of_heads_and_any_number_of_them(width: int) -> None:
    check_attention([21, 1, 40], 3, width, 0.3)


@pytest.mark.parametrize("dropout", [0.1, 0.5])
def test_weights_are_dropped_independently(dropout: float) -> None:
    """Over 40 pairs of seeds: as many as asked for, and neighbours, squares and heads know nothing of one another."""
    generator = torch.Generator().manual_seed(0)
    sums: dict[str, list[float]] = {}
    for _ in range(40):
        seeds = torch.randint(2**31 - 1, (2,), generator=generator)
        ours = kept(256, 2, dropout, seeds) - (1.0 - dropout)
        row, column = (int(each) for each in torch.randint(1, 256, (2,), generator=generator))
        beside, below = np.roll(ours, column, axis=2), np.roll(ours, row, axis=1)
        products = {
            "alone": ours,
            "in a row": ours * beside,
            "in a column": ours * below,
            "in a square": ours * beside * below * np.roll(beside, row, axis=1),
            "of two heads": ours[:1] * ours[1:],
        }
        for name, each in products.items():
            sums.setdefault(name, []).append(float(each.sum() / each.std() / math.sqrt(each.size)))
    for name, each in sums.items():  # each is as a draw from a normal distribution of mean 0 and deviation 1
        assert abs(np.mean(each)) * math.sqrt(len(each)) < 4.0, name
        assert np.std(each) < 1.6, name


@pytest.mark.parametrize(("size", "padded"), [(100, 128), (5000, 5056)])
def test_the_softmax_over_a_vocabulary_and_its_gradient(size: int, padded: int) -> None:
    torch.manual_seed(0)
    scores, bias, labels = torch.randn(5, padded) * 5.0, torch.randn(padded), torch.randint(size, (5,))
    exact = (scores + bias)[:, :size].double().requires_grad_()
    wanted = torch.nn.functional.cross_entropy(exact, labels, reduction="none")
    wanted.sum().backward()
    beyond = scores[:, size:].clone()
    losses = triton_cross_entropy.scores_to_gradient(scores, bias, labels, size)
    torch.testing.assert_close(losses.double(), wanted.detach(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(scores[:, :size].double(), exact.grad, rtol=1e-4, atol=1e-6)
    assert torch.equal(scores[:, size:], beyond)
    assert len(triton_cross_entropy.scores_to_gradient(scores[:0], bias, labels[:0], size)) == 0


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of rows of keys that are never stored
@pytest.mark.usefixtures("small_blocks")
def test_scores_far_below_zero_have_a_gradient() -> None:
    """What lies beyond the sample in its last block has a score of 0, and must not count."""
    torch.manual_seed(0)
    bounds = torch.tensor([0, 10], dtype=torch.int32)
    joint = torch.randn(10, 2, 3, 64) * 0.1
    joint[:, :, 0] += 4.0
    joint[:, :, 1] -= 4.0
    upstream = torch.randn(10, 2, 64)
    exact = joint.double().requires_grad_()
    (wanted,) = torch.autograd.grad(expected(exact, bounds, 0.0), exact, upstream.double())
    attended, sums = short_attention.run_forward(joint, bounds, _SEEDS, 10, 0.0)
    gradient = short_attention._gradient(upstream, joint, attended, sums, _SEEDS, bounds, 10, 0.0)
    torch.testing.assert_close(gradient.double(), wanted, rtol=1e-3, atol=1e-4)
