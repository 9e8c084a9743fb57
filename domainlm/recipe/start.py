"""Where pretraining starts from: finds the model and its vocabulary, and reads its shape."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from domainlm.api import ModelSizeSpec
from domainlm.errors import ModelError, RecipeError
from domainlm.fetch.hub import hub_folder
from domainlm.model.config import ModelConfig
from domainlm.model.huggingface import CONFIG_FILE, read_huggingface_config
from domainlm.model.huggingface_tokenizer import added_tokens, check_tokenizer_settings, tokenizer_case
from domainlm.model.weight_files import SAFETENSORS, weight_files
from domainlm.plugin.registry import Registry
from domainlm.recipe.schema import ModelSettings, StartSettings, VocabularySettings
from domainlm.recipe.vocabulary_file import start_vocabulary_file
from domainlm.vocab.added import with_added_tokens
from domainlm.vocab.files import TOKENIZER_FILE, find_vocabulary
from domainlm.vocab.vocabulary import Vocabulary

START_VOCABULARY = "core/start"
_CHECKPOINTS, _MANIFEST = "checkpoints", "manifest.json"
_OF_A_MODEL = ("path", "hub", "vocabulary", "revision")
_SHAPE = ("layers", "hidden", "heads", "feed_forward", "max_positions")


@dataclass(frozen=True, slots=True)
class ResolvedStart:
    """A model to start from.

    Attributes:
        kind: as `StartSettings.kind`, "random" left aside.
        folder: of the model, or its archive or file; of the vocabulary where the run pretrains the model itself.
        files: those that decide the weights and the vocabulary.
        vocabulary: the file of its vocabulary.
        cased: whether that is cased, where its file does not say it and another does.
        config: shape of the encoder; for Hugging Face folders `vocabulary_size` counts all rows. None where only
            reading the weights would tell.
        label: short name for reports.
        carries_optimizer: whether the optimizer goes on with what it kept.
    """

    kind: str
    folder: Path
    files: tuple[Path, ...]
    vocabulary: Path
    cased: bool | None
    config: ModelConfig | None
    label: str
    carries_optimizer: bool = False


def resolve_start(settings: StartSettings, where: str) -> ResolvedStart | None:
    """Find the model to start from, fetching it where it is named on the hub; None for fresh weights.

    Raises:
        RecipeError: no model is named, or two are; or one is, and nothing says of which kind it is.
        UserError: it cannot be fetched or read.
    """
    _check_kind(settings, where)
    _check_optimizer(settings, where)
    if settings.kind == "random":
        return None
    if settings.kind == "general":
        return _to_be_pretrained(settings, where)
    if settings.hub is not None and settings.kind != "huggingface":
        raise RecipeError('only kind = "huggingface" comes from the hub', where=f"{where}.hub", given=settings.hub)
    if (settings.path is None) == (settings.hub is None):
        raise RecipeError(
            "give one of path and hub" if settings.path else "the model to start from is not named",
            where=where,
            remedy=f'add path = "..." to [start] (kind is "{settings.kind}")',
        )
    if settings.revision is not None and settings.hub is None:
        raise RecipeError(
            "a revision is that of a model on the hub, and a path is given",
            where=f"{where}.revision",
            given=settings.revision,
            remedy='leave it out, or name the model by hub = "..." in place of path',
        )
    if settings.path is not None:
        folder, label = Path(settings.path), Path(settings.path).name
        if not (folder.is_dir() or (settings.kind == "megatron" and folder.is_file())):
            raise ModelError("no such folder", where=f"{where}.path", given=settings.path)
    else:
        assert settings.hub is not None
        folder, label = hub_folder(settings.hub, settings.revision), settings.hub.rsplit("/", 1)[-1]
    return (
        _read_checkpoint(settings, folder, label, where)
        if settings.kind == "megatron"
        else _read(settings, folder, label, where)
    )


def start_size(
    start: ResolvedStart | None, settings: ModelSettings, registry: Registry, where: str
) -> tuple[ModelSizeSpec, bool]:
    """The size of the encoder, and whether it is a declared one.

    Raises:
        RecipeError: neither model.size nor a start says it, or the two contradict one another.
    """
    declared = None if settings.size is None else registry.model_size(settings.size, where=where)
    if start is None or start.config is None:
        if declared is None:
            other = 'or start from a model that says it: [start] kind = "huggingface" or "model"'
            silent = "" if start is None else f'a start of kind = "{start.kind}" does not say it'
            raise RecipeError("this key is missing", where=where, remedy=f"add it to the recipe; {silent or other}")
        return declared, True
    config = start.config
    if settings.architecture not in (None, config.architecture):
        raise RecipeError(
            f"the start has the architecture {config.architecture!r}",
            where=where.replace("model.size", "model.architecture"),
            given=settings.architecture,
        )
    if declared is not None:
        _check_same_shape(declared, config, where)
        return declared, True
    slug = re.sub(r"[^a-z0-9]+", "-", start.label.lower()).strip("-") or "model"
    return ModelSizeSpec(
        name=f"start/{slug}",
        description=f"that of {start.label}",
        architecture=config.architecture,
        dropout=config.dropout,
        **{name: getattr(config, name) for name in _SHAPE},
    ), False


def start_vocabulary(start: ResolvedStart | None, settings: VocabularySettings, where: str) -> tuple[Path, bool | None]:
    """The file of the start's vocabulary, and whether it is cased where the file does not say it.

    Raises:
        RecipeError: there is no such start, or [vocabulary] asks for something that a given vocabulary cannot be.
    """
    if start is None:
        raise RecipeError(
            f"{START_VOCABULARY} is the vocabulary of a model to start from, and the start is random",
            where=f"{where}.spec",
            remedy="choose another vocabulary, or add a model to [start]",
        )
    asked = [name for name in ("size", "file") if getattr(settings, name) is not None]
    if asked:
        raise RecipeError(
            "the vocabulary is that of the start",
            where=f"{where}.{asked[0]}",
            given=getattr(settings, asked[0]),
            remedy='leave it out, or name the vocabulary to learn or read: spec = "core/wordpiece", "core/file", ...',
        )
    return start.vocabulary, start.cased if settings.cased is None else settings.cased


def _read(settings: StartSettings, folder: Path, label: str, where: str) -> ResolvedStart:
    home = model_folder_of(folder)
    named = settings.vocabulary
    vocabulary = find_vocabulary(home) if named is None else start_vocabulary_file(named, where)
    cased = None
    if settings.kind == "model":
        from domainlm.model.files import read_config  # with torch

        config = read_config(home).model
        weights = (
            [folder / SAFETENSORS] if home == folder else sorted(each for each in folder.rglob("*") if each.is_file())
        )
        files: tuple[Path, ...] = (home / CONFIG_FILE, *weights)
    else:
        config = read_huggingface_config(folder).model
        files = (folder / CONFIG_FILE, *weight_files(folder))
        cased = _case_of(vocabulary, folder)
    carries = settings.optimizer == "carried"
    return ResolvedStart(settings.kind, folder, files, vocabulary, cased, config, label, carries_optimizer=carries)


def _case_of(vocabulary: Path, model: Path) -> bool | None:
    """Whether a Hugging Face folder's vocabulary is cased, where its file does not say it and another does."""
    folder = vocabulary.parent
    if vocabulary.name == TOKENIZER_FILE:
        check_tokenizer_settings(folder)
        return None
    cased = tokenizer_case(folder)
    _check_nothing_added(vocabulary, cased, model)
    return cased


def _check_nothing_added(file: Path, cased: bool | None, model: Path) -> None:
    """Refuse tokens that were added to a vocab.txt: a run reads, and knows its stages by, that file alone."""
    added = added_tokens(file.parent)
    if not added:
        return
    listed = Vocabulary.load(file, cased=bool(cased))
    with_added_tokens(listed, added, file.parent)  # raises where they do not fit
    found = [token["content"] for token in added if token["id"] >= listed.size or not token["special"]]
    if found:
        raise ModelError(
            "tokens were added to this vocab.txt, and only the files beside it name them",
            where=file,
            given=", ".join(found),
            remedy=f"make a model folder, which holds them: domainlm model import {model} FOLDER --encoder-only; "
            'then start from it: kind = "model", path = "FOLDER"',
        )


def is_training_checkpoint(folder: Path) -> bool:
    """Whether a folder is a checkpoint that a pretraining of this program kept, which lies beside its model folder."""
    return folder.parent.name == _CHECKPOINTS and (folder / _MANIFEST).is_file()


def model_folder_of(folder: Path) -> Path:
    """The model folder that belongs to a checkpoint; a folder that is none is given back."""
    return folder.parent.parent / "model" if is_training_checkpoint(folder) else folder


def check_carried(start: ResolvedStart | None, *, keeps_vocabulary: bool, where: str) -> None:
    """Raise `RecipeError` where the optimizer's moments do not fit the model, whose entries are other ones."""
    if start is not None and start.carries_optimizer and not keeps_vocabulary:
        raise RecipeError(
            "what the optimizer kept belongs to the vocabulary of the start",
            where=f"{where}.optimizer",
            given="carried, with another vocabulary",
            remedy='leave out [vocabulary], or use optimizer = "fresh"',
        )


def _check_kind(settings: StartSettings, where: str) -> None:
    """Refuse a model without its kind, which would be passed over; an arm that says "random" leaves a model aside."""
    named = [key for key in _OF_A_MODEL if getattr(settings, key) is not None]
    if named and "kind" not in settings.model_fields_set:
        raise RecipeError(
            "a model to start from is described, and its kind is not given",
            where=f"{where}.{named[0]}",
            given=getattr(settings, named[0]),
            allowed='kind = "huggingface", "model", "megatron" or "general"; or "random", which leaves the model aside',
            remedy='add kind = "huggingface", or another of these, to [start]',
        )


def _check_optimizer(settings: StartSettings, where: str) -> None:
    if settings.optimizer == "fresh":
        return
    if settings.kind != "model" or settings.path is None or not is_training_checkpoint(Path(settings.path)):
        raise RecipeError(
            "this start has no optimizer state to carry",
            where=f"{where}.optimizer",
            given=f'kind = "{settings.kind}", path = "{settings.path or ""}"',
            allowed='kind = "model" and the folder of a checkpoint: .../checkpoints/step-00000500',
            remedy="keep checkpoints with pretraining.num_steps_per_kept_checkpoint, and name one of them below the "
            'artifacts of the stage "pretrain"; or use optimizer = "fresh"',
        )


def _to_be_pretrained(settings: StartSettings, where: str) -> ResolvedStart:
    if settings.vocabulary is None:
        raise RecipeError(
            "a start that is pretrained on general text needs a vocabulary of its own",
            where=f"{where}.vocabulary",
            remedy='add vocabulary = "..." to [start]: a vocab.txt or tokenizer.json',
        )
    vocabulary = start_vocabulary_file(settings.vocabulary, where)
    return ResolvedStart(settings.kind, vocabulary.parent, (), vocabulary, None, None, f"general ({vocabulary.stem})")


def _read_checkpoint(settings: StartSettings, path: Path, label: str, where: str) -> ResolvedStart:
    if settings.vocabulary is None:
        raise RecipeError(
            "a checkpoint of Megatron-LM comes without its vocabulary",
            where=f"{where}.vocabulary",
            remedy='add vocabulary = "..." to [start]: the vocab.txt or tokenizer.json it was trained with',
        )
    files = sorted(found for found in path.rglob("*") if found.is_file()) if path.is_dir() else [path]
    vocabulary = start_vocabulary_file(settings.vocabulary, where)
    return ResolvedStart(settings.kind, path, tuple(files), vocabulary, None, None, label)


def _check_same_shape(declared: ModelSizeSpec, config: ModelConfig, where: str) -> None:
    shape = {name: getattr(declared, name) for name in _SHAPE}
    shape["feed_forward"] = declared.feed_forward or 4 * declared.hidden
    for name, value in shape.items():
        if value != getattr(config, name):
            raise RecipeError(
                f"the start has {name} {getattr(config, name)}, and {declared.name} has {value}",
                where=where,
                remedy="leave out model.size: the start says it",
            )
