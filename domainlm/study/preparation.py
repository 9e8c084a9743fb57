"""From a recipe's corpus settings to a preparation of text: the reader, the leak guard of its tasks, the workers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from domainlm.api import CorpusSpec, ProblemLog, SequenceExample, Split, TaskSpec
from domainlm.process import usable_cores
from domainlm.recipe.corpus_settings import CorpusSettings
from domainlm.recipe.schema import RuntimeSettings
from domainlm.text.indexed import smallest_dtype
from domainlm.text.preparation.blocks import group_files
from domainlm.text.preparation.leaks import GuardedText, LeakGuard, LeakSettings
from domainlm.text.preparation.merging import DuplicateSettings
from domainlm.text.preparation.near import NearSettings, signature_version
from domainlm.text.preparation.prepare import Preparation
from domainlm.text.preparation.reading import Input
from domainlm.text.preparation.work import Encoding
from domainlm.vocab.encoder import load_encoder
from domainlm.vocab.vocabulary import Vocabulary

GUARDED_SPLITS: tuple[Split, ...] = ("dev", "test")

_MIN_BYTES_PER_WORKER = 2**22
"""A process takes about a second to start; less input is not worth one."""


@dataclass(frozen=True, slots=True)
class GuardedFiles:
    """The files of a task that the corpus must not overlap.

    Attributes:
        spec: reads them.
        name: what the recipe calls the data set.
        files: by split; only dev and test are guarded.
    """

    spec: TaskSpec
    name: str
    files: Mapping[Split, Sequence[Path]]


def corpus_preparation(
    spec: CorpusSpec,
    settings: CorpusSettings,
    files: Sequence[Path],
    *,
    identity: Mapping[str, Any],
    guarded: Sequence[GuardedFiles],
    guard_problems: ProblemLog | None = None,
    encoding: Encoding | None = None,
) -> Preparation:
    """The preparation that a recipe's [corpus] asks for.

    Args:
        spec: the reader.
        settings: [corpus] of the recipe.
        files: the input files, in order.
        identity: what tells this input from any other.
        guarded: the tasks' files, for the leak guard.
        guard_problems: told of what the tasks' readers leave out or mend, which the guard then lacks; where None, it is
            left to the stages that train on these files.
        encoding: how the text is encoded, where that is wanted at once.
    """
    return Preparation(
        source=Input(
            read=spec.read,
            spec=spec.reference,
            groups=group_files(files),
            skip_bad_input=settings.on_bad_input == "skip",
            max_documents=settings.max_documents,
        ),
        source_identity=identity,
        held_out_share=settings.held_out_share,
        duplicates=DuplicateSettings(
            exact=settings.deduplication.exact, near=near_settings(settings), replaced=spec.replaces
        ),
        guard=leak_guard(settings, guarded, guard_problems or ProblemLog()),
        encoding=encoding,
    )


def near_settings(settings: CorpusSettings) -> NearSettings | None:
    """How near duplicates are found; None where they are not looked for."""
    near = settings.deduplication.near
    return None if near is False else NearSettings(threshold=near, num_words=settings.deduplication.num_words)


def leak_guard(settings: CorpusSettings, guarded: Sequence[GuardedFiles], problems: ProblemLog) -> LeakGuard | None:
    """The guard of all dev and test texts; None where it is off or there are none."""
    if not settings.leak_guard.enabled or not guarded:
        return None
    guard = LeakGuard.of(
        _texts(guarded, problems),
        LeakSettings(
            num_words=settings.leak_guard.num_words,
            min_shared=settings.leak_guard.min_shared,
            min_share=settings.leak_guard.min_share,
        ),
    )
    return guard if guard.num_examples else None


def deduplication_identity(settings: CorpusSettings) -> dict[str, Any]:
    """What decides which duplicates go, as JSON values."""
    near = settings.deduplication.near
    facts: dict[str, Any] = {"exact": settings.deduplication.exact, "near": near}
    if near is not False:
        facts |= {"num_words": settings.deduplication.num_words, "signatures": signature_version()}
    return facts


def num_workers(runtime: RuntimeSettings, num_bytes: int) -> int:
    """Processes for so much input: those the recipe allows, or one for each core, and one where it is little."""
    wanted = runtime.num_threads or usable_cores()
    return max(min(wanted, num_bytes // _MIN_BYTES_PER_WORKER), 1)


def encoding_of(vocabulary: Path) -> Encoding:
    """How text is encoded by a vocabulary: a folder, a tokenizer.json or a vocab.txt."""
    loaded = Vocabulary.load(vocabulary)
    dtype = smallest_dtype(loaded.size).str
    return Encoding(partial(load_encoder, vocabulary, dtype, loaded.cased), dtype, loaded.digest)


def _texts(guarded: Sequence[GuardedFiles], problems: ProblemLog) -> Iterator[GuardedText]:
    for task in guarded:
        for split in GUARDED_SPLITS:
            for file in task.files.get(split, ()):
                for example in task.spec.read_part(file, split, problems):
                    yield GuardedText(f"{task.name}, {split}", example.id, example.text)
                    if isinstance(example, SequenceExample) and example.second_text:
                        yield GuardedText(f"{task.name}, {split}", f"{example.id}, second", example.second_text)
