"""Megatron-LM and NeMo checkpoints on disk: one file for each rank, in folders, zip or tar archives.

```
CHECKPOINT/latest_checkpointed_iteration.txt          "release", or a number of steps
CHECKPOINT/release/mp_rank_01/model_optim_rng.pt      tensor rank 1 (iter_0001000/ for step 1,000)
CHECKPOINT/release/mp_rank_01_002/model_optim_rng.pt  tensor rank 1, pipeline stage 2
MODEL.nemo                                            a tar: model_config.yaml, model_weights.ckpt or, by rank,
                                                      mp_rank_01/... or tp_rank_01_pp_rank_002/model_weights.ckpt
```

Archives are read in memory, member by member: nothing in them is written anywhere, whatever their members are called.
"""

from __future__ import annotations

import io
import re
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domainlm.errors import ModelError
from domainlm.interop.sources import read_pickled

_WEIGHTS = r"(?:model_optim_rng|model_rng|model_weights|optim_model)\.(?:pt|ckpt)"
_RANK = re.compile(
    rf"(?:^|/)(?:mp_rank_(?P<tensor>\d+)(?:_(?P<pipeline>\d+))?|tp_rank_(?P<tp>\d+)_pp_rank_(?P<pp>\d+))/{_WEIGHTS}$"
)
_ALONE = re.compile(rf"(?:^|/){_WEIGHTS}$")
_LATEST = "latest_checkpointed_iteration.txt"
_SETTINGS = re.compile(r"(?:^|/)model_config\.yaml$")
_VOCABULARY = re.compile(r"(?:^|/)[^/]*vocab[^/]*\.txt$")
_SCALAR = re.compile(r"^([A-Za-z_]\w*): *([^\s#'\"\[{][^#]*?) *$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Shards:
    """What every rank has saved.

    Attributes:
        where: the checkpoint.
        contents: by tensor rank and pipeline stage.
        settings: simple top-level values of a model_config.yaml, as text; empty where there is none.
        vocabulary: the vocab.txt in the archive, None where there is not exactly one.
    """

    where: Path
    contents: Mapping[tuple[int, int], Any]
    settings: Mapping[str, str] = field(default_factory=dict)
    vocabulary: bytes | None = None


def is_checkpoint(path: Path) -> bool:
    """Whether a path looks like a checkpoint that `read_shards` reads."""
    if path.is_dir():
        return (path / _LATEST).is_file() or any(map(_RANK.search, _names_below(path)))
    return path.suffix in {".pt", ".zip", ".nemo", ".ckpt"}


def read_shards(path: Path) -> Shards:
    """Read a checkpoint: a folder, a zip or tar archive, or the file of a single rank.

    Raises:
        ModelError: it is missing or damaged, holds several checkpoints, or lacks ranks.
    """
    try:
        if path.is_dir():
            return _of_folder(path)
        if tarfile.is_tarfile(path):
            return _of_tar(path)
        if zipfile.is_zipfile(path) and not _is_saved_by_torch(path):
            with zipfile.ZipFile(path) as archive:
                return _collect(path, archive.namelist(), archive.read)
    except FileNotFoundError:
        raise ModelError("no such file or folder", where=path) from None
    except (OSError, tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        raise ModelError(f"damaged: {error}", where=path) from error
    return Shards(path, {(0, 0): read_pickled(path, path)})


def _of_folder(folder: Path) -> Shards:
    return _collect(folder, _names_below(folder), lambda name: (folder / name).read_bytes())


def _of_tar(path: Path) -> Shards:
    with tarfile.open(path) as archive:
        members = {member.name: member for member in archive.getmembers() if member.isfile()}

        def read(name: str) -> bytes:
            stream = archive.extractfile(members[name])
            assert stream is not None
            return stream.read()

        return _collect(path, [*members], read)


def _collect(where: Path, names: list[str], read: Callable[[str], bytes]) -> Shards:
    found = _ranks(where, _of_latest(names, read))
    contents = {rank: read_pickled(io.BytesIO(read(name)), f"{where}: {name}") for rank, name in sorted(found.items())}
    settings = next((read(name).decode("utf-8", "replace") for name in names if _SETTINGS.search(name)), "")
    vocabularies = [name for name in names if _VOCABULARY.search(name)]
    vocabulary = read(vocabularies[0]) if len(vocabularies) == 1 else None
    return Shards(where, contents, dict(_SCALAR.findall(settings)), vocabulary)


def _of_latest(names: list[str], read: Callable[[str], bytes]) -> list[str]:
    """The names that belong to the last checkpoint, where a folder holds several."""
    latest = next((name for name in names if name.rsplit("/", 1)[-1] == _LATEST), None)
    if latest is None:
        return names
    told = read(latest).decode("utf-8", "replace").strip()
    folder = f"iter_{int(told):07d}" if told.isdigit() else told
    stem = latest.removesuffix(_LATEST)
    return [name for name in names if name.startswith(f"{stem}{folder}/")]


def _ranks(where: Path, names: list[str]) -> dict[tuple[int, int], str]:
    found: dict[tuple[int, int], str] = {}
    for name in names:
        match = _RANK.search(name)
        if match is None:
            continue
        rank = int(match["tensor"] or match["tp"] or 0), int(match["pipeline"] or match["pp"] or 0)
        if rank in found:
            raise ModelError(
                "holds several checkpoints", where=where, given=f"{found[rank]}, {name}", remedy="name one of them"
            )
        found[rank] = name
    alone = [name for name in names if _ALONE.search(name)]
    if not found and len(alone) == 1:
        return {(0, 0): alone[0]}
    if not found:
        raise ModelError("there is no checkpoint of Megatron-LM or NeMo in it", where=where)
    _check_complete(where, set(found))
    return found


def _check_complete(where: Path, ranks: set[tuple[int, int]]) -> None:
    tensor_degree, pipeline_degree = (max(rank[axis] for rank in ranks) + 1 for axis in (0, 1))
    missing = {(t, p) for t in range(tensor_degree) for p in range(pipeline_degree)} - ranks
    if missing:
        tensor, pipeline = min(missing)
        raise ModelError(f"the file of tensor rank {tensor}, pipeline stage {pipeline} is missing", where=where)


def _names_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _is_saved_by_torch(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        return any(name.rsplit("/", 1)[-1] == "data.pkl" for name in archive.namelist())
