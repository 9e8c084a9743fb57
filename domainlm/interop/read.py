"""Reads a model of any kind that is known here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from domainlm.errors import ModelError
from domainlm.interop.checkpoints import read_checkpoint
from domainlm.interop.foreign import ForeignModel
from domainlm.interop.huggingface import read_huggingface
from domainlm.interop.megatron import read_megatron
from domainlm.interop.shards import is_checkpoint
from domainlm.model.files import CONFIG, read_config, read_tensors
from domainlm.model.huggingface import read_json_table
from domainlm.recipe.start import is_training_checkpoint, model_folder_of


def read_model(
    source: Path, kind: str | None = None, *, heads: int | None = None, task_heads: bool = False
) -> ForeignModel:
    """Read a model.

    Args:
        source: its folder, archive or file.
        kind: "model" (a folder of this program), "huggingface" or "megatron"; found out where None.
        heads: attention heads, for checkpoints of Megatron-LM that do not say it.
        task_heads: make a task model of a Hugging Face folder that has the head of one; else its encoder is read.

    Raises:
        ModelError: it is no model, or one that cannot be read.
    """
    kind = kind or kind_of(source)
    if kind == "megatron":
        return read_megatron(source, heads=heads)
    return _read_own(source) if kind == "model" else read_huggingface(source, task_heads=task_heads)


def read_with_heads(source: Path, *, heads: int | None = None) -> ForeignModel:
    """Read all that can be read of a model, to look at it: a head that cannot be used here is left out, with a note."""
    kind = kind_of(source)
    try:
        return read_model(source, kind, heads=heads, task_heads=True)
    except ModelError as error:
        if kind != "huggingface":  # no other has a head to leave out, and reading may take minutes
            raise
        foreign = read_model(source, heads=heads)  # raises the same where it is not the head
        return replace(foreign, notes=(*foreign.notes, f"the head cannot be used here: {error.problem}"))


def kind_of(source: Path) -> str:
    """The kind of a model, as `read_model` takes it; raises `ModelError` where it is none that is known."""
    if not source.exists():
        raise ModelError("no such file or folder", where=source)
    if (source / CONFIG).is_file():
        content = read_json_table(source / CONFIG)
        return "model" if "format" in content and "model" in content else "huggingface"
    if is_training_checkpoint(source):
        return "model"
    if is_checkpoint(source):
        return "megatron"
    raise ModelError(
        "not a model that is known here",
        where=source,
        allowed="a folder of this program or of Hugging Face, a checkpoint of Megatron-LM or NeMo",
    )


def _read_own(folder: Path) -> ForeignModel:
    found = read_config(model_folder_of(folder))
    tensors = read_checkpoint(folder) if is_training_checkpoint(folder) else read_tensors(folder)
    own = {"kind": found.kind, **found.extra}
    return ForeignModel(folder, found.model, tensors, {name: (name,) for name in tensors}, (), own=own)
