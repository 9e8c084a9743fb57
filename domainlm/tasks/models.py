"""What all loaded models have in common: embedding text, and a clear error for what a kind cannot do.

A kind of model is a class below `LoadedModel` that overrides what it can do (`tag`, `classify`, `relate`, `answer`,
`fill_masks`) and `predict`, the same for records as `domainlm predict` reads them; `domainlm.tasks.load` lists it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn, TypeVar

import numpy as np
import numpy.typing as npt
from torch import nn

from domainlm.api import RelationExample, SequenceExample
from domainlm.errors import DataError, ModelError
from domainlm.model.files import read_config
from domainlm.model.packed import pack_layers
from domainlm.parallel.device import Device
from domainlm.tasks.scores import Json
from domainlm.tasks.start import Start

if TYPE_CHECKING:
    from domainlm.tasks.language_model import FilledText
    from domainlm.tasks.sequence.classifier import ClassifiedText, RelatedText
    from domainlm.tasks.span.answerer import AnsweredQuestion
    from domainlm.tasks.span.factoid import Ranked
    from domainlm.tasks.token.tagger import TaggedText

Pooling = Literal["mean", "cls"]
Vector = npt.NDArray[np.float32]

NUM_TEXTS_AT_ONCE = 2048
_NUM_CHARACTERS_AT_ONCE = 200_000

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

_DOES = {
    "tag": "label words",
    "classify": "label texts",
    "relate": "label pairs of mentions",
    "answer": "answer questions",
    "fill_masks": "fill masks",
}


@dataclass(frozen=True, slots=True)
class Record:
    """One thing to predict for, as `domainlm predict` reads it.

    Attributes:
        id: as given; else the number of its line.
        fields: what the record holds; each kind of model says what it needs.
        where: the place it came from, for errors.
    """

    id: str | int
    fields: Mapping[str, object] = field(default_factory=dict)
    where: str = ""

    def text(self, key: str = "text") -> str:
        """The text under a key.

        Raises:
            DataError: there is none.
        """
        if key not in self.fields:
            raise self.error(f'the record has no "{key}"', given=", ".join(map(str, self.fields)) or "no field")
        value = self.fields[key]
        if not isinstance(value, str):
            raise self.error(f'"{key}" is no text', given=repr(value)[:80])
        return value

    def error(self, problem: str, *, given: str | None = None, allowed: str | None = None) -> DataError:
        """An error about this record."""
        return DataError(problem, where=self.where or f"record {self.id}", given=given, allowed=allowed)


@contextmanager
def reading_config(folder: Path, who: str) -> Iterator[Mapping[str, Any]]:
    """What config.json says besides the shape; a `ModelError` where the block does not find in it what it needs.

    Args:
        folder: the model folder.
        who: needs it, for the error ("a tagger").
    """
    extra = read_config(folder).extra
    try:
        yield extra
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"config.json lacks what {who} needs", where=folder, given=str(error)) from error


class LoadedModel:
    """A model from its folder, in evaluation mode. A method that its kind does not have raises `ModelError`.

    Attributes:
        kind: "token", "sequence", "span" or "pretraining".
        num_texts_at_once: texts that are read before the first of them is answered; 1 answers each at once.
    """

    kind: ClassVar[str] = ""
    columns: tuple[str, ...] = ("text",)
    """Fields of a record that is given as a line of text, with tabs between."""
    num_columns_needed: int | None = None
    """How many of these a line must have; all where None."""

    def __init__(self, model: nn.Module, start: Start, device: Device, max_tokens: int) -> None:
        self._model = model.to(device.torch_device).eval()
        pack_layers(self._model, device.torch_device, device.product_dtype)
        self._start, self._device, self._max_tokens = start, device, max_tokens
        self._vocabulary = start.vocabulary
        self.num_texts_at_once = NUM_TEXTS_AT_ONCE

    def predict(self, records: Iterable[Record]) -> Iterator[dict[str, Json]]:
        """Predict for records, in order; each result is the record's "id" and what the model says.

        Raises:
            DataError: a record lacks what this kind of model reads.
        """
        raise NotImplementedError

    def embed(self, texts: Iterable[str], *, pooling: Pooling = "mean") -> Iterator[Vector]:
        """Yield a vector for each text, in the order given, from the last layer of the encoder.

        Texts longer than the model's rows are read in overlapping windows, in which every word counts once.

        Args:
            texts: any.
            pooling: "mean" over the sub-tokens of the text (special tokens left out), or "cls", the state of the first
                token (over several windows their mean).

        Returns:
            Vectors [hidden], fp32; zeros for a text without words.

        Example:
            import domainlm

            model = domainlm.load("out/models/harbour/language-model")
            vectors = list(model.embed(["The Vega left Oslo.", "Fog."], pooling="cls"))
            print(len(vectors), vectors[0].shape)  # 2 (128,)
        """
        from domainlm.tasks.embedding import embed_texts

        encoder = self._model.encoder
        assert isinstance(encoder, nn.Module)
        return self._grouped(
            texts,
            lambda group: embed_texts(
                encoder, self._vocabulary, group, self._device, max_tokens=self._max_tokens, pooling=pooling
            ),
            len,
        )

    def embed_records(self, records: Iterable[Record], pooling: Pooling) -> Iterator[dict[str, Json]]:
        """Embed the text of each record."""
        pairs = self._beside(records, lambda each: each.text(), lambda texts: self.embed(texts, pooling=pooling))
        for record, vector in pairs:
            yield {"id": record.id, "embedding": [float(f"{value:.7g}") for value in vector]}

    def tag(self, texts: Iterable[str]) -> Iterator[TaggedText]:
        """Find the entities of texts; models of kind "token" do."""
        self._refuse("tag", texts)

    def classify(self, texts: Iterable[str | tuple[str, str] | SequenceExample]) -> Iterator[ClassifiedText]:
        """Label texts or pairs of texts; models of kind "sequence" do, unless they label pairs of mentions."""
        self._refuse("classify", texts)

    def relate(self, documents: Iterable[RelationExample]) -> Iterator[RelatedText]:
        """Find the relations between the mentions of documents; models of kind "sequence" that were trained so do."""
        self._refuse("relate", documents)

    def answer(self, question: str, context: str) -> AnsweredQuestion:
        """Answer a question from a context; models of kind "span" do."""
        self._refuse("answer", (question, context))

    def answer_all(self, questions: Iterable[tuple[str, str]]) -> Iterator[AnsweredQuestion]:
        """Answer questions, each from its context; models of kind "span" do."""
        self._refuse("answer", questions)

    def rank(self, question: str, contexts: Sequence[str]) -> tuple[Ranked, ...]:
        """The best five answers to one question from several contexts; models of kind "span" give them."""
        self._refuse("answer", (question, contexts))

    def fill_masks(self, texts: Iterable[str], *, num_guesses: int = 5) -> Iterator[FilledText]:
        """Guess what stands at each "[MASK]" of texts; models of kind "pretraining" do."""
        self._refuse("fill_masks", (texts, num_guesses))

    def _refuse(self, method: str, _: object) -> NoReturn:
        own = [name for name in _DOES if getattr(type(self), name) is not getattr(LoadedModel, name)]
        raise ModelError(
            f"this model does not {_DOES[method]}",
            where=self._start.folder,
            given=f'{method}() of a model of kind "{self.kind}"',
            allowed=", ".join(f"{name}()" for name in [*own, "embed"]),
        )

    def _grouped(
        self,
        items: Iterable[ItemT],
        answer: Callable[[Sequence[ItemT]], Iterable[ResultT]],
        size: Callable[[ItemT], int],
    ) -> Iterator[ResultT]:
        """Answer items in groups, so that memory does not grow with their number; `size` is one's characters.

        Where an item cannot be read, those before it are answered, and then its error is raised.
        """
        failed: DataError | None = None

        def readable() -> Iterator[ItemT]:
            nonlocal failed
            try:
                yield from items
            except DataError as error:
                failed = error

        group: list[ItemT] = []
        num_characters = 0
        for item in readable():
            group.append(item)
            num_characters += size(item)
            if len(group) >= self.num_texts_at_once or num_characters >= _NUM_CHARACTERS_AT_ONCE:
                yield from answer(group)
                group, num_characters = [], 0
        if group:
            yield from answer(group)
        if failed is not None:
            raise failed

    def _beside(
        self,
        records: Iterable[Record],
        take: Callable[[Record], ItemT],
        answer: Callable[[Iterable[ItemT]], Iterable[ResultT]],
    ) -> Iterator[tuple[Record, ResultT]]:
        """Each record with what is answered to what is taken from it; records may be read ahead."""
        ahead: deque[Record] = deque()

        def taken() -> Iterator[ItemT]:
            for record in records:
                item = take(record)
                ahead.append(record)
                yield item

        for result in answer(taken()):
            yield ahead.popleft(), result
