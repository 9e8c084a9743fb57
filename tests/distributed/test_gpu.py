"""The same parity over NCCL, each rank on a GPU of its own; grids of more ranks than there are GPUs are left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from domainlm.model.attention import MAX_SHORT_TOKENS, attend, attend_jointly
from domainlm.model.config import ModelConfig
from domainlm.model.decoder_loss import decoder_loss_sum
from domainlm.model.initialise import initialise
from domainlm.model.pretraining import PretrainingModel
from domainlm.model.triton_kernels import has_kernels
from domainlm.model.visible import Visible, padding_mask, sample_mask, what_is_visible
from domainlm.parallel.compiling import CompiledLayers
from domainlm.parallel.grid import Grid
from domainlm.recipe.optimizer_settings import OptimizerSettings
from domainlm.recipe.schema import RuntimeSettings
from domainlm.testing import run_on_ranks
from domainlm.train.pretraining import PretrainingBatch, PretrainingObjective
from domainlm.train.runtime import open_device
from domainlm.train.worker import OneProcess

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]

TRAINING = Path(__file__).with_name("training.py")
GRIDS = [(1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 2), (1, 2, 2), (2, 2, 2)]


def train(out: Path, degrees: tuple[int, int, int], **spec: Any) -> list[dict[str, float]]:  # noqa: ANN401
    data, pipeline, tensor = degrees
    grid = Grid(data_degree=data, pipeline_degree=pipeline, tensor_degree=tensor)
    if grid.world_size > torch.cuda.device_count():
        pytest.skip(f"needs {grid.world_size} GPUs")
    results = run_on_ranks(f"{TRAINING}:train", grid, str(out), spec, device="cuda")
    assert all(result == results[0] for result in results)
    lines: list[dict[str, float]] = results[0]
    return lines


@pytest.mark.parametrize("engine", ["torch", "async_pipe"])
@pytest.mark.parametrize("degrees", GRIDS, ids=lambda each: "x".join(map(str, each)))
def test_every_grid_trains_the_same_model(degrees: tuple[int, int, int], engine: str, tmp_path: Path) -> None:
    if engine == "async_pipe" and degrees[1] == 1:
        pytest.skip("no pipeline")
    expected = train(tmp_path / "plain", (1, 1, 1), plain=True)
    found = train(tmp_path / "grid", degrees, options={"engine": engine, "divides_optimizer": degrees[0] > 1})
    for line, other in zip(found, expected, strict=True):
        assert line == pytest.approx(other, rel=1e-4)
    weights, others = load_file(tmp_path / "grid"), load_file(tmp_path / "plain")
    for name, weight in weights.items():
        torch.testing.assert_close(weight, others[name], rtol=0.0, atol=1e-4, msg=lambda text, n=name: n + text)


@pytest.mark.parametrize("precision", ["bf16", "bf16_weights", "fp16"])
@pytest.mark.parametrize("degrees", GRIDS, ids=lambda each: "x".join(map(str, each)))
def test_curves_stay_in_a_band(degrees: tuple[int, int, int], precision: str, tmp_path: Path) -> None:
    exact = train(tmp_path / "fp32", (1, 1, 1), plain=True)
    options = {"num_layers_per_recomputed": 1}
    found = train(tmp_path / "narrow", degrees, precision=precision, options=options)
    for line, expected in zip(found, exact, strict=True):
        assert line["masked_lm"] == pytest.approx(expected["masked_lm"], rel=0.02)


def test_dropout_is_alike_outside_and_apart_inside(tmp_path: Path) -> None:
    """Tensor ranks that drew unlike numbers outside attention would drift apart, and tell other losses."""
    train(tmp_path / "weights", (1, 1, 2), dropout=0.2)


def rows_of(num_rows: int, step: int, *, is_packed: bool) -> PretrainingBatch:
    """Rows of 64 slots, the last of them padded; packed ones hold two samples each."""
    generator = torch.Generator().manual_seed(step)
    tokens = torch.randint(5, 100, (num_rows, 64), generator=generator)
    lengths = torch.tensor([64] * (num_rows - 1) + [41])
    masked = torch.arange(1 + step, num_rows * 64 - 32, 7)
    slots = torch.arange(64).expand(num_rows, -1)
    return PretrainingBatch(
        tokens=tokens,
        token_types=torch.zeros_like(tokens),
        lengths=lengths,
        masked_positions=masked,
        masked_labels=tokens.flatten()[masked],
        num_tokens=int(lengths.sum()),
        positions=torch.where(slots < 20 + step, slots, slots - 20 - step) if is_packed else None,
        samples=(slots >= 20 + step).long() if is_packed else None,
        firsts=torch.cat([torch.arange(0, num_rows * 64, 64) + each for each in (0, 20 + step)]) if is_packed else None,
    )


def worker_on_gpu(*, compiles: bool, dropout: float) -> OneProcess[PretrainingBatch]:
    config = ModelConfig(
        layers=3,
        hidden=128,
        heads=2,
        feed_forward=256,
        max_positions=64,
        architecture="megatron",
        dropout=dropout,
        vocabulary_size=100,
        padded_vocabulary_size=128,
    )
    device = open_device(RuntimeSettings(device="cuda", precision="bf16", compile=compiles), pretrains=True)
    model = PretrainingModel(config, sentence_order=False)
    initialise(model, 0)
    compiled = CompiledLayers(model.encoder.layers[:-1], device)
    return OneProcess(model, PretrainingObjective(), OptimizerSettings(), device, 0, compiled=compiled)


def go_on(worker: OneProcess[PretrainingBatch], steps: range, *, is_packed: bool) -> list[float]:
    losses = []
    for step in steps:
        found = worker.gradients(step, [rows_of(8, step, is_packed=is_packed), rows_of(5, step, is_packed=is_packed)])
        worker.update(1e-3)
        losses.append(found.parts["masked_lm"])
    return losses


@pytest.mark.timeout(180)
@pytest.mark.filterwarnings("ignore")  # torch.compile warns of torch's own affairs
@pytest.mark.parametrize("is_packed", [False, True], ids=["padded", "packed"])
def test_compiled_layers_train_the_same_model(is_packed: bool) -> None:
    plain = go_on(worker_on_gpu(compiles=False, dropout=0.0), range(8), is_packed=is_packed)
    found = go_on(worker_on_gpu(compiles=True, dropout=0.0), range(8), is_packed=is_packed)
    assert found == pytest.approx(plain, rel=5e-3)


@pytest.mark.timeout(180)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("compiles", [False, True], ids=["plain", "compiled"])
@pytest.mark.parametrize("is_packed", [False, True], ids=["padded", "packed"])
def test_training_gives_the_same_bytes_also_where_it_was_interrupted(is_packed: bool, compiles: bool) -> None:
    whole = worker_on_gpu(compiles=compiles, dropout=0.1)
    losses = go_on(whole, range(6), is_packed=is_packed)
    half = worker_on_gpu(compiles=compiles, dropout=0.1)
    first = go_on(half, range(3), is_packed=is_packed)
    torch.compiler.reset()  # as a new process has it
    other = worker_on_gpu(compiles=compiles, dropout=0.1)
    with torch.no_grad():
        for shard, kept in zip(other.weights(), half.weights(), strict=True):
            shard.tensor.copy_(kept.tensor)
    other.load_optimizer((each.name, each.tensor.cpu()) for each in half.optimizer_state())
    assert first + go_on(other, range(3, 6), is_packed=is_packed) == losses
    for mine, theirs in zip(other.weights(), whole.weights(), strict=True):
        assert torch.equal(mine.tensor, theirs.tensor), mine.name


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("is_packed", [False, True], ids=["padded", "packed"])
def test_attention_has_a_flash_kernel(is_packed: bool, dtype: torch.dtype) -> None:
    """Padding or several samples in a row, in training: the operator gives what a mask gives, and takes a dropout.

    One row is full, so that its padding is a sample without tokens.
    """
    query, key, value = (torch.randn(2, 4, 128, 64, dtype=dtype, device="cuda", requires_grad=True) for _ in range(3))
    lengths = torch.tensor([128, 77], device="cuda")
    samples = (torch.arange(128, device="cuda") // 50).expand(2, -1) if is_packed else None
    firsts = torch.tensor([0, 50, 100, 128, 178], device="cuda") if is_packed else None
    visible = what_is_visible(lengths, 128, dtype, samples, firsts)
    assert visible.bounds is not None
    hidden = padding_mask(lengths, 128) if samples is None else sample_mask(lengths, samples)
    expected = attend(query, key, value, Visible(mask=hidden), 0.0)
    real = torch.arange(128, device="cuda") < lengths[:, None]
    (expected.transpose(1, 2)[real]).float().square().sum().backward()
    gradient = query.grad
    query.grad = None
    found = attend(query, key, value, visible, 0.0)
    (found.transpose(1, 2)[real]).float().square().sum().backward()
    own = None if query.grad is None else query.grad.clone()
    attend(query, key, value, visible, 0.1).sum().backward()
    torch.testing.assert_close(found.transpose(1, 2)[real], expected.transpose(1, 2)[real], rtol=0.02, atol=0.02)
    assert gradient is not None
    assert own is not None
    torch.testing.assert_close(own, gradient, rtol=0.05, atol=0.05)


needs_kernels = pytest.mark.skipif(
    not torch.cuda.is_available() or not has_kernels(torch.device("cuda")), reason="needs a Hopper GPU and Triton"
)


def jointly(
    *, is_packed: bool, dtype: torch.dtype, width: int = 64
) -> tuple[torch.Tensor, Visible, Visible, torch.Tensor]:
    """Query, key and value of two rows, what is visible by bounds and by a mask, and which slots are real."""
    joint = torch.randn(2, 200, 4, 3, width, device="cuda", dtype=dtype, requires_grad=True)
    lengths = torch.tensor([200, 131], device="cuda")
    samples = (torch.arange(200, device="cuda") // 70).expand(2, -1) if is_packed else None
    firsts = torch.tensor([0, 70, 140, 200, 270], device="cuda") if is_packed else None
    hidden = padding_mask(lengths, 200) if samples is None else sample_mask(lengths, samples)
    real = torch.arange(200, device="cuda") < lengths[:, None]
    return joint, what_is_visible(lengths, 200, dtype, samples, firsts), Visible(mask=hidden), real


@needs_kernels
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("is_packed", [False, True], ids=["padded", "packed"])
@pytest.mark.parametrize("width", MAX_SHORT_TOKENS)
def test_short_attention_is_that_of_a_bias(width: int, is_packed: bool, dtype: torch.dtype) -> None:
    joint, visible, hidden, real = jointly(is_packed=is_packed, dtype=dtype, width=width)
    assert visible.has_short
    upstream = torch.randn(int(real.sum()), 4, width, device="cuda", dtype=dtype)
    found, expected = attend_jointly(joint, visible, 0.0)[real], attend_jointly(joint, hidden, 0.0)[real]
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0.02)
    (own,), (other,) = (torch.autograd.grad(each, joint, upstream) for each in (found, expected))
    torch.testing.assert_close(own[real], other[real], rtol=0.02, atol=0.02)


@needs_kernels
def test_short_attention_drops_as_it_should() -> None:
    """The same by one seed and other weights by another, as many as asked for, and alike in both passes."""
    joint, visible, _, real = jointly(is_packed=True, dtype=torch.bfloat16)
    with torch.no_grad():
        joint[:, :, :, 1] = 0.0  # every token weighs as much as the others
        joint[:, :, :, 2] = 1.0
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(attend_jointly(joint, visible, 0.25))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    assert float(found[0][real].detach().float().mean()) == pytest.approx(1.0, abs=0.01)
    upstream = torch.randn_like(found[0])
    (gradient,) = torch.autograd.grad(found[0], joint, upstream)
    by_values = (gradient[:, :, :, 2].double() * joint[:, :, :, 2].double()).sum()  # what is mixed is linear in values
    assert float(by_values.detach()) == pytest.approx(
        float((upstream.double() * found[0].detach().double()).sum()), rel=0.01
    )


@needs_kernels
@pytest.mark.timeout(180)
@pytest.mark.filterwarnings("ignore")
def test_other_numbers_of_samples_compile_nothing_anew() -> None:
    from torch._dynamo.utils import counters

    torch.compiler.reset()
    worker, found = worker_on_gpu(compiles=True, dropout=0.1), []
    for step in range(4):
        batch = rows_of(8, step, is_packed=True)
        assert batch.firsts is not None
        firsts = torch.cat([batch.firsts, torch.arange(40, 40 + 64 * (step + 1), 64)])  # some rows have a third sample
        samples = (torch.arange(64) >= 40).long().expand(8, -1).clone()
        samples[step + 1 :] = 0
        assert batch.samples is not None
        worker.gradients(step, [replace(batch, firsts=firsts.sort().values, samples=batch.samples + samples)])
        found.append(counters["stats"]["unique_graphs"])
    assert len(set(found)) == 1


@needs_kernels
def test_the_loss_over_the_vocabulary_is_that_of_plain_operations() -> None:
    states, weight = (torch.randn(each, 64, device="cuda") for each in (300, 1024))
    bias, labels = torch.randn(1024, device="cuda"), torch.randint(1000, (300,), device="cuda")
    found = []
    for place in ("cuda", "cpu"):
        given = [each.to(place).requires_grad_() for each in (states.clone(), weight.clone(), bias.clone())]
        with torch.autocast(place, torch.bfloat16):
            loss = decoder_loss_sum(given[0], given[1], given[2], labels.to(place), 1000)
        loss.backward()
        found.append([loss.detach().cpu(), *(each.grad.cpu() for each in given if each.grad is not None)])
    assert float(found[0][0]) == pytest.approx(float(found[1][0]), rel=1e-3)
    for mine, theirs in zip(found[0][1:], found[1][1:], strict=True):
        assert float((mine - theirs).norm() / theirs.norm()) < 0.01
