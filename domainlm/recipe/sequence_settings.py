"""Settings of tasks that label a text, a pair of texts or a pair of mentions."""

from __future__ import annotations

from typing import Literal

from domainlm.recipe.base import Settings


class SequenceSettings(Settings):
    """How sequence tasks are read."""

    mentions: Literal["markers", "dummies", "plain"] = "markers"
    """How the two mentions in question are shown to the model: between markers, replaced by the names of their types (a
    task's own, such as "@PORT$"), or not at all."""
    head_reads: Literal["first", "first_and_mentions"] = "first"
    """The classifier reads the state of the first sub-token, or in addition those where the two mentions begin."""
    long_texts: Literal["start", "both_ends", "end"] = "start"
    """What is kept of a text without mentions that is longer than `max_tokens`: its start, its end, or half from
    either, as Sun et al. (2019) found best for long documents. Of a text with mentions the part around them is kept."""
