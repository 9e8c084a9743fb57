"""Pretraining from folders to folders, killed by SIGKILL at any moment and started again."""

from __future__ import annotations

import json
import multiprocessing
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from domainlm.errors import ModelError
from domainlm.model.config import ModelConfig
from domainlm.model.files import read_config
from domainlm.model.initialise import initialise
from domainlm.model.pretraining import PretrainingModel
from domainlm.parallel.device import choose_device
from domainlm.recipe.pretraining_settings import PretrainingSettings
from domainlm.recipe.schema import RuntimeSettings
from domainlm.text.batches import Batches, MaskedBatch, PretrainingBatches
from domainlm.text.indexed import IndexedDataset
from domainlm.text.masking import Masking, TokenTable
from domainlm.text.mixing import MixedBatches
from domainlm.text.pairs import SecondObjective
from domainlm.train.assemble import create_start, pretrain
from domainlm.train.corpora import EncodedCorpus, Mixture, epochs_read
from domainlm.train.objective import Objective
from domainlm.train.observer import NullObserver
from domainlm.train.pretraining import (
    PretrainingBatch,
    PretrainingObjective,
    PretrainingSource,
    score_sequences,
    width_multiple,
)
from domainlm.vocab.vocabulary import Vocabulary

ENTRIES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrst", *(f"##{each}" for each in "uvwxyz")]
CONFIG = ModelConfig(
    layers=1,
    hidden=32,
    heads=2,
    feed_forward=64,
    max_positions=32,
    architecture="megatron",
    dropout=0.1,
    vocabulary_size=len(ENTRIES),
    padded_vocabulary_size=64,
)
RUNTIME = RuntimeSettings(device="cpu", num_threads=1)


@dataclass(frozen=True)
class World:
    """The folders that pretraining reads."""

    vocabulary: Path
    tokens: Path
    start: Path

    def arguments(self, work: Path, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of several types
        return {
            "settings": _settings(**changes),
            "runtime": RUNTIME,
            "start": self.start,
            "tokens": self.tokens,
            "vocabulary": self.vocabulary,
            "work": work,
            "observer": NullObserver(),
        }


def _settings(**changes: Any) -> PretrainingSettings:  # noqa: ANN401
    fields: dict[str, Any] = {
        "num_steps": 16,
        "num_sequences_per_step": 6,
        "num_sequences_per_micro_batch": 4,
        "max_tokens": 24,
        "num_steps_per_checkpoint": 2,
        "seed": 3,
    }
    return PretrainingSettings(**(fields | changes))


def _documents() -> list[list[list[int]]]:
    """Documents in which each letter is followed by the next one of the alphabet: something to learn."""
    choose = random.Random(0)  # noqa: S311 - no secrets

    def sentence() -> list[int]:
        first, length = choose.randrange(20), choose.randint(2, 12)
        return [5 + (first + place) % 26 for place in range(length)]

    return [[sentence() for _ in range(choose.randint(2, 6))] for _ in range(40)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, write_dataset: Callable[..., None]) -> World:
    folder = tmp_path_factory.mktemp("world")
    (folder / "vocabulary").mkdir()
    (folder / "vocab.txt").write_text("\n".join(ENTRIES) + "\n")
    Vocabulary.load(folder / "vocab.txt", cased=True).save(folder / "vocabulary")
    write_dataset(folder / "tokens", _documents())
    create_start(CONFIG, sentence_order=True, seed=3, vocabulary=folder / "vocabulary", folder=folder / "start")
    return World(folder / "vocabulary", folder / "tokens", folder / "start")


@pytest.fixture(scope="module")
def undisturbed(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("undisturbed")
    pretrain(**world.arguments(work))
    return work


def _bytes(work: Path) -> dict[str, bytes]:
    return {path.relative_to(work).as_posix(): path.read_bytes() for path in work.rglob("*") if path.is_file()}


# --- folders ---


def test_a_model_comes_out(undisturbed: Path, world: World) -> None:
    assert sorted(_bytes(undisturbed)) == [
        "metrics.jsonl",
        "model/config.json",
        "model/model.safetensors",
        "model/tokenizer.json",
    ]
    folder = read_config(undisturbed / "model")
    assert (folder.kind, folder.model, folder.extra["sentence_order"]) == ("pretraining", CONFIG, True)
    assert Vocabulary.load(undisturbed / "model").digest == Vocabulary.load(world.vocabulary).digest
    lines = [json.loads(line) for line in (undisturbed / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 17))
    keys = ["step", "loss", "masked_lm", "sentence_order", "learning_rate", "gradient_norm", "num_tokens"]
    assert all(list(line) == keys for line in lines)


def test_the_first_loss_is_that_of_guessing(undisturbed: Path) -> None:
    first = json.loads((undisturbed / "metrics.jsonl").read_text().splitlines()[0])

    assert first["masked_lm"] == pytest.approx(np.log(len(ENTRIES)), abs=0.1)
    assert first["sentence_order"] == pytest.approx(np.log(2), abs=0.1)


def test_no_steps_leave_the_start_as_it_is(world: World, tmp_path: Path) -> None:
    pretrain(**world.arguments(tmp_path, num_steps=0))

    start = (world.start / "model.safetensors").read_bytes()
    assert (tmp_path / "model" / "model.safetensors").read_bytes() == start
    assert (tmp_path / "metrics.jsonl").read_bytes() == b""


def test_a_run_that_is_done_is_not_done_again(undisturbed: Path, world: World) -> None:
    before = {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*")}
    pretrain(**world.arguments(undisturbed))

    assert {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*")} == before


def test_a_start_with_a_head_trains_without_it(world: World, tmp_path: Path) -> None:
    pretrain(**world.arguments(tmp_path, num_steps=2, second_objective="none"))

    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert all(line["loss"] == line["masked_lm"] and "sentence_order" not in line for line in lines)


@pytest.mark.parametrize("packing", [True, False])
def test_pairs_may_be_of_the_other_kind(world: World, tmp_path: Path, packing: bool) -> None:
    arguments = world.arguments(tmp_path, num_steps=2, second_objective="next_sentence", packing=packing)
    pretrain(**arguments)

    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["next_sentence"] for line in lines] == pytest.approx([np.log(2)] * 2, abs=0.1)
    assert all(line["loss"] == pytest.approx(line["masked_lm"] + line["next_sentence"]) for line in lines)
    batches = _batches(world, second_objective="next_sentence", packing=packing, seed=3)
    mixture = Mixture([EncodedCorpus("letters", world.tokens)])
    epochs = epochs_read(arguments["settings"], mixture, world.vocabulary)
    assert epochs == {"letters": 12 / batches.num_sequences}


def test_settings_the_model_cannot_follow_are_refused(world: World, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"(?s)max_tokens is above.*given:   64.*at most 32"):
        pretrain(**world.arguments(tmp_path, max_tokens=64))
    create_start(CONFIG, sentence_order=False, seed=3, vocabulary=world.vocabulary, folder=tmp_path / "start")
    arguments = world.arguments(tmp_path) | {"start": tmp_path / "start"}
    with pytest.raises(ModelError, match="no head for pairs"):
        pretrain(**arguments)


def test_a_vocabulary_of_another_size_is_refused(world: World, tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("\n".join([*ENTRIES, "more"]) + "\n")
    with pytest.raises(ModelError, match=r"(?s)do not belong together.*32 entries.*31"):
        pretrain(**world.arguments(tmp_path / "work") | {"vocabulary": tmp_path / "vocab.txt"})
    with pytest.raises(ModelError, match="do not belong together"):
        create_start(CONFIG, sentence_order=True, seed=0, vocabulary=tmp_path / "vocab.txt", folder=tmp_path / "start")


# --- batches, losses, scores ---


def _batches(
    world: World,
    *,
    sentence_order: bool = True,
    second_objective: SecondObjective = "sentence_order",
    packing: bool = False,
    seed: int = 1,
) -> PretrainingBatches:
    ids = np.arange(len(ENTRIES))
    table = TokenTable(0, 2, 3, 4, len(ENTRIES), ids >= 25, ids < 5)
    return PretrainingBatches(
        IndexedDataset(world.tokens),
        table,
        max_tokens=24,
        second_objective=second_objective if sentence_order else "none",
        masking=Masking(),
        seed=seed,
        packing=packing,
    )


def test_steps_take_the_sequences_in_order_and_each_once(world: World) -> None:
    batches = _batches(world)
    source = PretrainingSource(batches, 6, 4)
    steps = [source.micro_batches(step) for step in range(3)]

    assert [[len(batch.lengths) for batch in step] for step in steps] == [[4, 2]] * 3
    expected = batches.batch(range(18)).lengths.tolist()
    assert [length for step in steps for batch in step for length in batch.lengths.tolist()] == expected
    assert sum(batch.num_tokens for step in steps for batch in step) == sum(expected)


@settings(max_examples=30)
@given(
    step=st.integers(0, 40),
    step_size=st.integers(1, 12),
    micro_batch=st.integers(1, 13),
    data=st.data(),
    packing=st.booleans(),
    is_mixed=st.booleans(),
)
def test_the_parts_of_the_data_ranks_are_the_step(
    world: World, *, step: int, step_size: int, micro_batch: int, data: st.DataObject, packing: bool, is_mixed: bool
) -> None:
    def source(size: int, rank: int, degree: int) -> PretrainingSource:
        """Made anew each time: as after a restart, or on another machine."""
        batches: Batches = _batches(world, packing=packing)
        if is_mixed:
            others = {"a": _batches(world, packing=packing), "b": _batches(world, packing=packing, seed=2)}
            batches = MixedBatches(others, [3.0, 1.0], seed=1, pad=0)
        return PretrainingSource(batches, step_size, size, rank, degree)

    def rows(part: PretrainingSource) -> list[tuple[list[int], list[int]]]:
        """The tokens of each row, and what is to be predicted."""
        found = []
        for batch in part.micro_batches(step):
            masked_rows = batch.masked_positions // batch.tokens.shape[1]
            for row, length in enumerate(batch.lengths.tolist()):
                found.append((batch.tokens[row, :length].tolist(), batch.masked_labels[masked_rows == row].tolist()))
        return found

    degree = data.draw(st.integers(1, step_size))
    parts = [rows(source(micro_batch, rank, degree)) for rank in range(degree)]
    assert all(parts)
    assert [row for part in parts for row in part] == rows(source(step_size, 0, 1))


@pytest.mark.parametrize(("rank", "degree"), [(1, 1), (-1, 2), (0, 12), (0, 0)])
def test_a_data_rank_without_a_part_is_refused(world: World, rank: int, degree: int) -> None:
    with pytest.raises(ValueError, match="has no part of 11 sequences"):
        PretrainingSource(_batches(world), 11, 4, rank, degree)


@pytest.mark.parametrize("sentence_order", [True, False])
def test_loss_sums_over_micro_batches_are_those_of_the_whole(world: World, sentence_order: bool) -> None:
    model = PretrainingModel(CONFIG, sentence_order=True).eval()
    initialise(model, 0)
    objective: Objective[Any] = PretrainingObjective()
    totals: list[tuple[dict[str, float], dict[str, int]]] = []
    for size in (12, 5):
        sums: dict[str, float] = {}
        counts: dict[str, int] = {}
        for batch in PretrainingSource(_batches(world, sentence_order=sentence_order), 12, size).micro_batches(0):
            for part, loss in objective.loss_sums(model, batch).items():
                sums[part] = sums.get(part, 0.0) + loss.item()
            for part, count in objective.counts(batch).items():
                counts[part] = counts.get(part, 0) + count
        totals.append((sums, counts))

    assert totals[0][1] == totals[1][1]
    assert totals[0][0] == pytest.approx(totals[1][0], rel=1e-5)
    assert (
        set(totals[0][0]) == set(totals[0][1]) == ({"masked_lm", "sentence_order"} if sentence_order else {"masked_lm"})
    )


@pytest.mark.parametrize("packing", [False, True])
def test_rows_padded_further_learn_the_same(world: World, packing: bool) -> None:
    model = PretrainingModel(replace(CONFIG, dropout=0.0), sentence_order=True).train()
    initialise(model, 0)
    outcomes = []
    for multiple in (1, 32):
        source = PretrainingSource(_batches(world, packing=packing), 12, 7, width_multiple=multiple)
        model.zero_grad()
        batch = source.micro_batches(3)[1]
        losses = PretrainingObjective().loss_sums(model, batch)
        torch.autograd.backward(torch.stack(list(losses.values())).sum())
        gradient = torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.grad is not None])
        outcomes.append((batch.tokens.shape[1], {part: loss.item() for part, loss in losses.items()}, gradient))
    (width, losses_before, gradient_before), (wider, losses_after, gradient_after) = outcomes
    assert width < wider == 32
    assert losses_after == pytest.approx(losses_before, rel=1e-5)
    torch.testing.assert_close(gradient_after, gradient_before, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("max_tokens", "multiple"), [(512, 64), (128, 16), (100, 10), (7, 1)])
def test_compiled_layers_see_few_widths(max_tokens: int, multiple: int) -> None:
    assert width_multiple(max_tokens) == multiple


@pytest.mark.parametrize("objective", get_args(SecondObjective))
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_packed_sample_learns_as_if_it_had_a_row_of_its_own(
    world: World, objective: SecondObjective, precision: Literal["fp32", "bf16"]
) -> None:
    # Without dropout: fp32 goes through torch's attention, bf16 through plain products.
    model = PretrainingModel(replace(CONFIG, dropout=0.0), sentence_order=True).train()
    initialise(model, 0)
    device = choose_device("cpu", precision)
    batch = _batches(world, second_objective=objective, packing=True).batch(range(7))
    outcomes = []
    for each in (batch, _apart(batch)):
        model.zero_grad()
        with device.autocast():
            losses = PretrainingObjective(objective).loss_sums(model, PretrainingBatch.of(each))
        torch.autograd.backward(torch.stack(list(losses.values())).sum())
        gradient = torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.grad is not None])
        outcomes.append(({part: loss.item() for part, loss in losses.items()}, gradient))

    tolerance = {"fp32": 1e-5, "bf16": 2e-2}[precision]
    (packed, packed_gradient), (apart, gradient) = outcomes
    assert set(packed) == {"masked_lm"} | ({objective} - {"none"})
    assert packed == pytest.approx(apart, rel=tolerance)
    assert ((packed_gradient - gradient).norm() / gradient.norm()).item() < tolerance


def _apart(batch: MaskedBatch) -> MaskedBatch:
    """The samples of a packed batch, each in a padded row of its own."""
    assert batch.samples is not None
    assert batch.firsts is not None
    width = batch.tokens.shape[1]
    ends = np.append(batch.firsts[1:], -1)
    rows = batch.firsts // width
    is_last = np.append(np.diff(rows) > 0, True)
    lengths = np.where(is_last, batch.lengths[rows] + rows * width, ends) - batch.firsts
    places = batch.firsts[:, None] + np.arange(width)
    inside = np.arange(width) < lengths[:, None]
    tokens, token_types = (
        np.where(inside, grid.ravel()[np.minimum(places, grid.size - 1)], 0)
        for grid in (batch.tokens, batch.token_types)
    )
    sample_of = np.searchsorted(batch.firsts, batch.masked_positions, side="right") - 1
    masked = sample_of * width + batch.masked_positions - batch.firsts[sample_of]
    return MaskedBatch(tokens, token_types, lengths, masked, batch.masked_labels, batch.is_swapped)


@pytest.mark.parametrize("num_rows", [1, 7, 500])
def test_scores_are_means_over_all_sequences(world: World, num_rows: int) -> None:
    model = PretrainingModel(CONFIG, sentence_order=True)
    initialise(model, 0)
    batches = _batches(world)
    scores = score_sequences(model, batches, choose_device("cpu", "fp32"), num_rows)

    whole = batches.batch(range(batches.num_sequences))
    model.eval()
    with torch.no_grad():
        words, orders = model(
            torch.from_numpy(whole.tokens),
            torch.from_numpy(whole.token_types),
            torch.from_numpy(whole.lengths),
            torch.from_numpy(whole.masked_positions),
        )
    labels, is_swapped = torch.from_numpy(whole.masked_labels), torch.from_numpy(whole.is_swapped)
    assert scores == {
        "masked_lm_loss": pytest.approx(functional.cross_entropy(words, labels).item(), rel=1e-5),
        "masked_lm_accuracy": pytest.approx((words.argmax(1) == labels).double().mean().item()),
        "num_masked": float(len(labels)),
        "sentence_order_accuracy": pytest.approx((orders.argmax(1) == is_swapped).double().mean().item()),
    }


# --- kills ---

_MAX_KILLS = 8


@pytest.fixture(scope="module")
def start_run() -> Callable[[Mapping[str, Any]], BaseProcess]:
    """Starts `pretrain` in a process of its own; they are forked from one that has imported everything."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["domainlm.train.assemble"])

    def start(arguments: Mapping[str, Any]) -> BaseProcess:
        process = context.Process(target=pretrain, kwargs=dict(arguments))
        process.start()
        return process

    return start


def _moments(work: Path) -> Iterator[Callable[[], bool]]:
    """When to kill, in turn: while a checkpoint is written, while one is removed, some time after the start."""
    choose = random.Random(1)  # noqa: S311 - no secrets

    def exists(pattern: str, after: float) -> Callable[[], bool]:
        started = time.monotonic()
        return lambda: (
            time.monotonic() - started > after and next((work / "checkpoints").glob(pattern), None) is not None
        )

    while True:
        yield exists("step-*", choose.uniform(0.0, 0.1))
        yield exists(".*.partial", choose.uniform(0.0, 0.1))
        yield exists(".*.partial/manifest.json", choose.uniform(0.0, 0.1))
        yield exists(".*.removed", choose.uniform(0.0, 0.1))
        deadline = time.monotonic() + choose.uniform(0.0, 0.3)
        yield lambda deadline=deadline: time.monotonic() > deadline  # type: ignore[misc]


@pytest.mark.slow
@pytest.mark.timeout(600)  # every life of the run waits for many a disk
def test_killed_again_and_again_it_ends_with_the_same_bytes(
    world: World, undisturbed: Path, tmp_path: Path, start_run: Callable[[Mapping[str, Any]], BaseProcess]
) -> None:
    num_kills = 0
    for is_time in _moments(tmp_path):
        process = start_run(world.arguments(tmp_path))
        while process.is_alive() and not (num_kills < _MAX_KILLS and is_time()):
            time.sleep(0.0005)
        is_killed = process.is_alive()
        process.kill()
        process.join()
        if not is_killed:
            break
        num_kills += 1

    assert process.exitcode == 0
    assert num_kills >= _MAX_KILLS // 2
    assert _bytes(tmp_path) == _bytes(undisturbed)
