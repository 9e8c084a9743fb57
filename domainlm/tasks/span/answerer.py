"""Answers any question from any text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import ClassVar

from domainlm.api import ProblemLog, SpanExample
from domainlm.model.files import load_weights
from domainlm.parallel.device import Device
from domainlm.recipe.span_settings import SpanSettings
from domainlm.recipe.task_settings import HeadSettings
from domainlm.tasks.models import LoadedModel, Record, reading_config
from domainlm.tasks.scores import Json
from domainlm.tasks.span.factoid import Ranked
from domainlm.tasks.span.features import build_features
from domainlm.tasks.span.head import SpanModel
from domainlm.tasks.span.inference import ContextAnswers, find_answers
from domainlm.tasks.span.protocols import merge_contexts
from domainlm.tasks.start import Start, open_start
from domainlm.text.surrogates import without_surrogates

_NUM_ANSWERS = 5
_SCORE_DIGITS = 6


@dataclass(frozen=True, slots=True)
class FoundAnswer:
    """An answer that was found.

    Attributes:
        start: first character in the given context.
        end: one after the last character.
        text: the characters from `start` to `end`.
        score: from 0 to 1: the share of the answer in the probability of the answers that were kept (and of "no
            answer", where the model learned to give none). It ranks answers; it is not calibrated.
    """

    start: int
    end: int
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class AnsweredQuestion:
    """A question with its answers from a context.

    Attributes:
        question: as given.
        context: as given.
        answers: at most five, the best first; they may overlap.
        is_answered: whether the first of them is an answer by the threshold that was chosen on dev. A model that never
            saw a question without an answer answers always, where the context holds any word.
    """

    question: str
    context: str
    answers: tuple[FoundAnswer, ...]
    is_answered: bool


class Answerer(LoadedModel):
    """Answers questions from contexts, which may be of any length: long ones are read in overlapping windows.

    Args:
        model: with its weights.
        start: its folder and vocabulary.
        span: how contexts are read.
        max_tokens: longest row.
        threshold: margin above which no answer is given; None for a model that always gives one.
        device: where to compute.
    """

    kind: ClassVar[str] = "span"
    columns = ("question", "context")

    def __init__(
        self,
        model: SpanModel,
        start: Start,
        span: SpanSettings,
        *,
        max_tokens: int,
        threshold: float | None,
        device: Device,
    ) -> None:
        super().__init__(model, start, device, max_tokens)
        self._span, self._threshold = span, threshold

    @classmethod
    def load(cls, folder: Path, device: Device) -> Answerer:
        """Load a model folder of kind "span".

        Raises:
            ModelError: the folder cannot be read, or its parts do not fit together.
        """
        with reading_config(folder, "an answerer") as extra:
            span, head = SpanSettings(**extra["span"]), HeadSettings(**extra["head"])
            max_tokens = int(extra["max_tokens"])
            threshold = None if extra["no_answer_threshold"] is None else float(extra["no_answer_threshold"])
        start = open_start(folder, max_tokens)
        model = SpanModel(start.config, head)
        load_weights(model, folder)
        return cls(model, start, span, max_tokens=max_tokens, threshold=threshold, device=device)

    def answer(self, question: str, context: str) -> AnsweredQuestion:
        """Answer one question from one context, which may be of any length.

        Example:
            import domainlm

            answerer = domainlm.load("out/models/harbour/ports-seed-0")
            found = answerer.answer("Where was the Vega?", "The Vega left Oslo.")
            if found.is_answered:
                print(found.answers[0].text, found.answers[0].score)
        """
        return next(self.answer_all([(question, context)]))

    def answer_all(self, questions: Iterable[tuple[str, str]]) -> Iterator[AnsweredQuestion]:
        """Answer each question from its context, in the order given.

        Args:
            questions: pairs of a question and its context.

        Example:
            import domainlm

            answerer = domainlm.load("out/models/harbour/ports-seed-0")
            for found in answerer.answer_all([("Where was the Vega?", "The Vega left Oslo.")]):
                print(found.question, found.is_answered)
        """
        return self._grouped(questions, self._answer_group, lambda pair: len(pair[0]) + len(pair[1]))

    def rank(self, question: str, contexts: Sequence[str]) -> tuple[Ranked, ...]:
        """The best five answers to one question from several contexts, merged by their lower-cased text.

        Example:
            import domainlm

            answerer = domainlm.load("out/models/harbour/ports-seed-0")
            logs = ["The Vega left Oslo.", "The Vega nears Oslo."]
            for answer in answerer.rank("Where was the Vega?", logs):
                print(answer.text, answer.score)
        """
        return merge_contexts(self._find([(question, context) for context in contexts]))

    def predict(self, records: Iterable[Record]) -> Iterator[dict[str, Json]]:
        """Answer each record's "question" from its "context".

        Records that follow one another with the same "group" are contexts of one question: it is answered from all of
        them together, and the group is the id of what comes out.

        Raises:
            DataError: a record lacks either, its group is neither text nor a whole number, or a group holds several
                questions.
        """
        for group, members in groupby(records, key=_group_of):
            if group is not None:
                yield self._predict_group(group, list(members))
                continue
            for record, answered in self._beside(members, _question_of, self.answer_all):
                answers: list[Json] = [_as_json(each) for each in answered.answers]
                yield {
                    "id": record.id,
                    "question": answered.question,
                    "is_answered": answered.is_answered,
                    "answers": answers,
                }

    def _predict_group(self, group: str | int, members: Sequence[Record]) -> dict[str, Json]:
        pairs = [_question_of(each) for each in members]
        question = pairs[0][0]
        for record, (another, _) in zip(members, pairs, strict=True):
            if another != question:
                problem = f'another question than the first one of "group" {group!r}'
                raise record.error(problem, given=another[:80], allowed=question[:80])
        found = self._find([(question, context) for _, context in pairs])
        answers: list[Json] = [_as_json(each) for each in merge_contexts(found)]
        is_answered = any(map(self._is_answered, found))
        return {"id": group, "question": question, "is_answered": is_answered, "answers": answers}

    def _answer_group(self, group: Sequence[tuple[str, str]]) -> Iterator[AnsweredQuestion]:
        for (question, context), found in zip(group, self._find(group), strict=True):
            answers = tuple(
                FoundAnswer(each.start, each.end, context[each.start : each.end], each.probability)
                for each in found.candidates[:_NUM_ANSWERS]
            )
            yield AnsweredQuestion(question, context, answers, self._is_answered(found))

    def _find(self, questions: Sequence[tuple[str, str]]) -> list[ContextAnswers]:
        examples = [
            SpanExample(str(number), without_surrogates(question), without_surrogates(context), is_impossible=True)
            for number, (question, context) in enumerate(questions)
        ]
        features = build_features(
            examples, self._vocabulary, self._span, self._max_tokens, problems=ProblemLog(), trains=False
        )
        return find_answers(
            self._model, examples, features, self._device, self._span, allows_none=self._threshold is not None
        )

    def _is_answered(self, found: ContextAnswers) -> bool:
        return bool(found.candidates) and (self._threshold is None or found.margin <= self._threshold)


def _group_of(record: Record) -> str | int | None:
    """None where a record is answered by itself."""
    group = record.fields.get("group")
    if group is None or group == "":
        return None
    if isinstance(group, bool) or not isinstance(group, str | int):
        raise record.error("a group must be text or a whole number", given=repr(group)[:80])
    return group


def _question_of(record: Record) -> tuple[str, str]:
    return record.text("question"), record.text("context")


def _as_json(found: FoundAnswer | Ranked) -> dict[str, Json]:
    return {**asdict(found), "score": round(found.score, _SCORE_DIGITS)}
