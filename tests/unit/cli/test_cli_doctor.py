"""`domainlm doctor`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch

from domainlm import hookimpl
from domainlm.cli.doctor.compute import compute_facts
from domainlm.cli.doctor.facts import Fact
from domainlm.cli.doctor.machine import instruction_sets, machine_facts, memory_at_hand
from domainlm.cli.doctor.versions import requirement_facts

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
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Fast Card")

    facts = {fact.name: fact for fact in compute_facts()}

    assert facts["cuda:0"].value == "Fast Card, 1.0 of 4.0 GiB free, compute capability 9.0"


def test_a_torch_that_cannot_be_imported_is_one_fact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)

    (fact,) = compute_facts()

    assert "cannot be imported" in fact.value
    assert "pip install" in fact.remedy
