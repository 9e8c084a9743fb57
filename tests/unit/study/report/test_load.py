from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domainlm.errors import DataError
from domainlm.study.report.labels import clean
from domainlm.study.report.load import load_results

Json = dict[str, Any]
WriteRun = Callable[[Json], Path]


def test_a_whole_run_is_read(results: Json, write_run: WriteRun) -> None:
    loaded = load_results(write_run(results))
    assert len(loaded.rows) == len(results["rows"])
    assert len(loaded.curves) == len(results["curves"])
    assert loaded.curves[0].points[0][0] == 1
    assert loaded.curves[0].points[-1][0] == 1500
    assert loaded.rows[0].cell == {"pretraining.num_steps": 0}
    assert loaded.notes == ()


def test_missing_results_are_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no results to report on") as caught:
        load_results(tmp_path / "nowhere")
    assert caught.value.where == str(tmp_path / "nowhere" / "results.json")
    assert "output folder" in str(caught.value.remedy)


@pytest.mark.parametrize("text", ["", "{", "not json", '{"rows": [', "\x00", '{"recipe": "\\ud800"}'])
def test_damaged_json(tmp_path: Path, text: str) -> None:
    (tmp_path / "results.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="not JSON"):
        load_results(tmp_path)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_bytes(b'{"recipe": "\xff\xfe"}')
    with pytest.raises(DataError, match=r"results\.json"):
        load_results(tmp_path)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"value": "0.7"}, "rows[0].value"),
        ({"value": None}, "rows[0].value"),
        ({"value": float("nan")}, "rows[0].value"),
        ({"seed": 1.5}, "rows[0].seed"),
        ({"metric": 3}, "rows[0].metric"),
        ({"metric": "f1", "value": 71.2}, "rows[0].value"),
        ({"metric": "recall", "value": -0.1}, "rows[0].value"),
        ({"cell": []}, "rows[0].cell"),
    ],
)
def test_a_wrong_row_is_named(results: Json, write_run: WriteRun, change: Json, place: str) -> None:
    results["rows"][0] |= change
    with pytest.raises(DataError) as caught:
        load_results(write_run(results))
    assert str(caught.value.where).endswith(place)


@pytest.mark.parametrize("content", [[], 3, {}, {"rows": []}, {"recipe": {}}, {"recipe": [], "rows": []}])
def test_json_that_is_not_results(tmp_path: Path, content: object) -> None:
    (tmp_path / "results.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(DataError, match=r"results\.json"):
        load_results(tmp_path)


@pytest.mark.parametrize(
    "file", ["/etc/passwd", "logs/../../secret.jsonl", "results.json", "other/x.jsonl", "", "logs"]
)
def test_a_curve_outside_the_logs_is_refused(results: Json, write_run: WriteRun, file: str) -> None:
    out = write_run(results)
    results["curves"][0]["file"] = file
    (out / "results.json").write_text(json.dumps(results), encoding="utf-8")
    with pytest.raises(DataError, match="not a log of this run") as caught:
        load_results(out)
    assert str(caught.value.where).endswith("curves[0].file")


def test_a_log_in_the_making(results: Json, write_run: WriteRun) -> None:
    out = write_run(results)
    log = out / results["curves"][0]["file"]
    log.write_text('{"step": 1, "loss": 3.0}\n{"step": 2, "loss": 2.0}\n{"step": 3, "lo', encoding="utf-8")
    loaded = load_results(out)
    assert loaded.curves[0].points == ((1, 3.0), (2, 2.0))
    assert loaded.notes == ()


def test_a_damaged_log_is_read_as_far_as_it_goes(results: Json, write_run: WriteRun) -> None:
    out = write_run(results)
    name = results["curves"][0]["file"]
    lines = [
        b'{"step": 2, "loss": 2.0}',
        b"\xff\xff",
        b'{"step": true, "loss": 1.0}',
        b'{"step": 3, "loss": NaN}',
        b"[]",
        b'{"step": 1, "loss": 3}',
        b'{"step": 2, "loss": 2.5}',
    ]
    (out / name).write_bytes(b"\n".join(lines) + b"\n")
    loaded = load_results(out)
    assert loaded.curves[0].points == ((1, 3.0), (2, 2.5))
    assert loaded.notes == (f"{name}: 4 damaged lines passed over",)


def test_steps_without_a_loss_are_no_damage(results: Json, write_run: WriteRun) -> None:
    out = write_run(results)
    name = results["curves"][0]["file"]
    lines = [
        b'{"step": 1, "overflow": 1.0, "learning_rate": 0.1, "num_tokens": 9}',
        b'{"step": 2, "loss": 2.0}',
        b'{"step": 3, "skipped": 1.0, "learning_rate": 0.1, "num_tokens": 9}',
    ]
    (out / name).write_bytes(b"\n".join(lines) + b"\n")
    loaded = load_results(out)
    assert loaded.curves[0].points == ((2, 2.0),)
    assert loaded.notes == (f"{name}: 1 skipped steps, not finite",)


def test_missing_and_empty_logs_are_noted(results: Json, write_run: WriteRun) -> None:
    out = write_run(results)
    gone, empty = (results["curves"][place]["file"] for place in (0, 1))
    (out / gone).unlink()
    (out / empty).write_text("", encoding="utf-8")
    loaded = load_results(out)
    assert len(loaded.curves) == len(results["curves"]) - 2
    assert loaded.notes == (
        f"{gone} is missing: its curve is not shown",
        f"{empty} holds no losses: its curve is not shown",
    )


def test_keys_of_later_versions_are_passed_over(results: Json, write_run: WriteRun) -> None:
    results["energy"] = {"joule": 3}
    results["rows"][0]["later"] = [1, 2]
    assert len(load_results(write_run(results)).rows) == len(results["rows"])


def test_clean_leaves_one_line_without_control_characters() -> None:
    assert clean("  a\nb\t c\x00d\u202ee ") == "a b c d e"
    assert clean("日本 ± é") == "日本 ± é"
