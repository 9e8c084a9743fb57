"""Text to learn from, and vocabularies of each kind learned from it."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from domainlm.api import VocabularySettings
from domainlm.vocab.bpe import learn_bpe
from domainlm.vocab.learn import learn_wordpiece
from domainlm.vocab.unigram import learn_unigram
from domainlm.vocab.vocabulary import Vocabulary

LEARNERS = {"wordpiece": learn_wordpiece, "bpe": learn_bpe, "unigram": learn_unigram}


@pytest.fixture(scope="session")
def log_lines() -> list[str]:
    """A ship's log: some words often, many words seldom, capitals, numbers, accents, punctuation."""
    draw = random.Random(11)  # noqa: S311 - test data
    syllables = ["ba", "ke", "lo", "mi", "nu", "ra", "ste", "ti", "vo", "ga"]
    rare = ["".join(draw.choices(syllables, k=draw.randint(2, 4))) for _ in range(120)]
    common = ["the", "ship", "ships", "sailed", "sailing", "harbour", "from", "to", "caf\u00e9", "At", "Noon"]
    return [
        " ".join([*draw.choices(common, k=5), draw.choice(rare), f"N{draw.randint(1, 40)},", draw.choice(rare) + "."])
        for _ in range(300)
    ]


@pytest.fixture(scope="session")
def learned(log_lines: list[str], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Vocabulary]:
    """The vocabulary of a kind; each is learned once."""
    made: dict[str, Vocabulary] = {}

    def learn(kind: str) -> Vocabulary:
        if kind not in made:
            path = tmp_path_factory.mktemp(kind) / "tokenizer.json"
            path.write_text(LEARNERS[kind](log_lines, VocabularySettings(size=330, cased=True)), encoding="utf-8")
            made[kind] = Vocabulary.load(Path(path))
        return made[kind]

    return learn
