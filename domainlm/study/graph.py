"""From a resolved recipe to its stages: corpus, vocabulary, start, pretraining, scores, fine-tuning."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domainlm.recipe.cells import Cell
from domainlm.recipe.resolved import Resolved, ResolvedCell
from domainlm.recipe.schema import RuntimeSettings
from domainlm.study.files import FileHashes
from domainlm.study.graph_parts.corpora import corpus_stage, needed_sides, tokens_stage
from domainlm.study.graph_parts.measures import MeasuredStages, measured_stages
from domainlm.study.graph_parts.pretraining import pretrain_stage
from domainlm.study.graph_parts.starts import start_stage, vocabulary_stage
from domainlm.study.graph_parts.tasks import finetuning_stages
from domainlm.study.stage import Stage, with_all_inputs
from domainlm.study.stages.corpus import CorpusStage
from domainlm.study.stages.encode import EncodeStage
from domainlm.study.stages.finetune import FinetuneStage
from domainlm.study.stages.language_model import PretrainStage
from domainlm.study.stages.scoring import LanguageModelScoreStage


@dataclass(frozen=True, slots=True)
class FurtherScore:
    """A score of a language model besides that of the pretrained one on the corpus.

    Attributes:
        stage: gives it.
        dataset: the text.
        is_general: whether that is the general text.
        is_before: whether the model is the one that pretraining starts from.
    """

    stage: LanguageModelScoreStage
    dataset: str
    is_general: bool
    is_before: bool


@dataclass(frozen=True, slots=True)
class CellStages:
    """The stages of one cell by what they are for; cells share the stages they have in common.

    Attributes:
        resolved: the cell, names and files found.
        corpus: prepares its text.
        vocabulary: learns or takes over its vocabulary.
        tokens: encodes the corpus with it.
        start: gives the model to begin with, carried over to the vocabulary where that is another.
        pretraining: trains it further; None where no steps are asked for.
        language_model_score: of `model`, on the corpus's held-out text.
        finetuning: of `model`, for each task and seed.
        further_scores: on general text, and before pretraining.
    """

    resolved: ResolvedCell
    corpus: CorpusStage
    vocabulary: Stage
    tokens: EncodeStage
    start: Stage
    pretraining: PretrainStage | None
    language_model_score: LanguageModelScoreStage
    finetuning: tuple[FinetuneStage, ...]
    further_scores: tuple[FurtherScore, ...] = ()

    @property
    def definition(self) -> Cell:
        """The cell as the recipe has it."""
        return self.resolved.definition

    @property
    def model(self) -> Stage:
        """The stage whose model is fine-tuned."""
        return self.pretraining or self.start

    def ordered(self) -> list[Stage]:
        """All stages, inputs before what reads them."""
        further = (score.stage for score in self.further_scores)
        return with_all_inputs((self.language_model_score, *further, *self.finetuning))


@dataclass(frozen=True, slots=True)
class Graph:
    """Every cell's stages; those of cells that only measure stand apart."""

    cells: tuple[CellStages, ...]
    measured: tuple[MeasuredStages, ...] = ()

    @property
    def every_cell(self) -> tuple[CellStages | MeasuredStages, ...]:
        """Cells of either kind."""
        return (*self.cells, *self.measured)

    def ordered(self) -> list[Stage]:
        """All stages of all cells, each once, inputs before what reads them."""
        found: dict[str, Stage] = {}
        for cell in self.every_cell:
            for stage in cell.ordered():
                found.setdefault(stage.key, stage)
        return list(found.values())


def build_graph(
    resolved: Resolved, hashes: FileHashes, hardware_of: Callable[[RuntimeSettings], Mapping[str, Any]]
) -> Graph:
    """The stages of a recipe.

    Args:
        resolved: the recipe, names and files found.
        hashes: gives the hash of each input file.
        hardware_of: software and kind of hardware that computes, part of the identity of what is trained.
    """
    cells: list[CellStages] = []
    for cell in resolved.cells:
        earlier = [each.pretraining for each in reversed(cells) if each.pretraining is not None]
        cells.append(_cell_stages(cell, resolved.cells, hashes, hardware_of(cell.definition.recipe.runtime), earlier))
    return Graph(tuple(cells), tuple(measured_stages(cell, hashes) for cell in resolved.measured))


def _cell_stages(
    cell: ResolvedCell,
    cells: Sequence[ResolvedCell],
    hashes: FileHashes,
    hardware: Mapping[str, Any],
    earlier: Sequence[PretrainStage],
) -> CellStages:
    recipe, runtime = cell.definition.recipe, cell.definition.recipe.runtime
    corpus = corpus_stage(cell, cell.corpus, hashes)
    vocabulary = vocabulary_stage(cell, corpus, hashes)
    tokens = tokens_stage(corpus, vocabulary, runtime)
    start = start_stage(cell, vocabulary, corpus, hashes, hardware)
    general = general_tokens = None
    if cell.general is not None:
        general = corpus_stage(cell, cell.general, hashes, guarded_tasks=(), needed=needed_sides(cell.general, cells))
        general_tokens = tokens_stage(general, vocabulary, runtime)
    pretraining = None
    if recipe.pretraining.num_steps > 0:
        mixed = []
        for replayed in cell.mixed:
            text = corpus_stage(cell, replayed, hashes, needed=needed_sides(replayed, cells))
            mixed.append((replayed.name, tokens_stage(text, vocabulary, runtime)))
        read = {"start": start, "tokens": tokens, "vocabulary": vocabulary}
        pretraining = pretrain_stage(cell, read, mixed, general_tokens, hardware, earlier)
    model = pretraining or start

    def scored(model: Stage, corpus: Stage, tokens: Stage) -> LanguageModelScoreStage:
        return LanguageModelScoreStage(
            label=model.label,
            inputs={"model": model, "corpus": corpus, "tokens": tokens, "vocabulary": vocabulary},
            settings=recipe.pretraining,
            runtime=runtime,
            hardware=hardware,
        )

    score = scored(model, corpus, tokens)
    further = []
    if cell.start is not None and pretraining is not None:
        further.append(FurtherScore(scored(start, corpus, tokens), cell.corpus.spec.name, False, True))
    if cell.general is not None and general is not None and general_tokens is not None:
        starts = [start] if cell.start is not None and pretraining is not None else []
        for each in (*starts, model):
            score_of_text = scored(each, general, general_tokens)
            further.append(FurtherScore(score_of_text, cell.general.spec.name, True, each is not model))
    finetuning = tuple(finetuning_stages(cell, model, hashes, hardware))
    return CellStages(cell, corpus, vocabulary, tokens, start, pretraining, score, finetuning, tuple(further))
