"""How the relations of documents become examples: which mentions may be related, and how a pair is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from domainlm.api.field_checks import check_mapping
from domainlm.api.field_names import with_known_fields
from domainlm.errors import SpecError


@with_known_fields
@dataclass(frozen=True, slots=True, kw_only=True)
class PairRules:
    """Which pairs of mentions are examples. A pair is one where both lie in one sentence.

    Attributes:
        type_pairs: (type of the first, type of the second) of mentions that may be related; empty takes those that are
            related in the training split.
        no_relation: the label of pairs without a relation.
        dummies: what a mention's text is replaced by where mentions are to be anonymous, by its type; `@TYPE$` where
            a type is not named.
        overlap_dummy: what stands for two mentions that overlap.
    """

    type_pairs: tuple[tuple[str, str], ...] = ()
    no_relation: str = "none"
    dummies: Mapping[str, str] = field(default_factory=dict)
    overlap_dummy: str = "@BOTH$"

    def __post_init__(self) -> None:
        check_mapping(self.dummies, "dummies", "PairRules")
        if not isinstance(self.type_pairs, tuple) or any(not _is_pair(pair) for pair in self.type_pairs):
            allowed = "a tuple of pairs of types"
            raise SpecError("wrong type_pairs", where="PairRules", given=repr(self.type_pairs), allowed=allowed)
        texts = [*self.dummies.values(), self.overlap_dummy, self.no_relation]
        texts += [name for pair in self.type_pairs for name in pair]
        if not all(isinstance(text, str) and text.strip() for text in texts):
            raise SpecError("wrong PairRules", given=repr(self), allowed="non-empty texts")

    def dummy(self, mention_type: str) -> str:
        """What a mention of this type is replaced by."""
        return self.dummies.get(mention_type, f"@{mention_type.upper()}$")


def _is_pair(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 2
