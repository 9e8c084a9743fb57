"""Floating-point operations of a step.

A product of a matrix [m, k] with [k, n] takes 2 m k n operations; the backward pass takes twice as many as the forward
pass. Summed over the products of a Transformer layer that is 24 B s h^2 + 4 B s^2 h forward (Narayanan et al. 2021,
appendix). Their formula counts the decoder and the last layer at every position, where this model computes the decoder
at the masked ones alone, and the last layer's output projection and feed-forward only where a head reads; and it always
recomputes activations. With masked share 1 and every layer checkpointed the two agree, up to the dense layer of the
head, which they leave out.
"""

from __future__ import annotations

from domainlm.model.config import ModelConfig
from domainlm.plan.work import Work

_BACKWARD = 2
"""Times the operations of the forward pass: with respect to inputs, and to weights."""


def layer_operations(config: ModelConfig, num_sequences: int, max_tokens: int) -> int:
    """Forward operations of one layer: projections, feed-forward, scores and their application."""
    hidden = config.hidden
    per_token = 2 * (4 * hidden * hidden + 2 * hidden * config.feed_forward) + 4 * max_tokens * hidden
    return num_sequences * max_tokens * per_token


def unread_operations(config: ModelConfig, num_unread: int) -> int:
    """Forward operations that the last layer is spared at so many positions: output projection and feed-forward."""
    return num_unread * 2 * (config.hidden * config.hidden + 2 * config.hidden * config.feed_forward)


def head_operations(config: ModelConfig, num_masked: int, *, decodes: bool = True) -> int:
    """Forward operations of the masked-language-model head over so many positions: dense layer and decoder."""
    entries = config.padded_vocabulary_size if decodes else 0
    return num_masked * 2 * (config.hidden * config.hidden + config.hidden * entries)


def step_operations(work: Work) -> int:
    """Operations of the mathematics of one step, over all ranks: what speed is judged by. Nothing recomputed counts."""
    return (1 + _BACKWARD) * _forward(work)


def hardware_operations(work: Work) -> int:
    """Operations that the devices do in one step: `step_operations` and what is recomputed."""
    num_layers = work.config.layers
    recomputed = num_recomputed(work) * _layer_of_step(work)
    if num_recomputed(work, num_layers - 1):
        recomputed -= unread_operations(work.config, work.num_unread_per_step)
    return step_operations(work) + recomputed


def num_recomputed(work: Work, first: int = 0, stop: int | None = None) -> int:
    """How many of the layers from `first` to before `stop` recompute their activations: the nth, 2nth, 3nth of all."""
    every, stop = work.checkpoint_every, work.config.layers if stop is None else stop
    return stop // every - first // every if every else 0


def _forward(work: Work) -> int:
    num_masked = round(work.num_tokens_per_step * work.masked_share)
    layers = work.config.layers * _layer_of_step(work) - unread_operations(work.config, work.num_unread_per_step)
    return layers + head_operations(work.config, num_masked)


def _layer_of_step(work: Work) -> int:
    return layer_operations(work.config, work.num_sequences_per_step, work.max_tokens)
