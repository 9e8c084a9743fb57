"""Small pieces of text that several parts of a report print alike."""

from __future__ import annotations

from collections.abc import Sequence

from domainlm.study.report.metrics import metric_facts


def join_words(words: Sequence[str]) -> str:
    """Join as English does: "a", "a and b", "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def signed(difference: float, metric: str) -> str:
    """Print a difference in the unit of a metric, with its sign."""
    text = metric_facts(metric).format(abs(difference))
    return text if difference == 0 else f"{'+' if difference > 0 else '−'}{text}"


def p_text(p_value: float) -> str:
    """Print a p-value; very small ones only as that."""
    return "<0.001" if p_value < 0.001 else f"{p_value:.3f}"
