"""Where the kernels of our own run."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from domainlm.model import triton_kernels
from domainlm.model.triton_kernels import has_kernels


@pytest.mark.parametrize(
    ("cuda", "capability", "has_triton", "runs"),
    [
        ("13.0", (9, 0), True, True),
        ("13.0", (9, 0), False, False),
        ("13.0", (8, 0), True, False),  # runs there, but nobody has measured it
        ("13.0", (10, 0), True, False),
        (None, (9, 4), True, False),  # an AMD GPU, which torch calls "cuda" too
    ],
)
def test_kernels_run_where_they_were_measured(
    monkeypatch: pytest.MonkeyPatch, *, cuda: str | None, capability: tuple[int, int], has_triton: bool, runs: bool
) -> None:
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    monkeypatch.setattr(triton_kernels, "_has_triton", lambda: has_triton)
    assert has_kernels(torch.device("cuda", 0)) == runs
    assert not has_kernels(torch.device("cpu"))


def test_where_triton_cannot_launch_torchs_own_are_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise RuntimeError("Failed to find C compiler.\nPlease specify one.")

    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    monkeypatch.setattr(triton_kernels, "find_spec", lambda _: True)
    monkeypatch.setattr(triton_kernels, "_prepare_launches", fail)
    triton_kernels._has_triton.cache_clear()
    try:
        assert [has_kernels(torch.device("cuda", 0)) for _ in range(3)] == [False] * 3
    finally:
        triton_kernels._has_triton.cache_clear()
    (told,) = (record.getMessage() for record in caplog.records)
    assert (
        told == "Triton cannot launch kernels here, torch's own are used, which are slower: Failed to find C compiler."
    )


def test_operators_leave_the_number_of_samples_open() -> None:
    """torch.compile would make a layer anew for every number of samples, if one of them asked for it as an int."""
    short_attention: Any = pytest.importorskip("domainlm.model.short_attention", reason="needs Triton")

    def both(joint: torch.Tensor, bounds: torch.Tensor) -> torch.Tensor:
        attended, sums, seeds = short_attention._attended(joint, bounds, 32, 0.1)
        gradient: torch.Tensor = short_attention._gradient(attended, joint, attended, sums, seeds, bounds, 32, 0.1)
        return gradient

    traced = make_fx(both, tracing_mode="symbolic")(torch.zeros(64, 2, 3, 32), torch.zeros(7, dtype=torch.int32))
    bounds = [node for node in traced.graph.nodes if node.op == "placeholder"][1]
    assert isinstance(bounds.meta["val"].shape[0], torch.SymInt)
    assert bounds.meta["val"].shape[0].node.maybe_as_int() is None
