"""One number about a fine-tuned model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from domainlm.api import Split

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskScore:
    """One number about one split.

    Attributes:
        split: "dev" or "test".
        metric: "precision", "recall", "f1".
        protocol: how it was counted: scores of different protocols are not comparable.
        value: from 0 to 1.
        type: the type of entity that is counted; "" where all are counted together.
        counts: the whole numbers behind the value ("gold", "found", "correct").
    """

    split: Split
    metric: str
    protocol: str
    value: float
    type: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Json]:
        """For scores.json and the rows of results.json."""
        return {
            "split": self.split,
            "metric": self.metric,
            "protocol": self.protocol,
            "value": self.value,
            "type": self.type,
            "counts": dict(self.counts),
        }

    @classmethod
    def from_dict(cls, entry: Mapping[str, object]) -> TaskScore:
        """What `as_dict` gave."""
        return cls(**entry)  # type: ignore[arg-type]
