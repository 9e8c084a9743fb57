from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from domainlm.errors import DataError
from domainlm.study.report.write import write_report

Json = dict[str, Any]
WriteRun = Callable[[Json], Path]
HOSTILE = "<script>alert('x')</script><img src=x onerror=alert(1)>\"'&"
VOID = {"meta", "img", "br", "link"}


class Page(HTMLParser):
    """The elements, texts and tables of a page; every element must be closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.rows: list[list[str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data
        if "tr" in self.open and {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def page_of(results: Json, write_run: WriteRun) -> Page:
    out = write_run(results)
    write_report(out)
    return Page((out / "report.html").read_text(encoding="utf-8"))


def test_numbers_in_the_page(results: Json, write_run: WriteRun) -> None:
    page = page_of(results, write_run)
    assert [
        "num_steps=1500",
        "71.2 ± 0.6P 73.2 ± 0.6, R 69.2 ± 0.6 ",
        "54.0 ± 1.4P 56.0 ± 1.4, R 52.0 ± 1.4 ",
    ] in page.rows
    assert ["num_steps=1500", "3.457", "41.2", "12,345"] in page.rows
    assert "On harbours, test F1 is 71.2 ± 0.6 (n = 2) with num_steps=1500" in page.text.replace("\xa0", " ")
    assert "This run is not complete" not in page.text


def test_plots_are_in_the_page(results: Json, write_run: WriteRun) -> None:
    images = [attributes for tag, attributes in page_of(results, write_run).tags if tag == "img"]
    # pretraining; of each of two data sets losses, scores, scores by steps, and precision against recall
    assert len(images) == 9
    for image in images:
        assert image["alt"]
        scheme, data = str(image["src"]).split(",", 1)
        assert scheme == "data:image/svg+xml;base64"
        assert b"<svg" in base64.b64decode(data)


def test_nothing_comes_from_outside(results: Json, write_run: WriteRun) -> None:
    out = write_run(results)
    write_report(out)
    text = (out / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "embed", "base"}
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "srcset", "action"):
            assert str(attributes.get(name) or "data:").startswith("data:")
    style = text.split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    (policy,) = [found["content"] for tag, found in page.tags if tag == "meta" and "http-equiv" in found]
    assert str(policy).startswith("default-src 'none'")


def test_readable_on_a_phone(results: Json, write_run: WriteRun) -> None:
    tags = page_of(results, write_run).tags
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in tags


def test_hostile_names_stay_text(results: Json, write_run: WriteRun) -> None:
    results["recipe"] |= {"name": HOSTILE, "description": HOSTILE, "tasks": [{"spec": "a/b", "name": HOSTILE}]}
    results["lock"] = {HOSTILE: HOSTILE, "files": {HOSTILE: {HOSTILE: HOSTILE}}}
    results["problems"] = [{"stage": HOSTILE, "where": HOSTILE, "counts": {HOSTILE: 1}}]
    results["failures"] = [{"stage": HOSTILE, "error": HOSTILE, "model": HOSTILE, "cell": {HOSTILE: HOSTILE}}]
    for row in results["rows"]:
        row |= {
            "dataset": HOSTILE + row["dataset"],
            "model": HOSTILE + row["model"],
            "protocol": HOSTILE,
            "size": HOSTILE,
        }
        row["type"] = HOSTILE + row["type"] if row.get("type") else ""
    for curve in results["curves"]:
        curve |= {"dataset": HOSTILE + curve["dataset"], "model": HOSTILE + curve["model"]}
    page = page_of(results, write_run)
    assert "script" not in {tag for tag, _ in page.tags}
    assert all(str(found["src"]).startswith("data:") for tag, found in page.tags if tag == "img")
    assert "<script>alert('x')</script>" in page.text


def test_same_results_same_bytes(results: Json, write_run: WriteRun, tmp_path: Path) -> None:
    out = write_run(results)
    write_report(out)
    copy = tmp_path / "elsewhere" / "copy"
    shutil.copytree(out, copy, ignore=shutil.ignore_patterns("report.*"))
    write_report(copy)
    for name in ("report.html", "report.md"):
        assert (out / name).read_bytes() == (copy / name).read_bytes()
    assert str(tmp_path) not in (out / "report.html").read_text(encoding="utf-8")


def test_only_the_reports_are_added(results: Json, write_run: WriteRun) -> None:
    out = write_run(results)
    before = {path.name for path in out.iterdir()}
    write_report(out)
    assert {path.name for path in out.iterdir()} == before | {
        "report.html",
        "report.md",
        "report.tex",
        "scores.csv",
        "tables",
    }


def test_bad_results_leave_the_old_report(results: Json, write_run: WriteRun) -> None:
    out = write_run(results)
    write_report(out)
    old = (out / "report.html").read_bytes()
    (out / "results.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match="not JSON"):
        write_report(out)
    assert (out / "report.html").read_bytes() == old


def drop_rows(results: Json) -> None:
    results["rows"] = []


def drop_curves(results: Json) -> None:
    results["curves"] = []


def drop_tasks(results: Json) -> None:
    results["rows"] = [row for row in results["rows"] if row["stage"] == "lm-score"]
    results["recipe"]["tasks"] = []
    results["curves"] = results["curves"][:1]


def drop_everything_else(results: Json) -> None:
    results["rows"] = [row for row in results["rows"] if row["stage"] == "finetune"]
    results["recipe"] = {}
    for key in ("lock", "curves", "problems"):
        del results[key]


def keep_types_only(results: Json) -> None:
    results["rows"] = [row for row in results["rows"] if row.get("type")]


def give_odd_shapes(results: Json) -> None:
    results["recipe"] = {"name": 3, "description": None, "tasks": {}, "seeds": 1, "study": [], "finetuning": "x"}
    results["lock"] = {"a": [], "b": {}, "c": [1, "two"], "d": {"e": {"f": [{"g": None}]}}, "h": None}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (drop_rows, "There are no scores yet."),
        (drop_curves, "On harbours, test F1 is"),
        (drop_tasks, "The recipe names no tasks."),
        (drop_everything_else, "The recipe states no question"),
        (keep_types_only, "harbours by entity type"),
        (give_odd_shapes, "On harbours, test F1 is"),
    ],
)
def test_whatever_is_missing_there_is_a_report(
    results: Json, write_run: WriteRun, change: Callable[[Json], None], said: str
) -> None:
    change(results)
    page = page_of(results, write_run)
    assert said in re.sub(r"\s+", " ", page.text)


def test_a_run_in_the_middle_says_so(results: Json, write_run: WriteRun) -> None:
    results["rows"] = [row for row in results["rows"] if row["steps"] == 0]
    page = page_of(results, write_run)
    assert "This run is not complete" in page.text
    assert "With num_steps=1500: no scores on harbours; cargoes." in page.text
    assert ["num_steps=1500", "–", "–"] in page.rows
