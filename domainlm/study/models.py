"""The models of a run, copied to where their user looks for them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from domainlm.study.graph import Graph
from domainlm.study.results import Artifacts

LANGUAGE_MODEL = "language-model"
"""What the folder of a cell's language model is called."""


def copy_models(graph: Graph, artifacts: Artifacts, folder: Path) -> None:
    """Copy every cell's language model and fine-tuned models below `folder`.

    `CELL/language-model/` and `CELL/DATASET-seed-N/`; a folder that is there already is replaced whole.
    """
    for cell in graph.cells:
        target = folder / folder_name(cell.cell.cell.label)
        if cell.model.key not in artifacts:
            continue
        _copy(artifacts[cell.model.key].folder / "model", target / LANGUAGE_MODEL)
        for stage in (each for each in cell.finetuning if each.key in artifacts):
            _copy(artifacts[stage.key].folder / "model", target / f"{folder_name(stage.name)}-seed-{stage.seed}")


def _copy(model: Path, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    shutil.copytree(model, temporary)
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)


def folder_name(label: str) -> str:
    """`label` as the name of a folder: letters, digits and `._=-`, everything else an underscore."""
    return re.sub(r"[^A-Za-z0-9._=-]+", "_", label).strip("._") or "model"
