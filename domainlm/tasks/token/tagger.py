"""Labels any text with the entities that a fine-tuned model finds in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from domainlm.api import TokenExample
from domainlm.builtin.formats.word_labels import WordNames
from domainlm.model.files import load_weights
from domainlm.parallel.device import Device
from domainlm.recipe.task_settings import HeadSettings
from domainlm.tasks.models import LoadedModel, Record, reading_config
from domainlm.tasks.scores import Json
from domainlm.tasks.start import Start, open_start
from domainlm.tasks.token.decoding import Allowed
from domainlm.tasks.token.features import WindowSettings, build_features, encode_examples, word_slices
from domainlm.tasks.token.head import TokenModel
from domainlm.tasks.token.inference import decode_entities, label_words
from domainlm.tasks.token.labels import LabelSet
from domainlm.text.sentences import sentence_spans
from domainlm.text.surrogates import without_surrogates
from domainlm.text.words import split_words

_SCORE_DIGITS = 4


@dataclass(frozen=True, slots=True)
class TaggedEntity:
    """A mention that was found.

    Attributes:
        start: first character in the given text.
        end: one after the last character.
        type: type of entity.
        text: the characters from `start` to `end`.
        score: mean over the mention's words of the probability that the model gives to the label it chose for the
            word, from 0 to 1. It ranks mentions; it is not calibrated.
    """

    start: int
    end: int
    type: str
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class TaggedText:
    """A text with the mentions found in it.

    Attributes:
        text: as given.
        entities: in order.
    """

    text: str
    entities: tuple[TaggedEntity, ...]


class Tagger(LoadedModel):
    """Finds the entities of any text.

    A text is cut into lines, lines into sentences, sentences into words, as training texts are; sentences longer than
    the model's limit are read in overlapping windows. Texts are labelled in groups of 2,048, or fewer long
    ones, so memory does not grow with their number.
    """

    kind: ClassVar[str] = "token"

    def __init__(
        self,
        model: TokenModel,
        start: Start,
        labels: WordNames,
        windows: WindowSettings,
        device: Device,
        may_follow: Allowed | None = None,
    ) -> None:
        super().__init__(model, start, device, windows.max_tokens)
        self._labels, self._windows, self._may_follow = labels, windows, may_follow

    @classmethod
    def load(cls, folder: Path, device: Device) -> Tagger:
        """Load a model folder of kind "token".

        Raises:
            ModelError: the folder cannot be read, or its parts do not fit together.
        """
        with reading_config(folder, "a tagger") as extra:
            labels = _read_labels(extra)
            rules = LabelSet(labels.types).may_follow if extra.get("decoding") == "viterbi" else None
            windows = WindowSettings(int(extra["max_tokens"]), int(extra["num_overlap_words"]))
            head = HeadSettings(**extra["head"])
        start = open_start(folder, windows.max_tokens)
        model = TokenModel(start.config, len(labels.names), head)
        load_weights(model, folder)
        return cls(model, start, labels, windows, device, rules)

    @property
    def types(self) -> tuple[str, ...]:
        """The types of entity it finds."""
        return self._labels.types

    def tag(self, texts: Iterable[str]) -> Iterator[TaggedText]:
        """Yield each text with its entities, in the order given.

        Args:
            texts: any text, the empty one too.

        Example:
            import domainlm

            tagger = domainlm.load("out/models/harbour/ships-seed-0")
            for tagged in tagger.tag(["The Vega left Oslo."]):
                for entity in tagged.entities:
                    print(entity.start, entity.end, entity.type, entity.text, entity.score)
        """
        return self._grouped(texts, self._tag_group, len)

    def predict(self, records: Iterable[Record]) -> Iterator[dict[str, Json]]:
        """Find the entities of each record's "text"."""
        for record, tagged in self._beside(records, lambda each: each.text(), self.tag):
            entities: list[Json] = [
                {**asdict(each), "score": round(each.score, _SCORE_DIGITS)} for each in tagged.entities
            ]
            yield {"id": record.id, "text": tagged.text, "entities": entities}

    def _tag_group(self, texts: Sequence[str]) -> Iterator[TaggedText]:
        sentences = [_sentences(text) for text in texts]
        examples = [sentence for each in sentences for sentence in each]
        encoded = encode_examples(examples, self._vocabulary)
        words = label_words(self._model, build_features(encoded, self._vocabulary, self._windows), self._device)
        places = word_slices(examples)
        if self._may_follow is not None:
            words = words.decoded(self._may_follow, places)
        probabilities = words.probabilities
        labelled = iter(zip(examples, places, strict=True))
        for text, each in zip(texts, sentences, strict=True):
            found: list[TaggedEntity] = []
            for example, place in islice(labelled, len(each)):
                tags = [self._labels.names[label] for label in words.labels[place]]
                for scored in decode_entities(example, tags, probabilities[place], self._labels.spans):
                    entity = scored.entity
                    surface = text[entity.start : entity.end]
                    found.append(TaggedEntity(entity.start, entity.end, entity.type, surface, scored.score))
            yield TaggedText(text, tuple(found))


def _read_labels(extra: Mapping[str, Any]) -> WordNames:
    """The labels that config.json names, where a model from elsewhere has its own; else those of the types."""
    return WordNames(tuple(map(str, extra["labels"])) if "labels" in extra else LabelSet(tuple(extra["types"])).tags)


def _sentences(text: str) -> list[TokenExample]:
    """The sentences of a text, each with its words at their offsets in the whole text; they end with their line."""
    text = without_surrogates(text)
    sentences: list[TokenExample] = []
    for start, end in sentence_spans(text):
        words = tuple((start + first, start + last) for first, last in split_words(text[start:end]))
        if words:
            sentences.append(TokenExample("", text, words))
    return sentences
