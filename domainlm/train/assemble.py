"""Where settings, text, vocabulary, model and loop come together: start reading here.

Nothing else sees all of them. Each function is one stage's work: it reads folders, and writes a folder.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from domainlm.errors import ModelError
from domainlm.model.config import ModelConfig
from domainlm.model.files import CONFIG, load_weights, read_config, save_streamed_model
from domainlm.model.initialise import initialise
from domainlm.model.origin import origin_of
from domainlm.model.pretraining import PretrainingModel
from domainlm.model.tensor_file import file_order
from domainlm.parallel.world import current_world
from domainlm.recipe.parallel_settings import ParallelSettings
from domainlm.recipe.pretraining_settings import PretrainingSettings
from domainlm.recipe.schema import RuntimeSettings
from domainlm.train.bits import bits_per_character
from domainlm.train.checkpoints.runs import remove_checkpoints
from domainlm.train.continuing import MODEL
from domainlm.train.corpora import EncodedCorpus, Mixture, corpus_batches, pretraining_source
from domainlm.train.freezing import freeze
from domainlm.train.grid import needs_grid_worker
from domainlm.train.held_out import NUM_SLOTS_TO_SCORE, SCORE_SEED, held_out_losses
from domainlm.train.observer import Observer
from domainlm.train.pretraining import PretrainingObjective, score_sequences
from domainlm.train.pretraining_run import PretrainingRun
from domainlm.train.runtime import compiled_where_it_pays, open_device
from domainlm.vocab.files import TOKENIZER_FILE
from domainlm.vocab.vocabulary import Vocabulary

_RUN = "run"


def create_start(config: ModelConfig, *, sentence_order: bool, seed: int, vocabulary: Path, folder: Path) -> None:
    """Write a model folder with fresh weights.

    Args:
        config: shape of the encoder.
        sentence_order: with the head for pairs of segments.
        seed: of the weights.
        vocabulary: folder with the tokenizer.json that belongs to the model.
        folder: where to write.
    """
    _check_vocabulary(config, Vocabulary.load(vocabulary), vocabulary)
    with torch.device("meta"):  # one parameter at a time is drawn and written
        model = PretrainingModel(config, sentence_order=sentence_order)
    initialise(model, seed)
    parameters = dict(model.named_parameters())
    shapes = {name: tuple(parameter.shape) for name, parameter in parameters.items()}
    tensors = (origin_of(parameters[name]).read(()) for name in file_order(shapes))
    _copy_tokenizer(vocabulary, folder)
    save_streamed_model(folder, shapes, tensors, config, _model_facts(sentence_order))


def pretrain(
    *,
    settings: PretrainingSettings,
    runtime: RuntimeSettings,
    start: Path,
    tokens: Path,
    vocabulary: Path,
    work: Path,
    observer: Observer,
    mixture: Mixture | None = None,
    parallel: ParallelSettings | None = None,
    held_out: Mapping[str, Path] | None = None,
    moments: Path | None = None,
) -> None:
    """Pretrain a model, or go on with it from `work/checkpoints`; leaves `work/model/` and `work/metrics.jsonl`.

    A call that was killed goes on when it is made again, and ends with the same bytes; one that had ended returns.
    Where it ends before the last step (`settings.last_step`), the last checkpoint stays, to go on from. Given minutes,
    `work/budget.json` says how many steps they were. On a grid every rank of the world makes the same call.

    Args:
        settings: steps, batches, masks, optimizer.
        runtime: device, precision, threads.
        start: model folder to start from.
        tokens: prefix of the indexed dataset to train on.
        vocabulary: folder of the vocabulary that encoded it.
        work: folder of this run.
        observer: told of steps and checkpoints.
        mixture: train on several corpora in turns, in place of `tokens` alone.
        parallel: how the work is divided over the ranks.
        held_out: prefixes of what to score every `settings.num_steps_per_score` steps, by the name of the metric.
        moments: a file with the optimizer's state to begin with; fresh where None.

    Raises:
        UserError: a folder that cannot be read, settings the model cannot follow, or training that diverges.
    """
    mixture = mixture or Mixture([EncodedCorpus("corpus", tokens)])
    identity, world = _run_identity(settings, mixture), current_world()
    if not world.broadcast(_is_finished(work / MODEL, identity)):
        device, entries = open_device(runtime, pretrains=True), Vocabulary.load(vocabulary)
        config, sentence_order = _check_start(start, settings, entries)
        device = compiled_where_it_pays(device, runtime, settings, config)
        run = PretrainingRun(
            settings=settings,
            config=config,
            build=partial(_build_resting, config, sentence_order, start, settings),
            objective=PretrainingObjective(settings.second_objective),
            source=pretraining_source(settings, mixture, entries, world, device),
            device=device,
            moments=moments,
            work=work,
            observer=observer,
            facts=_model_facts(sentence_order) | {_RUN: identity},
        )
        if world.is_first:
            _copy_tokenizer(vocabulary, work / MODEL)
        parallel = parallel or ParallelSettings()
        if needs_grid_worker(device, parallel):
            run.train_divided(parallel, runtime)
        else:
            texts = held_out or {}
            run.train_whole(partial(held_out_losses, texts=texts, settings=settings, vocabulary=entries, device=device))
    if world.is_first:
        pause = settings.last_step if settings.last_step < settings.num_steps else None
        remove_checkpoints(work, settings.num_steps_per_kept_checkpoint, last_step=pause)


def _build(config: ModelConfig, sentence_order: bool, start: Path) -> PretrainingModel:
    model = PretrainingModel(config, sentence_order=sentence_order)
    load_weights(model, start)
    return model


def _build_resting(
    config: ModelConfig, sentence_order: bool, start: Path, settings: PretrainingSettings
) -> PretrainingModel:
    """The model with what is to rest for good."""
    model = _build(config, sentence_order, start)
    freeze(model.encoder, num_layers=settings.num_frozen_layers, embeddings=settings.freezes_embeddings)
    return model


def score_language_model(
    *, settings: PretrainingSettings, runtime: RuntimeSettings, model: Path, tokens: Path, text: Path, vocabulary: Path
) -> dict[str, float]:
    """Score a language model on held-out text.

    The masked-language-model scores have masks that are the same for every model of one vocabulary; bits per character
    are about words that are the same for every model.

    Args:
        settings: length of a row, masks.
        runtime: device, precision, threads.
        model: model folder.
        tokens: prefix of the indexed dataset of the held-out text.
        text: the held-out text itself, a sentence a line.
        vocabulary: folder of the vocabulary that encoded it.

    Returns:
        As `domainlm.train.pretraining.score_sequences` and `domainlm.train.bits.bits_per_character`.
    """
    device = open_device(runtime)
    entries = Vocabulary.load(vocabulary)
    config, sentence_order = _check_start(model, settings, entries)
    module = _build(config, sentence_order, model)
    module.to(device.torch_device)
    batches = corpus_batches(settings, tokens, entries, SCORE_SEED)
    num_rows = max(1, NUM_SLOTS_TO_SCORE // settings.max_tokens)
    scores = score_sequences(module, batches, device, num_rows, settings.second_objective)
    pairs = settings.second_objective != "none"
    bits = bits_per_character(
        module, entries, text, device, max_tokens=settings.max_tokens, pairs=pairs, num_rows=num_rows
    )
    return {**scores, **bits}


def _run_identity(settings: PretrainingSettings, mixture: Mixture) -> str:
    """Says which settings a model was trained with; how often checkpoints are written does not matter."""
    kept = settings.deciding()
    if len(mixture.corpora) > 1:
        kept["mixture"] = [mixture.exponent, *((corpus.name, corpus.weight) for corpus in mixture.corpora)]
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def _is_finished(folder: Path, run: str) -> bool:
    """Whether the model is there: config.json is written last of all."""
    return folder.is_dir() and (folder / CONFIG).is_file() and read_config(folder).extra.get(_RUN) == run


def _check_vocabulary(config: ModelConfig, vocabulary: Vocabulary, where: Path) -> None:
    if config.vocabulary_size != vocabulary.size:
        raise ModelError(
            "model and vocabulary do not belong together",
            where=where,
            given=f"{vocabulary.size:,} entries",
            allowed=f"{config.vocabulary_size:,}, as the model has",
        )


def _check_start(folder: Path, settings: PretrainingSettings, vocabulary: Vocabulary) -> tuple[ModelConfig, bool]:
    """The shape of a model that can be trained or scored with these settings, and whether it has a head for pairs."""
    found = read_config(folder)
    _check_vocabulary(found.model, vocabulary, folder)
    sentence_order = bool(found.extra.get("sentence_order"))
    if settings.second_objective != "none" and not sentence_order:
        raise ModelError(
            "this model has no head for pairs of segments",
            where=folder,
            remedy='use pretraining.second_objective = "none", or start from a model that has it',
        )
    if settings.max_tokens > found.model.max_positions:
        raise ModelError(
            "pretraining.max_tokens is above the model's positions",
            where=folder,
            given=settings.max_tokens,
            allowed=f"at most {found.model.max_positions}",
        )
    return found.model, sentence_order


def _copy_tokenizer(vocabulary: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(vocabulary / TOKENIZER_FILE, folder / TOKENIZER_FILE)


def _model_facts(sentence_order: bool) -> dict[str, Any]:
    return {"kind": "pretraining", "sentence_order": sentence_order}
