"""Batches made ahead of time are those that were asked for."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import pytest
import torch

from domainlm.train.ahead import Ahead


@dataclass(frozen=True)
class _Number:
    step: int
    num_tokens: int = 1

    def to(self, _device: torch.device) -> Self:
        return self


@dataclass
class _Source:
    asked: list[int] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)

    def micro_batches(self, step: int) -> Sequence[_Number]:
        self.asked.append(step)
        self.threads.add(threading.get_ident())
        if step == 7:
            raise ValueError("no such step")
        return [_Number(step)]


def test_the_next_step_is_made_before_it_is_asked_for() -> None:
    source = _Source()
    ahead = Ahead(source)
    for step in (0, 1, 2, 5, 3):  # a run may go back, to measure or after a bad step
        assert [batch.step for batch in ahead.micro_batches(step)] == [step]
    assert source.asked[:5] == [0, 1, 2, 3, 5]
    assert len(source.threads) == 1
    assert source.threads != {threading.get_ident()}


def test_an_error_is_that_of_the_step_that_has_it() -> None:
    ahead = Ahead(_Source())
    ahead.micro_batches(6)
    with pytest.raises(ValueError, match="no such step"):
        ahead.micro_batches(7)
