"""What `domainlm.transfer` gives back: scores, curves, models and the report of an output folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domainlm.api import Score
from domainlm.errors import UserError
from domainlm.files import read_json
from domainlm.interop.export import Exported, export_huggingface
from domainlm.study.card import model_card, rows_about
from domainlm.study.meant_cell import Cell, meant_cell
from domainlm.study.models import LANGUAGE_MODEL, copied_models
from domainlm.study.transfer_recipe import PathLike

_RESULTS = "results.json"


@dataclass(frozen=True, slots=True)
class TransferResult:
    """The results of a transfer.

    Attributes:
        status: "complete" or "cancelled": then the same call goes on, and there are no models, curves or report yet.
        out: the output folder, as `domainlm run` leaves it.
        scores: a score for each row of results.json; none where it was cancelled.
    """

    status: str
    out: Path
    scores: tuple[Score, ...] = ()

    def __repr__(self) -> str:
        """With the number of scores in place of all of them."""
        return f"TransferResult({self.status!r}, {str(self.out)!r}, {len(self.scores)} scores)"

    @property
    def model(self) -> Path:
        """Folder of the language model; of several scored steps that of the best by early_stop, or else of the last."""
        return self._folder(LANGUAGE_MODEL)

    @property
    def models(self) -> Mapping[str, Path]:
        """Folders of all models: "language-model" and "DATASET-seed-N"; where there are several cells "CELL/..."."""
        return self._models()

    @property
    def curves(self) -> Mapping[str, Sequence[Mapping[str, float]]]:
        """What each step logged, by "pretrain CORPUS", "finetune DATASET, seed N"; of several cells "..., of MODEL"."""
        curves = self._results()["curves"]
        are_several = len({json.dumps(curve["cell"]) for curve in curves}) > 1
        found = {}
        for curve in curves:
            seed = f", seed {curve['seed']}" if curve["stage"] == "finetune" else ""
            model = f", of {curve['model']}" if are_several else ""
            lines = (self.out / curve["file"]).read_text("utf-8").splitlines()
            found[f"{curve['stage']} {curve['dataset']}{seed}{model}"] = [json.loads(line) for line in lines]
        return found

    def score(
        self,
        metric: str,
        dataset: str,
        split: str = "test",
        *,
        protocol: str | None = None,
        cell: Mapping[str, Any] | None = None,
    ) -> float:
        """The mean over the seeds of a score of one model, all types counted together, after pretraining.

        Args:
            metric: "f1", "accuracy", "masked_lm_loss", ...
            dataset: the name of a task, or of the corpus for language-model scores.
            split: "dev" or "test" of a task, "held-out" of a corpus.
            protocol: how it is counted; if not given, by the first protocol that there is, as in reports.
            cell: which model, where settings leave several: `{"arm": "b"}`, `{"pretraining.scored_steps": 20}`; of
                several scored steps the best one by early_stop, or else the last, where not given.

        Returns:
            A fraction from 0 to 1 for accuracies and F1; nats for losses.

        Raises:
            UserError: the transfer was cancelled, there is no such score, or several models have one and `cell` does
                not say which.
        """
        self._check_complete()
        found = [
            score
            for score in self.scores
            if (score.metric, score.dataset, score.split) == (metric, dataset, split)
            and not score.extra.get("type")
            and not score.protocol.endswith("before pretraining")
        ]
        if not found:
            known = sorted({f"{score.metric} of {score.dataset}, {score.split}" for score in self.scores})
            raise UserError("no such score", given=f"{metric} of {dataset}, {split}", allowed=known)
        meant = self._meant([_cell_of(score) for score in found], cell or {}, f"{metric} of {dataset}")
        found = [score for score in found if _cell_of(score) == meant]
        chosen = found[0].protocol if protocol is None else protocol
        values = [score.value for score in found if score.protocol == chosen]
        if not values:
            protocols = list(dict.fromkeys(score.protocol for score in found))
            raise UserError(
                "no score by this protocol", where=f"{metric} of {dataset}", given=chosen, allowed=protocols
            )
        return sum(values) / len(values)

    def report(self) -> str:
        """The report as Markdown; report.html beside it has plots."""
        return (self._finished() / "report.md").read_text("utf-8")

    def to_huggingface(self, path: PathLike, *, model: str = LANGUAGE_MODEL, force: bool = False) -> Exported:
        """Write one of the models for transformers, with a model card.

        Args:
            path: a new folder.
            model: a key of `models`; without its CELL, of several scored steps the one that `model` is of.
            force: replace what is there.

        Returns:
            The class of transformers that loads it (`architecture`), and `notes` on what that class cannot express.

        Raises:
            UserError: there is no such model, or `path` already exists.
        """
        folder, out = self._folder(model), Path(path)
        card = model_card(folder, self.out / _RESULTS, out.name)
        return export_huggingface(folder, out, card=card, force=force)

    def _models(self) -> dict[str, Path]:
        folders = copied_models(self._finished() / "models")
        are_several = len({folder.parent for folder in folders}) > 1
        return {f"{folder.parent.name}/{folder.name}" if are_several else folder.name: folder for folder in folders}

    def _folder(self, name: str) -> Path:
        models = self._models()
        if name in models:
            return models[name]
        named = [folder for folder in models.values() if folder.name == name]
        if named:
            results = self._results()
            meant = self._meant([row["cell"] for row in results["rows"]], {}, name, [*models])
            for folder in named:
                if any(row["cell"] == meant for row in rows_about(folder, results)):
                    return folder
        raise UserError("no such model", given=name, allowed=[*models])

    def _meant(self, cells: Sequence[Cell], wanted: Cell, where: str, names: Sequence[str] = ()) -> Cell:
        first = cells[0]
        if not wanted and all(cell == first for cell in cells):
            return first
        return meant_cell(cells, wanted, self._results().get("early_stops", ()), where=where, names=names)

    def _results(self) -> Mapping[str, Any]:
        results: Mapping[str, Any] = read_json(self._finished() / _RESULTS)
        return results

    def _finished(self) -> Path:
        self._check_complete()
        if not (self.out / _RESULTS).is_file():
            raise UserError(
                "its results are not there any more",
                where=self.out,
                remedy="put the folder back, or make the same call again",
            )
        return self.out

    def _check_complete(self) -> None:
        if self.status != "complete":
            raise UserError("the transfer was cancelled", where=self.out, remedy="make the same call to go on with it")


def _cell_of(score: Score) -> Cell:
    cell = score.extra.get("cell", {})
    assert isinstance(cell, dict)
    return cell
