"""Labels any text, pair of texts or pair of mentions with a fine-tuned model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from domainlm.api import Entity, Mention, PairRules, ProblemLog, RelationExample, SequenceExample
from domainlm.errors import DataError
from domainlm.model.files import load_weights
from domainlm.parallel.device import Device
from domainlm.tasks.head import read_head
from domainlm.tasks.models import LoadedModel, Record, reading_config
from domainlm.tasks.scores import Json
from domainlm.tasks.sequence.features import ReadSettings, build_features
from domainlm.tasks.sequence.marking import Marks
from domainlm.tasks.sequence.model import SequenceModel, classify_rows
from domainlm.tasks.sequence.pairs import TypePair, as_example, find_pairs
from domainlm.tasks.sequence.records import mentions_of
from domainlm.tasks.start import Start, open_start

_SCORE_DIGITS = 6

Classifiable = str | tuple[str, str] | SequenceExample


@dataclass(frozen=True, slots=True)
class ClassifiedText:
    """A text, or a pair of texts, with its label.

    Attributes:
        text: as given.
        second_text: as given; None where there was one text.
        label: the likeliest label.
        score: its probability, from 0 to 1. It ranks texts; it is not calibrated.
        probabilities: of every label.
        is_cut: whether the text was longer than the model reads, so that a part of it was left out.
    """

    text: str
    second_text: str | None
    label: str
    score: float
    probabilities: Mapping[str, float]
    is_cut: bool


@dataclass(frozen=True, slots=True)
class FoundRelation:
    """A relation that was found.

    Attributes:
        first: the mention that it goes from.
        second: the mention that it goes to.
        label: what is between them.
        score: its probability, from 0 to 1. It ranks relations; it is not calibrated.
    """

    first: Mention
    second: Mention
    label: str
    score: float


@dataclass(frozen=True, slots=True)
class RelatedText:
    """A document with the relations found in it.

    Attributes:
        id: as given.
        text: as given.
        relations: without the pairs that are in none.
        num_pairs: pairs of mentions that were examined, including those in no relation.
    """

    id: str
    text: str
    relations: tuple[FoundRelation, ...]
    num_pairs: int


@dataclass(frozen=True, slots=True)
class _Pairs:
    """How a model of relations forms pairs."""

    rules: PairRules
    types: frozenset[TypePair]
    uses_dummies: bool


class Classifier(LoadedModel):
    """Labels texts, pairs of texts, or pairs of mentions, as the model was trained to.

    Texts are labelled in groups of 2,048, or fewer long ones, so memory does not grow with their number. A model from
    elsewhere, which does not say whether it reads pairs, takes either (`is_pair` is None).
    """

    kind: ClassVar[str] = "sequence"

    def __init__(
        self,
        model: SequenceModel,
        start: Start,
        labels: Sequence[str],
        read: ReadSettings,
        device: Device,
        *,
        is_pair: bool | None,
        pairs: _Pairs | None,
    ) -> None:
        super().__init__(model, start, device, read.max_tokens)
        self.labels = tuple(labels)
        self._read, self._pairs, self._is_pair = read, pairs, is_pair
        self.columns = ("text",) if is_pair is False else ("text", "second_text")
        self.num_columns_needed = 1 if is_pair is None else None

    @classmethod
    def load(cls, folder: Path, device: Device) -> Classifier:
        """Load a model folder of kind "sequence".

        Raises:
            ModelError: the folder cannot be read, or its parts do not fit together.
        """
        with reading_config(folder, "a classifier") as extra:
            marks = extra["marks"]
            read = ReadSettings(
                int(extra["max_tokens"]),
                None if marks is None else Marks(*(tuple(map(int, mark)) for mark in marks)),
                bool(extra["reads_mentions"]),
                extra.get("long_texts", "start"),  # models of before the setting
            )
            labels = [str(label) for label in extra["labels"]]
            head, activation = read_head(extra["head"])
            pairs = _read_pairs(extra["pairs"])
            is_pair = None if extra["is_pair"] is None else bool(extra["is_pair"])
        start = open_start(folder, read.max_tokens)
        model = SequenceModel(start.config, len(labels), head, read.num_slots, activation)
        load_weights(model, folder)
        return cls(model, start, labels, read, device, is_pair=is_pair, pairs=pairs)

    def classify(self, texts: Iterable[Classifiable]) -> Iterator[ClassifiedText]:
        """Yield each text with its label, in the order given.

        Args:
            texts: each a text, a pair of texts, or a `SequenceExample` where mentions are to be shown. Any text will
                do, the empty one too.

        Raises:
            ModelError: the model labels pairs of mentions; `relate` does that.
            DataError: one text is given where the model reads pairs, or the other way round, or mentions are missing.

        Example:
            import domainlm

            classifier = domainlm.load("out/models/harbour/weather-seed-0")
            for text in classifier.classify(["Fog lies on Oslo.", "A gale blows at Leith."]):
                print(text.label, text.score, text.probabilities)
        """
        if self._pairs is not None:
            self._refuse("classify", texts)
        return self._grouped(
            (self._as_example(text) for text in texts),
            self._classify,
            lambda each: len(each.text) + len(each.second_text or ""),
        )

    def relate(self, documents: Iterable[RelationExample]) -> Iterator[RelatedText]:
        """Yield each document with the relations between its mentions, in the order given.

        Args:
            documents: with mentions of the types that the model was trained on; given relations are ignored.

        Raises:
            ModelError: the model labels texts; `classify` does that.

        Example:
            import domainlm
            from domainlm.api import Mention, RelationExample

            mentions = (Mention("m1", 4, 8, "ship"), Mention("m2", 14, 18, "port"))
            document = RelationExample("log-1", "The Vega left Oslo.", mentions)
            model = domainlm.load("out/models/harbour/voyages-seed-0")
            for related in model.relate([document]):
                for relation in related.relations:
                    print(relation.first.id, relation.label, relation.second.id, relation.score)
        """
        if self._pairs is None:
            self._refuse("relate", documents)
        return self._grouped(documents, self._relate, lambda each: len(each.text) * (1 + len(each.mentions) // 8))

    def predict(self, records: Iterable[Record]) -> Iterator[dict[str, Json]]:
        """Label each record's "text" (and "second_text"), or the pairs of its "entities"."""
        if self._pairs is not None:
            yield from self._predict_relations(records)
            return
        for record, found in self._beside(records, self._example_of, self.classify):
            result: dict[str, Json] = {"id": record.id, "text": found.text}
            if found.second_text is not None:
                result["second_text"] = found.second_text
            probabilities: dict[str, Json] = {
                label: round(value, _SCORE_DIGITS) for label, value in found.probabilities.items()
            }
            result |= {"label": found.label, "score": round(found.score, _SCORE_DIGITS)}
            yield result | {"probabilities": probabilities, "is_cut": found.is_cut}

    def _predict_relations(self, records: Iterable[Record]) -> Iterator[dict[str, Json]]:
        def document(record: Record) -> RelationExample:
            return RelationExample(str(record.id), record.text(), mentions_of(record))

        for record, found in self._beside(records, document, self.relate):
            relations: list[Json] = [
                {
                    "first": asdict(each.first),
                    "second": asdict(each.second),
                    "label": each.label,
                    "score": round(each.score, _SCORE_DIGITS),
                }
                for each in found.relations
            ]
            yield {"id": record.id, "text": found.text, "relations": relations, "num_pairs": found.num_pairs}

    def _example_of(self, record: Record) -> SequenceExample:
        markers = tuple(Entity(each.start, each.end, each.type) for each in mentions_of(record, "markers"))
        second = None if record.fields.get("second_text") is None else record.text("second_text")
        try:
            return self._as_example(SequenceExample("", record.text(), second_text=second, markers=markers))
        except DataError as error:
            raise record.error(error.problem) from None

    def _as_example(self, text: Classifiable) -> SequenceExample:
        match text:
            case SequenceExample():
                example = text
            case str():
                example = SequenceExample("", text)
            case _:
                example = SequenceExample("", text[0], second_text=text[1])
        if self._is_pair not in (None, example.second_text is not None):
            wanted = "pairs of texts" if self._is_pair else "single texts"
            raise DataError(f"this model reads {wanted}", remedy='give "second_text", or leave it out, accordingly')
        if self._read.reads_mentions and len(example.markers) != 2:
            raise DataError("this model needs two markers in every text")
        return example

    def _classify(self, examples: Sequence[SequenceExample]) -> Iterator[ClassifiedText]:
        features = build_features(examples, self._vocabulary, self._read)
        found = classify_rows(self._model, features, len(self.labels), self._device)
        for place, example in enumerate(examples):
            values = [float(value) for value in found.probabilities[place]]
            best = int(found.labels[place])
            yield ClassifiedText(
                example.text,
                example.second_text,
                self.labels[best],
                values[best],
                dict(zip(self.labels, values, strict=True)),
                bool(features.is_cut[place]),
            )

    def _relate(self, documents: Sequence[RelationExample]) -> Iterator[RelatedText]:
        assert self._pairs is not None
        how, problems = self._pairs, ProblemLog()
        pairs = [list(find_pairs(document, how.types, problems)) for document in documents]
        examples = [
            as_example(pair, document.text, how.rules, uses_dummies=how.uses_dummies)
            for document, each in zip(documents, pairs, strict=True)
            for pair in each
        ]
        found = iter(self._classify(examples) if examples else ())
        for document, each in zip(documents, pairs, strict=True):
            relations = tuple(
                FoundRelation(pair.first, pair.second, result.label, result.score)
                for pair, result in zip(each, islice(found, len(each)), strict=True)
                if result.label != how.rules.no_relation
            )
            yield RelatedText(document.id, document.text, relations, len(each))


def _read_pairs(entry: Mapping[str, Any] | None) -> _Pairs | None:
    if entry is None:
        return None
    rules = PairRules(
        no_relation=entry["no_relation"], dummies=dict(entry["dummies"]), overlap_dummy=entry["overlap_dummy"]
    )
    types = frozenset((str(first), str(second)) for first, second in entry["type_pairs"])
    return _Pairs(rules, types, bool(entry["uses_dummies"]))
