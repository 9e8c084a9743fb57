"""Learning a vocabulary into a folder, with a report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from domainlm.api import VocabularySettings, VocabularySpec
from domainlm.api.failures import refused
from domainlm.errors import VocabularyError
from domainlm.progress import Bar
from domainlm.vocab.files import TOKENIZER_FILE, write_text
from domainlm.vocab.learn import learner_of
from domainlm.vocab.measure import describe
from domainlm.vocab.sample import EvenSample, some_taken
from domainlm.vocab.vocabulary import Vocabulary

MAX_CHARACTERS_DESCRIBED = 20_000_000
"""The report is about an even sample of the text of no more than this."""


def make_vocabulary(
    spec: VocabularySpec, settings: VocabularySettings, read: Callable[[], Iterable[str]], folder: Path, title: str
) -> dict[str, Any]:
    """Learn a vocabulary from an even sample of a text and write it to an existing folder.

    Args:
        spec: by which algorithm.
        settings: size, casing, and how large the sample may be.
        read: starts reading the sentences of the text anew each time that it is called.
        folder: where the vocabulary's files are written.
        title: what the progress bar calls it.

    Returns:
        The report, as JSON values: what `describe` says, the digest, the sample.

    Raises:
        UserError: a text that cannot be read, or that does not give such a vocabulary.
    """
    learn = learner_of(spec)

    def reading(phase: str) -> Callable[[], Iterable[str]]:
        return lambda: _shown(read(), f"{title}: {phase}")

    num_characters = EvenSample(reading("count text"), settings.max_characters).num_characters
    sample = EvenSample(reading("read text"), settings.max_characters, num_characters)
    write_text(folder / TOKENIZER_FILE, learn(some_taken(sample), settings))
    vocabulary = load_learned(folder, spec, settings)
    vocabulary.save(folder)
    described = EvenSample(reading("describe"), MAX_CHARACTERS_DESCRIBED, num_characters)
    return {
        **describe(vocabulary, some_taken(described)),
        "digest": vocabulary.digest,
        "num_characters_in_corpus": num_characters,
        "num_characters_learned_from": sample.num_taken,
    }


def load_listed(spec: VocabularySpec, file: Path, *, cased: bool | None) -> Vocabulary:
    """Read the vocabulary that is in a spec's file; raises `VocabularyError`, which names the spec too."""
    try:
        return Vocabulary.load(file, cased=cased)
    except VocabularyError as error:
        raise VocabularyError(
            error.problem,
            where=f"vocabulary {spec.reference}, {error.where}",
            given=error.given,
            allowed=error.allowed,
            nearest=error.nearest,
            remedy=error.remedy,
        ) from error


def load_learned(path: Path, spec: VocabularySpec, settings: VocabularySettings) -> Vocabulary:
    """Read a vocabulary that was learned by a spec.

    Raises:
        UserError: it cannot be read, or keeps capitals where none are asked for, or the other way round.
    """
    vocabulary = _read_learned(path, spec)
    if vocabulary.cased != settings.cased:
        found, asked = (("cased" if cased else "uncased") for cased in (vocabulary.cased, settings.cased))
        raise VocabularyError(
            f"the vocabulary that was learned is {found}, and {asked} was asked for",
            where=f"vocabulary {spec.reference}",
            remedy=f"leave out vocabulary.cased: what this spec learns is {found}"
            if vocabulary.cased == spec.learns_cased
            else f"in the plugin, obey settings.cased in `learn`, or declare VocabularySpec(cased={vocabulary.cased})",
        )
    return vocabulary


def _read_learned(path: Path, spec: VocabularySpec) -> Vocabulary:
    """Read it; where a plugin's `learn` made it, the mistake is the plugin's, and the file is no place to look at."""
    try:
        return Vocabulary.load(path)
    except VocabularyError as error:
        if spec.learn is None:
            raise
        problem = f"what `learn` returned is no vocabulary: {error.problem}"
        raise refused(spec.learn, spec.reference, problem, given=error.given, allowed=error.allowed) from error


def _shown(sentences: Iterable[str], title: str) -> Iterator[str]:
    with Bar(desc=title, unit=" sentences", disable=None) as bar:
        for sentence in sentences:
            yield sentence
            bar.update()
