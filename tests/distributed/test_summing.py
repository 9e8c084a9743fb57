"""Gradients are summed over replicas bucket by bucket, in the backward pass of the last micro-batch."""

from __future__ import annotations

from pathlib import Path

from domainlm.parallel.grid import Grid
from domainlm.testing import run_on_ranks

SUMMING = Path(__file__).with_name("summing.py")


def test_buckets_leave_in_the_last_backward_pass_and_no_earlier() -> None:
    """Of 3 buckets the first holds the weight that nothing uses, so none can leave before the end of the pass."""
    for found in run_on_ranks(f"{SUMMING}:sum_in_buckets", 2, 3):
        assert found["gradients"] == [333.0] * 5 + [None]  # 111 + 222
        assert found["buckets"] == 3
        assert found["sent"] == [0, 0, 0] * 2


def test_buckets_that_are_full_leave_at_once() -> None:
    for found in run_on_ranks(f"{SUMMING}:sum_used", 2, 3):
        assert found["gradients"] == [333.0] * 6
        assert found["sent"] == [0, 0, 3] * 2


def test_one_replica_sums_with_nobody() -> None:
    (found,) = run_on_ranks(f"{SUMMING}:sum_in_buckets", Grid(), 2)
    assert found["gradients"] == [11.0] * 5 + [None]
    assert found["buckets"] == 0
