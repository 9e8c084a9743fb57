"""What the dropout of a step draws from."""

from __future__ import annotations

import pytest
import torch

from domainlm.parallel.seeds import Seeds, seed_generators


def test_generators_are_seeded_as_torch_does() -> None:
    torch.manual_seed(7)
    drawn = torch.rand(3)
    seed_generators(7, torch.device("cpu"))
    assert torch.equal(torch.rand(3), drawn)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_generators_of_the_gpu_in_use_are_seeded_as_torch_does() -> None:
    device = torch.device("cuda", torch.cuda.device_count() - 1)
    torch.manual_seed(7)
    drawn = torch.rand(3), torch.rand(3, device=device)
    seed_generators(7, device)
    assert torch.equal(torch.rand(3), drawn[0])
    assert torch.equal(torch.rand(3, device=device), drawn[1])


def test_every_part_of_every_micro_batch_draws_by_itself() -> None:
    seeds, found = Seeds(0, 1, torch.device("cpu")), set()
    for place in ((0, 0, "embeddings"), (0, 0, "layer 1"), (0, 1, "layer 1"), (1, 0, "layer 1")):
        seeds.enter(*place)
        first = float(torch.rand(()))
        seeds.enter(*place)
        assert float(torch.rand(())) == first
        found.add(first)
    assert len(found) == 4
