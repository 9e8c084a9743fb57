"""Checks of vocabulary specs."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from domainlm.api import VocabularySettings, VocabularySpec
from domainlm.testing.failure import CheckError

_SIZE = 120
_NUM_SENTENCES = 400


def check_vocabulary(spec: VocabularySpec) -> int:
    """Check a vocabulary: a file can be loaded, a learning function gives the same usable vocabulary twice.

    What is learned has no more entries than asked for, and is cased where the spec says so.

    A spec that leaves the learning to the core ("wordpiece", "bpe", "unigram"), or whose file the recipe names, has
    nothing more to check than its fields.

    Returns:
        Its number of entries; 0 where nothing could be built.

    Raises:
        UserError: the file cannot be loaded, or the learning breaks a rule.
    """
    from domainlm.vocab.learn import learner_of
    from domainlm.vocab.making import load_learned, load_listed

    where = f"vocabulary {spec.reference}"
    if spec.algorithm == "file" and spec.file is not None:
        return load_listed(spec, spec.file, cased=spec.cased).size
    if spec.algorithm != "custom" or spec.learn is None:
        return 0
    settings = VocabularySettings(size=min(spec.size or _SIZE, _SIZE), cased=spec.learns_cased)
    learn = learner_of(spec)
    learned = learn(sentences(), settings)
    if learn(sentences(), settings) != learned:
        raise CheckError(
            "the same sentences give another vocabulary the second time",
            where=where,
            remedy="sort before choosing, and never depend on the order of a set",
        )
    with TemporaryDirectory(prefix="domainlm-check-") as name:
        file = Path(name) / "tokenizer.json"
        file.write_text(learned, encoding="utf-8")
        vocabulary = load_learned(file, spec, settings)
    if vocabulary.size > settings.size:
        raise CheckError(
            "the vocabulary is larger than asked for",
            where=where,
            given=vocabulary.size,
            allowed=f"at most {settings.size}",
        )
    return vocabulary.size


def sentences() -> Iterator[str]:
    """Made-up sentences with words of two to five syllables, the same every time."""
    draw = random.Random(0)  # noqa: S311 - nothing secret
    syllables = ("ka", "lo", "mi", "ne", "ru", "sto", "ter", "vin")
    words = ["".join(draw.choices(syllables, k=draw.randint(2, 5))) for _ in range(60)]
    for _ in range(_NUM_SENTENCES):
        yield " ".join(draw.choices(words, k=draw.randint(4, 12))).capitalize() + "."
