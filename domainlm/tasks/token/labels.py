"""The labels of a token task: O, and B-TYPE and I-TYPE for every type of entity."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from domainlm.tasks.token.conlleval import OUTSIDE


@dataclass(frozen=True)
class LabelSet:
    """The labels in the order of the classifier's outputs: O, then B- and I- of each type.

    Attributes:
        types: the types of entity, each once; the order decides that of the labels.
    """

    types: tuple[str, ...]

    @classmethod
    def of(cls, types: Iterable[str]) -> LabelSet:
        """The set for these types, sorted by name so that it does not depend on where they were met."""
        return cls(tuple(sorted(set(types))))

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """Every label as text, by its id."""
        return (OUTSIDE, *(f"{prefix}-{name}" for name in self.types for prefix in "BI"))

    @cached_property
    def ids(self) -> dict[str, int]:
        """Every label's id."""
        return {tag: index for index, tag in enumerate(self.tags)}

    @cached_property
    def inside(self) -> tuple[int, ...]:
        """For every label the one that goes on with it: I- of its type for B- and I-, O for O."""
        return (0, *(2 * (index // 2) + 2 for index in range(2 * len(self.types))))

    @cached_property
    def may_follow(self) -> npt.NDArray[np.bool_]:
        """Whether each label may follow another one, and in the last row, begin a sentence.

        I-TYPE may only follow B-TYPE and I-TYPE of its own type; all others may stand anywhere.

        Returns:
            [num_labels + 1, num_labels].
        """
        allowed = np.ones((len(self.tags) + 1, len(self.tags)), dtype=np.bool_)
        for begin in range(1, len(self.tags), 2):
            allowed[:, begin + 1] = False
            allowed[begin : begin + 2, begin + 1] = True
        return allowed

    def encode(self, tags: Sequence[str]) -> list[int]:
        """Label ids of tags; a type that is not in the set counts as outside."""
        return [self.ids.get(tag, 0) for tag in tags]
