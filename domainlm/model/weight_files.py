"""Which files of a Hugging Face folder hold its weights. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from domainlm.errors import ModelError
from domainlm.model.huggingface import read_json_table

SAFETENSORS = "model.safetensors"
PYTORCH = "pytorch_model.bin"
_INDEX = ".index.json"


def weight_files(folder: Path) -> list[Path]:
    """The files of a Hugging Face folder that hold its weights: safetensors where there are both kinds.

    Raises:
        ModelError: there are none, or an index names files outside the folder.
    """
    for name in (SAFETENSORS, PYTORCH):
        if (folder / name).is_file():
            return [folder / name]
        index = folder / f"{name}{_INDEX}"
        if index.is_file():
            return _indexed(index)
    raise ModelError("no weights in the folder", where=folder, allowed=(SAFETENSORS, PYTORCH))


def indexed_tensors(folder: Path) -> list[str]:
    """The tensors that the index of these files names; none where a single file holds all."""
    for name in (SAFETENSORS, PYTORCH):
        if (folder / name).is_file():
            return []
        index = folder / f"{name}{_INDEX}"
        if index.is_file():
            return list(read_json_table(index).get("weight_map", ()))
    return []


def _indexed(index: Path) -> list[Path]:
    table = read_json_table(index).get("weight_map")
    if not isinstance(table, dict):
        raise ModelError("there is no weight_map", where=index)
    return list(dict.fromkeys(_parts(index, table)))


def _parts(index: Path, table: Mapping[str, Any]) -> Iterator[Path]:
    for name in table.values():
        if not isinstance(name, str) or Path(name).name != name:
            raise ModelError("names a file outside its folder", where=index, given=name)
        yield index.parent / name
