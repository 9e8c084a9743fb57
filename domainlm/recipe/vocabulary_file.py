"""The file of a vocabulary that is read: where it is not there or no list of entries, whose it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from domainlm.api import VocabularySpec
from domainlm.errors import RecipeError, SpecError, UserError
from domainlm.plugin.registry import Registry
from domainlm.recipe.memory import count_entries
from domainlm.recipe.schema import VocabularySettings
from domainlm.text.paths import expand_files
from domainlm.vocab.files import find_vocabulary


def vocabulary_file(settings: VocabularySettings, spec: VocabularySpec, registry: Registry, where: str) -> Path:
    """The file that a recipe names, or else the spec that reads one.

    Args:
        settings: the recipe's [vocabulary].
        spec: the one that it names.
        registry: who gives that.
        where: the place of [vocabulary], for errors.

    Raises:
        RecipeError: neither names a file.
        SpecError: the plugin lacks the file that its spec names, or it cannot be read.
        UserError: the recipe's is not there, or cannot be read.
    """
    if settings.file is not None:
        with _named_by(f"{where}.file"):
            return _readable(Path(settings.file))
    if spec.file is None:
        raise RecipeError(
            f"{spec.name} reads a file, and none is named", where=where, remedy="add file = ... to [vocabulary]"
        )
    owner = f"plugin {registry.provider(spec)}, vocabulary {spec.reference}"
    other = "or name another: file = ... in [vocabulary]"
    if not spec.file.exists():
        raise SpecError(
            "the vocabulary's file is not there",
            where=owner,
            given=spec.file,
            remedy=f"add it to the package's data files, {other}",
        )
    try:
        return _readable(spec.file)
    except UserError as error:
        raise SpecError(
            f"the vocabulary's file: {error.problem}",
            where=f"{owner}, {error.where}",
            given=error.given,
            allowed=error.allowed,
            nearest=error.nearest,
            remedy=f"tell whoever wrote the plugin, {other}",
        ) from error


def start_vocabulary_file(named: str, where: str) -> Path:
    """The file of the vocabulary that [start] names: a file, or a folder with one; raises `VocabularyError`."""
    with _named_by(f"{where}.vocabulary"):
        return find_vocabulary(Path(named))


def _readable(named: Path) -> Path:
    file = find_vocabulary(named) if named.is_dir() else expand_files([str(named)], Path.cwd())[0]
    count_entries(file)  # which reads the text of a list; what its entries are is looked at when the vocabulary is made
    return file


@contextmanager
def _named_by(key: str) -> Iterator[None]:
    """Say which key of the recipe names the file."""
    try:
        yield
    except UserError as error:
        error.within(key)
        raise
