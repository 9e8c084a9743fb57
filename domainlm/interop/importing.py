"""From a model of any known kind to a model folder of this program."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from domainlm.errors import StorageError, VocabularyError
from domainlm.fetch.hub import hub_folder
from domainlm.interop.foreign import Taken, write_pretraining_model
from domainlm.interop.huggingface import read_huggingface_vocabulary
from domainlm.interop.read import kind_of, read_model
from domainlm.interop.shards import read_shards
from domainlm.model.config import ModelConfig
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
    """Write a language model's folder.

    Args:
        source: folder of the model, or its name on the Hugging Face hub.
        out: where to write.
        vocabulary: of the model, where it is not in its folder.
        revision: commit, tag or branch on the hub.
        seed: of the weights of heads that the source lacks.
        sentence_order: with a head for sentence order; None: where the source has one.
        heads: attention heads, for checkpoints of Megatron-LM that do not say it.
        force: replace what stands at `out`.

    Returns:
        The shape of the encoder, and what became of the tensors.

    Raises:
        UserError: the source cannot be fetched or read, or something stands at `out` already.
    """
    if out.exists() and not force:
        raise StorageError("is there already", where=out, remedy="choose another place, or use --force")
    place = find_model(source, revision)
    foreign = read_model(place, heads=heads)
    entries = read_vocabulary(place) if vocabulary is None else Vocabulary.load(vocabulary)
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        result = write_pretraining_model(foreign, entries, partial, sentence_order=sentence_order, seed=seed)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    replace_folder(partial, out)
    return result


def read_vocabulary(source: Path) -> Vocabulary:
    """The vocabulary that lies with a model; raises `VocabularyError` where none does."""
    if kind_of(source) != "megatron":
        return read_huggingface_vocabulary(source)
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
    looks_like_a_name = isinstance(source, str) and source.count("/") <= 1 and not source.startswith((".", "/", "~"))
    if path.exists() or not looks_like_a_name:
        return path
    return hub_folder(str(source), revision)


def replace_folder(partial: Path, out: Path) -> None:
    """Give a finished folder its name."""
    if out.is_dir():
        shutil.rmtree(out)
    elif out.exists():
        out.unlink()
    partial.rename(out)
