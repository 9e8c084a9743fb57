"""Where the kernels of our own run."""

from __future__ import annotations

import pytest
import torch

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
