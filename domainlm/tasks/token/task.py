"""The token kind of task, as fine-tuning sees it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain

import numpy as np
from torch import nn

from domainlm.api import DataError, Entity, Split, TaskSpec, TokenExample
from domainlm.parallel.device import Device
from domainlm.recipe.task_settings import FinetuningSettings
from domainlm.tasks.adaptation import adapt_encoder
from domainlm.tasks.batches import Ints
from domainlm.tasks.kind import Evaluation
from domainlm.tasks.losses import LabelLoss
from domainlm.tasks.objective import LabelObjective
from domainlm.tasks.reading import SplitExamples
from domainlm.tasks.scores import Json, TaskScore
from domainlm.tasks.start import Start, take_weights
from domainlm.tasks.token.alignment import chunk_tags, entity_chunks
from domainlm.tasks.token.batches import training_batches
from domainlm.tasks.token.conlleval import Chunk
from domainlm.tasks.token.features import (
    NUM_SPECIAL_TOKENS,
    Features,
    WindowSettings,
    build_features,
    encode_examples,
    first_slots,
    word_slices,
)
from domainlm.tasks.token.head import TokenModel
from domainlm.tasks.token.inference import ScoredEntity, WordLabels, decode_entities, label_words
from domainlm.tasks.token.labels import LabelSet
from domainlm.tasks.token.protocols import ProtocolCounts, count_spans, count_sub_tokens, count_words, spread_tags

_UNSEEN = "entity of a type that the training split lacks: counted as missed"
_SCORE_DIGITS = 6


@dataclass(frozen=True, slots=True)
class _Split:
    """A split with the gold tags of its words, its features, and the slot of each word's first sub-token."""

    data: SplitExamples
    tags: Sequence[Sequence[str]]
    features: Features
    first_slots: Ints


class TokenTask:
    """Entities of one data set, for one start, one seed.

    Types that the spec names are labelled, others are left out and counted. Where the spec names none, the types of
    the training split are labelled; entities of further types in dev and test stay in the gold standard, so that they
    count as missed.

    Raises:
        DataError: a split has no entity to learn or to score.
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
        self._wanted = spec.types or None
        chunks = {split: _split_chunks(spec, split, data) for split, data in splits.items()}
        self.label_set = LabelSet.of(spec.types or (chunk.type for each in chunks["train"] for chunk in each))
        self._splits = {split: self._prepare(split, data, chunks[split]) for split, data in splits.items()}
        label_counts = np.bincount(self._splits["train"].features.labels, minlength=len(self.label_set.tags))
        self.objective = LabelObjective(LabelLoss(settings.loss, label_counts.tolist()))
        self.source = training_batches(
            self._splits["train"].features,
            seed=seed,
            num_rows_per_step=settings.num_sequences_per_step,
            num_rows_per_micro_batch=settings.num_sequences_per_micro_batch,
            minority_views=settings.minority_views,
        )

    @staticmethod
    def check(spec: TaskSpec, splits: Mapping[Split, SplitExamples], _: FinetuningSettings) -> None:
        """Raise what the constructor would raise of the data alone."""
        for split, data in splits.items():
            _split_chunks(spec, split, data)

    choice_metric = "f1"

    @property
    def num_steps_per_epoch(self) -> int:
        """Optimizer steps that see every row of the training split once."""
        return self.source.num_steps_per_epoch

    def build_model(self) -> nn.Module:
        """The start's encoder, with the start's head where it has the same labels, else with a fresh one."""
        model = TokenModel(self._start.config, len(self.label_set.tags), self._settings.head)
        types: list[Json] = [*self.label_set.types]
        take_weights(model, self._start, self._seed, kind="token", head=self._settings.head, types=types)
        adapt_encoder(model.encoder, self._settings, self._seed)
        return model

    def evaluate(self, model: nn.Module, split: Split, device: Device) -> Evaluation:
        """Label every word of one split with a model in evaluation mode, and count entities."""
        prepared = self._splits[split]
        examples = prepared.data.examples
        slots = label_words(model, prepared.features, device, shows_progress=True)
        places = word_slices(examples)
        words = slots.at(prepared.first_slots)
        if self._settings.decoding == "viterbi":
            words = words.decoded(self.label_set.may_follow, places)
        probabilities = words.probabilities
        tags: list[list[str]] = []
        found: list[list[ScoredEntity]] = []
        for example, place in zip(examples, places, strict=True):
            tags.append([self.label_set.tags[label] for label in words.labels[place]])
            found.append(decode_entities(example, tags[-1], probabilities[place]))
        gold = [self._wanted_entities(example) for example in examples]
        counts = [
            *count_words(prepared.tags, tags),
            count_spans(gold, [[each.entity for each in entities] for entities in found]),
        ]
        if self._every_sub_token:
            counts.insert(2, self._count_sub_tokens(prepared, slots))
        predictions: list[dict[str, Json]] = [
            {
                "id": example.id,
                "text": example.text,
                "gold": [asdict(each) for each in wanted],
                "predicted": [_as_json(each) for each in entities],
            }
            for example, wanted, entities in zip(examples, gold, found, strict=True)
        ]
        return Evaluation([score for each in counts for score in _scores(split, each)], predictions)

    @property
    def _every_sub_token(self) -> bool:
        return self._settings.labelling == "every_sub_token"

    def _wanted_entities(self, example: TokenExample) -> list[Entity]:
        return [each for each in example.entities if not self._wanted or each.type in self._wanted]

    def _count_sub_tokens(self, prepared: _Split, slots: WordLabels) -> ProtocolCounts:
        """Entities over the labels of all sub-tokens, whether or not those of a word agree."""
        ends = np.append(prepared.first_slots, len(slots.labels))
        gold: list[list[str]] = []
        predicted: list[list[str]] = []
        for tags, place in zip(prepared.tags, word_slices(prepared.data.examples), strict=True):
            borders = ends[place.start : place.stop + 1]
            gold.append(spread_tags(tags, np.diff(borders).tolist()))
            labels = slots.labels[borders[0] : borders[-1]]
            predicted.append([self.label_set.tags[label] for label in labels])
        return count_sub_tokens(gold, predicted)

    def config_extra(self) -> Mapping[str, Json]:
        """What a `Tagger` needs to read texts as they were read here."""
        return {
            "kind": "token",
            "head": self._settings.head.model_dump(mode="json"),
            "types": list(self.label_set.types),
            "decoding": self._settings.decoding,
            "max_tokens": self._settings.max_tokens,
            "num_overlap_words": self._settings.num_overlap_words,
        }

    def facts(self) -> Iterator[tuple[Split, Mapping[str, Json]]]:
        """Examples, words, entities by type, rows and sub-tokens of each split."""
        for split, prepared in self._splits.items():
            entities = Counter(tag[2:] for tag in chain.from_iterable(prepared.tags) if tag.startswith("B-"))
            yield (
                split,
                {
                    "num_examples": len(prepared.data.examples),
                    "num_words": sum(len(example.words) for example in prepared.data.examples),
                    "num_entities": dict(sorted(entities.items())),
                    "num_rows": prepared.features.num_rows,
                    "num_tokens": len(prepared.features.tokens),
                },
            )

    def _prepare(self, split: Split, data: SplitExamples, chunks: Sequence[Sequence[Chunk]]) -> _Split:
        for example, each in zip(data.examples, chunks, strict=True):
            for chunk in each:
                if chunk.type not in self.label_set.types:
                    data.problems.add(_UNSEEN, chunk.type, path=example.id)
        tags = [chunk_tags(each, len(example.words)) for example, each in zip(data.examples, chunks, strict=True)]
        vocabulary, settings = self._start.vocabulary, self._settings
        sub_tokens = encode_examples(data.examples, vocabulary)
        features = build_features(
            sub_tokens,
            vocabulary,
            WindowSettings(settings.max_tokens, settings.num_overlap_words),
            tags=tags if split == "train" else None,
            label_set=self.label_set,
            labelling=settings.labelling,
        )
        room = settings.max_tokens - NUM_SPECIAL_TOKENS if self._every_sub_token else 1
        return _Split(data, tags, features, first_slots(sub_tokens, room))


def _split_chunks(spec: TaskSpec, split: Split, data: SplitExamples) -> list[list[Chunk]]:
    chunks = [entity_chunks(example, spec.types or None, data.problems) for example in data.examples]
    if any(chunks):
        return chunks
    there = sorted({entity.type for example in data.examples for entity in example.entities})
    raise DataError(
        f"no entity that {spec.name} labels in the {split} split",
        where=data.where,
        given=", ".join(there) or "no entity of any type",
        allowed=spec.types or "entities of any type",
        remedy="check that these are the right files, and that their types are spelled as the task spells them",
    )


def _scores(split: Split, counted: ProtocolCounts) -> list[TaskScore]:
    counts = counted.counts
    # Those of the gold standard alone: what a model finds wrongly must not make its scores seem another measure.
    in_gold = tuple(name for name, each in counts.by_type.items() if each.gold)
    return [
        TaskScore(
            split=split,
            metric=metric,
            protocol=counted.protocol,
            value=getattr(each, metric),
            type=entity_type,
            counts=each.as_dict(),
            scorer=counted.scorer,
            labels=(entity_type,) if entity_type else in_gold,
        )
        for entity_type, each in [("", counts.pooled), *counts.by_type.items()]
        for metric in ("precision", "recall", "f1")
    ]


def _as_json(found: ScoredEntity) -> dict[str, Json]:
    return {**asdict(found.entity), "score": round(found.score, _SCORE_DIGITS)}
