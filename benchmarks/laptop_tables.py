"""All tables of the BioMegatron study at laptop scale: how long they take, what came out, what of the paper held.

    python benchmarks/laptop_tables.py --data DATA --out FOLDER --write

DATA is the folder of real data that docs/how-to/reproduce-biomegatron.md describes. Each recipe is run by
`domainlm run` into FOLDER/NAME, over one store. What is finished there is not done again, so a run that was stopped
goes on; and the time of a table is that of its stages, each counted for the first table that needs it, however many
runs it took.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from measuring import machine_facts, write_results

TABLES = (
    "table3",
    "table8",
    "table9",
    "table1",
    "labelling",
    "vocabulary-change",
    "table2",
    "table4",
    "table6",
    "table7",
    "table5",
)
_PACKAGES = ("domainlm", "domainlm-biomegatron", "torch")
_FINDINGS = "What the reference found"


def run_table(name: str, arguments: argparse.Namespace) -> None:
    """Run one recipe, or go on with it."""
    command = [sys.executable, "-m", "domainlm", "run", f"biomegatron/{name}", "--set", "scale=laptop"]
    command += ["--set", f"variables.data={arguments.data}", "--out", str(arguments.out / name)]
    command += ["--store", str(arguments.out / "store")] if arguments.store is None else ["--store", arguments.store]
    subprocess.run(command, check=True)


def collect(name: str, folder: Path, counted: set[str]) -> dict[str, Any]:
    """The seconds of the stages that no table before had, the answer, and the verdicts on the paper's findings."""
    stages = json.loads((folder / "cost.json").read_text(encoding="utf-8"))["stages"]
    new = {key: stage for key, stage in stages.items() if key not in counted}
    counted.update(new)
    report = (folder / "report.md").read_text(encoding="utf-8")
    return {
        "table": name,
        "stages": len(new),
        "seconds": round(sum(stage["seconds"] for stage in new.values())),
        "answer": _paragraphs(report, "Answer"),
        "verdicts": [line for line in _paragraphs(report, _FINDINGS) if line[:1].isdecimal()],
        "is_complete": "This run is not complete" not in report,
    }


def _paragraphs(report: str, heading: str) -> list[str]:
    """Sentences and list items of a section up to its first table."""
    _, found, rest = report.partition(f"\n## {heading}")
    lines = rest.split("\n## ", 1)[0].split("\n**Table", 1)[0].splitlines()[1:] if found else []
    return [line.removeprefix("- ") for line in lines if line.strip()]


def page(content: dict[str, Any]) -> str:
    """The page for people."""
    runs, machine = content["runs"], content["machine"]
    where = f"{machine['cpu']}, {machine['cores']} cores used, torch {machine['packages'].get('torch')}."
    minutes = sum(run["seconds"] for run in runs) / 60
    lines = [
        f"# The BioMegatron study at laptop scale, {machine['date']}",
        "",
        f"{where} {content['note']}".strip(),
        "",
        f"In all {minutes:.0f} minutes. A stage that several tables need is counted for the first one.",
        "",
        "| recipe | stages | minutes |",
        "|---|---:|---:|",
        *(f"| {run['table']} | {run['stages']} | {run['seconds'] / 60:.1f} |" for run in runs),
    ]
    for run in runs:
        lines += ["", f"## {run['table']}", ""]
        lines += [] if run["is_complete"] else ["Not complete.", ""]
        lines += [f"- {sentence}" for sentence in run["answer"]]
        lines += ["", "The paper's findings at this scale:", "", *run["verdicts"]] if run["verdicts"] else []
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run all tables, and say what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the real data sets")
    parser.add_argument("--out", type=Path, required=True, help="folder to work in; what is finished there stays")
    parser.add_argument("--store", help="folder of artifacts; OUT/store where not given")
    parser.add_argument("--table", dest="tables", action="append", choices=TABLES, help="all where not given")
    parser.add_argument("--note", default="", help="a sentence for the page: what else the machine did")
    parser.add_argument("--write", action="store_true", help="keep the results below benchmarks/results")
    arguments = parser.parse_args()
    content: dict[str, Any] = {"machine": machine_facts(_PACKAGES), "note": arguments.note, "runs": []}
    counted: set[str] = set()
    for name in arguments.tables or TABLES:
        run_table(name, arguments)
        content["runs"].append(collect(name, arguments.out / name, counted))
    text = page(content)
    print(text)
    if arguments.write:
        print(write_results("laptop-tables", content, text))


if __name__ == "__main__":
    main()
