from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domainlm.study.report.markdown import escape
from domainlm.study.report.write import write_report

Json = dict[str, Any]
WriteRun = Callable[[Json], Path]


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("num_steps=1500", "num_steps=1500"),
        ("_start and end_", "\\_start and end\\_"),
        ("<script>", "&lt;script&gt;"),
        ("a|b", "a\\|b"),
        ("*x* `y` [z](u) #1 ~s~", "\\*x\\* \\`y\\` \\[z\\](u) \\#1 \\~s\\~"),
        ("AT&T", "AT&amp;T"),
        ("back\\slash", "back\\\\slash"),
    ],
)
def test_escape(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_the_whole_text(results: Json, write_run: WriteRun) -> None:
    out = write_run(results)
    write_report(out)
    text = (out / "report.md").read_text(encoding="utf-8")
    headings = [row for row in text.splitlines() if row.startswith("#")]
    assert headings == [
        "# ships",
        "## Question",
        "## Answer",
        "## Mean over data sets",
        "## Task scores",
        "## Language-model scores",
        "## Loss while training",
        "## Scores by seed",
        "## Scores by what was varied",
        "## What was run",
        "## Problems noted on the way",
    ]
    assert "| num_steps=1500 | **71.2 ± 0.6** (P 73.2 ± 0.6, R 69.2 ± 0.6) | **54.0 ± 1.4** " in text
    assert "| model | harbours | cargoes |\n| --- | ---: | ---: |\n| num_steps=0 |" in text
    assert "Does pretraining on logbooks help to find harbours and cargoes?\n\nA second paragraph." in text
    assert '```toml\nformat = 1\nname = "ships"\n' in text
    assert "\n\n\n" not in text


def test_a_name_cannot_break_out(results: Json, write_run: WriteRun) -> None:
    results["recipe"]["name"] = "<script>alert(1)</script>"
    results["recipe"]["description"] = "```\n\n# heading\n\n| a | b |"
    out = write_run(results)
    write_report(out)
    text = (out / "report.md").read_text(encoding="utf-8")
    before_the_recipe = text.split("The recipe, with defaults filled in")[0]
    assert "<script" not in before_the_recipe
    assert "\\# heading" in before_the_recipe
    assert "\\| a \\| b \\|" in before_the_recipe
    assert "\n````toml\n" in text
