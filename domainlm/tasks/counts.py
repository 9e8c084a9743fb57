"""What precision, recall and F1 are made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """Items of one label, or entities of one type, or of all together.

    Attributes:
        gold: items that have the label.
        found: items that were given it.
        correct: items that have it and were given it.
    """

    gold: int = 0
    found: int = 0
    correct: int = 0

    @property
    def precision(self) -> float:
        """Of what was found, the share that is right; 0 where nothing was found."""
        return self.correct / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        """Of what there is, the share that was found; 0 where there is nothing to find."""
        return self.correct / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean, 2 correct / (gold + found), of precision and recall; 0 where both are."""
        return 2 * self.correct / (self.gold + self.found) if self.correct else 0.0

    def as_dict(self) -> dict[str, int]:
        """For the counts of a score."""
        return {"gold": self.gold, "found": self.found, "correct": self.correct}
