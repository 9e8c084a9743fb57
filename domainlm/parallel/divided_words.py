"""The word embedding divided over all ranks of a replica, stages and tensor ranks alike (after Yeung et al. 2024).

As embedding and as decoder it is often half of a small model, and a pipeline holds it twice, on its first and its last
stage. Divided, each rank has an equal part of its rows, of their gradients and of the optimizer's state, and does an
equal part of the decoder's work. What is looked up for a step is there before its first micro-batch, and the decoder
follows when all have gone forward: see `domainlm.parallel.vocabulary_engine`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional


class DividedWords(nn.Module):
    """Some rows of a word embedding, in its place.

    Args:
        num_rows: here; the last rank may use fewer.
        hidden: width of a vector.
        start: the first entry that is here.

    Attributes:
        given: what was looked up for the micro-batch that is under way [B, T, H], for the first stage to read.
    """

    def __init__(self, num_rows: int, hidden: int, start: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(num_rows, hidden, device="meta"))
        self.start = start
        self.given: torch.Tensor | None = None

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """The vectors of a micro-batch's tokens [B, T], [B, T, H]."""
        assert self.given is not None, "nothing was looked up for this micro-batch"
        assert self.given.shape[:2] == tokens.shape
        return self.given

    def own_part(self, batches: Sequence[torch.Tensor]) -> torch.Tensor:
        """The vectors of the tokens whose entries are here, and zeros for the others [all tokens, H].

        Args:
            batches: of each micro-batch the tokens.
        """
        tokens = torch.cat([batch.flatten() for batch in batches]) - self.start
        is_here = (tokens >= 0) & (tokens < len(self.weight))
        return functional.embedding(tokens.where(is_here, 0), self.weight) * is_here[:, None]
