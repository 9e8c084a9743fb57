"""Decoding and loss against plain restatements of what they compute."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from domainlm.api import ProblemLog, SpanExample
from domainlm.parallel.device import choose_device
from domainlm.recipe.loss_settings import LossSettings
from domainlm.recipe.span_settings import SpanSettings
from domainlm.recipe.task_settings import HeadSettings
from domainlm.tasks.span.batches import collate, training_batches
from domainlm.tasks.span.features import build_features
from domainlm.tasks.span.head import SpanModel
from domainlm.tasks.span.inference import find_answers
from domainlm.tasks.span.objective import SpanObjective


class LetterEncoder:
    """A vocabulary whose sub-tokens are letters."""

    pad_id, cls_id, sep_id = 0, 1, 2

    def encode_with_spans(self, texts: list[str]) -> list[tuple[list[int], list[tuple[int, int]]]]:
        return [([ord(each) for each in text], [(place, place + 1) for place in range(len(text))]) for text in texts]


class FixedModel(SpanModel):
    """Scores that depend on the letter alone, so that every window gives the same ones."""

    def __init__(self, starts: dict[int, float], ends: dict[int, float]) -> None:
        nn.Module.__init__(self)
        self.encoder = self._tokens  # type: ignore[assignment]
        self._starts, self._ends = starts, ends

    @staticmethod
    def _tokens(tokens: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
        return tokens

    def scores(self, states: torch.Tensor, candidates: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        found = [
            torch.tensor([[table.get(token, 9.0) for token in row] for row in states.tolist()])
            for table in (self._starts, self._ends)
        ]
        starts, ends = (each.masked_fill(~candidates, -math.inf) for each in found)
        return starts, ends


LETTERS = "abcdefgh"
SCORES = st.dictionaries(
    st.sampled_from([1, *map(ord, LETTERS)]), st.integers(-8, 8).map(lambda each: each / 4), min_size=9, max_size=9
)


@settings(max_examples=60)
@given(
    starts=SCORES, ends=SCORES, context=st.text(alphabet=LETTERS, min_size=1, max_size=30),
    max_answer=st.integers(1, 6), num_best=st.integers(1, 12), allows_none=st.booleans(),
)  # fmt: skip
def test_the_best_of_all_windows_are_found(
    starts: dict[int, float], ends: dict[int, float], context: str, max_answer: int, num_best: int, allows_none: bool
) -> None:
    wanted = SpanSettings(num_stride_tokens=5, max_answer_tokens=max_answer, num_best=num_best)
    examples = [SpanExample("x", "?", context, is_impossible=True), SpanExample("y", "??", "", is_impossible=True)]
    features = build_features(examples, LetterEncoder(), wanted, 24, problems=ProblemLog(), trains=False)
    device = choose_device("cpu", "fp32")
    model = FixedModel(starts, ends)
    found, empty = find_answers(model, examples, features, device, wanted, allows_none=allows_none)
    assert (empty.candidates, empty.text, empty.margin) == ((), "", math.inf)

    # Every run of letters that fits the limit; windows share more than the longest answer, so none is cut.
    runs = [(s, e) for s, e in itertools.combinations(range(len(context) + 1), 2) if e - s <= max_answer]
    scores = sorted((starts[ord(context[s])] + ends[ord(context[e - 1])] for s, e in runs), reverse=True)
    assert [each.score for each in found.candidates] == scores[:num_best]
    for each in found.candidates:
        assert each.text == context[each.start : each.end]
        assert each.score == starts[ord(each.text[0])] + ends[ord(each.text[-1])]
        assert 0 < each.end - each.start <= max_answer
    assert len({(each.start, each.end) for each in found.candidates}) == len(found.candidates)
    assert found.no_answer_score == starts[1] + ends[1]
    shared = scores[:num_best] + ([starts[1] + ends[1]] if allows_none else [])
    total = sum(math.exp(score) for score in shared)
    assert [each.probability for each in found.candidates] == pytest.approx(
        [math.exp(score) / total for score in scores[:num_best]]
    )


def _model(dropout: float = 0.0) -> SpanModel:
    from domainlm.model.config import ModelConfig
    from domainlm.model.initialise import initialise

    config = ModelConfig(
        layers=1, hidden=16, heads=2, feed_forward=32, max_positions=32, architecture="megatron", dropout=dropout,
        vocabulary_size=128, padded_vocabulary_size=128,
    )  # fmt: skip
    model = SpanModel(config, HeadSettings(num_fc_layers=2, fc_hidden=8, dropout=0.0))
    initialise(model, 3)
    return model


def _examples() -> list[SpanExample]:
    from domainlm.api import Answer

    return [
        SpanExample("one", "ab", "cdefab", (Answer(1, "de"),)),
        SpanExample("several", "a", "cabcab", (Answer(1, "ab"), Answer(4, "ab"), Answer(1, "ab"))),
        SpanExample("none", "abc", "fed", is_impossible=True),
    ]


def test_the_loss_is_the_cross_entropy_of_beginning_and_end() -> None:
    features = build_features(_examples(), LetterEncoder(), SpanSettings(), 24, problems=ProblemLog(), trains=True)
    (batch,) = training_batches(features, seed=0, num_rows_per_step=3, num_rows_per_micro_batch=3).micro_batches(0)
    model, objective = _model(), SpanObjective(LossSettings())
    sums = objective.loss_sums(model, batch)
    assert objective.counts(batch) == {"answer_start": 3, "answer_end": 3}

    # By hand, row by row: slots of the question, of [SEP] and of padding take no part.
    expected: dict[str, float] = {"answer_start": 0.0, "answer_end": 0.0}
    right = {"one": ([5], [6]), "several": ([4, 7], [5, 8]), "none": ([0], [0])}
    for number, example in enumerate(_examples()):
        alone = collate(features, torch.tensor([number]).numpy())
        logits = model.head(model.encoder(alone.tokens, alone.token_types, alone.lengths))[0]
        first = 2 + len(example.question)
        allowed = [0, *range(first, first + len(example.context))]
        for column, name in enumerate(expected):
            probabilities = logits[allowed, column].softmax(0)
            found = sum(probabilities[allowed.index(slot)].item() for slot in right[example.id][column])
            expected[name] -= math.log(found)
    assert {name: each.item() for name, each in sums.items()} == pytest.approx(expected, rel=1e-5)


def test_the_loss_does_not_depend_on_micro_batches_or_padding() -> None:
    features = build_features(_examples(), LetterEncoder(), SpanSettings(), 24, problems=ProblemLog(), trains=True)
    model, objective = _model(), SpanObjective(LossSettings())

    def total(size: int) -> dict[str, Any]:
        source = training_batches(features, seed=0, num_rows_per_step=3, num_rows_per_micro_batch=size)
        sums = [objective.loss_sums(model, batch) for batch in source.micro_batches(0)]
        return {name: sum(each[name].item() for each in sums) for name in sums[0]}

    assert total(1) == pytest.approx(total(3), rel=1e-6)


def test_gradients_are_finite_and_reach_the_encoder() -> None:
    features = build_features(_examples(), LetterEncoder(), SpanSettings(), 24, problems=ProblemLog(), trains=True)
    (batch,) = training_batches(features, seed=0, num_rows_per_step=3, num_rows_per_micro_batch=3).micro_batches(0)
    model = _model()
    torch.stack(list(SpanObjective(LossSettings()).loss_sums(model, batch).values())).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
    assert model.encoder.layers[0].attention.output.weight.grad.abs().max() > 0  # type: ignore[union-attr,operator]


def test_rarer_rows_may_be_seen_more_often() -> None:
    features = build_features(_examples(), LetterEncoder(), SpanSettings(), 24, problems=ProblemLog(), trains=True)
    batches = training_batches(features, seed=0, num_rows_per_step=5, num_rows_per_micro_batch=5, minority_views=3)
    (batch,) = batches.micro_batches(0)
    assert batches.num_steps_per_epoch == 1
    assert batch.starts[:, 0].sum() == 3  # the question without an answer
    assert len(batch.lengths) == 5
