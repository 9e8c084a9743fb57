"""Rows laid end to end for prediction give what padded rows give."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from domainlm.model.config import ModelConfig
from domainlm.recipe.task_settings import HeadSettings
from domainlm.tasks.batches import Ints, LabelledBatch, pad_rows
from domainlm.tasks.prediction_batches import end_to_end, prediction_batches
from domainlm.tasks.sequence.model import SequenceModel
from domainlm.tasks.token.head import TokenModel

CPU = torch.device("cpu")
LENGTHS = st.lists(st.integers(2, 300), max_size=60)


def collate(lengths: Ints, rows: Ints) -> LabelledBatch:
    """Rows of different sub-tokens; each slot of a row is read, and the second text begins in its middle."""
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    flat = (np.arange(starts[-1]) % 60 + 2).astype(np.int32)
    tokens, sizes = pad_rows(flat, starts, rows, max_tokens=304, pad_id=0)
    columns = torch.arange(tokens.shape[1])
    is_real = columns < sizes[:, None]
    slots = is_real.flatten().nonzero().flatten()
    types = ((columns >= sizes[:, None] // 2) & is_real).long()
    return LabelledBatch(
        tokens=tokens, token_types=types, lengths=sizes, slots=slots, labels=slots * 0, num_tokens=int(sizes.sum())
    )


@given(LENGTHS)
@settings(deadline=None)
def test_every_row_comes_once_longest_first_and_without_padding(lengths: list[int]) -> None:
    sizes = np.array(lengths, dtype=np.int64)
    order: list[int] = []
    for rows, batch in prediction_batches(lambda rows: collate(sizes, rows), sizes, CPU):
        order += rows.tolist()
        padded = collate(sizes, rows)
        num_tokens = int(sizes[rows].sum())
        assert batch.tokens.shape == batch.token_types.shape
        assert batch.lengths.tolist() == [num_tokens]
        assert num_tokens <= batch.tokens.shape[1] < num_tokens + 64
        assert batch.tokens.shape[1] % (16 if num_tokens <= 256 else 64) == 0
        assert num_tokens <= 2_048
        assert torch.equal(batch.tokens.flatten()[batch.slots], padded.tokens.flatten()[padded.slots])
        assert torch.equal(batch.token_types.flatten()[batch.slots], padded.token_types.flatten()[padded.slots])
        assert batch.positions is not None
        assert batch.positions[0, :num_tokens].tolist() == [slot for row in rows for slot in range(sizes[row])]
        assert batch.first_slots.tolist() == [0, *np.cumsum(sizes[rows])[:-1].tolist()]
    assert sorted(order) == list(range(len(lengths)))
    assert all(sizes[first] >= sizes[second] for first, second in pairwise(order))


def test_a_row_longer_than_a_batch_is_alone() -> None:
    sizes = np.array([2_500, 2_000, 40, 9], dtype=np.int64)
    rows = [rows.tolist() for rows, _ in prediction_batches(lambda rows: _blank(sizes[rows]), sizes, CPU)]
    assert rows == [[0], [1, 2], [3]]


def test_a_gpu_gets_padded_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = np.array([9, 12, 7], dtype=np.int64)
    monkeypatch.setattr(LabelledBatch, "to", lambda batch, _: batch)
    ((rows, batch),) = prediction_batches(lambda rows: collate(sizes, rows), sizes, torch.device("cuda"))
    assert rows.tolist() == [1, 0, 2]
    assert batch.tokens.shape == (3, 16)
    assert batch.first_slots.tolist() == [0, 16, 32]
    assert batch.positions is batch.firsts is None


@pytest.mark.parametrize("architecture", ["megatron", "bert"])
def test_labels_of_words_are_those_of_padded_rows(architecture: str) -> None:
    model = TokenModel(_config(architecture), 5, HeadSettings()).eval()
    batch = collate(np.array([9, 9, 30, 2, 17], dtype=np.int64), np.array([2, 4, 0, 1, 3]))
    with torch.inference_mode():
        torch.testing.assert_close(model(*end_to_end(batch).inputs), model(*batch.inputs), atol=1e-5, rtol=1e-5)


def test_several_slots_of_a_row_are_read_in_their_order() -> None:
    model = SequenceModel(_config("bert"), 3, HeadSettings(), num_slots=2).eval()
    batch = collate(np.array([9, 30, 17], dtype=np.int64), np.array([1, 2, 0]))
    width = batch.tokens.shape[1]
    slots = torch.tensor([[0, 29], [16, 4], [8, 8]]) + torch.arange(3)[:, None] * width
    several = LabelledBatch(
        tokens=batch.tokens,
        token_types=batch.token_types,
        lengths=batch.lengths,
        slots=slots,
        labels=torch.zeros(3),
        num_tokens=batch.num_tokens,
    )
    with torch.inference_mode():
        torch.testing.assert_close(model(*end_to_end(several).inputs), model(*several.inputs), atol=1e-5, rtol=1e-5)


def _blank(lengths: Ints) -> LabelledBatch:
    sizes = torch.from_numpy(lengths)
    zeros = torch.zeros(len(lengths), int(sizes.max()), dtype=torch.int64)
    return LabelledBatch(
        tokens=zeros, token_types=zeros, lengths=sizes, slots=sizes * 0, labels=sizes * 0, num_tokens=int(sizes.sum())
    )


def _config(architecture: str) -> ModelConfig:
    return ModelConfig(
        layers=2,
        hidden=32,
        heads=4,
        feed_forward=48,
        max_positions=32,
        architecture=architecture,
        dropout=0.1,
        vocabulary_size=62,
        padded_vocabulary_size=64,
    )
