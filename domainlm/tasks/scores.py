"""One number about a fine-tuned model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from domainlm.api import Split
from domainlm.tasks.signature import Signature, labels_part

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskScore:
    """One number about one split.

    Attributes:
        split: "dev" or "test".
        metric: what was measured, such as "f1", "accuracy", "matthews", "mrr" or "exact_match".
        protocol: how it was counted: scores of different protocols are not comparable.
        value: from 0 to 1; of "matthews" from -1 to 1.
        type: the type of entity, the label or the kind of question ("HasAns", "NoAns") that is counted; "" where all
            are counted together.
        counts: the whole numbers behind the value ("gold", "found", "correct").
        scorer: what counted, with the version of its rules: "conlleval:1". Raise the version whenever the same
            predictions may be given another value.
        labels: the labels that were scored, for the signature.
        signature: how the value came about; fine-tuning fills it in, see `domainlm.tasks.signature`.
    """

    split: Split
    metric: str
    protocol: str
    value: float
    type: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    scorer: str = ""
    labels: tuple[str, ...] = ()
    signature: str = ""

    def as_dict(self) -> dict[str, Json]:
        """For scores.json and the rows of results.json."""
        return {
            "split": self.split,
            "metric": self.metric,
            "protocol": self.protocol,
            "value": self.value,
            "type": self.type,
            "counts": dict(self.counts),
            "scorer": self.scorer,
            "labels": list(self.labels),
            "signature": self.signature,
        }

    @classmethod
    def from_dict(cls, entry: Mapping[str, object]) -> TaskScore:
        """What `as_dict` gave."""
        fields: dict[str, Any] = {**entry}
        return cls(**(fields | {"labels": tuple(fields.get("labels", ()))}))

    def signed(self, data: str, seed: int, part: tuple[int, int] | None = None) -> TaskScore:
        """The same score with its signature.

        Args:
            data: hash of the split.
            seed: of the model.
            part: how many examples of how many were scored; None where all were.
        """
        signature = Signature(
            scorer=self.scorer,
            protocol=self.protocol,
            labels=labels_part(self.labels),
            split=self.split,
            scored="" if part is None else f"{part[0]}/{part[1]}",
            data=data,
            seeds=str(seed),
        )
        return replace(self, signature=str(signature))
