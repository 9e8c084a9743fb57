"""What the contenders of finetune_entities.py share: the settings, the words and tags, and what a run counts."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from domainlm.api import CheckpointInfo, StepInfo

SETS = {"BC5CDR-chem": "bc5cdr-chem", "BC5CDR-disease": "bc5cdr-disease", "NCBI-disease": "ncbi-disease"}
EPOCHS, RATE, BATCH, MAX_TOKENS, SEED, WARMUP, DECAY = 4, 3e-4, 32, 128, 0, 0.1, 0.01
_NUM_FIRST_STEPS = 5


@dataclass(frozen=True, slots=True)
class Job:
    """One run of one contender.

    Attributes:
        model: Hugging Face folder of the encoder.
        data: folder of the data sets.
        name: of the data set.
        precision: "fp32" or "bf16" (autocast).
        threads: of torch.
        num_steps: train only so many steps after the first five, and score nothing; None trains to the end.
    """

    model: Path
    data: Path
    name: str
    precision: str
    threads: int
    num_steps: int | None

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Job:
        """From the command line of a contender's process."""
        sets, precisions = arguments.sets, arguments.precisions
        return cls(arguments.model, arguments.data, sets[0], precisions[0], arguments.threads, arguments.steps)

    def file(self, split: str) -> Path:
        """The file of a split, plain or packed."""
        plain = self.data / self.name / f"{split}.tsv"
        return plain if plain.is_file() else plain.with_name(f"{split}.tsv.gz")


class EnoughStepsError(Exception):
    """Ends a run that is sampled."""


@dataclass
class Steps:
    """Adds up training steps, but the first five; an observer of domainlm's loop."""

    num_wanted: int | None
    seconds: float = 0.0
    num_tokens: int = 0
    num_steps: int = field(default=0)
    num_first: int = field(default=_NUM_FIRST_STEPS)

    def step_ended(self, info: StepInfo) -> None:
        """Add one step."""
        self.add(info.seconds, info.num_tokens)

    def checkpoint_saved(self, info: CheckpointInfo) -> None:
        """Nothing to count."""

    def add(self, seconds: float, num_tokens: int) -> None:
        """Add one step of so many real sub-tokens.

        Raises:
            EnoughStepsError: these were all.
        """
        if self.num_first:
            self.num_first -= 1
            return
        self.seconds += seconds
        self.num_tokens += num_tokens
        self.num_steps += 1
        if self.num_steps == self.num_wanted:
            raise EnoughStepsError

    def facts(self) -> dict[str, Any]:
        """What a contender's process prints."""
        return {
            "tokens_per_second": round(self.num_tokens / self.seconds),
            "training_seconds": round(self.seconds, 1),
            "num_steps": self.num_steps,
            "num_tokens": self.num_tokens,
        }


class Stopwatch:
    """Seconds from one call to the next."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def lap(self) -> float:
        """Seconds since the last call."""
        before, self._last = self._last, time.perf_counter()
        return self._last - before


def read_words(path: Path) -> tuple[list[list[str]], list[list[str]]]:
    """Words and tags of each sentence, as domainlm reads them."""
    from domainlm.api import ProblemLog
    from domainlm.builtin.formats.conll import read_conll
    from domainlm.tasks.token.alignment import chunk_tags, entity_chunks

    examples = list(read_conll(path, ProblemLog()))
    words = [[each.text[start:end] for start, end in each.words] for each in examples]
    tags = [chunk_tags(entity_chunks(each, None, ProblemLog()), len(each.words)) for each in examples]
    return words, tags


def entity_f1(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> float:
    """F1 of whole entities, by the scorer that domainlm uses."""
    from domainlm.tasks.token.conlleval import count_entities

    return count_entities(gold, predicted).pooled.f1
