"""Pieces of tensors: what any grid wrote, any grid reads."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from domainlm.errors import ModelError, StorageError
from domainlm.model.shard_plan import SHARD_PLAN, split_of
from domainlm.parallel.shards import Shard
from domainlm.plan.work import Degrees
from domainlm.train.checkpoints.looking import find_checkpoints, open_checkpoint, problems_of
from domainlm.train.checkpoints.manifest import MANIFEST, Manifest, Piece, StoredTensor, merge_pieces
from domainlm.train.checkpoints.reading import Checkpoint
from domainlm.train.checkpoints.reshard import reshard
from domainlm.train.checkpoints.runs import Checkpoints, Contents
from domainlm.train.checkpoints.writing import hold, write_part

Cuts = Sequence[Sequence[int]]


def _pieces(whole: torch.Tensor, cuts: Cuts) -> list[Shard]:
    """Cut a tensor at the given places of each dimension."""
    spans = [list(pairwise([0, *sorted(places), size])) for places, size in zip(cuts, whole.shape, strict=True)]
    shards = []
    for place in product(*spans):
        view = whole[tuple(slice(low, high) for low, high in place)]
        shards.append(Shard("w", view, tuple(whole.shape), tuple(low for low, _ in place), is_writer=True))
    return shards


def _write(folder: Path, ranks: Sequence[Sequence[Shard]]) -> Checkpoint:
    folder.mkdir()
    parts = [
        write_part(folder, rank, {"weights": hold(shards), "optimizer": []}, []) for rank, shards in enumerate(ranks)
    ]
    files = {name: facts for part in parts for name, facts in part.files.items()}
    weights = merge_pieces([part.tensors.get("weights", {}) for part in parts])
    manifest = Manifest(step=1, run="run", weights=weights, files=files)
    (folder / MANIFEST).write_bytes(manifest.as_bytes())
    return open_checkpoint(folder)


@st.composite
def _divisions(draw: st.DrawFn) -> tuple[tuple[int, ...], Cuts, Cuts]:
    """A shape and two ways to cut it, with empty pieces among them."""
    shape = tuple(draw(st.lists(st.integers(1, 6), min_size=1, max_size=3)))
    ways = [[draw(st.lists(st.integers(0, size), max_size=2)) for size in shape] for _ in range(2)]
    return shape, ways[0], ways[1]


@settings(max_examples=60, deadline=None)
@given(division=_divisions(), num_ranks=st.integers(1, 3))
def test_what_was_cut_one_way_is_read_another_way(
    tmp_path_factory: pytest.TempPathFactory, division: tuple[tuple[int, ...], Cuts, Cuts], num_ranks: int
) -> None:
    shape, written, wanted = division
    whole = torch.arange(torch.Size(shape).numel(), dtype=torch.float32).reshape(shape)
    shards = _pieces(whole, written)
    folder = tmp_path_factory.mktemp("pieces") / "step-00000001"
    found = _write(folder, [shards[rank::num_ranks] for rank in range(num_ranks)])
    targets = _pieces(torch.full(shape, -1.0), wanted)
    found.load("weights", targets)

    for target in targets:
        assert torch.equal(target.tensor, whole[target.slices])
    with found.tensors("weights") as reader:
        assert torch.equal(reader.read("w"), whole)


def test_a_scalar_and_other_types(tmp_path: Path) -> None:
    tensors = {
        "step": torch.tensor(7.0),
        "half": torch.arange(6, dtype=torch.bfloat16).reshape(2, 3),
        "count": torch.tensor([2**40]),
    }
    found = _write(tmp_path / "step-00000001", [[Shard.whole(name, tensor) for name, tensor in tensors.items()]])
    targets = {name: torch.zeros_like(tensor) for name, tensor in tensors.items()}
    found.load("weights", [Shard.whole(name, tensor) for name, tensor in targets.items()])

    assert all(torch.equal(targets[name], tensor) for name, tensor in tensors.items())


def test_other_shapes_and_names_are_refused(tmp_path: Path) -> None:
    found = _write(tmp_path / "step-00000001", [[Shard.whole("w", torch.zeros(4, 2))]])
    with pytest.raises(ModelError, match=r"(?s)w has another shape.*\(4, 2\).*\(4, 3\)"):
        found.load("weights", [Shard.whole("w", torch.zeros(4, 3))])
    with pytest.raises(ModelError, match="has no v"):
        found.load("weights", [Shard.whole("v", torch.zeros(4, 2))])


def test_only_writers_write(tmp_path: Path) -> None:
    copy = Shard.whole("w", torch.ones(3), is_writer=False)
    found = _write(tmp_path / "step-00000001", [[Shard.whole("w", torch.ones(3))], [copy]])

    assert [path.name for path in sorted(found.folder.iterdir())] == ["manifest.json", "weights-00000.safetensors"]


def test_pieces_that_leave_a_gap_are_a_bug() -> None:
    half = Piece(file="f", key="w@0", offsets=(0,), shape=(2,))
    with pytest.raises(AssertionError, match="other than the whole of w"):
        merge_pieces([{"w": StoredTensor(dtype="float32", shape=(4,), pieces=(half,))}])


# --- reshard ---

_SHAPES = {
    "encoder.embeddings.word.weight": (11, 4),
    "encoder.embeddings.position.weight": (6, 4),
    **{
        f"encoder.layers.{layer}.{name}": shape
        for layer in range(4)
        for name, shape in {
            "attention.query_key_value.weight": (12, 4),
            "attention.query_key_value.bias": (12,),
            "attention.output.weight": (4, 4),
            "attention.output.bias": (4,),
            "feed_forward.inner.weight": (8, 4),
            "feed_forward.output.weight": (4, 8),
        }.items()
    },
    "encoder.norm.weight": (4,),
    "masked_lm.bias": (11,),
}


@pytest.fixture
def saved(tmp_path: Path) -> Checkpoint:
    torch.manual_seed(0)
    weights = {name: torch.randn(shape) for name, shape in _SHAPES.items()}
    state = {f"{name}|exp_avg": torch.randn(shape) for name, shape in _SHAPES.items()}
    state |= {f"{name}|step": torch.tensor(3.0) for name in _SHAPES}
    best = tmp_path / "best.bin"
    best.write_bytes(b"best")
    checkpoints = Checkpoints(tmp_path / "run", "run", 1)
    checkpoints.begin(
        3,
        Contents(
            weights=[Shard.whole(name, tensor) for name, tensor in weights.items()],
            optimizer=[Shard.whole(name, tensor) for name, tensor in state.items()],
            training={"loss_scale": 1024.0},
            files={"keep": {"best.bin": best}},
        ),
    )
    saved = checkpoints.seal()
    assert saved is not None
    return saved


def _whole(found: Checkpoint) -> dict[str, torch.Tensor]:
    kinds: tuple[Any, ...] = ("weights", "optimizer")
    tensors = {}
    for kind in kinds:
        with found.tensors(kind) as reader:
            tensors |= {name: reader.read(name).clone() for name in found.manifest.tensors(kind)}
    return tensors


def test_the_shapes_here_use_every_kind_of_split() -> None:
    assert {split_of(name.rpartition(".")[0]) for name in _SHAPES} == {*SHARD_PLAN.values(), None}


@pytest.mark.parametrize("grid", [(1, 1), (2, 1), (1, 2), (2, 2), (4, 4), (3, 2)])
def test_resharding_there_and_back_changes_no_bit(saved: Checkpoint, tmp_path: Path, grid: tuple[int, int]) -> None:
    pipeline, tensor = grid
    there = reshard(saved, tmp_path / "there", Degrees(pipeline=pipeline, tensor=tensor))
    back = reshard(there, tmp_path / "back", Degrees())

    assert problems_of(there.folder) == []
    assert len(list(there.folder.glob("weights-*"))) == pipeline * tensor
    expected = _whole(saved)
    for found in (there, back):
        tensors = _whole(open_checkpoint(found.folder))
        assert tensors.keys() == expected.keys()
        assert all(torch.equal(tensor, expected[name]) for name, tensor in tensors.items())
        assert found.manifest.training == {"loss_scale": 1024.0}
    assert {path.name: path.read_bytes() for path in saved.folder.iterdir() if path.is_file()} == {
        path.name: path.read_bytes() for path in back.folder.iterdir() if path.is_file()
    }
    assert there.files("keep")["best.bin"].read_bytes() == b"best"


def test_a_target_that_is_there_is_left_alone(saved: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(StorageError, match="exists already"):
        reshard(saved, tmp_path / "there", Degrees())


def test_a_degree_that_does_not_divide_is_refused(saved: Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"(?s)cannot be divided.*given:   5.*a divisor of"):
        reshard(saved, tmp_path / "there", Degrees(tensor=5))
    assert list(tmp_path.glob("*there*")) == []


# --- looking ---


def test_problems_name_every_file(saved: Checkpoint) -> None:
    assert problems_of(saved.folder) == []
    (saved.folder / "stray.txt").write_text("x")
    (saved.folder / "optimizer-00000.safetensors").unlink()
    weights = saved.folder / "weights-00000.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)

    assert problems_of(saved.folder) == [
        "optimizer-00000.safetensors is missing",
        "weights-00000.safetensors is damaged: its bytes are not those that were written",
        "stray.txt does not belong to it",
    ]


def test_checkpoints_are_found_from_the_run_or_from_themselves(saved: Checkpoint) -> None:
    run = saved.folder.parent.parent
    assert find_checkpoints(run) == find_checkpoints(run / "checkpoints") == find_checkpoints(saved.folder)
    with pytest.raises(ModelError, match="no checkpoint here"):
        find_checkpoints(run.parent)
