"""The model card of an exported model: what it is, how it was made, what it scored (Mitchell et al. 2019)."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from domainlm.errors import DataError
from domainlm.interop.export import loading_lines
from domainlm.model.files import read_config
from domainlm.recipe.cells import ARM, cell_label
from domainlm.recipe.toml_text import dump_toml
from domainlm.study.models import LANGUAGE_MODEL, cell_identity, possible_names

_RESULTS = "results.json"
_TAGS = {"pretraining": "fill-mask", "token": "token-classification", "span": "question-answering"}


def model_card(folder: Path, results: Path | None, name: str) -> str:
    """The text of README.md, as the Hugging Face hub reads it.

    Args:
        folder: the model folder.
        results: results.json of the run that made it; looked for above the folder where None.
        name: what to call it.

    Raises:
        DataError: `results` cannot be read.
    """
    found = results or _results_above(folder)
    content = {} if found is None else _read(found)
    kind = read_config(folder).kind
    lines = ["---", "library_name: transformers", "tags:", "- domainlm"]
    tag = _TAGS.get(kind, "text-classification")
    lines += [f"pipeline_tag: {tag}", "---", "", f"# {name}", ""]
    recipe = content.get("recipe", {})
    if recipe.get("description"):
        lines += [recipe["description"], ""]
    lines += [*loading_lines(folder, name), ""]
    if content:
        lines += [*_scores(rows_about(folder, content)), *_data(content["lock"]), *_making(content)]
    return "\n".join(lines).rstrip() + "\n"


def _results_above(folder: Path) -> Path | None:
    """OUT/results.json for a folder OUT/models/CELL/MODEL."""
    parents = folder.absolute().parents
    if len(parents) > 2 and parents[1].name == "models" and (parents[2] / _RESULTS).is_file():
        return parents[2] / _RESULTS
    return None


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be read: {error}", where=path) from None
    if not isinstance(content, dict) or not {"recipe", "lock", "rows"} <= content.keys():
        raise DataError("not the results of a run", where=path, allowed=_RESULTS)
    return content


def rows_about(folder: Path, content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The rows about this model; of a language model also those of what was fine-tuned from it."""
    cell, model = folder.absolute().parent.name, folder.absolute().name
    recipe = content["recipe"]
    if model == LANGUAGE_MODEL:
        return [row for row in content["rows"] if any(cell in names for names in _cells_with_its_model(row, recipe))]
    own = [
        row
        for row in content["rows"]
        if cell in _folder_names({**row.get("cell", {}), **row.get("settings", {})}, recipe)
    ]
    return [row for row in own if model in {f"{name}-seed-{row['seed']}" for name in _dataset_names(row["dataset"])}]


def _cells_with_its_model(row: Mapping[str, Any], recipe: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The folders of the cells that share the row's language model: they differ in settings chosen on dev alone."""
    study = recipe.get("study", {})
    axes = {key: study.get("axes", {}).get(key, ()) for key in study.get("select", ())}
    for values in itertools.product(*axes.values()):
        yield _folder_names({**row.get("cell", {}), **dict(zip(axes, values, strict=True))}, recipe)


def _folder_names(varied: Mapping[str, Any], recipe: Mapping[str, Any]) -> tuple[str, str]:
    """What the folder of a cell may be called; its label has the values in the order of the recipe."""
    order = [ARM, *recipe.get("study", {}).get("axes", {})]
    ordered = {key: varied[key] for key in [*order, *varied] if key in varied}
    return possible_names(cell_label(ordered, recipe.get("name", "")), cell_identity(varied))


def _dataset_names(dataset: str) -> tuple[str, str]:
    return possible_names(dataset, dataset)


def _scores(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if all(row.get("type") for row in rows):
        yield from ("## Scores", "", f"{_RESULTS} of the run has no scores of this model.", "")
        return
    yield from ("## Scores", "", "| data | split | metric | protocol | seed | value |", "|---|---|---|---|---|---|")
    for row in rows:
        if not row.get("type"):
            cells = (row[key] for key in ("dataset", "split", "metric", "protocol", "seed"))
            yield f"| {' | '.join(map(_cell, cells))} | {row['value']:.6g} |"
    yield ""


def _data(lock: Mapping[str, Any]) -> Iterator[str]:
    files = lock.get("files", {})
    if files:
        yield from ("## Data", "", "| file | sha256 | bytes |", "|---|---|---|")
        for name, facts in files.items():
            yield f"| {_cell(Path(name).name)} | `{facts['sha256']}` | {facts['bytes']} |"
        yield ""


def _making(content: Mapping[str, Any]) -> Iterator[str]:
    yield from ("## Recipe", "", "```toml", dump_toml(content["recipe"]).rstrip(), "```", "")
    lock = {key: value for key, value in content["lock"].items() if key != "files"}
    yield from ("## Lock record", "", "```toml", dump_toml(lock).rstrip(), "```")


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
