"""What tokens attend to, said by bounds: the same numbers as by a mask, whatever the rows are made of."""

from __future__ import annotations

from unittest import mock

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from domainlm.model.attention import attend
from domainlm.model.config import ModelConfig
from domainlm.model.encoder import Encoder, EncoderInputs
from domainlm.model.visible import Visible, padding_mask, sample_bounds, sample_mask, what_is_visible

# torch's plain products for jagged tensors, which GPUs do without, go through a layout that it has superseded.
pytestmark = pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")

Rows = list[list[int]]
"""Lengths of the samples of each row."""


@st.composite
def _packed(draw: st.DrawFn) -> tuple[Rows, int]:
    rows = draw(st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=4), min_size=1, max_size=4))
    return rows, max(map(sum, rows)) + draw(st.integers(0, 3))


def _tensors(rows: Rows, num_tokens: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Lengths, samples and firsts as `EncoderInputs` has them."""
    lengths = torch.tensor([sum(row) for row in rows])
    samples = torch.zeros(len(rows), num_tokens, dtype=torch.int64)
    firsts = []
    for number, row in enumerate(rows):
        begins = [sum(row[:sample]) for sample in range(len(row))]
        for sample, begin in enumerate(begins):
            samples[number, begin:] = sample
            firsts.append(number * num_tokens + begin)
    return lengths, samples, torch.tensor(firsts)


def _attended(visible: Visible, lengths: torch.Tensor, num_tokens: int) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """What real tokens get, and the gradients of its squares by query, key and value."""
    drawn = torch.Generator().manual_seed(0)
    inputs = [torch.randn(len(lengths), 2, num_tokens, 4, generator=drawn).requires_grad_() for _ in range(3)]
    real = torch.arange(num_tokens) < lengths[:, None]
    found = attend(inputs[0], inputs[1], inputs[2], visible, 0.0).transpose(1, 2)[real]
    return found, list(torch.autograd.grad(found.square().sum(), inputs))


@given(_packed(), st.booleans())
def test_bounds_hide_what_the_mask_hides(drawn: tuple[Rows, int], is_packed: bool) -> None:
    rows, num_tokens = drawn
    lengths, samples, firsts = _tensors(rows, num_tokens)
    if is_packed:
        mask, bounds = sample_mask(lengths, samples), sample_bounds(lengths, num_tokens, firsts)
    else:
        mask, bounds = padding_mask(lengths, num_tokens), sample_bounds(lengths, num_tokens)
    assert bounds.diff().min() >= 0
    expected, gradients = _attended(Visible(mask=mask), lengths, num_tokens)
    found, own_gradients = _attended(Visible(bounds=bounds), lengths, num_tokens)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    for own, gradient in zip(own_gradients, gradients, strict=True):
        torch.testing.assert_close(own, gradient, rtol=1e-5, atol=1e-5)


def test_rows_laid_end_to_end() -> None:
    """Two samples and two padding slots; one sample that fills its row, and its empty padding."""
    bounds = sample_bounds(torch.tensor([6, 8]), 8, torch.tensor([0, 4, 8]))
    assert bounds.tolist() == [0, 4, 6, 8, 16, 16]


@pytest.mark.parametrize(
    ("capability", "autocast", "dtype", "has_bounds"),
    [
        ((8, 0), torch.bfloat16, torch.float32, True),
        ((9, 0), None, torch.bfloat16, True),
        ((9, 0), None, torch.float32, False),
        ((7, 5), torch.float16, torch.float32, False),
    ],
)
def test_bounds_are_for_flash_attention(
    monkeypatch: pytest.MonkeyPatch,
    capability: tuple[int, int],
    autocast: torch.dtype | None,
    dtype: torch.dtype,
    has_bounds: bool,
) -> None:
    """What a GPU would be given; the tensors stay here."""
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: device == "cuda" and autocast is not None)
    monkeypatch.setattr(torch, "get_autocast_dtype", lambda device: autocast)
    lengths = mock.MagicMock(spec=torch.Tensor, wraps=torch.tensor([3, 2]))
    lengths.device = torch.device("cuda", 0)
    with (
        mock.patch("domainlm.model.visible.sample_bounds", return_value="bounds"),
        mock.patch("domainlm.model.visible.padding_mask", return_value="mask"),
        mock.patch("domainlm.model.visible.has_kernels", return_value=False),
    ):
        visible = what_is_visible(lengths, 4, dtype)
    assert visible == (Visible(bounds="bounds") if has_bounds else Visible(mask="mask"))  # type: ignore[arg-type]


def test_heads_wider_than_flash_attention_takes_are_computed_by_a_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 1, 6, 264) for _ in range(3))
    lengths = torch.tensor([6, 4])
    monkeypatch.setattr("domainlm.model.attention.flash_attention", mock.Mock(side_effect=AssertionError))
    found = attend(query, key, value, Visible(bounds=sample_bounds(lengths, 6)), 0.0)
    expected = attend(query, key, value, Visible(mask=padding_mask(lengths, 6)), 0.0)
    torch.testing.assert_close(found[0], expected[0])
    torch.testing.assert_close(found[1, :, :4], expected[1, :, :4])


def test_an_encoder_gives_the_same_states_by_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    config = ModelConfig(
        architecture="megatron",
        vocabulary_size=50,
        hidden=16,
        layers=2,
        heads=2,
        feed_forward=32,
        max_positions=16,
        dropout=0.0,
        padded_vocabulary_size=64,
    )
    encoder = Encoder(config).eval()
    lengths, samples, firsts = _tensors([[3, 4], [8], [2, 2, 2]], 9)
    tokens = torch.randint(0, 50, (3, 9))
    positions = torch.arange(9).expand(3, -1).clone()
    inputs = EncoderInputs(tokens, torch.zeros_like(tokens), lengths, positions, samples, None, firsts)
    expected = encoder(*inputs)
    monkeypatch.setattr("domainlm.model.visible.has_flash_attention", lambda device, dtype: True)
    seen = mock.Mock(wraps=sample_bounds)
    monkeypatch.setattr("domainlm.model.visible.sample_bounds", seen)
    found = encoder(*inputs)
    assert seen.called
    real = torch.arange(9) < lengths[:, None]
    torch.testing.assert_close(found[real], expected[real], rtol=1e-5, atol=1e-5)
