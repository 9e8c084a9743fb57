"""Where settings, text, vocabulary, model and loop come together: start reading here.

Nothing else sees all of them. Each function is one stage's work: it reads folders, and writes a folder.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from domainlm.errors import ModelError
from domainlm.model.config import ModelConfig
from domainlm.model.files import CONFIG, load_weights, read_config, save_model
from domainlm.model.initialise import initialise
from domainlm.model.pretraining import PretrainingModel
from domainlm.parallel.device import Device
from domainlm.recipe.schema import CHECKPOINT_SETTINGS, PretrainingSettings, RuntimeSettings
from domainlm.text.batches import PretrainingBatches
from domainlm.text.masking import Masking, TokenTable
from domainlm.text.several import open_dataset
from domainlm.train.bits import bits_per_character
from domainlm.train.checkpoints.runs import remove_checkpoints
from domainlm.train.loop import LoopSettings, train
from domainlm.train.observer import Observer
from domainlm.train.pretraining import PretrainingObjective, PretrainingSource, score_sequences
from domainlm.train.runtime import open_device
from domainlm.vocab.vocabulary import Vocabulary

_TOKENIZER = "tokenizer.json"
_MODEL = "model"
_RUN = "run"
_SCORE_SEED = 20_200_916
"""Of the masks that language models are scored with: the same for every model, whatever it was trained with."""
_NUM_SLOTS_TO_SCORE = 8_192


def create_start(config: ModelConfig, *, sentence_order: bool, seed: int, vocabulary: Path, folder: Path) -> None:
    """Write a model folder with fresh weights.

    Args:
        config: shape of the encoder.
        sentence_order: with the head for sentence order.
        seed: of the weights.
        vocabulary: folder with the tokenizer.json that belongs to the model.
        folder: where to write.
    """
    _check_vocabulary(config, Vocabulary.load(vocabulary), vocabulary)
    model = PretrainingModel(config, sentence_order=sentence_order)
    initialise(model, seed)
    _write_model(model, config, vocabulary=vocabulary, folder=folder)


def pretrain(
    *,
    settings: PretrainingSettings,
    runtime: RuntimeSettings,
    start: Path,
    tokens: Path,
    vocabulary: Path,
    work: Path,
    observer: Observer,
) -> None:
    """Pretrain a model, or go on with it from `work/checkpoints`; leaves `work/model/` and `work/metrics.jsonl`.

    A call that was killed goes on when it is made again, and ends with the same bytes; one that had ended returns.

    Args:
        settings: steps, batches, masks, optimizer.
        runtime: device, precision, threads.
        start: model folder to start from.
        tokens: prefix of the indexed dataset to train on.
        vocabulary: folder of the vocabulary that encoded it.
        work: folder of this run.
        observer: told of steps and checkpoints.

    Raises:
        UserError: a folder that cannot be read, settings the model cannot follow, or training that diverges.
    """
    run = _run_identity(settings)
    if not _is_finished(work / _MODEL, run):
        _train(
            settings,
            open_device(runtime),
            start=start,
            tokens=tokens,
            vocabulary=vocabulary,
            work=work,
            observer=observer,
            run=run,
        )
    remove_checkpoints(work, settings.num_steps_per_kept_checkpoint)


def _train(
    settings: PretrainingSettings,
    device: Device,
    *,
    start: Path,
    tokens: Path,
    vocabulary: Path,
    work: Path,
    observer: Observer,
    run: str,
) -> None:
    entries = Vocabulary.load(vocabulary)
    model, config = _read_model(start, settings, entries)
    source = PretrainingSource(
        _batches(settings, tokens, entries, settings.seed),
        settings.num_sequences_per_step,
        settings.num_sequences_per_micro_batch,
    )
    train(
        model,
        PretrainingObjective(),
        source,
        LoopSettings(
            phase="pretrain",
            num_steps=settings.num_steps,
            optimizer=settings.optimizer,
            schedule=settings.schedule,
            seed=settings.seed,
            num_steps_per_checkpoint=settings.num_steps_per_checkpoint,
            num_checkpoints_kept=settings.num_checkpoints_kept,
            num_steps_per_kept_checkpoint=settings.num_steps_per_kept_checkpoint,
            num_bad_steps_until_stop=settings.num_bad_steps_until_stop,
        ),
        device=device,
        work=work,
        observer=observer,
    )
    _write_model(model, config, vocabulary=vocabulary, folder=work / _MODEL, extra={_RUN: run})


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
    module, _ = _read_model(model, settings, entries)
    module.to(device.torch_device)
    batches = _batches(settings, tokens, entries, _SCORE_SEED)
    num_rows = max(1, _NUM_SLOTS_TO_SCORE // settings.max_tokens)
    scores = score_sequences(module, batches, device, num_rows)
    pairs = settings.second_objective == "sentence_order"
    bits = bits_per_character(
        module, entries, text, device, max_tokens=settings.max_tokens, pairs=pairs, num_rows=num_rows
    )
    return {**scores, **bits}


def _batches(settings: PretrainingSettings, tokens: Path, vocabulary: Vocabulary, seed: int) -> PretrainingBatches:
    masking = settings.masking
    return PretrainingBatches(
        open_dataset(tokens),
        _token_table(vocabulary),
        max_tokens=settings.max_tokens,
        sentence_order=settings.second_objective == "sentence_order",
        masking=Masking(
            rate=masking.rate, unit=masking.unit, mask_share=masking.mask_share, random_share=masking.random_share
        ),
        seed=seed,
    )


def _token_table(vocabulary: Vocabulary) -> TokenTable:
    is_special = np.zeros(vocabulary.size, dtype=np.bool_)
    is_special[list(vocabulary.special_ids)] = True
    return TokenTable(
        pad=vocabulary.pad_id,
        cls=vocabulary.cls_id,
        sep=vocabulary.sep_id,
        mask=vocabulary.mask_id,
        size=vocabulary.size,
        is_continuation=np.array(vocabulary.is_continuation, dtype=np.bool_),
        is_special=is_special,
    )


def _run_identity(settings: PretrainingSettings) -> str:
    """Says which settings a model was trained with; how often checkpoints are written does not matter."""
    kept = settings.model_dump(mode="json", exclude=set(CHECKPOINT_SETTINGS))
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


def _read_model(
    folder: Path, settings: PretrainingSettings, vocabulary: Vocabulary
) -> tuple[PretrainingModel, ModelConfig]:
    found = read_config(folder)
    _check_vocabulary(found.model, vocabulary, folder)
    sentence_order = bool(found.extra.get("sentence_order"))
    if settings.second_objective == "sentence_order" and not sentence_order:
        raise ModelError(
            "this model has no head for sentence order",
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
    model = PretrainingModel(found.model, sentence_order=sentence_order)
    load_weights(model, folder)
    return model, found.model


def _write_model(
    model: PretrainingModel,
    config: ModelConfig,
    *,
    vocabulary: Path,
    folder: Path,
    extra: Mapping[str, str] | None = None,
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(vocabulary / _TOKENIZER, folder / _TOKENIZER)
    facts = {"kind": "pretraining", "sentence_order": model.sentence_order is not None}
    save_model(folder, model, config, {**facts, **(extra or {})})
