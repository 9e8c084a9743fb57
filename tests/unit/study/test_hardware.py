"""What of the hardware and the grid counts towards the keys of trained artifacts."""

from __future__ import annotations

import pytest
import torch

from domainlm.parallel.device import Device
from domainlm.plan.work import Degrees
from domainlm.recipe.parallel_settings import ParallelSettings
from domainlm.recipe.schema import RuntimeSettings
from domainlm.study import hardware
from domainlm.study.hardware import grid_identity, hardware_identity
from domainlm.train.ranks import Ranks


def test_a_process_by_itself_keeps_its_keys() -> None:
    assert grid_identity(Ranks(), ParallelSettings()) == {}


def test_the_format_that_tensor_ranks_sum_in_counts_for_them_alone() -> None:
    def facts(**degrees: int) -> object:
        return grid_identity(Ranks(degrees=Degrees(**degrees)), ParallelSettings())["grid"].get("tensor_sums")

    assert facts(tensor=2) == 2
    assert facts(data=2) is None
    assert facts(pipeline=2) is None


@pytest.mark.parametrize(("kind", "counts"), [("cpu", True), ("cuda", False)])
def test_threads_count_on_a_cpu_alone(monkeypatch: pytest.MonkeyPatch, kind: str, *, counts: bool) -> None:
    device = Device(torch_device=torch.device(kind), precision="fp32")
    monkeypatch.setattr(hardware, "open_device", lambda *_, **__: device)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "a GPU")
    found = []
    for number in (3, 5):
        monkeypatch.setattr(torch, "get_num_threads", lambda number=number: number)
        found.append(hardware_identity(RuntimeSettings()))
    assert (found[0] != found[1]) == counts
    assert found[0].get("num_threads") == (3 if counts else None)
