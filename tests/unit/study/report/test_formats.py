from __future__ import annotations

import csv
import io
import re
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainlm.cli.group import cli
from domainlm.study.report.content import Cell, Report, Section, Table
from domainlm.study.report.latex import escape, render_latex
from domainlm.study.report.spreadsheets import printed_tables
from domainlm.study.report.write import write_report

Json = dict[str, Any]
WriteRun = Callable[[Json], Path]
TABLE = Table(
    caption="F1 & more_so (%), 71.2 ± 0.4",
    head=("model", "ours", "reference"),
    rows=((Cell("a_b#1"), Cell("71.2 ± 0.4", ("n = 2",), is_best=True, mark="*"), Cell("70", is_quoted=True)),),
    groups=(("F1 (%)", 2),),
)
REPORT = Report("ships", (), (), (), (Section("Results", tables=(TABLE,)),))


def test_latex_with_booktabs() -> None:
    assert render_latex(REPORT).partition("booktabs}\n")[2] == (
        "\n\\begin{table}\n"
        "  \\centering\n"
        "  \\caption{F1 \\& more\\_so (\\%), 71.2 $\\pm$ 0.4}\n"
        "  \\label{tab:domainlm-1}\n"
        "  \\begin{tabular}{lrr}\n"
        "    \\toprule\n"
        "     & \\multicolumn{2}{c}{F1 (\\%)} \\\\\n"
        "    \\cmidrule(lr){2-3}\n"
        "    model & ours & reference \\\\\n"
        "    \\midrule\n"
        "    a\\_b\\#1 & \\textbf{71.2 $\\pm$ 0.4}\\textsuperscript{{*}} {\\footnotesize (n = 2)} & \\textit{70} \\\\\n"
        "    \\bottomrule\n"
        "  \\end{tabular}\n"
        "\\end{table}\n"
    )


@given(st.text(alphabet=string.printable.translate({ord(blank): None for blank in "\n\r\t\x0b\x0c"})))
def test_nothing_in_escaped_text_is_a_command(text: str) -> None:
    escaped = escape(text)
    known = (
        r"\\(?:textbackslash|textasciicircum|textasciitilde|textless|textgreater|textbar|textquotedbl)\{\}|\\[{}$&#%_]"
    )
    rest = re.sub(known, "", re.sub(r"(?<!\\)\{[\[\]*]\}", "", escaped))
    assert not set(rest) & set('\\{}$&#%_^~<>|"')


def test_a_row_of_a_table_never_ends_early() -> None:
    table = Table("c", ("m", "v"), ((Cell("x \\\\ y & z"), Cell("1")),))
    (line,) = [
        line
        for line in render_latex(Report("t", (), (), (), (Section("s", tables=(table,)),))).splitlines()
        if "z" in line
    ]
    assert line == r"    x \textbackslash{}\textbackslash{} y \& z & 1 \\"


def test_tables_as_they_are_printed() -> None:
    ((name, text),) = printed_tables(REPORT)
    assert name == "table-01.csv"
    assert list(csv.reader(io.StringIO(text))) == [
        ["model", "F1 (%): ours", "F1 (%): reference"],
        ["a_b#1", "71.2 ± 0.4* (n = 2)", "70"],
    ]


def test_every_score_in_long_form(results: Json, write_run: WriteRun) -> None:
    results["rows"][0]["model"] = '=HYPERLINK("x")'
    out = write_run(results)
    write_report(out, ("csv",))
    rows = list(csv.DictReader(io.StringIO((out / "scores.csv").read_text(encoding="utf-8"))))
    assert len(rows) == len(results["rows"])
    for found, row in zip(rows, results["rows"], strict=True):
        assert float(found["value"]) == row["value"]
        assert int(found["seed"]) == row["seed"]
        assert (found["dataset"], found["metric"], found["type"]) == (
            row["dataset"],
            row["metric"],
            row.get("type", ""),
        )
        assert int(found["pretraining.num_steps"]) == row["steps"]
    assert rows[0]["model"].startswith("'=")  # spreadsheets would compute it


def test_tables_of_an_earlier_report_do_not_stay(results: Json, write_run: WriteRun) -> None:
    out = write_run(results)
    (out / "tables").mkdir()
    (out / "tables" / "table-99.csv").write_text("old")
    (out / "tables" / "mine.csv").write_text("mine")
    write_report(out)
    assert not (out / "tables" / "table-99.csv").exists()
    assert (out / "tables" / "mine.csv").exists()


@pytest.mark.parametrize(
    ("formats", "written"),
    [
        (("html",), {"report.html"}),
        (("markdown", "latex"), {"report.md", "report.tex"}),
        (("csv",), {"scores.csv", "tables"}),
    ],
)
def test_only_what_is_asked_for_is_written(
    results: Json, write_run: WriteRun, formats: tuple[str, ...], written: set[str]
) -> None:
    from click.testing import CliRunner

    out = write_run(results)
    before = {path.name for path in out.iterdir()}
    options = [part for name in formats for part in ("--format", name)]
    ended = CliRunner().invoke(cli, ["report", str(out), *options], catch_exceptions=False)
    assert ended.exit_code == 0
    assert {path.name for path in out.iterdir()} - before == written
