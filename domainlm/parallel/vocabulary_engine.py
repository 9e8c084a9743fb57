"""A pipeline whose vocabulary is divided over its ranks too: all forward, the decoder together, all backward.

Yeung et al. (2024), "Balancing Pipeline Parallelism with Vocabulary Parallelism", do so within one forward one
backward; here the decoder stands between the two halves of GPipe (Huang et al. 2019), where every rank is free.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import distributed

from domainlm.model.decoder_loss import decoder_loss_sum
from domainlm.model.heads import MaskedLanguageModelHead
from domainlm.model.shard_plan import WORD_EMBEDDING, WORD_EMBEDDING_USERS
from domainlm.parallel.divided_words import DividedWords
from domainlm.parallel.stage_module import StageModule
from domainlm.parallel.world import World

_HEAD = WORD_EMBEDDING_USERS[0]
"""Name of the head that decodes, and of its part of the loss."""
NUM_SHARES = {f"{WORD_EMBEDDING}.weight": 2, f"{_HEAD}.bias": 1}
"""Of a step's gradient, by parameter: from the decoder and from what was looked up, whatever the micro-batches."""


class VocabularyEngine:
    """Every rank holds a part of the word embedding, in place of the first and the last stage all of it.

    Args:
        stage: of this rank.
        world: the grid.
    """

    def __init__(self, stage: StageModule, world: World) -> None:
        self._stage, self._world, self._group = stage, world, world.group("pipeline")
        words = stage.module.get_submodule(WORD_EMBEDDING)
        head = stage.module.get_submodule(_HEAD)
        assert isinstance(words, DividedWords)
        assert isinstance(head, MaskedLanguageModelHead)
        self._words, self._head = words, head
        ranks = world.grid.pipeline_group
        self._first, self._last = ranks[0], ranks[-1]
        self._before, self._after = (
            ranks[place] if 0 <= place < len(ranks) else -1 for place in (world.grid.stage - 1, world.grid.stage + 1)
        )
        self._decoded: list[tuple[torch.Tensor, torch.Tensor]] = []

    def run(self, num_micro_batches: int) -> None:
        """Run a step."""
        vectors = self._look_up()
        passed = self._forward(num_micro_batches, vectors)
        gradient = self._decode()
        self._backward(passed, gradient)
        self._return_to_words(vectors.grad)

    def close(self) -> None:
        """Nothing is held."""

    def _look_up(self) -> torch.Tensor:
        """The vectors of the tokens of all micro-batches [all tokens, H]; only the first stage needs them."""
        with torch.no_grad():
            vectors = self._own_part()
        distributed.all_reduce(vectors, group=self._world.group("replica"))
        if not self._stage.is_first:
            return vectors[:0]
        return vectors.requires_grad_(self._words.weight.requires_grad)

    def _own_part(self) -> torch.Tensor:
        return self._words.own_part([inputs.tokens for inputs in self._stage.inputs])

    def _forward(self, num_micro_batches: int, vectors: torch.Tensor) -> list[tuple[torch.Tensor | None, torch.Tensor]]:
        """Run the stage for every micro-batch; what came in, and what came out, of each."""
        stage, passed, sent = self._stage, [], []
        self._decoded = []
        self._head.postpone = self._postpone
        start = 0
        for index in range(num_micro_batches):
            received = None
            if stage.is_first:
                rows, width = stage.inputs[index].tokens.shape
                self._words.given = vectors[start : start + rows * width].view(rows, width, -1)
                start += rows * width
            else:
                received = torch.empty_like(stage.wire, device=self._world.device)
                distributed.recv(received, self._before, self._group)
                received.requires_grad_()
            result = stage.run(index, received)
            passed.append((received, result))
            if not stage.is_last:
                sent.append(distributed.isend(result.detach().contiguous(), self._after, self._group))
        self._head.postpone = None
        self._words.given = None
        _wait(sent)
        return passed

    def _postpone(self, transformed: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        self._decoded.append((transformed, labels))
        return transformed.new_zeros((), dtype=torch.float32)

    def _decode(self) -> torch.Tensor:
        """The loss of all masked sub-tokens, every rank for its entries; the gradient by their states, on all ranks."""
        states, labels = self._share_decoded()
        states.requires_grad_()
        stage = self._stage
        with stage.device.autocast():
            loss = decoder_loss_sum(
                states, self._words.weight, self._head.bias, labels, self._head.vocabulary_size, self._head.share
            )
        if len(labels):
            loss = stage.take_loss(_HEAD, loss)
            torch.autograd.backward(loss)
        return states.grad if states.grad is not None else torch.zeros_like(states)

    def _share_decoded(self) -> tuple[torch.Tensor, torch.Tensor]:
        """What the last stage has for the decoder, on all: states in fp32 [num_masked, H], labels [num_masked]."""
        device, is_last = self._world.device, self._stage.is_last
        size = torch.tensor([sum(len(labels) for _, labels in self._decoded)], device=device)
        distributed.broadcast(size, self._last, group=self._group)
        shape = (int(size), self._stage.hidden)
        if is_last:
            states = torch.cat([states.detach().float() for states, _ in self._decoded]).contiguous()
            labels = torch.cat([labels for _, labels in self._decoded])
        else:
            states = torch.empty(shape, device=device)
            labels = torch.empty(shape[0], dtype=torch.int64, device=device)
        distributed.broadcast(states, self._last, group=self._group)
        distributed.broadcast(labels, self._last, group=self._group)
        return states, labels

    def _backward(self, passed: Sequence[tuple[torch.Tensor | None, torch.Tensor]], gradient: torch.Tensor) -> None:
        """The backward pass of every micro-batch, from the last stage to the first."""
        stage, sent, start = self._stage, [], 0
        for index, (received, result) in enumerate(passed):
            if stage.is_last:
                states, labels = self._decoded[index]
                own = gradient[start : start + len(labels)].to(states.dtype)
                start += len(labels)
                _go_back([(states, own), (result, None)])
            else:
                own = torch.empty_like(result)
                distributed.recv(own, self._after, self._group)
                _go_back([(result, own)])
            if received is not None:
                back = received.grad if received.grad is not None else torch.zeros_like(received)
                sent.append(distributed.isend(back.contiguous(), self._before, self._group))
        self._decoded = []
        _wait(sent)

    def _return_to_words(self, gradient: torch.Tensor | None) -> None:
        """Give the gradient of what was looked up, which the first stage has, to the ranks that have the entries."""
        if not self._words.weight.requires_grad:
            return
        own = self._own_part()  # once more: only now are its vectors needed again
        if gradient is None:
            gradient = torch.zeros_like(own)
        distributed.broadcast(gradient, self._first, group=self._group)
        torch.autograd.backward(own, gradient)


def _wait(sent: Sequence[distributed.Work | None]) -> None:
    """Wait until all has been sent; `isend` gives None only to ranks that are not in the group."""
    for work in sent:
        assert work is not None
        work.wait()


def _go_back(outputs: Sequence[tuple[torch.Tensor, torch.Tensor | None]]) -> None:
    kept = [(tensor, gradient) for tensor, gradient in outputs if tensor.requires_grad]
    if kept:
        torch.autograd.backward([tensor for tensor, _ in kept], [gradient for _, gradient in kept])
