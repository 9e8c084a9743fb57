"""Layers by torch.compile: the same numbers, made once for each size, and used in training alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import nn

from domainlm.errors import MachineError
from domainlm.model.config import ModelConfig
from domainlm.model.initialise import initialise
from domainlm.model.pretraining import PretrainingModel
from domainlm.model.triton_kernels import kernels_digest
from domainlm.parallel import compiling
from domainlm.parallel.compiling import CompiledLayers, compile_problem
from domainlm.parallel.device import Device, choose_device
from domainlm.parallel.heartbeat import FIRST_STEP_SECONDS, HeartbeatWriter, note_step
from domainlm.parallel.world import current_world
from domainlm.plugin import load_plugins
from domainlm.recipe.optimizer_settings import OptimizerSettings
from domainlm.recipe.pretraining_settings import PretrainingSettings
from domainlm.recipe.schema import RuntimeSettings
from domainlm.train.nonfinite import find_origin
from domainlm.train.pretraining import PretrainingBatch, PretrainingObjective
from domainlm.train.runtime import _warn_of_fp32, compiled_where_it_pays, open_device
from domainlm.train.worker import OneProcess

pytestmark = pytest.mark.filterwarnings("ignore")  # torch.compile warns of torch's own affairs

_CONFIG = ModelConfig(
    layers=3,
    hidden=16,
    heads=2,
    feed_forward=32,
    max_positions=32,
    architecture="megatron",
    dropout=0.0,
    vocabulary_size=50,
    padded_vocabulary_size=64,
)


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> None:
    """What torch.compile sees of the code is what counts here; a C++ compiler would take its time."""
    from torch._dynamo.utils import counters

    torch.compiler.reset()
    counters.clear()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))


def batch_of(num_rows: int, first: int) -> PretrainingBatch:
    tokens = torch.arange(num_rows * 16).reshape(num_rows, 16) * 7 % 45 + 5
    masked = torch.arange(first, num_rows * 16, 5)
    return PretrainingBatch(
        tokens=tokens,
        token_types=torch.zeros_like(tokens),
        lengths=torch.tensor([16, 9, 12])[:num_rows],
        masked_positions=masked,
        masked_labels=tokens.flatten()[masked],
        num_tokens=int(torch.tensor([16, 9, 12])[:num_rows].sum()),
    )


def packed(batch: PretrainingBatch, first: int) -> PretrainingBatch:
    """Each row cut into two samples, the first row into three."""
    rows, width = batch.tokens.shape
    slots = torch.arange(width).expand(rows, -1)
    samples = (slots >= first).long()
    samples[0, 12:] = 2
    firsts = torch.cat([torch.arange(0, rows * width, width), torch.arange(first, rows * width, width)])
    return replace(
        batch, samples=samples, positions=slots, firsts=torch.cat([firsts, torch.tensor([12])]).sort().values
    )


def worker_of(device: Device) -> OneProcess[PretrainingBatch]:
    model = PretrainingModel(_CONFIG, sentence_order=False)
    initialise(model, 0)
    compiled = CompiledLayers(model.encoder.layers[:-1], device)
    return OneProcess(model, PretrainingObjective(), OptimizerSettings(), device, 0, compiled=compiled)


def curve(worker: OneProcess[PretrainingBatch], num_steps: int) -> list[float]:
    found = []
    for step in range(num_steps):
        gradients = worker.gradients(step, [batch_of(3, step), batch_of(2, step + 1)])
        worker.update(1e-2)
        found += [gradients.parts["masked_lm"], gradients.norm]
    return found


@pytest.mark.usefixtures("traced")
def test_compiled_layers_train_the_same_model() -> None:
    device = choose_device("cpu", "bf16")
    plain = curve(worker_of(device), 4)
    assert curve(worker_of(replace(device, compiles=True)), 4) == pytest.approx(plain, rel=1e-3)


@pytest.mark.usefixtures("traced")
def test_every_size_is_compiled_once() -> None:
    from torch._dynamo.utils import counters

    device = replace(choose_device("cpu", "fp32"), compiles=True)
    worker = worker_of(device)
    curve(worker, 2)
    before = counters["stats"]["unique_graphs"]
    assert before > 0
    curve(worker, 5)  # other numbers of masked sub-tokens
    curve(worker_of(device), 3)
    assert counters["stats"]["unique_graphs"] == before


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("is_packed", [False, True], ids=["padded", "packed"])
def test_a_gpu_needs_no_more_for_other_numbers_of_samples_and_masks(
    monkeypatch: pytest.MonkeyPatch, *, is_packed: bool
) -> None:
    """As on a GPU, bounds say what is visible and nothing is filled up: one for each of two sizes of rows."""
    from torch._dynamo.utils import counters

    monkeypatch.setattr("domainlm.model.visible.has_flash_attention", lambda *_: True)
    monkeypatch.setattr("domainlm.model.encoder.fill_up", lambda places, _: places)
    device = choose_device("cpu", "fp32")
    compiled, plain = worker_of(replace(device, compiles=True)), worker_of(device)
    for step in range(4):
        batches = [batch_of(3, step), batch_of(2, step + 1)]
        if is_packed:
            batches = [packed(batch, 3 + step) for batch in batches]
        found = compiled.gradients(step, batches).parts["masked_lm"]
        assert found == pytest.approx(plain.gradients(step, batches).parts["masked_lm"], rel=1e-5)
        assert counters["stats"]["unique_graphs"] == 2
        assert not counters["graph_break"]


@pytest.mark.usefixtures("traced")
def test_a_step_that_compiles_anew_may_take_long(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """When layers begin to learn, or rows of another size come: seen by graphs that torch makes, one for each."""
    from torch._dynamo.utils import counters

    device = replace(choose_device("cpu", "fp32"), compiles=True)
    worker = worker_of(device)
    writer, limits = HeartbeatWriter(tmp_path, 0, 1, hang_seconds=45.0), list[float]()
    go_back = torch.autograd.backward

    def noting(*arguments: Any, **named: Any) -> None:  # noqa: ANN401 - torch's own
        limits.append(writer._limit)
        go_back(*arguments, **named)

    monkeypatch.setattr(torch.autograd, "backward", noting)

    def limit_of(step: int, num_rows: int) -> tuple[int, float]:
        """Graphs that torch made in a step, and how long its backward pass might have taken."""
        before = counters["stats"]["unique_graphs"]
        worker.gradients(step, [batch_of(num_rows, step)])
        note_step(step + 1)
        return counters["stats"]["unique_graphs"] - before, limits[-1]

    assert isinstance(worker.module, PretrainingModel)
    layers = worker.module.encoder.layers
    with writer.beating():
        note_step(1)
        note_step(2)
        layers.requires_grad_(requires_grad=False)
        assert limit_of(3, 3) == (1, FIRST_STEP_SECONDS)
        assert limit_of(4, 3) == (0, 45.0)
        layers.requires_grad_(requires_grad=True)
        assert limit_of(5, 3) == (1, FIRST_STEP_SECONDS)
        assert limit_of(6, 2) == (1, FIRST_STEP_SECONDS)
        assert limit_of(7, 3) == (0, 45.0)
        assert limit_of(8, 2) == (0, 45.0)


@pytest.mark.usefixtures("traced")
def test_layers_are_compiled_in_training_alone() -> None:
    worker = worker_of(replace(choose_device("cpu", "fp32"), compiles=True))
    names = set(worker.module.state_dict())
    curve(worker, 1)
    assert isinstance(worker.module, PretrainingModel)
    assert all("forward" not in vars(layer) for layer in worker.module.encoder.layers)
    assert set(worker.module.state_dict()) == names


@pytest.mark.usefixtures("traced")
def test_a_bad_value_is_found_in_a_compiled_layer() -> None:
    worker = worker_of(replace(choose_device("cpu", "fp32"), compiles=True))
    curve(worker, 1)
    with torch.no_grad():
        worker.module.get_parameter("encoder.layers.0.feed_forward.inner.bias")[0] = torch.nan
    found = find_origin(worker.module, lambda: worker.accumulate(1, [batch_of(3, 0)]), current_world())
    assert found == "the output of encoder.layers.0.feed_forward.inner"


def test_nothing_is_compiled_unless_asked() -> None:
    device = open_device(RuntimeSettings(device="cpu"), pretrains=True)
    assert not device.compiles
    layer = nn.Linear(2, 2)
    with CompiledLayers([layer], device).in_use():
        assert "forward" not in vars(layer)


def test_a_machine_that_cannot_compile_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_function: object) -> Callable[[torch.Tensor], torch.Tensor]:
        def call(_values: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("\nno working C++ compiler\nand a long story")

        return call

    compile_problem.cache_clear()
    monkeypatch.setattr(torch, "compile", broken)
    try:
        with pytest.raises(
            MachineError, match=r"torch\.compile does not work here: no working C\+\+ compiler"
        ) as raised:
            open_device(RuntimeSettings(device="cpu", compile=True), pretrains=True)
        assert raised.value.where == "runtime.compile"
        monkeypatch.setattr(
            "domainlm.train.runtime.choose_device",
            lambda *_: Device(torch_device=torch.device("cpu"), precision="fp32"),
        )
        assert not open_device(RuntimeSettings(compile="auto"), pretrains=True).compiles
        assert not caplog.records  # "auto" compiles nothing on a CPU, so there is nothing to warn of
        monkeypatch.setattr(
            "domainlm.train.runtime.choose_device",
            lambda *_: Device(torch_device=torch.device("cuda"), precision="fp32"),
        )
        monkeypatch.setattr(compiling.torch, "ones", lambda *_, **__: torch.zeros(1))
        assert not open_device(RuntimeSettings(compile="auto"), pretrains=True).compiles
        assert "layers are not compiled, which trains more slowly: no working C++ compiler" in caplog.text
        assert compiling.compile_problem("cpu") == "no working C++ compiler"
    finally:
        compile_problem.cache_clear()


def test_a_gpu_that_trains_in_fp32_by_default_is_warned_of_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gpu = Device(torch_device=torch.device("cuda"), precision="fp32")
    monkeypatch.setattr("domainlm.train.runtime.choose_device", lambda *_: gpu)
    monkeypatch.setattr("domainlm.train.runtime.compile_problem", lambda _: None)
    _warn_of_fp32.cache_clear()
    try:
        open_device(RuntimeSettings())  # of a model that predicts, say
        open_device(RuntimeSettings(precision="fp32"), pretrains=True)
        assert not caplog.records, "asked for"
        for _ in range(2):
            open_device(RuntimeSettings(compile=False), pretrains=True)
        (record,) = caplog.records
        assert 'set runtime.precision = "bf16"' in record.getMessage()
        _warn_of_fp32.cache_clear()
        for name, value in {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "here", "MASTER_PORT": "1"}.items():
            monkeypatch.setenv(name, value)
        open_device(RuntimeSettings(), pretrains=True)
        assert len(caplog.records) == 1, "rank 0 says it for all"
    finally:
        _warn_of_fp32.cache_clear()


@pytest.mark.parametrize(
    ("size", "num_steps", "pays"),
    [("core/mini", 100, False), ("core/mini", 50_000, True), ("core/large", 100, False), ("core/large", 5_000, True)],
)
def test_what_would_take_minutes_on_a_gpu_is_compiled(size: str, num_steps: int, *, pays: bool) -> None:
    gpu = Device(torch_device=torch.device("cuda"), precision="bf16", compiles=True)
    spec = load_plugins().registry.model_size(size, where="here")
    config = ModelConfig.from_spec(spec, vocabulary_size=30_522, vocabulary_multiple=64)
    settings = PretrainingSettings(num_steps=num_steps)
    assert compiled_where_it_pays(gpu, RuntimeSettings(), settings, config).compiles is pays
    assert compiled_where_it_pays(gpu, RuntimeSettings(compile=True), settings, config).compiles
    plain = replace(gpu, compiles=False)
    assert not compiled_where_it_pays(plain, RuntimeSettings(), settings, config).compiles


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_c_compiler_makes_kernels_that_agree() -> None:
    torch.compiler.reset()
    problem = compile_problem("cpu")
    if problem is not None:
        pytest.skip(f"torch.compile does not work here: {problem}")
    device = choose_device("cpu", "fp32")
    plain = curve(worker_of(device), 2)
    assert curve(worker_of(replace(device, compiles=True)), 2) == pytest.approx(plain, rel=1e-4)


@pytest.mark.usefixtures("traced")
def test_layers_on_disk_are_known_by_the_kernels_in_them() -> None:
    from torch.compiler import config

    device = replace(choose_device("cpu", "fp32"), compiles=True)
    # not monkeypatch, which deletes what it did not find in the module's own dictionary: torch then denies the key
    with cast("Any", config).patch(cache_key_tag="own"):
        for _ in range(2):
            worker_of(device)
        assert config.cache_key_tag == f"own domainlm:{kernels_digest()}"
    assert len(kernels_digest()) == 16
