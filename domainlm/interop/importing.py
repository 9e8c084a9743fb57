"""From a model of any known kind to a model folder of this program."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from domainlm.errors import ModelError, UserError, VocabularyError
from domainlm.fetch.hub import hub_folder
from domainlm.interop.folders import new_folder
from domainlm.interop.foreign import Taken, write_folder, write_pretraining_model
from domainlm.interop.huggingface import read_huggingface_vocabulary
from domainlm.interop.read import kind_of, read_model
from domainlm.interop.shards import read_shards
from domainlm.model.config import ModelConfig
from domainlm.recipe.start import model_folder_of
from domainlm.vocab.vocabulary import Vocabulary


def import_model(
    source: str | Path,
    out: Path,
    *,
    vocabulary: Path | None = None,
    revision: str | None = None,
    seed: int = 0,
    sentence_order: bool | None = None,
    heads: int | None = None,
    force: bool = False,
) -> tuple[ModelConfig, Taken]:
    """Write a model folder: of a language model, or of what the source was exported from.

    Args:
        source: folder of the model, or its name on the Hugging Face hub.
        out: where to write.
        vocabulary: of the model, where it is not in its folder.
        revision: commit, tag or branch on the hub.
        seed: of the weights of heads that the source lacks.
        sentence_order: with the head for pairs of segments; None: where the source has one.
        heads: attention heads, for checkpoints of Megatron-LM that do not say it.
        force: replace what stands at `out`.

    Returns:
        The shape of the encoder, and what became of the tensors.

    Raises:
        UserError: the source cannot be fetched or read, or something stands at `out` already.
    """
    place = find_model(source, revision)
    entries = None if vocabulary is None else Vocabulary.load(vocabulary)
    foreign = read_model(place, heads=heads)
    if entries is None:
        entries = read_vocabulary(place)
    with new_folder(out, force=force) as partial:
        if foreign.own is None or sentence_order:
            return write_pretraining_model(foreign, entries, partial, sentence_order=sentence_order, seed=seed)
        write_folder(partial, foreign.tensors, foreign.config, foreign.own, entries)
        return foreign.config, Taken(foreign.unexpected, (), foreign.notes)


def read_vocabulary(source: Path) -> Vocabulary:
    """The vocabulary that lies with a model; raises `VocabularyError` where none does."""
    if kind_of(source) != "megatron":
        return read_huggingface_vocabulary(model_folder_of(source))
    content = None if source.is_dir() else read_shards(source).vocabulary
    if content is None:
        raise VocabularyError(
            "there is no vocabulary with this checkpoint", where=source, remedy="give it with --vocabulary"
        )
    with TemporaryDirectory() as folder:
        file = Path(folder) / "vocab.txt"
        file.write_bytes(content)
        return Vocabulary.load(file)


def find_model(source: str | Path, revision: str | None = None) -> Path:
    """The folder of a model that is given as a path or, where there is no such path, as a name on the hub."""
    path = Path(source)
    if path.exists():
        return path
    if not looks_like_a_name(str(source)):
        raise ModelError(
            "no such file or folder",
            where=source,
            remedy="give the folder of a model, or its name on the Hugging Face hub: ORGANISATION/MODEL",
        )
    try:
        return hub_folder(str(source), revision)
    except UserError as error:
        if path.parent != Path() and path.parent.is_dir():
            raise ModelError("no such file or folder", where=source) from error
        raise type(error)(
            f"there is no such folder; and on the Hugging Face hub: {error.problem}",
            where=source,
            given=error.given,
            remedy=error.remedy,
        ) from error


def looks_like_a_name(source: str) -> bool:
    """Whether a text may be the name of a model on the hub: ORGANISATION/MODEL."""
    return source.count("/") == 1 and not source.startswith((".", "/", "~"))
