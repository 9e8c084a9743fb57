"""One pipeline stage at work: from token ids or hidden states to hidden states or losses of a micro-batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import nn
from torch.nn import functional

from domainlm.model.encoder import EncoderInputs
from domainlm.parallel.device import Device
from domainlm.parallel.heartbeat import note_part
from domainlm.parallel.rank_model import RankModel
from domainlm.parallel.recompute import recomputed
from domainlm.parallel.seeds import Seeds


class StagedLoss(Protocol):
    """The two halves of an objective: see `domainlm.train.objective.StagedObjective`."""

    def counts(self, batch: Any) -> Mapping[str, int]:  # noqa: ANN401 - a micro-batch of whatever kind
        """Items of each part of the loss."""

    def inputs(self, batch: Any) -> EncoderInputs:  # noqa: ANN401 - a micro-batch of whatever kind
        """What the encoder reads."""

    def losses(self, model: nn.Module, states: torch.Tensor, batch: Any) -> Mapping[str, torch.Tensor]:  # noqa: ANN401
        """Sums of losses from hidden states."""


class StageModule(nn.Module):
    """The layers of one stage, with the embeddings before the first and the heads after the last.

    Hidden states travel between stages as a flat tensor of a length common to all micro-batches of a step, since
    micro-batches have rows of different lengths, and buffers do not.

    Args:
        held: this rank's part of the model.
        stage: number of the stage.
        objective: the loss.
        device: where to compute, and in which precision.
        seeds: of the dropout.
        num_layers_per_recomputed: activations of every so many-th layer are not kept; 0 for none.
    """

    def __init__(
        self,
        held: RankModel,
        stage: int,
        objective: StagedLoss,
        device: Device,
        seeds: Seeds,
        *,
        num_layers_per_recomputed: int = 0,
    ) -> None:
        super().__init__()
        self.stage = stage
        self.is_first, self.is_last = stage == 0, stage == held.division.num_stages - 1
        self._held, self._objective, self.device, self._seeds = held, objective, device, seeds
        encoder = held.module.get_submodule("encoder")
        self.embeddings = encoder.get_submodule("embeddings") if self.is_first else None
        layers = list(encoder.get_submodule("layers").children())
        self._indices = held.division.layers(stage)
        every = num_layers_per_recomputed
        self.layers = nn.ModuleList(
            recomputed(layers[index], device) if every and (index + 1) % every == 0 else layers[index]
            for index in self._indices
        )
        self.norm = encoder.get_submodule("norm") if self.is_last else None
        self._wire_dtype = next(held.module.parameters()).dtype
        self._step = 0
        self._batches: Sequence[Any] = ()
        self.inputs: list[EncoderInputs] = []
        self._counts: Mapping[str, float] = {}
        self._scale = 1.0
        self._wire_size = 0
        self.sums: dict[str, torch.Tensor] = {}

    def begin(self, step: int, batches: Sequence[Any], counts: Mapping[str, float], scale: float = 1.0) -> None:
        """Take the micro-batches of a step.

        Args:
            step: steps done before.
            batches: this data rank's micro-batches, on the device.
            counts: by part of the loss, of the whole step on all data ranks.
            scale: factor of the losses before the backward pass; 0 where they are not to count.
        """
        self._step, self._batches, self._counts, self._scale = step, batches, counts, scale
        self.inputs = [self._objective.inputs(batch) for batch in batches]
        self._wire_size = self.hidden * max(inputs.tokens.numel() for inputs in self.inputs)
        self.sums = {}

    @property
    def weight(self) -> float:
        """Of the losses of this rank: 1, or 0 where they are not to count."""
        return float(self._scale != 0.0)

    @property
    def module(self) -> nn.Module:
        """This rank's part of the whole model."""
        return self._held.module

    @property
    def hidden(self) -> int:
        """Width of the hidden states."""
        return self._held.shapes["encoder.embeddings.word.weight"][1]

    @property
    def wire(self) -> torch.Tensor:
        """What a micro-batch's hidden states look like on their way between stages, without memory."""
        return torch.empty(self._wire_size, dtype=self._wire_dtype, device="meta")

    def run(self, index: int, received: torch.Tensor | None) -> torch.Tensor:
        """Compute the stage for a micro-batch.

        Args:
            index: of the micro-batch.
            received: what the stage before gave, flat; ignored by the first stage.

        Returns:
            Flat hidden states, of the length of `wire`; the last stage's loss [1].
        """
        note_part()
        inputs = self.inputs[index]
        with self.device.autocast():
            states = self._compute(index, inputs, received)
            if self.is_last:
                return self._loss(index, states)
        flat = states.reshape(-1).to(self._wire_dtype)
        padded = functional.pad(flat, (0, self._wire_size - len(flat)))
        if not padded.requires_grad:  # all that comes before rests; engines send the gradient back nevertheless
            padded = padded.detach().requires_grad_()
        return padded

    def encode(self, inputs: EncoderInputs, states: torch.Tensor | None) -> torch.Tensor:
        """The stage outside of training: hidden states before it (None for the first) to those after it."""
        visible = inputs.visible(self._wire_dtype)
        if self.embeddings is not None:
            states = self.embeddings(inputs.tokens, inputs.token_types, inputs.positions)
        for number, layer in zip(self._indices, self.layers, strict=True):
            states = layer(states, visible, self._read_by(number, inputs))
        assert states is not None
        return states if self.norm is None else self.norm(states)

    def _compute(self, index: int, inputs: EncoderInputs, received: torch.Tensor | None) -> torch.Tensor:
        visible = inputs.visible(self._wire_dtype)
        if self.embeddings is not None:
            self._seeds.enter(self._step, index, "embeddings")
            states = self.embeddings(inputs.tokens, inputs.token_types, inputs.positions)
        else:
            assert received is not None
            rows, tokens = inputs.tokens.shape
            states = received[: rows * tokens * self.hidden].view(rows, tokens, self.hidden)
        for number, layer in zip(self._indices, self.layers, strict=True):
            self._seeds.enter(self._step, index, f"layer {number}")
            states = layer(states, visible, self._read_by(number, inputs))
        assert isinstance(states, torch.Tensor)
        return states

    def _read_by(self, layer: int, inputs: EncoderInputs) -> torch.Tensor | None:
        """Which states the heads read, where it is the last layer of the model."""
        return inputs.read if self.is_last and layer == self._indices[-1] else None

    def _loss(self, index: int, states: torch.Tensor) -> torch.Tensor:
        assert self.norm is not None
        self._seeds.enter(self._step, index, "heads")
        sums = self._objective.losses(self._held.module, self.norm(states), self._batches[index])
        return torch.stack([self.take_loss(part, loss) for part, loss in sums.items()]).sum().view(1)

    def take_loss(self, part: str, loss: torch.Tensor) -> torch.Tensor:
        """Note a part of the loss of some micro-batches, a sum; returns what the backward pass begins with."""
        mean = loss / max(1.0, self._counts[part])
        self.sums[part] = self.sums[part] + mean.detach() if part in self.sums else mean.detach()
        return mean.mul(self._scale)
