"""Dropout on the CPU."""

from __future__ import annotations

import pytest
import torch

from domainlm.model.dropout import Dropout, draw_keep_bits, keep


@pytest.fixture(autouse=True)
def _own_random_state() -> object:
    with torch.random.fork_rng():
        yield torch.manual_seed(0)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_the_share_is_dropped_and_the_mean_stays(rate: float, dtype: torch.dtype) -> None:
    values = torch.ones(1_003, 211, dtype=dtype)
    dropped = Dropout(rate)(values)

    assert dropped.dtype == dtype
    assert (dropped == 0).double().mean().item() == pytest.approx(rate, abs=0.005)
    assert dropped.double().mean().item() == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("rate", [0.001, 0.1, 25 / 256, 0.998])
def test_the_rate_is_no_multiple_of_a_byte(rate: float) -> None:
    """Between 25/256 and 26/256 lies 0.1; the standard deviation of the share is 0.00015 at most."""
    kept = draw_keep_bits(torch.Size([2_000, 2_000]), rate)

    assert set(kept.unique().tolist()) == {-1, 0}
    assert (kept == 0).double().mean().item() == pytest.approx(rate, abs=0.0008)


def test_neighbours_are_dropped_independently() -> None:
    kept = (draw_keep_bits(torch.Size([400_000]), 0.3) != 0).double()
    for distance in (1, 2, 3, 4, 8, 256):
        both = (kept[distance:] * kept[:-distance]).mean().item()
        assert both == pytest.approx(0.49, abs=0.005), distance


def test_gradients_pass_where_values_did() -> None:
    values = torch.randn(300, 5, requires_grad=True)
    dropped = Dropout(0.4)(values)
    dropped.backward(torch.full_like(dropped, 3.0))

    assert values.grad is not None
    torch.testing.assert_close(dropped, values * values.grad / 3.0)
    assert torch.unique(values.grad).tolist() == pytest.approx([0.0, 5.0])


def test_the_seed_decides_and_the_next_call_differs() -> None:
    values = torch.ones(50, 7)
    first, second = Dropout(0.5)(values), Dropout(0.5)(values)
    torch.manual_seed(0)

    assert torch.equal(Dropout(0.5)(values), first)
    assert not torch.equal(first, second)


@pytest.mark.parametrize(("rate", "is_training"), [(0.0, True), (0.5, False)])
def test_nothing_is_dropped_without_a_rate_or_outside_training(rate: float, is_training: bool) -> None:
    values = torch.randn(3, 4)
    assert Dropout(rate).train(is_training)(values) is values


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 9])
def test_every_size_works(size: int) -> None:
    values = torch.ones(size)
    assert keep(values, draw_keep_bits(values.shape, 0.0)).tolist() == [1.0] * size
