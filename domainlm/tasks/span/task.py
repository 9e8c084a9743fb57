"""The span kind of task, as fine-tuning sees it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import nn

from domainlm.api import DataError, SpanExample, Split, TaskSpec
from domainlm.parallel.device import Device
from domainlm.recipe.task_settings import FinetuningSettings
from domainlm.tasks.adaptation import adapt_encoder
from domainlm.tasks.kind import Evaluation
from domainlm.tasks.reading import SplitExamples
from domainlm.tasks.scores import Json
from domainlm.tasks.span import protocols
from domainlm.tasks.span.batches import training_batches
from domainlm.tasks.span.features import SpanFeatures, answer_spans, build_features
from domainlm.tasks.span.head import SpanModel
from domainlm.tasks.span.inference import find_answers
from domainlm.tasks.span.objective import SpanObjective
from domainlm.tasks.span.squad import choose_threshold
from domainlm.tasks.start import Start, take_weights

KIND = "span"
_TRAIN: Split = "train"


@dataclass(frozen=True, slots=True)
class _Split:
    examples: tuple[SpanExample, ...]
    features: SpanFeatures
    protocol: protocols.Protocol


class SpanTask:
    """Answers of one data set, for one start, one seed.

    Raises:
        DataError: no question of the training split can be trained on.
        RecipeError: the settings ask for a loss that answers cannot be trained by.
    """

    def __init__(
        self,
        spec: TaskSpec,
        splits: Mapping[Split, SplitExamples],
        settings: FinetuningSettings,
        start: Start,
        seed: int,
    ) -> None:
        self._settings, self._start, self._seed = settings, start, seed
        self._allows_none = any(example.is_impossible for data in splits.values() for example in data.examples)
        self._threshold = 0.0
        self.objective = SpanObjective(settings.loss)
        self._splits = {split: self._prepare(split, data) for split, data in splits.items()}
        train = self._splits[_TRAIN].features
        if not train.num_rows:
            raise _nothing_to_train_on(spec, splits[_TRAIN])
        self.source = training_batches(
            train,
            seed=seed,
            num_rows_per_step=settings.num_sequences_per_step,
            num_rows_per_micro_batch=settings.num_sequences_per_micro_batch,
            minority_views=settings.minority_views,
        )

    @staticmethod
    def check(spec: TaskSpec, splits: Mapping[Split, SplitExamples], settings: FinetuningSettings) -> None:
        """Raise what the constructor would raise of the data, as far as no vocabulary is needed."""
        SpanObjective(settings.loss)
        if not any(example.answers or example.is_impossible for example in splits[_TRAIN].examples):
            raise _nothing_to_train_on(spec, splits[_TRAIN])

    @property
    def choice_metric(self) -> str:
        """F1 of the answers; where questions have several contexts, the mean reciprocal rank."""
        chosen_on = self._splits.get("dev", self._splits[_TRAIN])
        return protocols.CHOICE_METRICS[chosen_on.protocol]

    @property
    def num_steps_per_epoch(self) -> int:
        """Optimizer steps that see every row of the training split once."""
        return self.source.num_steps_per_epoch

    def build_model(self) -> nn.Module:
        """The start's encoder, with the start's head where it is one of this kind and shape, else with a fresh one."""
        model = SpanModel(self._start.config, self._settings.head)
        take_weights(model, self._start, self._seed, kind=KIND, head=self._settings.head)
        adapt_encoder(model.encoder, self._settings, self._seed)
        return model

    def evaluate(self, model: nn.Module, split: Split, device: Device) -> Evaluation:
        """Answer the questions of one split with a model in evaluation mode, and score them.

        Where questions may have no answer, the threshold is the best one on dev; it is chosen whenever dev is evaluated
        and taken for test. Without a dev split it is 0.
        """
        prepared = self._splits[split]
        examples = prepared.examples
        found = find_answers(
            model,
            examples,
            prepared.features,
            device,
            self._settings.span,
            allows_none=self._allows_none,
            shows_progress=True,
        )
        if prepared.protocol == "factoid":
            return protocols.evaluate_factoid(split, examples, found)
        if prepared.protocol == "v1":
            return protocols.evaluate_v1(split, examples, found)
        if split == "dev":
            self._threshold = choose_threshold(protocols.decide(examples, found))
        return protocols.evaluate_v2(split, examples, found, self._threshold)

    def config_extra(self) -> Mapping[str, Json]:
        """What an `Answerer` needs to read questions as they were read here; called after dev was evaluated."""
        span = self._settings.span
        return {
            "kind": KIND,
            "head": self._settings.head.model_dump(mode="json"),
            "span": span.model_dump(mode="json"),
            "max_tokens": self._settings.max_tokens,
            "no_answer_threshold": self._threshold if self._allows_none else None,
        }

    def facts(self) -> Iterator[tuple[Split, Mapping[str, Json]]]:
        """Questions, contexts, answers, rows and sub-tokens of each split, and how many answers can be given at all."""
        for split, prepared in self._splits.items():
            examples, features = prepared.examples, prepared.features
            longest = self._settings.span.max_answer_tokens
            num_reachable = sum(
                any(span.last - span.first < longest for span in answer_spans(example, context))
                for example, context in zip(examples, features.contexts, strict=True)
            )
            yield (
                split,
                {
                    "num_examples": len(examples),
                    "num_questions": len({example.group or example.id for example in examples}),
                    "num_contexts": len({example.context for example in examples}),
                    "num_impossible": sum(example.is_impossible for example in examples),
                    "num_answers": sum(len(example.answers) for example in examples),
                    "num_with_answer_in_context": sum(bool(example.answers) for example in examples),
                    "num_reachable": num_reachable,
                    "num_rows": features.num_rows,
                    "num_tokens": int(features.row_lengths.sum()),
                },
            )

    def _prepare(self, split: Split, data: SplitExamples) -> _Split:
        features = build_features(
            data.examples,
            self._start.vocabulary,
            self._settings.span,
            self._settings.max_tokens,
            problems=data.problems,
            trains=split == _TRAIN,
        )
        return _Split(data.examples, features, protocols.protocol_of(data.examples, allows_none=self._allows_none))


def _nothing_to_train_on(spec: TaskSpec, train: SplitExamples) -> DataError:
    return DataError(
        f"no question of {spec.name} can be trained on",
        where=train.where,
        given=train.problems.summary() or None,
        allowed="questions whose answers stand in their contexts",
    )
