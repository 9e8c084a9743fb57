"""Writing safetensors files: hashed on the way, synced, and never half-written under their own name.

The format (https://huggingface.co/docs/safetensors): the header's length as 64-bit number, the header as JSON, the
tensors. The library's own writer orders metadata at random, leaves syncing to the caller and hides the error number
of a full disk; reading is the library's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from domainlm.files import whole_file

_ALIGNMENT = 8
_DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """What was written.

    Attributes:
        sha256: of the bytes, in hexadecimal.
        num_bytes: size of the file.
    """

    sha256: str
    num_bytes: int


def write_tensors(
    path: Path,
    tensors: Mapping[str, torch.Tensor],
    metadata: Mapping[str, str] | None = None,
    *,
    read: Callable[[str], torch.Tensor] | None = None,
) -> WrittenFile:
    """Write tensors under their names; the same tensors give the same bytes.

    The file gets its name once everything is on disk; until then, what stood at `path` is left alone.

    Args:
        path: the file.
        tensors: by their names; on the meta device where only `read` has their numbers.
        metadata: for the header's "__metadata__", in this order.
        read: gives a tensor when its turn comes, so that only one is in memory at a time; `tensors` does where None.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    header, names = _lay_out(tensors, metadata)
    ordered = map(read or tensors.__getitem__, names)
    digest = hashlib.sha256()
    num_bytes = 0
    with whole_file(path) as stream:
        for part in chain([memoryview(header)], map(_as_bytes, ordered)):
            stream.write(part)
            digest.update(part)
            num_bytes += len(part)
    return WrittenFile(digest.hexdigest(), num_bytes)


def write_tensor_stream(
    path: Path, shapes: Mapping[str, tuple[int, ...]], tensors: Iterator[torch.Tensor]
) -> WrittenFile:
    """`write_tensors` of fp32 tensors that come one at a time, in the order of `file_order`.

    Args:
        path: the file.
        shapes: of the tensors, by name.
        tensors: what `file_order` names.

    Raises:
        OSError: as `write_tensors`.
    """
    described = {name: torch.empty(shape, dtype=torch.float32, device="meta") for name, shape in shapes.items()}
    return write_tensors(path, described, read=lambda _: next(tensors))


def file_order(shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """The order in which `write_tensor_stream` takes tensors."""
    return sorted(shapes)


def _lay_out(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str] | None) -> tuple[bytes, list[str]]:
    """The header, and the names in the order of the file: widest dtype first, so that all are aligned."""
    names = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    entries: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name in names:
        tensor = tensors[name]
        start, end = end, end + tensor.numel() * tensor.element_size()
        entries[name] = {"dtype": _DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
    content = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    content += b" " * (-len(content) % _ALIGNMENT)
    return len(content).to_bytes(8, "little") + content, names


def _as_bytes(tensor: torch.Tensor) -> memoryview[int]:
    flat = tensor.detach().cpu().contiguous().view(-1)
    array: Any = flat.view(torch.uint8).numpy()
    return memoryview(array) if flat.numel() else memoryview(b"")
