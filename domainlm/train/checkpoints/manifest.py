"""What a checkpoint says of itself: manifest.json, strictly read."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from domainlm.plan.work import Degrees

FORMAT: Final = 2
MANIFEST = "manifest.json"
_DIGEST = "sha256_of_the_above"

Kind = Literal["weights", "optimizer"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Piece(_Record):
    """A rectangular part of a tensor, as it lies in a file.

    Attributes:
        file: the file's name.
        key: the tensor's name in that file.
        offsets: index of its first element in the whole tensor.
        shape: its size along each dimension.
    """

    file: str
    key: str
    offsets: tuple[int, ...]
    shape: tuple[int, ...]


def piece_file(kind: Kind, rank: int) -> str:
    """Name of the file with a world rank's pieces of a kind."""
    return f"{kind}-{rank:05}.safetensors"


def piece_key(name: str, offsets: Sequence[int], *, is_whole: bool) -> str:
    """Name of a piece in its file: that of the tensor, and the offsets where it is not the whole tensor."""
    return name if is_whole else f"{name}@{','.join(map(str, offsets))}"


class StoredTensor(_Record):
    """A tensor of the whole model.

    Attributes:
        dtype: "float32" and so on, as torch names it.
        shape: of the whole tensor.
        pieces: together exactly the whole tensor.
    """

    dtype: str
    shape: tuple[int, ...]
    pieces: tuple[Piece, ...]

    @property
    def is_covered(self) -> bool:
        """Whether the pieces, none of which overlaps another, make up the whole."""
        return sum(math.prod(piece.shape) for piece in self.pieces) == math.prod(self.shape)


class StoredFile(_Record):
    """A file's size and hash."""

    bytes: int
    sha256: str


class Manifest(_Record):
    """All facts of a checkpoint.

    Attributes:
        format: of the folder.
        step: optimizer steps done: the position in the data and in the learning-rate schedule.
        run: which run this is.
        grid: what wrote it: for people, nothing depends on it.
        training: small values of the loop and its engine (loss scale, steps skipped).
        milestones: small values of the milestones, by milestone and key.
        unsettled: metrics of the last step where its milestones are still to be run; None where they are done.
        weights: parameters and buffers by name.
        optimizer: the optimizer's tensors by `PARAMETER|KEY`.
        files: every file but the manifest, by its path in the folder.
    """

    format: Literal[2] = FORMAT
    step: int
    run: str
    grid: Degrees = Degrees()
    training: dict[str, Any] = Field(default_factory=dict)
    milestones: dict[str, dict[str, Any]] = Field(default_factory=dict)
    unsettled: dict[str, int | float] | None = None
    weights: dict[str, StoredTensor] = Field(default_factory=dict)
    optimizer: dict[str, StoredTensor] = Field(default_factory=dict)
    files: dict[str, StoredFile] = Field(default_factory=dict)

    def tensors(self, kind: Kind) -> Mapping[str, StoredTensor]:
        """The tensors of one kind by name."""
        return self.weights if kind == "weights" else self.optimizer

    def as_bytes(self) -> bytes:
        """The content of manifest.json, which ends with the hash of the rest."""
        content = self.model_dump(mode="json")
        return (json.dumps({**content, _DIGEST: _digest(content)}, indent=1, ensure_ascii=False) + "\n").encode()


def read_manifest(folder: Path) -> tuple[str, Manifest | None]:
    """What is wrong with a folder's manifest ("" for nothing), and the manifest."""
    try:
        content = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return "its manifest is missing or damaged", None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        return "its format is not known to this version", None
    if content.pop(_DIGEST, "") != _digest(content):
        return "its manifest is damaged", None
    try:
        return "", Manifest.model_validate(content)
    except ValidationError:
        return "its manifest is damaged", None


def merge_pieces(parts: Sequence[Mapping[str, StoredTensor]]) -> dict[str, StoredTensor]:
    """The tensors of all ranks, each rank having given the pieces that it wrote."""
    merged: dict[str, StoredTensor] = {}
    for part in parts:
        for name, tensor in part.items():
            before = merged.get(name)
            if before is None:
                merged[name] = tensor
                continue
            assert (before.shape, before.dtype) == (tensor.shape, tensor.dtype), name
            merged[name] = before.model_copy(update={"pieces": before.pieces + tensor.pieces})
    for name, tensor in merged.items():
        assert tensor.is_covered, f"the ranks wrote other than the whole of {name}: {tensor}"
    return dict(sorted(merged.items()))


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
