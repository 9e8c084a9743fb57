"""Small pieces of text that several parts of a report print alike."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from domainlm.study.report.metrics import metric_facts
from domainlm.study.report.significance import How, Outcome
from domainlm.tasks.token.protocols import CHARACTER_SPAN
from domainlm.tasks.units import UNIT_WORDS, UnitKind

_BLOCKS = " (where the files do not tell documents apart)"


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


def tests_text(outcomes: Collection[Outcome], within: str) -> str:
    """Say by which tests these came about; empty where nothing was tested.

    Args:
        outcomes: of one family of tests.
        within: where units were swapped: "of the split".
    """
    kinds = dict.fromkeys(kind for outcome in outcomes for kind in outcome.kinds)
    protocols = {protocol for outcome in outcomes for protocol in outcome.protocols}
    spans = ", entities counted as exact character spans" if CHARACTER_SPAN in protocols else ""
    # Seeds are those of fine-tuning: a study pretrains each of its models once.
    pretrainings = "pretrainings other than the one of each model"
    texts: dict[How, str] = {
        "units": f"paired approximate randomisation over the {_units_text(list(kinds))} {within}, seeds pooled{spans}, "
        f"which says nothing of other seeds, nor of {pretrainings}",
        "seeds": f"an exact paired sign-flip test over seeds of fine-tuning, which says nothing of {pretrainings}",
    }
    hows = {outcome.how for outcome in outcomes}
    return "; or ".join(text for how, text in texts.items() if how in hows)


def _units_text(kinds: Sequence[UnitKind]) -> str:
    """What was swapped, the blocks with the reason for them."""
    words = [f"{UNIT_WORDS[kind]}{_BLOCKS if kind == 'block' else ''}" for kind in kinds]
    return join_words(words or ["units"])
