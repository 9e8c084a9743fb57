"""The sequence kind of task, as fine-tuning sees it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict

from torch import nn

from domainlm.api import DataError, PairRules, SequenceExample, Split, TaskSpec
from domainlm.parallel.device import Device
from domainlm.recipe.task_settings import FinetuningSettings
from domainlm.tasks.adaptation import adapt_encoder
from domainlm.tasks.kind import Evaluation
from domainlm.tasks.losses import LabelLoss
from domainlm.tasks.objective import LabelObjective
from domainlm.tasks.reading import SplitExamples
from domainlm.tasks.scores import Json, TaskScore
from domainlm.tasks.sequence.batches import training_batches
from domainlm.tasks.sequence.data import LabelledData, make_examples
from domainlm.tasks.sequence.features import ReadSettings, SequenceFeatures, build_features
from domainlm.tasks.sequence.marking import choose_marks
from domainlm.tasks.sequence.model import SequenceModel, classify_rows
from domainlm.tasks.sequence.scoring import label_scores, relation_scores
from domainlm.tasks.start import Start, take_weights

_CUT = "text cut to fit max_tokens"
_SCORE_DIGITS = 6


class SequenceTask:
    """Labels of texts, of pairs of texts, or of pairs of mentions, for one start, one seed.

    Where the spec names labels, they are told apart, and examples of others are left out of training. Where it names
    none, those of the training split are; others in dev and test stay in the gold standard, so that they count as
    missed.

    Raises:
        DataError: a split has nothing to learn or to score, or the classifier is to read mentions that are not there.
    """

    def __init__(
        self,
        spec: TaskSpec,
        splits: Mapping[Split, SplitExamples],
        settings: FinetuningSettings,
        start: Start,
        seed: int,
    ) -> None:
        self._settings, self._start, self._seed, self._spec = settings, start, seed, spec
        self._data = make_examples(spec, splits, settings.sequence)
        self.labels = self._data.labels
        has_markers = any(example.markers for data in self._data.splits.values() for example in data.examples)
        reads_mentions = _reads_mentions(settings)
        if reads_mentions:
            _check_markers(self._data.splits, splits)
        self._read = ReadSettings(
            settings.max_tokens,
            choose_marks(start.vocabulary) if has_markers and settings.sequence.mentions == "markers" else None,
            reads_mentions,
            settings.sequence.long_texts,
        )
        self._features = {split: self._prepare(data, splits[split]) for split, data in self._data.splits.items()}
        counts = Counter(self._features["train"].labels.tolist())
        loss = LabelLoss(settings.loss, [counts[number] for number in range(len(self.labels))])
        self.objective = LabelObjective(loss)
        self.source = training_batches(
            self._features["train"],
            seed=seed,
            num_rows_per_step=settings.num_sequences_per_step,
            num_rows_per_micro_batch=settings.num_sequences_per_micro_batch,
            minority_views=settings.minority_views,
        )

    @staticmethod
    def check(spec: TaskSpec, splits: Mapping[Split, SplitExamples], settings: FinetuningSettings) -> None:
        """Raise what the constructor would raise of the data alone."""
        data = make_examples(spec, splits, settings.sequence)
        if _reads_mentions(settings):
            _check_markers(data.splits, splits)

    @property
    def choice_metric(self) -> str:
        """F1 of the scored labels where they are not all; else the accuracy."""
        return "accuracy" if set(self._data.scored) == set(self.labels) else "f1"

    @property
    def num_steps_per_epoch(self) -> int:
        """Optimizer steps that see every example of the training split once."""
        return self.source.num_steps_per_epoch

    def build_model(self) -> nn.Module:
        """The start's encoder, with the start's head where it has the same labels, else with a fresh one."""
        model = SequenceModel(self._start.config, len(self.labels), self._settings.head, self._read.num_slots)
        same: dict[str, Json] = {"labels": [*self.labels], "reads_mentions": self._read.reads_mentions}
        take_weights(model, self._start, self._seed, kind="sequence", head=self._settings.head, **same)
        adapt_encoder(model.encoder, self._settings, self._seed)
        return model

    def evaluate(self, model: nn.Module, split: Split, device: Device) -> Evaluation:
        """Classify every example of one split with a model in evaluation mode, and count labels."""
        data = self._data.splits[split]
        found = classify_rows(model, self._features[split], len(self.labels), device, shows_progress=True)
        given = [self.labels[number] for number in found.labels]
        predictions: list[dict[str, Json]] = []
        for place, example in enumerate(data.examples):
            scores: dict[str, Json] = {
                label: round(float(value), _SCORE_DIGITS)
                for label, value in zip(self.labels, found.probabilities[place], strict=True)
            }
            record = _as_json(example) | {"gold": example.label, "predicted": given[place], "probabilities": scores}
            if data.pairs:
                pair = data.pairs[place]
                record |= {"document": pair.document, "first": pair.first.id, "second": pair.second.id}
            predictions.append(record)
        return Evaluation(self._scores(split, data, given), predictions)

    def config_extra(self) -> Mapping[str, Json]:
        """What a `Classifier` needs to read texts as they were read here."""
        extra: dict[str, Json] = {
            "kind": "sequence",
            "head": self._settings.head.model_dump(mode="json"),
            "labels": list(self.labels),
            "max_tokens": self._read.max_tokens,
            "reads_mentions": self._read.reads_mentions,
            "long_texts": self._read.long_texts,
            "marks": [list(mark) for mark in self._read.marks] if self._read.marks else None,
            "is_pair": any(each.second_text is not None for each in self._data.splits["train"].examples),
            "pairs": None,
        }
        if self._spec.pairs is not None and self._data.type_pairs:
            extra["pairs"] = _rules_as_json(self._spec.pairs) | {
                "type_pairs": [list(types) for types in self._data.type_pairs],
                "uses_dummies": self._settings.sequence.mentions == "dummies",
            }
        return extra

    def facts(self) -> Iterator[tuple[Split, Mapping[str, Json]]]:
        """Examples by label, rows and sub-tokens of each split; for relations also what can be reached."""
        for split, data in self._data.splits.items():
            features = self._features[split]
            facts: dict[str, Json] = {
                "num_examples": len(data.examples),
                "num_examples_by_label": dict(sorted(data.labels.items())),
                "num_rows": features.num_rows,
                "num_rows_cut": int(features.is_cut.sum()),
                "num_tokens": len(features.tokens),
            }
            if self._read.reads_mentions:
                facts["num_mentions_cut"] = int((features.slots[:, 1:] == 0).sum())
            if data.pairs:
                facts |= _relation_facts(data)
            yield split, facts

    def _prepare(self, data: LabelledData, read: SplitExamples) -> SequenceFeatures:
        ids = {label: number for number, label in enumerate(self.labels)}
        labels = [ids.get(example.label, -1) for example in data.examples]
        features = build_features(data.examples, self._start.vocabulary, self._read, labels)
        for example, is_cut in zip(data.examples, features.is_cut.tolist(), strict=True):
            if is_cut:
                read.problems.add(_CUT, f"max_tokens = {self._read.max_tokens}", path=example.id)
        return features

    def _scores(self, split: Split, data: LabelledData, given: list[str]) -> list[TaskScore]:
        gold = [example.label for example in data.examples]
        unknown = sorted(set(gold) - set(self.labels))
        scored = self._data.scored if self._spec.scored_types else (*self._data.scored, *unknown)
        scores = label_scores(split, gold, given, (*self.labels, *unknown), scored)
        if data.pairs:
            found = {(pair.key, label) for pair, label in zip(data.pairs, given, strict=True)}
            scores += relation_scores(split, data.gold, found, scored)
        return scores


def _reads_mentions(settings: FinetuningSettings) -> bool:
    return settings.sequence.head_reads == "first_and_mentions"


def _check_markers(data: Mapping[Split, LabelledData], read: Mapping[Split, SplitExamples]) -> None:
    for split, each in data.items():
        for example in each.examples:
            if len(example.markers) != 2:
                raise DataError(
                    'finetuning.sequence.head_reads = "first_and_mentions" needs two mentions in every example',
                    where=f"{read[split].where}, example {example.id}",
                    given=f"{len(example.markers)} mentions",
                    remedy='use head_reads = "first"',
                )


def _as_json(example: SequenceExample) -> dict[str, Json]:
    record: dict[str, Json] = {"id": example.id, "text": example.text}
    if example.second_text is not None:
        record["second_text"] = example.second_text
    if example.markers:
        record["markers"] = [asdict(marker) for marker in example.markers]
    return record


def _rules_as_json(rules: PairRules) -> dict[str, Json]:
    return {
        "no_relation": rules.no_relation,
        "dummies": dict(rules.dummies),
        "overlap_dummy": rules.overlap_dummy,
    }


def _relation_facts(data: LabelledData) -> dict[str, Json]:
    """The bias is positives per negative, as in table 8 of Shin et al. (2020)."""
    num_positive = sum(bool(pair.labels) for pair in data.pairs)
    num_negative = len(data.pairs) - num_positive
    relations = Counter(label for _, label in data.gold)
    num_reached = sum(len(pair.labels) for pair in data.pairs)
    return {
        "num_documents": data.num_documents,
        "num_relations_by_label": dict(sorted(relations.items())),
        "num_relations_within_sentences": num_reached,
        "num_relations_one_label_can_reach": num_positive,
        "bias": num_positive / num_negative if num_negative else None,
    }
