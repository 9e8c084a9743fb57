"""`domainlm.transfer`: adapt a model to a domain from a program, with the engine and the artifacts of a run."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import domainlm
from domainlm.api import RunInfo, RunSummary, Score, StageInfo, StepInfo
from domainlm.errors import UserError
from domainlm.files import read_json, write_whole
from domainlm.interop.export import Exported, export_huggingface
from domainlm.plugin.discovery import Candidate, installed_candidates
from domainlm.plugin.manager import load_plugins
from domainlm.plugin.marker import hookimpl
from domainlm.plugin.provider import Provider
from domainlm.recipe.overrides import with_values
from domainlm.recipe.toml_source import anchor_paths
from domainlm.recipe.toml_text import dump_toml
from domainlm.study.card import model_card
from domainlm.study.models import LANGUAGE_MODEL, copied_models, folder_name
from domainlm.study.results import score_of
from domainlm.study.run import run_recipe
from domainlm.study.transfer_recipe import Budget, PathLike, transfer_recipe
from domainlm.train.signals import interrupt

_RECIPE = "transfer.toml"

Told = StepInfo | StageInfo


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

    @property
    def model(self) -> Path:
        """Folder of the language model."""
        return self._models()[LANGUAGE_MODEL]

    @property
    def models(self) -> Mapping[str, Path]:
        """Folders of all models: "language-model" and, for each task and seed, "DATASET-seed-N"."""
        return self._models()

    @property
    def curves(self) -> Mapping[str, Sequence[Mapping[str, float]]]:
        """What every step of each training logged, by "pretrain CORPUS" and "finetune DATASET, seed N"."""
        found = {}
        for curve in read_json(self._finished() / "results.json")["curves"]:
            seed = f", seed {curve['seed']}" if curve["stage"] == "finetune" else ""
            lines = (self.out / curve["file"]).read_text("utf-8").splitlines()
            found[f"{curve['stage']} {curve['dataset']}{seed}"] = [json.loads(line) for line in lines]
        return found

    def score(self, metric: str, dataset: str, split: str = "test", *, protocol: str | None = None) -> float:
        """The mean over the seeds of a score, all types counted together, after pretraining.

        Args:
            metric: "f1", "accuracy", "masked_lm_loss", ...
            dataset: the name of a task, or of the corpus for language-model scores.
            split: "dev" or "test" of a task, "held-out" of a corpus.
            protocol: how it is counted; if not given, by the first protocol that there is, as in reports.

        Returns:
            A fraction from 0 to 1 for accuracies and F1; nats for losses.

        Raises:
            UserError: there is no such score.
        """
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
            model: a key of `models`.
            force: replace what is there.

        Returns:
            The class of transformers that loads it (`architecture`), and `notes` on what that class cannot express.

        Raises:
            UserError: there is no such model, or `path` already exists.
        """
        models = self._models()
        if model not in models:
            raise UserError("no such model", given=model, allowed=[*models])
        out = Path(path)
        card = model_card(models[model], self.out / "results.json", out.name)
        return export_huggingface(models[model], out, card=card, force=force)

    def _models(self) -> dict[str, Path]:
        return {folder.name: folder for folder in copied_models(self._finished() / "models")}

    def _finished(self) -> Path:
        if self.status != "complete":
            raise UserError("the transfer was cancelled", where=self.out, remedy="make the same call to go on with it")
        return self.out


def transfer(
    base: PathLike | None,
    corpus: PathLike | Sequence[PathLike] | Mapping[str, Any],
    *,
    out: PathLike,
    budget: Budget | int,
    vocabulary: PathLike | int | Mapping[str, Any] | None = None,
    tasks: Sequence[Mapping[str, Any]] = (),
    general: PathLike | Mapping[str, Any] | None = None,
    grid: Mapping[str, int] | None = None,
    settings: Mapping[str, Any] | None = None,
    store: PathLike | None = None,
    progress: Callable[[Told], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> TransferResult:
    """Adapt a model to a domain; see `domainlm.transfer`."""
    folder = Path(out).absolute()
    path = folder / _RECIPE
    recipe = {
        "name": folder_name(folder.name),
        **transfer_recipe(base, corpus, budget, vocabulary, tasks, general, settings or {}),
    }
    if grid is not None:
        recipe["parallel"] = dict(grid)
    changes = {tuple(key.split(".")): value for key, value in (settings or {}).items()}
    recipe = with_values(_plain(recipe), _plain(changes), "settings")
    anchor_paths(recipe, Path.cwd())
    write_whole(path, dump_toml(recipe).encode())
    follower = _Follower(progress, cancelled)
    provider = Provider("domainlm-transfer", domainlm.__version__, "progress")
    plugins = load_plugins(candidates=[*installed_candidates(), Candidate(provider, lambda: follower)])
    try:
        summary: RunSummary = run_recipe(
            path, out=folder, store=None if store is None else Path(store), overrides=(), plugins=plugins
        )
    except KeyboardInterrupt:
        if not follower.has_cancelled:
            raise
        return TransferResult("cancelled", folder)
    rows = read_json(folder / "results.json")["rows"]
    return TransferResult(summary.status, folder, tuple(map(score_of, rows)))


class _Follower:
    """Tells the caller what happens, and stops where it says so."""

    def __init__(self, progress: Callable[[Told], None] | None, cancelled: Callable[[], bool] | None) -> None:
        self._progress, self._cancelled = progress, cancelled
        self.has_cancelled = False

    @hookimpl
    def domainlm_step_ended(self, run: RunInfo, step: StepInfo) -> None:  # noqa: ARG002 - as the hook is declared
        self._follow(step)

    @hookimpl
    def domainlm_stage_ended(self, run: RunInfo, stage: StageInfo) -> None:  # noqa: ARG002
        self._follow(stage)

    def _follow(self, told: Told) -> None:
        if self._progress is not None:
            self._progress(told)
        if self._cancelled is not None and self._cancelled() and not self.has_cancelled:
            self.has_cancelled = True
            interrupt()


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever tables hold
    """Paths as text, and tuples as lists."""
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(entry) for entry in value]
    return value
