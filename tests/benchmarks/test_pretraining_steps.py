"""The benchmark against transformers compares the same mathematics, padded, packed and over several steps."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers", reason="transformers is only needed by the benchmarks")

_FOLDER = Path(__file__).parents[2] / "benchmarks"
_TOKENS = 48


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(_FOLDER))
    return importlib.import_module("bert_steps")


@pytest.fixture
def batches(steps: ModuleType) -> ModuleType:
    return importlib.import_module("bert_batches")


@pytest.mark.slow
def test_losses_of_all_contenders_agree(steps: ModuleType, batches: ModuleType) -> None:
    generator = np.random.default_rng(0)

    def shortened(sequence: Any) -> Any:  # noqa: ANN401 - a class of the script's
        size = int(generator.integers(16, _TOKENS))
        left = int((sequence.masked < size).sum())
        return batches.MaskedSequence(sequence.tokens[:size], sequence.masked[:left], sequence.labels[:left])

    uneven = [[shortened(each) for each in step] for step in batches.random_steps(3, 6, _TOKENS)]
    losses = {}
    for name in ("transformers-eager", "transformers-sdpa", "domainlm", "domainlm-packed"):
        trained = steps.build(name, steps.SIZES["tiny"], "fp32", 0.0, _TOKENS, kind="cpu")
        losses[name] = [float(trained.step(trained.lay_out(step))) for step in uneven]
    reference = losses.pop("transformers-eager")
    for name, found in losses.items():
        assert found == pytest.approx(reference, rel=1e-5), name


def test_packing_keeps_every_token_and_wastes_less(batches: ModuleType) -> None:
    sequences = [each for step in batches.random_steps(3, 5, 20) for each in step]
    short = [batches.MaskedSequence(each.tokens[:7], each.masked[:0], each.labels[:0]) for each in sequences]
    rows = batches.packed([*sequences, *short], 30)
    assert rows.num_tokens == 15 * 20 + 15 * 7 == batches.padded([*sequences, *short]).num_tokens
    assert rows.tokens.shape == (15, 27), "a long one and a short one fill a row"
    read = rows.tokens.flatten()[rows.masked]
    assert sorted(read) == sorted(np.concatenate([each.tokens[each.masked] for each in sequences]))
