"""`domainlm doctor`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch

from domainlm import hookimpl
from domainlm.cli.doctor.compute import compute_facts
from domainlm.cli.doctor.defaults import allocator, attention_of, default_facts, precision_fact
from domainlm.cli.doctor.facts import Fact
from domainlm.cli.doctor.machine import instruction_sets, machine_facts, memory_at_hand
from domainlm.cli.doctor.versions import requirement_facts
from domainlm.parallel.device import is_allocator_set

Fixture = Callable[..., Any]


class _Wreck:
    @hookimpl
    def domainlm_tasks(self) -> list[object]:
        return [3]


def test_a_requirement_that_is_met() -> None:
    assert list(requirement_facts("click>=8")) == [Fact("versions", "click", version("click"))]


def test_a_requirement_that_is_not_met_says_how_to_mend_it() -> None:
    (too_old,) = requirement_facts("click>=999")
    (missing,) = requirement_facts("no-such-distribution>=1")

    assert (too_old.value, too_old.remedy) == (version("click"), "pip install 'click>=999'")
    assert (missing.value, missing.remedy) == ("missing", "pip install 'no-such-distribution>=1'")


@pytest.mark.parametrize("text", ["click; python_version < '3'", "no-such-distribution; extra == 'lint'"])
def test_a_requirement_for_others_is_left_out(text: str) -> None:
    assert list(requirement_facts(text)) == []


def test_the_tighter_of_system_and_container_counts_as_memory(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:  8000000 kB\nMemAvailable:  4000000 kB\n", encoding="utf-8")
    assert memory_at_hand(meminfo, tmp_path) == 4_096_000_000

    (tmp_path / "memory.max").write_text("1000000000\n", encoding="utf-8")
    (tmp_path / "memory.current").write_text("250000000\n", encoding="utf-8")
    assert memory_at_hand(meminfo, tmp_path) == 750_000_000

    (tmp_path / "memory.max").write_text("max\n", encoding="utf-8")
    assert memory_at_hand(meminfo, tmp_path) == 4_096_000_000
    assert memory_at_hand(tmp_path / "missing", tmp_path) is None


def test_instruction_sets_are_read_off_the_first_processor(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nflags\t\t: fpu avx2 amx_bf16 avx512_bf16\n", encoding="utf-8")
    assert instruction_sets(cpuinfo) == ["avx2", "avx512_bf16", "amx_bf16"]
    cpuinfo.write_text("processor\t: 0\nFeatures\t: fp asimd bf16\n", encoding="utf-8")
    assert instruction_sets(cpuinfo) == ["asimd", "bf16"]
    assert instruction_sets(tmp_path / "missing") == []


def test_a_full_disk_is_amiss(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class _Usage:
        free = 2**20

    monkeypatch.setattr("shutil.disk_usage", lambda _: _Usage)

    disk = next(fact for fact in machine_facts(tmp_path) if fact.name == "disk at hand")
    assert disk.value.startswith("0.0 GiB in ")
    assert disk.remedy


def test_the_whole_diagnosis_for_people_and_for_programs(call: Fixture) -> None:
    printed = call("doctor").stdout
    told = json.loads(call("doctor", "--json").stdout)

    sections = list(dict.fromkeys(fact["section"] for fact in told["facts"]))
    assert sections == ["versions", "machine", "compute", "plugins"]
    assert [line for line in printed.splitlines() if line in sections] == sections
    names = {fact["name"] for fact in told["facts"]}
    assert {"domainlm", "python", "torch", "fairscale", "cores", "disk at hand"} <= names
    assert told["num_amiss"] == sum(fact["remedy"] is not None for fact in told["facts"])


def test_a_broken_plugin_is_amiss(call: Fixture, load_these: Fixture) -> None:
    result = call("doctor", plugins=load_these(wreck=_Wreck()))

    assert result.exit_code == 2
    assert "  wreck: 1.2, broken: not a TaskSpec: int" in result.output
    assert "-> mend or uninstall the plugin" in result.output


def test_a_gpu_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (2**30, 4 * 2**30))
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Fast Card")

    facts = {fact.name: fact for fact in compute_facts()}

    assert facts["cuda:0"].value == "Fast Card, 1.0 of 4.0 GiB free, compute capability 9.0"


def test_a_torch_that_cannot_be_imported_is_one_fact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)

    (fact,) = compute_facts()

    assert "cannot be imported" in fact.value
    assert "pip install" in fact.remedy


def test_the_defaults_are_told() -> None:
    names = [fact.name for fact in default_facts()]
    assert [name for name in names if "attention" not in name] == [
        "runtime.precision for speed",
        "allocator",
        *([] if torch.cuda.is_available() else ["weights packed in prediction", "oneDNN kernels kept"]),
        "torch.compile",
    ]
    assert len([name for name in names if "attention" in name]) == 6


def test_attention_is_told_by_length_as_training_decides() -> None:
    assert attention_of("cpu", torch.bfloat16, 0.0) == (
        "plain products up to 1,024 tokens, scaled_dot_product_attention above"
    )
    assert attention_of("cpu", torch.float32, 0.1) == "plain products at all lengths"
    assert attention_of("cpu", torch.float32, 0.0) == "scaled_dot_product_attention at all lengths"


def test_attention_on_a_gpu_is_flash_attention_where_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """From Ampere (compute capability 8.0) on, in 16 bits: README of github.com/Dao-AILab/flash-attention."""
    monkeypatch.setattr("domainlm.model.triton_kernels.has_kernels", lambda _: False)
    for capability, runs in (((7, 5), False), ((8, 0), True), ((9, 0), True)):
        monkeypatch.setattr(torch.version, "cuda", "13.0")
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _, found=capability: found)
        name = "flash attention" if runs else "scaled_dot_product_attention"
        for dropout in (0.1, 0.0, None):
            assert attention_of("cuda", torch.bfloat16, dropout) == f"{name} at all lengths"
            assert attention_of("cuda", torch.float32, dropout) == "scaled_dot_product_attention at all lengths"


def test_attention_on_a_gpu_is_by_triton_where_its_kernels_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    monkeypatch.setattr("domainlm.model.triton_kernels.has_kernels", lambda _: True)
    found = attention_of("cuda", torch.bfloat16, 0.1)
    assert found == (
        "Triton kernels up to 512 tokens (heads of 32), 2,048 tokens (heads of 64), 512 tokens (heads of 128); "
        "flash attention otherwise"
    )
    assert attention_of("cuda", torch.float32, 0.1) == "scaled_dot_product_attention at all lengths"


@pytest.mark.parametrize(("bf16", "chosen"), [(4e11, '"bf16"'), (0.9e11, '"fp32"')])
def test_the_number_format_is_chosen_by_the_speed_of_products(
    monkeypatch: pytest.MonkeyPatch, bf16: float, chosen: str
) -> None:
    speeds = {"bf16": bf16, "fp32": 1e11}
    monkeypatch.setattr("domainlm.parallel.kernels.product_speed", lambda device: speeds[device.precision])
    assert precision_fact().value.startswith(f"{chosen}: bf16 products are {bf16 / 1e11:.1f} times")


def test_a_preloaded_allocator_is_told_and_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD"))]:
        monkeypatch.delenv(name)
    assert allocator("cpu").endswith("none is preloaded")
    monkeypatch.setenv("LD_PRELOAD", "libjemalloc.so.2")
    assert allocator("cpu") == "as LD_PRELOAD=libjemalloc.so.2 says"
    assert not is_allocator_set()
