"""What is known about metrics: what to call them, their unit, which direction is better, how to print a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Unit = Literal["percent", "nats", "bits", "count", "plain"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric as reports show it.

    Attributes:
        label: what tables and sentences call it.
        short: what the fine print of a table cell calls it.
        unit: "percent" metrics are stored as fractions from 0 to 1 and shown times 100.
        higher_is_better: None where neither direction is.
    """

    label: str
    short: str
    unit: Unit
    higher_is_better: bool | None

    @property
    def heading(self) -> str:
        """Label with the unit, for axes and column heads."""
        unit = {"percent": " (%)", "nats": " (nats)"}.get(self.unit, "")
        return f"{self.label}{unit}"

    def format(self, value: float) -> str:
        """Print a value (or a deviation) in this metric's unit, without naming the unit."""
        if self.unit == "percent":
            return f"{100 * value:.1f}"
        if self.unit in {"nats", "bits"}:
            return f"{value:.3f}"
        if self.unit == "count":
            return f"{value:,.0f}"
        return f"{value:.4g}"


_KNOWN = {
    "f1": Metric("F1", "F1", "percent", higher_is_better=True),
    "precision": Metric("precision", "P", "percent", higher_is_better=True),
    "recall": Metric("recall", "R", "percent", higher_is_better=True),
    "accuracy": Metric("accuracy", "accuracy", "percent", higher_is_better=True),
    "macro_f1": Metric("macro F1", "macro F1", "percent", higher_is_better=True),
    "matthews": Metric("Matthews' correlation", "MCC", "plain", higher_is_better=True),
    "mrr": Metric("MRR", "MRR", "percent", higher_is_better=True),
    "strict_accuracy": Metric("strict accuracy", "SAcc", "percent", higher_is_better=True),
    "lenient_accuracy": Metric("lenient accuracy", "LAcc", "percent", higher_is_better=True),
    "exact_match": Metric("exact match", "EM", "percent", higher_is_better=True),
    "masked_lm_loss": Metric("masked-LM loss", "loss", "nats", higher_is_better=False),
    "masked_lm_accuracy": Metric("masked-LM accuracy", "accuracy", "percent", higher_is_better=True),
    "bits_per_character": Metric("bits per character", "bits", "bits", higher_is_better=False),
    "sentence_order_loss": Metric("sentence-order loss", "loss", "nats", higher_is_better=False),
    "sentence_order_accuracy": Metric("sentence-order accuracy", "accuracy", "percent", higher_is_better=True),
    "next_sentence_loss": Metric("next-sentence loss", "loss", "nats", higher_is_better=False),
    "next_sentence_accuracy": Metric("next-sentence accuracy", "accuracy", "percent", higher_is_better=True),
    "break_up_rate": Metric("sub-tokens per word", "rate", "plain", higher_is_better=False),
    "label_bias": Metric("label bias", "bias", "plain", higher_is_better=None),
    "num_masked": Metric("masked sub-tokens scored", "masked", "count", higher_is_better=None),
    "num_scored_words": Metric("whole words scored", "words", "count", higher_is_better=None),
    "num_scored_characters": Metric("characters of these words", "characters", "count", higher_is_better=None),
    "unknown_character_share": Metric("characters of words with [UNK]", "unknown", "percent", higher_is_better=False),
    "sub_token_number_bits_per_character": Metric(
        "bits per character for the numbers of sub-tokens", "numbers", "bits", higher_is_better=None
    ),
}
_ORDER = tuple(_KNOWN)


def metric_facts(name: str) -> Metric:
    """Return what is known about `name`; for an unknown metric, what its name tells."""
    known = _KNOWN.get(name)
    if known is not None:
        return known
    label = name.replace("_", " ")
    if name == "loss" or name.endswith("_loss"):
        return Metric(label, label, "nats", higher_is_better=False)
    if name.startswith("num_"):
        return Metric(label.removeprefix("num "), label, "count", higher_is_better=None)
    if name.endswith(("_f1", "_precision", "_recall", "_accuracy")):
        return Metric(label, label, "percent", higher_is_better=True)
    return Metric(label, label, "plain", higher_is_better=None)


def sort_metrics(names: set[str]) -> tuple[str, ...]:
    """Sort metric names: the known ones as listed above, the first being the one to judge by, then the others."""
    return tuple(sorted(names, key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name)))
