"""The loss over a divided vocabulary beside that over a whole one: called by `run_on_ranks`; imports no pytest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from domainlm.model.config import ModelConfig
from domainlm.model.decoder_loss import decoder_loss_sum
from domainlm.model.initialise import initialise
from domainlm.model.pretraining import PretrainingModel
from domainlm.parallel.rank_model import build_rank_model
from domainlm.parallel.stages import Division

if TYPE_CHECKING:
    from domainlm.parallel.world import World


def compare(world: World, sizes: list[list[int]]) -> list[float]:
    """For each (vocabulary, padded vocabulary): the largest difference of the losses and of all gradients."""
    return [_difference(world, *size) for size in sizes]


def _difference(world: World, size: int, padded: int) -> float:
    def build() -> PretrainingModel:
        config = ModelConfig(
            layers=1,
            hidden=8,
            heads=4,
            feed_forward=8,
            max_positions=8,
            architecture="bert",
            dropout=0.0,
            vocabulary_size=size,
            padded_vocabulary_size=padded,
        )
        model = PretrainingModel(config, sentence_order=False)
        initialise(model, size)
        return model

    whole, held = build(), build_rank_model(build, Division((1,), 1), world)
    part = held.module
    assert isinstance(part, PretrainingModel)
    draw = torch.Generator().manual_seed(size)
    states = torch.randn(5, 8, generator=draw)
    labels = torch.randint(0, size, (5,), generator=draw)
    differences = []
    found = []
    for model in (whole, part):
        mine = states.clone().requires_grad_()
        word, head = model.encoder.embeddings.word.weight, model.masked_lm
        loss = decoder_loss_sum(mine, word, head.bias, labels, head.vocabulary_size, head.share)
        loss.backward()
        assert mine.grad is not None
        found.append((loss.detach(), mine.grad, word.grad, head.bias.grad))
    for expected, got in zip(found[0][:2], found[1][:2], strict=True):
        differences.append(float((expected - got).abs().max()))
    names = ("encoder.embeddings.word.weight", "masked_lm.bias")
    for name, expected, got in zip(names, found[0][2:], found[1][2:], strict=True):
        place = held.places[name]
        own = place.view(got)
        if own.numel():
            differences.append(float((expected[place.slices] - own).abs().max()))
        assert not got[len(own) :].any(), "a row that stands for no entry has a gradient"
    return max(differences)
