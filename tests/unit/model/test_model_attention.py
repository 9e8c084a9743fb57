"""Attention: both ways of computing it give the same, and dropout in it is dropout."""

from __future__ import annotations

import math
from unittest import mock

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from domainlm.model import attention
from domainlm.model.attention import _has_tiles, attend, attend_jointly, predicts_by_plain_products
from domainlm.model.visible import (
    Block,
    Run,
    Visible,
    block_width,
    sample_blocks,
    sample_mask,
    sample_runs,
    what_is_visible,
)

Qkv = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def _qkv(batch: int, heads: int, tokens: int, width: int, dtype: torch.dtype = torch.float32) -> Qkv:
    generator = torch.Generator().manual_seed(batch * tokens)
    shape = (3, batch, tokens, heads, width)
    query, key, value = torch.randn(shape, generator=generator, dtype=dtype).transpose(2, 3)
    return query.requires_grad_(), key.requires_grad_(), value.requires_grad_()


def _padding_mask(lengths: list[int], tokens: int) -> torch.Tensor:
    is_padding = torch.arange(tokens) >= torch.tensor(lengths)[:, None]
    return torch.zeros(is_padding.shape).masked_fill_(is_padding, -math.inf)[:, None, None, :]


def _plain(qkv: Qkv, mask: torch.Tensor | None, dropout: float = 0.0, blocks: tuple[Block, ...] = ()) -> torch.Tensor:
    result: torch.Tensor = attention._PlainAttention.apply(*qkv, mask, blocks, dropout)  # type: ignore[no-untyped-call]
    return result


def _gradients(result: torch.Tensor, inputs: Qkv) -> tuple[torch.Tensor, ...]:
    direction = torch.randn(result.shape, generator=torch.Generator().manual_seed(0)).to(result.dtype)
    return torch.autograd.grad((result * direction).sum(), inputs)


@given(
    batch=st.integers(1, 5),
    heads=st.integers(1, 3),
    tokens=st.integers(1, 17),
    width=st.integers(1, 9),
    rows_at_once=st.integers(1, 6),
    data=st.data(),
)
@settings(max_examples=40, deadline=None)
def test_plain_products_agree_with_torchs_kernel(
    batch: int, heads: int, tokens: int, width: int, rows_at_once: int, data: st.DataObject
) -> None:
    qkv = _qkv(batch, heads, tokens, width)
    lengths = data.draw(st.none() | st.lists(st.integers(1, tokens), min_size=batch, max_size=batch))
    mask = None if lengths is None else _padding_mask(lengths, tokens)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention, "_SCORES_BYTES_AT_ONCE", rows_at_once * heads * tokens * tokens * 4)
        plain = _plain(qkv, mask)
        plain_gradients = _gradients(plain, qkv)
    kernel = functional.scaled_dot_product_attention(*qkv, attn_mask=mask)

    torch.testing.assert_close(plain, kernel, atol=1e-5, rtol=1e-5)
    for ours, theirs in zip(plain_gradients, _gradients(kernel, qkv), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def _sample_mask(batch: int, tokens: int, dtype: torch.dtype) -> torch.Tensor:
    """Rows of several samples and some padding."""
    samples = torch.randint(0, 2, (batch, tokens), generator=torch.Generator().manual_seed(1)).cumsum(1)
    return sample_mask(torch.arange(tokens - batch + 1, tokens + 1), samples).to(dtype)


@pytest.mark.parametrize("rows_at_once", [1, 2, 5])
@pytest.mark.parametrize("tokens", [9, 128])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.05)])
def test_rows_of_several_samples_are_those_of_each_sample_alone(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, tolerance: float, tokens: int, rows_at_once: int
) -> None:
    qkv = _qkv(5, 2, tokens, 8, dtype)
    mask = _sample_mask(5, tokens, dtype)
    monkeypatch.setattr(attention, "_SCORES_BYTES_AT_ONCE", rows_at_once * 2 * tokens * tokens * 4)
    exact = [tensor.detach().double().requires_grad_() for tensor in qkv]
    expected = torch.zeros(exact[0].shape, dtype=torch.float64)
    for row in range(5):
        for slot in range(tokens):  # each token attends to the tokens with the same mask, written out
            inside = torch.isfinite(mask[row, 0, slot])
            scores = exact[0][row, :, slot : slot + 1] @ exact[1][row, :, inside].transpose(1, 2) / math.sqrt(8)
            expected[row, :, slot] = (scores.softmax(-1) @ exact[2][row, :, inside])[:, 0]
    expected_gradients = _gradients(expected, (exact[0], exact[1], exact[2]))

    for ours in (_plain(qkv, mask), functional.scaled_dot_product_attention(*qkv, attn_mask=mask)):
        torch.testing.assert_close(ours.double(), expected, atol=tolerance, rtol=tolerance)
        for gradient, theirs in zip(_gradients(ours, qkv), expected_gradients, strict=True):
            assert ((gradient - theirs).norm() / theirs.norm()).item() < tolerance


@st.composite
def _packed_rows(draw: st.DrawFn) -> tuple[list[list[int]], int]:
    """Lengths of the samples of each row, and the slots of a row."""
    rows = draw(st.lists(st.lists(st.integers(1, 12), max_size=5), min_size=1, max_size=4))
    return rows, max(1, *map(sum, rows)) + draw(st.integers(0, 5))


@given(_packed_rows(), st.integers(-20, 60), st.integers(1, 9))
@settings(deadline=None, max_examples=200)
def test_block_by_block_gives_what_the_mask_gives(
    packed: tuple[list[list[int]], int], pairs_joined: int, multiple: int
) -> None:
    rows, tokens = packed
    lengths = torch.tensor([sum(row) for row in rows])
    samples, firsts, is_real = torch.zeros(len(rows), tokens, dtype=torch.int64), [], []
    for number, row in enumerate(rows):
        starts = [sum(row[:place]) for place in range(len(row))]
        firsts += [number * tokens + start for start in starts]
        for place, (start, size) in enumerate(zip(starts, row, strict=True)):
            samples[number, start : start + size] = place
        is_real += [slot < sum(row) for slot in range(tokens)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("domainlm.model.visible._MAX_PAIRS_JOINED", pairs_joined)
        patch.setattr("domainlm.model.visible._BLOCK_MULTIPLE", multiple)
        visible = what_is_visible(lengths, tokens, torch.float32, samples, torch.tensor(firsts, dtype=torch.int64))
    covered = sorted(slot for block in visible.blocks for slot in range(block.start, block.end))
    qkv = _qkv(len(rows), 2, tokens, 4)
    shown = torch.tensor(is_real).view(len(rows), 1, tokens, 1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("domainlm.model.visible._BLOCK_MULTIPLE", multiple)
        found = _plain(qkv, visible.mask, 0.0, visible.blocks) * shown
    expected = _plain(qkv, visible.mask) * shown

    assert not visible.blocks or covered == sorted(slot for row in rows for slot in range(sum(row)))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    for ours, theirs in zip(_gradients(found, qkv), _gradients(expected, qkv), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@given(_packed_rows())
@settings(deadline=None)
def test_run_by_run_gives_what_the_mask_gives(packed: tuple[list[list[int]], int]) -> None:
    rows, tokens = packed
    samples, firsts = torch.zeros(len(rows), tokens, dtype=torch.int64), []
    for number, row in enumerate(rows):
        starts = [sum(row[:place]) for place in range(len(row))]
        firsts += [number * tokens + start for start in starts]
        for place, (start, size) in enumerate(zip(starts, row, strict=True)):
            samples[number, start : start + size] = place
    lengths = torch.tensor([sum(row) for row in rows])
    joint = torch.randn(len(rows), tokens, 2, 3, 4, generator=torch.Generator().manual_seed(tokens))
    is_real = (torch.arange(tokens) < lengths[:, None])[:, :, None, None]
    first_slots = torch.tensor(firsts, dtype=torch.int64)

    masked = attend_jointly(joint, Visible(mask=sample_mask(lengths, samples)), 0.0)
    visible = what_is_visible(lengths, tokens, torch.float32, None, first_slots)
    found = attend_jointly(joint, visible, 0.0)

    assert visible.mask is None
    assert sum(run.num_samples for run in visible.runs) == len(firsts)
    if firsts:
        torch.testing.assert_close(found, masked * is_real, atol=1e-5, rtol=1e-5)


def test_neighbours_of_one_length_are_a_run() -> None:
    firsts = torch.tensor([0, 5, 10, 13, 20, 24, 27])
    assert sample_runs(torch.tensor([16, 11]), 20, firsts) == (
        Run(0, 2, 5),
        Run(10, 2, 3),
        Run(20, 1, 4),
        Run(24, 1, 3),
        Run(27, 1, 4),
    )


def test_gradients_of_blocks_under_dropout_are_those_of_the_weights_that_were_kept() -> None:
    qkv = _qkv(1, 2, 9, 4, torch.float64)
    lengths, firsts = torch.tensor([8]), torch.tensor([0, 5])
    samples = torch.tensor([[0] * 5 + [1] * 4])
    mask = sample_mask(lengths, samples).double()
    blocks = Block(0, 0, 5, is_one_sample=True), Block(0, 5, 8, is_one_sample=True)

    def same_choices(*inputs: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(3)
        return _plain((inputs[0], inputs[1], inputs[2]), mask, 0.3, blocks)

    assert sample_runs(lengths, 9, firsts) == (Run(0, 1, 5), Run(5, 1, 3))
    for multiple in (1, 4, 16):
        with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng():
            patch.setattr("domainlm.model.visible._BLOCK_MULTIPLE", multiple)
            assert torch.autograd.gradcheck(same_choices, qkv)


def test_blocks_have_few_widths() -> None:
    """oneDNN makes kernels for each, and never gives them up."""
    assert {block_width(num_slots) for num_slots in range(1, 513)} == set(range(16, 513, 16))


def test_long_samples_are_blocks_and_short_neighbours_share_one() -> None:
    firsts = torch.tensor([0, 300, 320, 350, 512, 1024])
    assert sample_blocks(torch.tensor([500, 512, 40]), 512, firsts) == (
        Block(0, 0, 320, is_one_sample=False),
        Block(0, 320, 500, is_one_sample=False),
        Block(1, 0, 512, is_one_sample=True),
        Block(2, 0, 40, is_one_sample=True),
    )


def test_whole_rows_are_attended_to_at_once_where_blocks_would_save_little() -> None:
    assert sample_blocks(torch.tensor([512, 512]), 512, torch.tensor([0, 512])) == ()
    assert sample_blocks(torch.tensor([64] * 32), 64, torch.arange(0, 32 * 64, 32)) == ()
    assert sample_blocks(torch.tensor([0, 0]), 64, torch.tensor([], dtype=torch.int64)) == ()


def test_gradients_under_dropout_are_those_of_the_weights_that_were_kept() -> None:
    qkv = _qkv(3, 2, 5, 4, torch.float64)

    def same_choices(*inputs: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(3)
        return _plain((inputs[0], inputs[1], inputs[2]), None, 0.3)

    with torch.random.fork_rng():
        assert torch.autograd.gradcheck(same_choices, qkv)


def test_dropout_keeps_the_mean_and_drops_its_share() -> None:
    tokens = 64
    value = torch.eye(tokens).expand(20, 1, tokens, tokens).clone().requires_grad_()
    query = torch.zeros_like(value).requires_grad_()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        weights = attend(query, query, value, Visible(), 0.25) * tokens  # uniform attention: 1 each, before dropout

    assert weights.mean().item() == pytest.approx(1.0, abs=0.01)
    assert (weights == 0.0).float().mean().item() == pytest.approx(0.25, abs=0.01)
    torch.testing.assert_close(weights[weights > 0], torch.full_like(weights[weights > 0], 1 / 0.75))


@pytest.mark.parametrize(
    ("dtype", "tokens", "dropout", "is_trained", "is_plain"),
    [
        (torch.bfloat16, 128, 0.0, True, True),
        (torch.bfloat16, 128, 0.1, True, True),
        (torch.bfloat16, 128, 0.0, False, True),
        (torch.bfloat16, 136, 0.0, False, False),
        (torch.float32, 128, 0.0, False, False),
        (torch.bfloat16, 1032, 0.0, True, False),
        (torch.bfloat16, 1032, 0.1, True, True),
        (torch.float32, 128, 0.0, True, False),
        (torch.float32, 128, 0.1, True, True),
    ],
)
def test_the_faster_one_is_taken(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, tokens: int, dropout: float, is_trained: bool, is_plain: bool
) -> None:
    monkeypatch.setattr("domainlm.model.attention._has_tiles", lambda: False)
    real = mock.Mock(wraps=functional.scaled_dot_product_attention)
    monkeypatch.setattr(functional, "scaled_dot_product_attention", real)
    inputs = torch.zeros(1, 1, tokens, 8, dtype=dtype).requires_grad_(is_trained)

    attend(inputs, inputs, inputs, Visible(), dropout)

    assert real.called is not is_plain


def test_with_tiles_nothing_is_predicted_by_plain_products(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domainlm.model.attention._has_tiles", lambda: True)
    assert not predicts_by_plain_products("cpu", torch.bfloat16, 128)
    monkeypatch.setattr("domainlm.model.attention._has_tiles", lambda: False)
    assert predicts_by_plain_products("cpu", torch.bfloat16, 128)
    assert not predicts_by_plain_products("cuda", torch.bfloat16, 128)


@pytest.mark.parametrize(("capabilities", "has"), [({"amx_tile": True}, True), ({}, False), (None, False)])
def test_what_torch_does_not_tell_of_the_processor_it_has_not(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool] | None, has: bool
) -> None:
    if capabilities is None:
        monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    else:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert _has_tiles.__wrapped__() is has
