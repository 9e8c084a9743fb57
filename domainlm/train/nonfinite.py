"""Steps whose loss or gradient is not finite: skipped, counted, traced to a layer, and in the end given up on."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from domainlm.errors import ModelError
from domainlm.parallel.world import World

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class BadSteps:
    """Counts the steps that were skipped.

    Attributes:
        phase: for messages.
        num_steps: of the phase.
        limit: so many in a row end the run.
        num_skipped: in all, those of fp16's overflows among them.
        num_in_row: since the last good step, overflows aside.
    """

    phase: str
    num_steps: int
    limit: int
    num_skipped: int = 0
    num_in_row: int = 0

    def is_bad(self, step: int, values: Mapping[str, float], find_origin: Callable[[], str]) -> bool:
        """Whether a step must be skipped. The values are those of the whole grid, so that all ranks decide alike.

        Args:
            step: its number, from 1.
            values: loss, its parts and the norm of the gradient.
            find_origin: says where the first value that is not finite appeared.

        Raises:
            ModelError: it is one too many in a row.
        """
        bad = [(name, value) for name, value in values.items() if not math.isfinite(value)]
        if not bad:
            self.num_in_row = 0
            return False
        self.num_skipped, self.num_in_row = self.num_skipped + 1, self.num_in_row + 1
        name, value = bad[0]
        problem = f"{name} is {value} at step {step} of {self.num_steps}, first in {find_origin()}"
        if self.num_in_row >= self.limit:
            raise ModelError(
                f"training diverged: {problem}",
                where=self.phase,
                given=f"{self.num_in_row} such step(s) in a row, {self.num_skipped} skipped in all",
                remedy="lower the learning rate, lengthen the warm-up or use precision fp32; "
                "the last checkpoint is kept",
            )
        _log.warning("%s: %s; the step is skipped (%d in a row)", self.phase, problem, self.num_in_row)
        return True

    def note_overflow(self) -> None:
        """Count a step that is skipped since fp16 overflowed: a smaller loss scale is the answer, while there is one.

        At a scale of 1 there is none, and what is not finite then goes to `is_bad`.
        """
        self.num_skipped += 1

    def state(self) -> dict[str, int]:
        """What a checkpoint has to remember."""
        return {"num_skipped": self.num_skipped, "num_skipped_in_row": self.num_in_row}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to what a checkpoint remembers."""
        self.num_skipped, self.num_in_row = int(state["num_skipped"]), int(state["num_skipped_in_row"])


def check_score(loss: float) -> None:
    """Raise `ModelError` where a loss on held-out text is not finite: no score can be told, nor written as JSON."""
    if not math.isfinite(loss):
        raise ModelError(
            f"the loss on held-out text is {loss}",
            remedy='use runtime.precision = "fp32"; if that does not help, the weights are damaged: train with a lower '
            "learning rate, or start from another model",
        )


def find_origin(model: nn.Module, rerun: Callable[[], object], world: World) -> str:
    """Where the first value that is not finite appears, when a step is computed again.

    Hooks cost time and synchronise the device, so that they are armed for this alone. All ranks call this together.

    Args:
        model: what this rank has of it.
        rerun: computes the same loss and gradients again, leaving the gradients in `.grad`, not clipped.
        world: the ranks.

    Returns:
        The name of a module, with "output" or "gradient", and, among several ranks, the rank.
    """
    trace = _Trace()
    with _watched(model, trace), torch.compiler.set_stance("force_eager"):  # compiled layers would not call the hooks
        rerun()
    mine = {"output": trace.first, "gradient": "" if trace.first else _last_bad_gradient(model, trace.order)}
    found = world.gather(mine)
    stages = sorted(range(world.size), key=lambda rank: (world.grid.at(rank).stage, rank))
    for kind, ranks in (("output", stages), ("gradient", stages[::-1])):
        for rank in ranks:
            if found[rank][kind]:
                return f"the {kind} of {found[rank][kind]}" + (f" on rank {rank}" if world.size > 1 else "")
    return "the loss itself"


@dataclass(slots=True)
class _Trace:
    """The first module with a bad output, and the modules in the order in which they ran."""

    first: str = ""
    order: dict[str, None] = field(default_factory=dict)


@contextmanager
def _watched(model: nn.Module, trace: _Trace) -> Iterator[None]:
    def hook(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def look(_module: nn.Module, _inputs: object, output: object) -> None:
            trace.order.setdefault(name)
            if not trace.first and not _is_finite(output):
                trace.first = name

        return look

    leaves = [(name, module) for name, module in model.named_modules() if next(module.children(), None) is None]
    handles = [module.register_forward_hook(hook(name or type(module).__name__)) for name, module in leaves]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _is_finite(output: object) -> bool:
    if isinstance(output, torch.Tensor):
        return not output.is_floating_point() or bool(torch.isfinite(output).all())
    return all(map(_is_finite, output)) if isinstance(output, list | tuple) else True


def _last_bad_gradient(model: nn.Module, order: Mapping[str, None]) -> str:
    """Of the parameters with a bad gradient the one that the backward pass comes to first."""
    places = {name: place for place, name in enumerate(order)}
    bad = [
        (places.get(name.rpartition(".")[0], -1), name)
        for name, parameter in model.named_parameters()
        if parameter.grad is not None and not _is_finite(parameter.grad)
    ]
    return max(bad)[1] if bad else ""
