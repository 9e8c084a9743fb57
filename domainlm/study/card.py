"""The model card of an exported model: what it is, how it was made, what it scored (Mitchell et al. 2019)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from domainlm.errors import DataError
from domainlm.interop.export import loading_lines
from domainlm.model.files import read_config
from domainlm.study.models import LANGUAGE_MODEL, folder_name
from domainlm.study.report.toml import dump_toml

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
        lines += [*_scores(_rows_of(folder, content["rows"])), *_data(content["lock"]), *_making(content)]
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


def _rows_of(folder: Path, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rows about this model; of a language model also those of what was fine-tuned from it."""
    cell = folder.absolute().parent.name
    of_cell = [row for row in rows if folder_name(str(row["model"])) == cell] or list(rows)
    if folder.name == LANGUAGE_MODEL:
        return of_cell
    own = [row for row in of_cell if f"{folder_name(str(row['dataset']))}-seed-{row['seed']}" == folder.name]
    return own or of_cell


def _scores(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
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
