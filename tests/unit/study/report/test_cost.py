from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from domainlm.study.report.cost import cost_sentences, cost_table
from domainlm.study.report.cost_file import read_cost
from domainlm.study.report.load import load_results
from domainlm.study.report.sections import build_report

Json = dict[str, Any]
WriteRun = Callable[[Json], Path]


def write_cost(out: Path, *joules: Json) -> None:
    stages = {
        "a": {"kind": "pretrain", "label": "x", "seconds": 3600.0},
        "b": {"kind": "finetune", "label": "y", "seconds": 9},
    }
    stages["c"] = {"kind": "finetune", "label": "z", "seconds": 51.5}
    invocations = [{"seconds": 1800.0, "joules": each} for each in joules]
    (out / "cost.json").write_text(json.dumps({"format": 1, "stages": stages, "invocations": invocations}))


def test_time_tokens_and_energy(results: Json, write_run: WriteRun) -> None:
    out = write_run(results)
    log = out / results["curves"][0]["file"]
    log.write_text("".join(json.dumps({"step": step, "loss": 1.0, "num_tokens": 1000}) + "\n" for step in (1, 2, 3)))
    write_cost(out, {"processors": 1.8e6}, {"processors": 3.6e6, "GPUs": 7.2e6})
    table = cost_table(load_results(out))
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["pretrain", "1", "3,000", "1 h 0 min"],
        ["finetune", "2", "–", "1 min 0 s"],
    ]
    assert list(cost_sentences(read_cost(out))) == [
        "Time of the whole run: 1 h 0 min in 2 invocations that came to their end.",
        (
            "Energy: 1.5 kWh by processors and 2 kWh by GPUs, as counted by this machine (RAPL, NVML) for all that ran "
            "on it meanwhile."
        ),
    ]


def test_what_is_not_known_is_said(results: Json, write_run: WriteRun) -> None:
    out = write_run(results)
    assert list(cost_sentences(read_cost(out))) == ["Time of the whole run: not known. Energy: not known."]
    write_cost(out, {"processors": 1.0}, {})
    assert "Energy: not known; this machine does not let it be read." in cost_sentences(read_cost(out))
    (out / "cost.json").write_text("{")
    assert read_cost(out).invocations == ()


def test_a_report_is_made_from_what_was_read_before(results: Json, write_run: WriteRun) -> None:
    out = write_run(results)
    write_cost(out, {"processors": 1.8e6})
    found = load_results(out)
    shutil.rmtree(out)
    (section,) = [each for each in build_report(found).sections if each.title == "What was run"]
    assert "Time of the whole run: 30 min 0 s." in section.paragraphs
