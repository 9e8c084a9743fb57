"""The world of ranks: joining it, its groups, the few exchanges that the rest of the code needs, and leaving it.

A process that joined nothing is a world of one, in which every exchange is the identity.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import torch
from torch import distributed
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous
from torch.nn import functional

from domainlm.errors import MachineError
from domainlm.parallel.device_errors import device_error
from domainlm.parallel.grid import Grid
from domainlm.process import TORCHRUN, launched

Scope = Literal["world", "data", "pipeline", "tensor", "replica", "embedding"]
"""Which ranks take part: all; those with the same weights; the stages of a replica; those that share matrices; all of
a replica (pipeline x tensor); the first and last stage, which both hold the word embedding."""

DEFAULT_TIMEOUT_SECONDS = 1_800.0


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """All ranks, and this one's place among them.

    Attributes:
        grid: degrees, and this rank's place.
        device: where this rank computes.
        groups: the process group of each scope; empty in a world of one that was not joined.
        rpc_rendezvous: where ranks find each other a second time, for torch's RPC.
    """

    grid: Grid
    device: torch.device
    groups: dict[str, Any]
    rpc_rendezvous: str = "env://"

    @property
    def rank(self) -> int:
        """World rank."""
        return self.grid.world_rank

    @property
    def size(self) -> int:
        """Number of ranks."""
        return self.grid.world_size

    @property
    def is_joined(self) -> bool:
        """Whether ranks talk to one another: false in a process that runs by itself."""
        return bool(self.groups)

    @property
    def is_first(self) -> bool:
        """Whether this is world rank 0, which writes files and tells observers."""
        return self.rank == 0

    def group(self, scope: Scope) -> Any:  # noqa: ANN401 - torch.distributed is named in this package alone
        """The process group of a scope; None in a world that was not joined."""
        return self.groups.get(scope)

    def sum(self, values: Sequence[float], scope: Scope = "world") -> list[float]:
        """Each value summed over the ranks of a scope, in fp64: the same bits on all of them."""
        return self._reduce(values, scope, "SUM")

    def max(self, values: Sequence[float], scope: Scope = "world") -> list[float]:
        """The largest of each value over the ranks of a scope."""
        return self._reduce(values, scope, "MAX")

    def sum_tensor(self, tensor: torch.Tensor, scope: Scope) -> torch.Tensor:
        """Sum a tensor over the ranks of a scope, in place; returns it."""
        if self.is_joined:
            distributed.all_reduce(tensor, group=self.groups[scope])
        return tensor

    def broadcast(self, value: Any, source: int = 0) -> Any:  # noqa: ANN401 - any JSON value
        """A JSON value of one world rank, given to all; what the other ranks pass is ignored. Nothing is pickled."""
        if not self.is_joined:
            return value
        content = json.dumps(value).encode() if self.rank == source else b""
        size = torch.tensor([len(content)])
        distributed.broadcast(size, source)
        data = torch.zeros(int(size), dtype=torch.uint8)
        if self.rank == source:
            data.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
        distributed.broadcast(data, source)
        return json.loads(bytes(data.tolist()))

    def gather(self, value: Any) -> list[Any]:  # noqa: ANN401 - any JSON value
        """The JSON values of all world ranks, in order of rank, on every rank: two exchanges, however many ranks."""
        if not self.is_joined:
            return [value]
        content = torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8)
        sizes = [torch.zeros(1, dtype=torch.int64) for _ in range(self.size)]
        distributed.all_gather(sizes, torch.tensor([len(content)]))
        longest = int(max(sizes))
        received = [torch.empty(longest, dtype=torch.uint8) for _ in range(self.size)]
        distributed.all_gather(received, functional.pad(content, (0, longest - len(content))))
        contents = (data[: int(size)] for data, size in zip(received, sizes, strict=True))
        return [json.loads(data.numpy().tobytes()) for data in contents]

    def barrier(self) -> None:
        """Wait for all ranks."""
        self.sum([0.0])

    def _reduce(self, values: Sequence[float], scope: Scope, operation: str) -> list[float]:
        if not self.is_joined:
            return [float(value) for value in values]
        tensor = torch.tensor(list(values), dtype=torch.float64)
        distributed.all_reduce(tensor, getattr(distributed.ReduceOp, operation), group=self.groups[scope])
        reduced: list[float] = tensor.tolist()
        return reduced


_ALONE = World(Grid(), torch.device("cpu"), {})
_joined: list[World] = []


def current_world() -> World:
    """The world this process joined; a world of one where it joined none."""
    return _joined[-1] if _joined else _ALONE


def join_world(
    grid: Grid,
    *,
    rank: int | None = None,
    store: Path | None = None,
    device: Literal["cpu", "cuda"] = "cpu",
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
) -> World:
    """Join the other ranks and make the groups of the grid; gloo carries CPU tensors, NCCL those on GPUs.

    Args:
        grid: its degrees count; the place in it is found from the rank.
        rank: world rank; from the environment (`RANK`, as torchrun sets it) where None.
        store: a file, not there before, through which the ranks of one machine find each other; the environment
            (`MASTER_ADDR`, `MASTER_PORT`) where None.
        device: what to compute on.
        timeout_seconds: an exchange that takes longer fails.

    Raises:
        MachineError: the number of ranks is not that of the grid; this process joined before, was not launched, or
            cannot reach the others.
    """
    if _joined:
        raise MachineError("this process has joined a world already", where="parallel", remedy="leave it first")
    here = launched() if store is None else None
    if store is None and here is None:
        raise MachineError(
            "this process was not started as one of several ranks",
            where="parallel",
            given=", ".join(f"{name}={os.environ.get(name, '')}" for name in TORCHRUN),
            remedy="start it with torchrun, or let `domainlm run` start the ranks of this machine",
        )
    rank = int(os.environ["RANK"]) if rank is None else rank
    if here is not None:
        grid.check_world_size(here.size)
    grid = grid.at(rank)
    torch_device = _choose_device(device, rank)
    try:
        world = World(grid, torch_device, *_meet(grid, store, device, timeout_seconds))
        world.barrier()  # a rank that left before the others have made their groups would close connections on them
    except RuntimeError as error:
        if here is None:
            raise  # the process that started the ranks of this machine knows which of them failed first
        raise device_error(error) or _not_joined(error) from error
    _joined.append(world)
    return world


def _meet(
    grid: Grid, store: Path | None, device: Literal["cpu", "cuda"], timeout_seconds: float
) -> tuple[dict[str, Any], str]:
    """The groups of this rank, and where ranks find each other a second time."""
    distributed.init_process_group(
        "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo",
        init_method=None if store is None else store.absolute().as_uri(),
        store=_launched_store(timeout_seconds) if store is None else None,
        rank=grid.world_rank,
        world_size=grid.world_size,
        timeout=timedelta(seconds=timeout_seconds),
    )
    second = "env://" if store is None else store.absolute().with_name(f"{store.name}-rpc").as_uri()
    return _make_groups(grid), second


def _not_joined(error: RuntimeError) -> MachineError:
    return MachineError(
        "this rank could not join the others",
        where="parallel",
        given=next(iter(str(error).strip().splitlines()), type(error).__name__),
        remedy="have every machine reach the others: gloo listens at the address that a machine's own host name leads "
        "to, often 127.0.1.1; name the interface of their network in GLOO_SOCKET_IFNAME, for GPUs in "
        "NCCL_SOCKET_IFNAME too",
    )


def _launched_store(timeout_seconds: float) -> Any:  # noqa: ANN401 - torch.distributed is named in this package alone
    """The store of a launched run. torchrun keeps one over its restarts: each attempt needs names of its own."""
    store, _, size = next(rendezvous("env://", timeout=timedelta(seconds=timeout_seconds)))
    return PrefixStore(f"attempt-{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}-of-{size}", store)


def leave_world() -> None:
    """Leave the world again; nothing happens where none was joined."""
    from fairscale.nn.model_parallel import destroy_model_parallel

    if _joined:
        _joined.clear()
        destroy_model_parallel()
        distributed.destroy_process_group()


@contextlib.contextmanager
def joined_world(grid: Grid, **how: Any) -> Iterator[World]:  # noqa: ANN401 - as `join_world` takes them
    """`join_world`, and `leave_world` at the end."""
    world = join_world(grid, **how)
    try:
        yield world
    finally:
        leave_world()


def _choose_device(device: Literal["cpu", "cuda"], rank: int) -> torch.device:
    if device == "cpu":
        return torch.device("cpu")
    seen = torch.cuda.device_count()
    local = int(os.environ.get("LOCAL_RANK", rank % max(1, seen)))
    if seen == 1:
        local = 0  # the launcher shows each process a GPU of its own
    elif local >= seen:
        raise MachineError(
            "there are more ranks on this machine than GPUs",
            where="LOCAL_RANK",
            given=local,
            allowed=f"below {seen}",
            remedy="launch one process for each GPU",
        )
    torch.cuda.set_device(local)
    return torch.device("cuda", local)


def _make_groups(grid: Grid) -> dict[str, Any]:
    """The group of every scope. All ranks make all groups, in the same order, as torch demands."""
    from fairscale.nn import model_parallel

    with contextlib.redirect_stdout(io.StringIO()):  # it prints
        model_parallel.initialize_model_parallel(grid.tensor_degree, grid.pipeline_degree)
    groups = {
        "world": distributed.group.WORLD,
        "data": model_parallel.get_data_parallel_group(),
        "pipeline": model_parallel.initialize.get_pipeline_parallel_group(),
        "tensor": model_parallel.get_model_parallel_group(),
    }
    size = grid.pipeline_degree * grid.tensor_degree
    replicas = [list(range(first, first + size)) for first in range(0, grid.world_size, size)]
    groups["replica"] = _own_group(grid, replicas)
    pipelines = {grid.at(rank).pipeline_group for rank in range(grid.world_size)}
    ends = [sorted({pipeline[0], pipeline[-1]}) for pipeline in sorted(pipelines)]
    groups["embedding"] = _own_group(grid, ends)
    return groups


def _own_group(grid: Grid, members: Sequence[Sequence[int]]) -> Any:  # noqa: ANN401 - as above
    """Make a group of each; returns the one that this rank is in, None where it is in none."""
    own = None
    for ranks in members:
        group = distributed.new_group(list(ranks))
        if grid.world_rank in ranks:
            own = group
    return own
