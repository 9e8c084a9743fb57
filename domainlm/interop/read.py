"""Reads a model of any kind that is known here."""

from __future__ import annotations

from pathlib import Path

from domainlm.errors import ModelError
from domainlm.interop.foreign import ForeignModel
from domainlm.interop.huggingface import read_huggingface
from domainlm.model.files import CONFIG, read_config, read_tensors
from domainlm.model.huggingface import read_json_table


def read_model(source: Path, kind: str | None = None) -> ForeignModel:
    """Read a model.

    Args:
        source: its folder.
        kind: "model" (a folder of this program) or "huggingface"; found out where None.

    Raises:
        ModelError: it is no model, or one that cannot be read.
    """
    return {"model": _read_own, "huggingface": read_huggingface}[kind or kind_of(source)](source)


def kind_of(source: Path) -> str:
    """The kind of a model, as `read_model` takes it; raises `ModelError` where it is none that is known."""
    if not source.exists():
        raise ModelError("no such file or folder", where=source)
    if (source / CONFIG).is_file():
        content = read_json_table(source / CONFIG)
        return "model" if "format" in content and "model" in content else "huggingface"
    raise ModelError(
        "not a model that is known here", where=source, allowed="a folder of this program or of Hugging Face"
    )


def _read_own(folder: Path) -> ForeignModel:
    config = read_config(folder).model
    tensors = read_tensors(folder)
    return ForeignModel(folder, config, tensors, {name: (name,) for name in tensors}, ())
