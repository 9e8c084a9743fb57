"""Short texts that say how a score came about, as sacreBLEU's signatures do (Post 2018).

    conlleval:1|protocol:conlleval entity|labels:person,ship|split:test|data:5f0c31de|seeds:0

Where a split is scored in part only, it says of how much: "scored:1000/4797".

Scores whose signatures differ in anything but their seeds are not comparable.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

_KEYS = ("protocol", "labels", "split", "scored", "data", "seeds")
_NUM_DIGITS = 8
_MAX_LABELS_SHOWN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """How a score was computed.

    Attributes:
        scorer: what counted, with the version of its rules: "conlleval:1".
        protocol: what was counted.
        labels: the labels that were scored, comma-separated; "" where there are none to name.
        split: "dev" or "test".
        scored: how many of its examples were scored, and how many it has: "1000/4797"; "" where all were.
        data: first digits of the hash of the split's files and of the spec that read them.
        seeds: seeds of the models, comma-separated.
    """

    scorer: str
    protocol: str
    labels: str
    split: str
    data: str
    seeds: str
    scored: str = ""

    def __str__(self) -> str:
        """The signature's text."""
        shown = [f"{key}:{value}" for key in _KEYS if (value := getattr(self, key))]
        return "|".join(["scorer:?" if not self.scorer else self.scorer, *shown])

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read what `str` gave; None for any other text."""
        scorer, *rest = text.split("|")
        fields = dict(part.partition(":")[::2] for part in rest)
        if not rest or not fields.keys() <= set(_KEYS):
            return None
        return cls(scorer=scorer, **{**dict.fromkeys(_KEYS, ""), **fields})

    def without_seed(self) -> Self:
        """The signature of scores of any seed: only those for which it is the same can be compared."""
        return replace(self, seeds="")

    @property
    def part(self) -> tuple[int, int] | None:
        """How many examples of how many were scored; None where all were."""
        num_scored, _, num_all = self.scored.partition("/")
        return (int(num_scored), int(num_all)) if num_scored.isdecimal() and num_all.isdecimal() else None


def labels_part(labels: Iterable[str]) -> str:
    """Labels sorted by name; of many their number and a hash."""
    names = sorted({label.translate({ord("|"): "/", ord(","): ";"}) for label in labels})
    if len(names) <= _MAX_LABELS_SHOWN:
        return ",".join(names)
    return f"{len(names)}-{data_hash(names)}"


def data_hash(facts: object) -> str:
    """First eight hexadecimal digits of the SHA-256 of facts about data (JSON values)."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:_NUM_DIGITS]


def merge_seeds(signatures: Iterable[str]) -> tuple[str, ...]:
    """The different ways in which scores were computed: signatures that differ in seeds alone become one.

    Returns:
        Signatures in the order in which they were met; one of them for scores that can be compared. Text that is no
        signature stays as it is.
    """
    merged: dict[object, tuple[Signature, list[str]]] = {}
    for text in signatures:
        parsed = Signature.parse(text)
        if parsed is None:
            merged.setdefault(text, (Signature(scorer=text, protocol="", labels="", split="", data="", seeds=""), []))
            continue
        seedless = parsed.without_seed()
        merged.setdefault(seedless, (seedless, []))[1].extend(parsed.seeds.split(","))
    return tuple(str(replace(found, seeds=_seeds(seeds))) for found, seeds in merged.values())


def without_seed(text: str) -> str:
    """A signature's text without its seeds; any other text as it is."""
    parsed = Signature.parse(text)
    return text if parsed is None else str(parsed.without_seed())


def _seeds(seeds: Iterable[str]) -> str:
    return ",".join(sorted({seed for seed in seeds if seed}, key=lambda seed: (len(seed), seed)))
