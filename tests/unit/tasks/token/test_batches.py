from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from domainlm.api import TokenExample
from domainlm.tasks.token.batches import collate, training_batches
from domainlm.tasks.token.features import Features, WindowSettings, WordEncoder, build_features, encode_examples
from domainlm.tasks.token.labels import LabelSet

MakeExample = Callable[..., TokenExample]


def _features(encoder: WordEncoder, examples: list[TokenExample], max_tokens: int = 40) -> Features:
    tags = [["B-x", "I-x", "O"] * len(example.words) for example in examples]
    tags = [each[: len(example.words)] for each, example in zip(tags, examples, strict=True)]
    return build_features(
        encode_examples(examples, encoder),
        encoder,
        WindowSettings(max_tokens, 2),
        tags=tags,
        label_set=LabelSet.of(["x"]),
    )


@pytest.fixture(scope="module")
def features(letter_encoder: WordEncoder, make_example: MakeExample) -> Features:
    """143 rows of 1 to 13 words of two letters."""
    return _features(letter_encoder, [make_example(" ".join(["ab"] * (1 + n % 13))) for n in range(143)])


def test_rows_as_tensors(letter_encoder: WordEncoder, make_example: MakeExample) -> None:
    features = _features(letter_encoder, [make_example("ab c"), make_example("a b c d e f g h"), make_example("xy")])
    batch = collate(features, np.array([1, 2, 0]))
    assert batch.tokens.tolist() == [
        [1, *map(ord, "abcdefgh"), 2, 0, 0, 0, 0, 0, 0],
        [1, ord("x"), ord("y"), 2, *[0] * 12],
        [1, *map(ord, "abc"), 2, *[0] * 11],
    ]
    assert batch.token_types.tolist() == [[0] * 16] * 3
    assert batch.lengths.tolist() == [10, 4, 5]
    assert batch.slots.tolist() == [*range(1, 9), 16 + 1, 32 + 1, 32 + 3]
    assert batch.labels.tolist() == [1, 2, 0, 1, 2, 0, 1, 2, 1, 1, 2]
    assert batch.num_tokens == 19


def test_padding_stops_at_the_limit(letter_encoder: WordEncoder, make_example: MakeExample) -> None:
    features = _features(letter_encoder, [make_example("a b c d e f g h")], max_tokens=10)
    assert collate(features, np.array([0])).tokens.shape == (1, 10)


def test_moving_a_batch_keeps_everything(features: Features) -> None:
    batch = collate(features, np.arange(3))
    moved = batch.to(torch.device("cpu"))
    assert torch.equal(moved.tokens, batch.tokens)
    assert moved.num_tokens == batch.num_tokens


@given(st.integers(1, 200), st.integers(1, 64), st.integers(0, 2**70), st.integers(0, 3))
def test_an_epoch_is_every_row_once(features: Features, per_step: int, per_micro: int, seed: int, epoch: int) -> None:
    source = training_batches(features, seed=seed, num_rows_per_step=per_step, num_rows_per_micro_batch=per_micro)
    steps = range(epoch * source.num_steps_per_epoch, (epoch + 1) * source.num_steps_per_epoch)
    rows = [row for step in steps for row in source.rows(step)]
    assert sorted(rows) == list(range(features.num_rows))
    sizes = [len(source.rows(step)) for step in steps]
    assert max(sizes) <= per_step
    assert sum(size < per_step for size in sizes) <= 1


def test_steps_are_a_function_of_seed_and_step(features: Features) -> None:
    one, other = (
        training_batches(features, seed=5, num_rows_per_step=16, num_rows_per_micro_batch=16) for _ in range(2)
    )
    for step in range(30):
        one.rows(step)
    for step in (29, 3, 17):
        assert one.rows(step).tolist() == other.rows(step).tolist()
    another = training_batches(features, seed=6, num_rows_per_step=16, num_rows_per_micro_batch=16)
    assert [one.rows(step).tolist() for step in range(9)] != [another.rows(step).tolist() for step in range(9)]
    assert one.rows(0).tolist() != one.rows(9).tolist()


def test_micro_batches_are_the_rows_of_their_step(features: Features) -> None:
    whole = training_batches(features, seed=1, num_rows_per_step=16, num_rows_per_micro_batch=16)
    parts = training_batches(features, seed=1, num_rows_per_step=16, num_rows_per_micro_batch=6)
    (batch,), micro_batches = whole.micro_batches(2), parts.micro_batches(2)
    assert [len(each.lengths) for each in micro_batches] == [6, 6, 4]
    assert torch.cat([each.lengths for each in micro_batches]).tolist() == batch.lengths.tolist()
    assert torch.cat([each.labels for each in micro_batches]).tolist() == batch.labels.tolist()
    assert sum(each.num_tokens for each in micro_batches) == batch.num_tokens


def test_rows_of_a_step_are_of_similar_length(features: Features) -> None:
    source = training_batches(features, seed=1, num_rows_per_step=16, num_rows_per_micro_batch=16)
    padded = sum(micro.tokens.numel() for step in range(9) for micro in source.micro_batches(step))
    shuffled = np.random.default_rng(0).permutation(features.num_rows)
    unsorted = sum(collate(features, shuffled[start : start + 16]).tokens.numel() for start in range(0, 143, 16))
    assert padded < 0.75 * unsorted
