"""The files of a corpus, found and looked at as far as that costs nothing."""

from __future__ import annotations

from pathlib import Path

from domainlm.api import CorpusSpec
from domainlm.errors import DataError
from domainlm.recipe.corpus_settings import TASK_TEXT, CorpusSettings
from domainlm.text.files import expand_files


def corpus_files(settings: CorpusSettings, spec: CorpusSpec) -> tuple[Path, ...]:
    """The files that a recipe names for a corpus; none where a run writes them.

    Raises:
        DataError: nothing is there, or an empty file, which a reader would refuse once it comes to it.
    """
    if settings.sample is not None or settings.spec == TASK_TEXT:
        return ()
    files = expand_files(settings.files, Path.cwd(), spec.patterns)
    if settings.on_bad_input == "refuse" and settings.max_documents is None:
        for file in files:
            if not file.stat().st_size:
                raise DataError(
                    "is empty",
                    where=file,
                    remedy='fetch it again or remove it; or skip what cannot be read: corpus.on_bad_input = "skip"',
                )
    return files
