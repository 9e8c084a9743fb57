"""How the weights of a model may be divided over tensor ranks, as data: what parallel training reads of the model.

After Shoeybi et al. 2019 (section 3): the first matrix of a pair by columns of its product, the second by rows, so
that a layer needs one sum over the ranks in each half. What no pattern matches is held whole by every tensor rank.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Literal

Split = Literal["column", "row", "vocabulary"]
"""Of a linear map: output rows of the weight and the bias ("column"), or input columns of the weight ("row"; the bias
is whole). "vocabulary": rows of an embedding, or of a module's own parameters, one for each entry."""

SHARD_PLAN: Mapping[str, Split] = {
    "encoder.embeddings.word": "vocabulary",
    "encoder.layers.*.attention.query_key_value": "column",  # grouped by head: whole heads go to a rank
    "encoder.layers.*.attention.output": "row",
    "encoder.layers.*.feed_forward.inner": "column",
    "encoder.layers.*.feed_forward.output": "row",
    "masked_lm": "vocabulary",  # its bias
}
"""Patterns of module names."""

WORD_EMBEDDING = "encoder.embeddings.word"
WORD_EMBEDDING_USERS = ("masked_lm",)
"""Heads that use the word embedding too: where one is there, the last pipeline stage holds the embedding as well."""


def split_of(module_name: str) -> Split | None:
    """How a module's parameters are divided; None where they are held whole."""
    return next((split for pattern, split in SHARD_PLAN.items() if fnmatchcase(module_name, pattern)), None)
