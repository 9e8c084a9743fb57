"""From a model of any known kind to a model folder of this program."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from domainlm.errors import ModelError, UserError, VocabularyError
from domainlm.fetch.hub import hub_folder
from domainlm.interop.folders import new_folder
from domainlm.interop.foreign import ForeignModel, Taken, write_pretraining_model, write_task_model
from domainlm.interop.huggingface import read_huggingface_vocabulary
from domainlm.interop.read import kind_of, read_model
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
    encoder_only: bool = False,
    no_answer_threshold: float | None = None,
    force: bool = False,
) -> tuple[ModelConfig, Taken]:
    """Write a model folder: of a task model where the source has the head of one, else of a language model.

    Args:
        source: folder of the model, or its name on the Hugging Face hub.
        out: where to write.
        vocabulary: of the model, where it is not in its folder.
        revision: commit, tag or branch on the hub.
        seed: of the weights of heads that the source lacks.
        sentence_order: with the head for pairs of segments; None: where the source has one.
        heads: attention heads, for checkpoints of Megatron-LM that do not say it.
        encoder_only: leave the head of a task model out, as also where `sentence_order` asks for a language model.
        no_answer_threshold: of a model that answers questions and learned to give no answer: none is given where "no
            answer" scores higher than the best answer by more than this (0 for the likelier of the two).
        force: replace what stands at `out`.

    Returns:
        The shape of the encoder, and what became of the tensors.

    Raises:
        UserError: the source cannot be fetched or read, or something stands at `out` already.
    """
    place = find_model(source, revision)
    entries = None if vocabulary is None else Vocabulary.load(vocabulary)
    wants_language_model = encoder_only or bool(sentence_order)
    foreign = read_model(place, heads=heads, task_heads=not wants_language_model)
    if entries is None:
        entries = read_vocabulary(foreign)
    if no_answer_threshold is not None:
        foreign = _with_threshold(foreign, no_answer_threshold)
    with new_folder(out, force=force, source=place) as partial:
        if foreign.own is None or wants_language_model:
            return write_pretraining_model(foreign, entries, partial, sentence_order=sentence_order, seed=seed)
        return write_task_model(foreign, entries, partial)


def _with_threshold(foreign: ForeignModel, threshold: float) -> ForeignModel:
    kind = "pretraining" if foreign.own is None else foreign.own.get("kind")
    if kind != "span":
        raise ModelError(
            "only a model that answers questions has a threshold for giving no answer",
            where=foreign.where,
            given=f'a model of kind "{kind}"',
            remedy="leave out --no-answer-threshold",
        )
    return replace(foreign, own={**(foreign.own or {}), "no_answer_threshold": threshold})


def read_vocabulary(foreign: ForeignModel) -> Vocabulary:
    """The vocabulary that lies with a model; raises `VocabularyError` where none does."""
    source = foreign.where
    if kind_of(source) != "megatron":
        return read_huggingface_vocabulary(model_folder_of(source))
    if foreign.vocabulary is None:
        raise VocabularyError(
            "there is no vocabulary with this checkpoint", where=source, remedy="give it with --vocabulary"
        )
    with TemporaryDirectory() as folder:
        file = Path(folder) / "vocab.txt"
        file.write_bytes(foreign.vocabulary)
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
