"""The arithmetic against what torch and fairscale really hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from fairscale.optim.oss import OSS

from domainlm.api import Architecture
from domainlm.model.config import ModelConfig
from domainlm.model.encoder import EncoderInputs
from domainlm.model.initialise import initialise
from domainlm.model.pretraining import PretrainingModel
from domainlm.parallel.device import Device
from domainlm.plan.activations import layer_bytes, micro_batch_bytes, narrow_weight_bytes
from domainlm.plan.memory import buffer_bytes, fullest, memory_of, optimizer_bytes
from domainlm.plan.operations import num_recomputed
from domainlm.plan.parameters import Share, num_parameters, parameters_of
from domainlm.plan.stages import shares
from domainlm.plan.work import Degrees, Precision, Work
from domainlm.recipe.optimizer_settings import OptimizerSettings
from domainlm.train.optimizer import build_optimizer

Shape = Callable[..., ModelConfig]
_GIB = 2**30


def bytes_of(tensors: Iterable[torch.Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


@pytest.mark.parametrize("architecture", ["megatron", "bert"])
@pytest.mark.parametrize("sentence_order", [True, False])
def test_parameters_are_those_of_the_model(shape: Shape, architecture: Architecture, sentence_order: bool) -> None:
    config = shape(3, 64, 4, architecture=architecture)
    with torch.device("meta"):
        model = PretrainingModel(config, sentence_order=sentence_order)
    planned = parameters_of(config, Share(3), sentence_order=sentence_order)
    assert sorted((entry.size, entry.is_decayed) for entry in planned) == sorted(
        (parameter.numel(), parameter.ndim > 1) for parameter in model.parameters()
    )
    assert num_parameters(config, sentence_order=sentence_order) == sum(each.numel() for each in model.parameters())


@pytest.mark.parametrize(
    ("layers", "hidden", "heads", "millions"),
    [(24, 1024, 16, 336), (24, 2048, 32, 1_300), (48, 2560, 40, 3_900)],
)
def test_sizes_of_the_megatron_paper_come_out(
    shape: Shape, layers: int, hidden: int, heads: int, millions: int
) -> None:
    """Shoeybi et al. 2019, table 4: 336M, 1.3B and 3.9B parameters."""
    total = num_parameters(shape(layers, hidden, heads, rows=30_592, entries=30_522), sentence_order=True)
    assert round(total / 1e6) == millions if millions < 1000 else round(total / 1e9, 1) == millions / 1000


def test_weights_gradients_and_optimizer_are_exact(shape: Shape) -> None:
    config = shape(2, 64, 4)
    model = PretrainingModel(config, sentence_order=True)
    optimizer = build_optimizer(model, OptimizerSettings())
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    state = [value for entry in optimizer.state.values() for value in entry.values()]
    planned = fullest(Work(config=config), Degrees())
    assert planned.weights == bytes_of(model.parameters())
    assert planned.gradients == bytes_of(each.grad for each in model.parameters() if each.grad is not None)
    assert planned.optimizer == bytes_of(state)


class Kept:
    """Counts the bytes of tensors kept for the backward pass, each piece of memory once and no parameter."""

    def __init__(self, model: torch.nn.Module) -> None:
        self._seen = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
        self._tensors: list[torch.Tensor] = []
        self.bytes = 0

    def pack(self, tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self._seen:
            self._seen.add(storage.data_ptr())
            self._tensors.append(tensor)  # or another tensor might get its place
            self.bytes += storage.nbytes()
        return tensor


def kept_bytes(
    config: ModelConfig,
    precision: Precision,
    num_rows: int,
    num_tokens: int,
    num_masked: int,
    *,
    packs_rows: bool = False,
) -> int:
    """Bytes that a forward pass of the model keeps."""
    assert precision in {"fp32", "bf16"}
    model = PretrainingModel(config, sentence_order=True)
    initialise(model, 0)
    inputs = EncoderInputs(
        torch.randint(config.vocabulary_size, (num_rows, num_tokens)),
        torch.zeros(num_rows, num_tokens, dtype=torch.long),
        torch.full((num_rows,), num_tokens),
        samples=(torch.arange(num_tokens) // 5).expand(num_rows, -1) if packs_rows else None,
    )
    masked = torch.randperm(num_rows * num_tokens)[:num_masked].sort().values
    kept = Kept(model)
    device = Device(torch_device=torch.device("cpu"), precision="bf16" if precision == "bf16" else "fp32")
    with torch.autograd.graph.saved_tensors_hooks(kept.pack, lambda tensor: tensor), device.autocast():
        states = model.encoder(*inputs)
        model.losses(states, masked, masked % config.vocabulary_size, torch.zeros(num_rows, dtype=torch.long))
    return kept.bytes


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("architecture", ["megatron", "bert"])
@pytest.mark.parametrize("dropout", [0.1, 0.0])
@pytest.mark.parametrize(("rows", "tokens"), [(8, 128), (3, 512)])
def test_activations_are_within_a_tenth(
    shape: Shape, precision: Precision, architecture: Architecture, dropout: float, rows: int, tokens: int
) -> None:
    config = shape(3, 128, 4, architecture=architecture, dropout=dropout)
    work = Work(
        config=config,
        max_tokens=tokens,
        num_sequences_per_step=rows,
        num_sequences_per_micro_batch=rows,
        precision=precision,
        attention="plain" if dropout or precision == "bf16" else "fused",
    )
    planned = micro_batch_bytes(work, Share(3)) + narrow_weight_bytes(work, Share(3))
    measured = kept_bytes(config, precision, rows, tokens, work.num_masked_per_micro_batch)
    assert planned == pytest.approx(measured, rel=0.1)


def test_the_mask_of_packed_rows_is_counted(shape: Shape) -> None:
    """Each pair of slots has a number, the same for all layers and heads: most of all in a narrow model."""
    config = shape(1, 32, 2, rows=64, entries=64, dropout=0.0)
    numbers = {"max_tokens": 512, "num_sequences_per_step": 2, "num_sequences_per_micro_batch": 2}
    packed, plain = (Work(config=config, **numbers, packs_rows=packs_rows) for packs_rows in (True, False))
    difference = micro_batch_bytes(packed, Share(1)) - micro_batch_bytes(plain, Share(1))
    assert difference == 2 * 512 * 512 * 4
    masked = packed.num_masked_per_micro_batch
    measured = kept_bytes(config, "fp32", 2, 512, masked, packs_rows=True)
    assert micro_batch_bytes(packed, Share(1)) == pytest.approx(measured, rel=0.1)


@pytest.mark.parametrize("tensor", [1, 2, 4])
def test_a_layer_keeps_what_korthikanti_counts(shape: Shape, tensor: int) -> None:
    """Korthikanti et al. 2022, equation 2: s b h (10 + 24 / t) bytes where attention is recomputed; here without the
    statistics of normalisations and softmax, which they neglect."""
    config = shape(1, 1024, 16)
    work = Work(config=config, precision="bf16_weights", num_sequences_per_micro_batch=4, max_tokens=512)
    theirs = 512 * 4 * 1024 * (10 + 24 / tensor)
    assert layer_bytes(work, tensor) == pytest.approx(theirs, rel=0.005)


def test_stages_and_shards_add_up_to_the_model(shape: Shape) -> None:
    config = shape(4, 64, 4)
    work = Work(config=config, num_sequences_per_step=8, num_sequences_per_micro_batch=1)
    whole = fullest(work, Degrees()).num_parameters
    staged = memory_of(work, Degrees(pipeline=2))
    assert sum(memory.num_parameters for memory in staged) == whole + 1024 * 64, "the tied embedding is there twice"
    halves = fullest(work, Degrees(tensor=2)).num_parameters
    on_every_rank = 4 * (4 * 64 + 2 * 64) + 2 * 64  # norms and output biases of the layers, the last norm
    on_every_rank += (512 + 2) * 64 + (64 * 64 + 64) + 2 * 64 + (64 * 64 + 64) + (2 * 64 + 2)  # embeddings, heads
    assert 2 * halves == whole + on_every_rank


@pytest.mark.parametrize("num_replicas", [2, 3, 8])
def test_the_sharded_optimizer_divides_as_fairscale_does(shape: Shape, num_replicas: int) -> None:
    config = shape(3, 64, 4)
    model = PretrainingModel(config, sentence_order=True)
    groups = build_optimizer(model, OptimizerSettings()).param_groups
    fake = SimpleNamespace(_partition_parameters=[], world_size=num_replicas, param_groups=groups)
    divided = OSS.partition_parameters(fake)
    most = max(
        sum(8 * parameter.numel() + 4 for group in replica for parameter in group["params"]) for replica in divided
    )
    planned = optimizer_bytes(Work(config=config), parameters_of(config, Share(3), sentence_order=True), num_replicas)
    assert planned == pytest.approx(most, rel=0.02), "the order of tensors of one size may differ"


def test_narrow_weights_have_wide_copies_and_gradients(shape: Shape) -> None:
    """Rajbhandari et al. 2020, section 3.1: 2 + 12 bytes a parameter for weights and optimizer in mixed precision."""
    memory = fullest(Work(config=shape(2, 64, 4), precision="bf16_weights"), Degrees())
    assert memory.weights == 2 * memory.num_parameters
    assert memory.optimizer // memory.num_parameters == 12
    assert memory.gradients == 4 * memory.num_parameters, "added up in the copies"


@pytest.mark.parametrize(("every", "expected"), [(1, [3, 3, 2]), (2, [1, 2, 1]), (3, [1, 1, 0]), (9, [0, 0, 0])])
def test_every_nth_of_all_layers_is_recomputed(shape: Shape, every: int, expected: list[int]) -> None:
    work = Work(config=shape(8, 64, 4), checkpoint_every=every, layers_per_stage=(3, 3, 2))
    assert [share.num_recomputed for share in shares(work, Degrees(pipeline=3))] == expected
    assert num_recomputed(work) == sum(expected)


def test_recomputing_keeps_one_state_a_layer(shape: Shape) -> None:
    config = shape(12, 768, 12, rows=30_592, entries=30_522)
    work = Work(config=config, max_tokens=512, num_sequences_per_micro_batch=16, masked_share=0.15)
    recomputing = Work(**{name: getattr(work, name) for name in work.__slots__} | {"checkpoint_every": 1})
    saved = fullest(work, Degrees()).activations - fullest(recomputing, Degrees()).activations
    kept_by_hand = 16 * 512 * 768 * 4  # fp32 state at the entrance of a layer
    assert saved == 12 * (layer_bytes(work, 1) - kept_by_hand) - layer_bytes(work, 1)


def test_stages_have_room_for_all_micro_batches_of_a_step(shape: Shape) -> None:
    """345m, 4 stages, micro-batches of 32 x 512 in fp32: 64 MiB each, as torch 2.13 makes them, worked by hand."""
    config = shape(24, 1024, 16)
    for num_micro_batches in (4, 32, 64):
        work = Work(
            config=config,
            precision="bf16",
            num_sequences_per_step=32 * num_micro_batches,
            num_sequences_per_micro_batch=32,
        )
        buffers = [buffer_bytes(work, Degrees(pipeline=4), rank) for rank in range(4)]
        assert buffers == [num_micro_batches * 64 * 2**20 * times for times in (1, 2, 2, 1)]
        received = [memory.received for memory in memory_of(work, Degrees(pipeline=4))]
        # What comes in is what the first layer keeps of the micro-batches under way: 3, 2 and 1 of them.
        assert received == [each - 64 * 2**20 * held for each, held in zip(buffers, (0, 3, 2, 1), strict=True)]
        assert memory_of(work, Degrees())[0].received == 0
        assert [each.received for each in memory_of(replace(work, divides_vocabulary=True), Degrees(pipeline=2))] == [
            0,
            0,
        ]


def test_more_micro_batches_take_more_memory_of_a_stage(shape: Shape) -> None:
    config = shape(24, 1024, 16)
    few, many = (
        memory_of(Work(config=config, num_sequences_per_step=number, precision="bf16"), Degrees(pipeline=4))
        for number in (32 * 8, 32 * 64)
    )
    grown = [after.total - before.total for before, after in zip(few, many, strict=True)]
    assert grown == [56 * 64 * 2**20 * times for times in (1, 2, 2, 1)]


def test_interleaved_stages_of_a_rank_have_room_each(shape: Shape) -> None:
    work = Work(config=shape(8, 64, 4), schedule="interleaved", num_stages_per_rank=2, num_sequences_per_step=4 * 32)
    wire = 32 * 512 * 64 * 4
    assert [buffer_bytes(work, Degrees(pipeline=4), rank) for rank in range(4)] == [
        4 * wire * number for number in (3, 4, 4, 3)
    ]
