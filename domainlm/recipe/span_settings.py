"""Settings of tasks that find answers in a context."""

from __future__ import annotations

from domainlm.recipe.base import Positive, Settings


class SpanSettings(Settings):
    """How questions and contexts are read, and answers chosen; the defaults are those of Devlin et al. 2019."""

    num_stride_tokens: Positive = 128
    """Sub-tokens from the beginning of one window of a long context to that of the next; at most half of the window."""
    max_question_tokens: Positive = 64
    """Longer questions are cut; at most half of what fits into a row."""
    max_answer_tokens: Positive = 30
    """Longer answers are not given."""
    num_best: Positive = 20
    """Number of answers kept for each context; they share its probability."""
