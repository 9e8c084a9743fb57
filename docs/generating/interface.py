"""The interface of `domainlm` for programs, from its docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import domainlm
from domainlm.study.transfer_recipe import Budget
from domainlm.study.transfer_result import TransferResult
from domainlm.tasks.language_model import FilledMask, FilledText, Guess, LanguageModel
from domainlm.tasks.load import LoadedModel
from domainlm.tasks.sequence.classifier import ClassifiedText, Classifier, FoundRelation, RelatedText
from domainlm.tasks.span.answerer import AnsweredQuestion, Answerer, FoundAnswer
from domainlm.tasks.span.factoid import Ranked
from domainlm.tasks.token.tagger import TaggedEntity, TaggedText, Tagger
from generating.docstrings import Docstring, docstring_of
from generating.signatures import full_signature
from generating.tables import table

_ON_THE_PAGE_OF_HOOKS = (
    *("RunSummary", "Score", "StageInfo", "StepInfo"),
    *("Mention", "RelationExample", "SequenceExample"),
)


@dataclass(frozen=True, slots=True)
class _Method:
    """A method of loaded models, and the records that it gives.

    Attributes:
        owner: the class of the kind of model that has it.
        name: its name.
        results: the records, from the outer to the inner one.
    """

    owner: type[LoadedModel]
    name: str
    results: tuple[type, ...] = ()


_METHODS = (
    _Method(Tagger, "tag", (TaggedText, TaggedEntity)),
    _Method(Classifier, "classify", (ClassifiedText,)),
    _Method(Classifier, "relate", (RelatedText, FoundRelation)),
    _Method(Answerer, "answer", (AnsweredQuestion, FoundAnswer)),
    _Method(Answerer, "answer_all"),
    _Method(Answerer, "rank", (Ranked,)),
    _Method(LanguageModel, "fill_masks", (FilledText, FilledMask, Guess)),
    _Method(LoadedModel, "embed"),
)
"""In the order of the page on predicting."""


def python_interface() -> str:
    """Every public function, and what it takes and gives."""
    parts = [
        *_function("## `domainlm.run`", "domainlm.run", domainlm.run),
        *_function("## `domainlm.transfer`", "domainlm.transfer", domainlm.transfer),
        *_record("### `domainlm.Budget`", Budget),
        *_record("### `TransferResult`", TransferResult),
        *_methods_of_results(),
        *_function("## `domainlm.load`", "domainlm.load", domainlm.load),
        *_record("### `LoadedModel`", LoadedModel),
        *_methods_of_models(),
        *_record("## `domainlm.UserError`", domainlm.UserError),
    ]
    return "\n".join(parts)


def _methods_of_results() -> Iterator[str]:
    for name, method in vars(TransferResult).items():
        if inspect.isfunction(method) and not name.startswith("_"):
            yield from _function(f"### `TransferResult.{name}`", f"result.{name}", method)


def _methods_of_models() -> Iterator[str]:
    for each in _METHODS:
        signed, documented = getattr(LoadedModel, each.name), getattr(each.owner, each.name)
        who = f'Models of kind "{each.owner.kind}".' if each.owner.kind else "All models."
        yield from _function(f"### `model.{each.name}`", f"model.{each.name}", signed, docstring_of(documented), who)
        for record in each.results:
            yield from _record(f"#### `{record.__name__}`", record)


def _function(
    heading: str, called: str, function: Callable[..., Any], said: Docstring | None = None, who: str = ""
) -> Iterator[str]:
    """Signature, summary, arguments, result, errors, example."""
    said = said or docstring_of(function)
    yield f"{heading}\n"
    yield f"```text\n{full_signature(called, function)}\n```\n"
    yield f"{who} {said.summary}\n".lstrip()
    yield from (f"{paragraph}\n" for paragraph in said.text)
    if "Args" in said.sections:
        yield table(("argument", "meaning"), _arguments(function, said))
    if "Returns" in said.sections:
        yield _linked(f"Returns: {_record_given(function)}{' '.join(said.sections['Returns'].split())}\n")
    if "Raises" in said.sections:
        yield "Raises:\n"
        yield "".join(f"- `{name}`: {meaning}\n" for name, meaning in said.entries("Raises"))
    yield from _example(said)


def _record(heading: str, record: type) -> Iterator[str]:
    """Summary, fields, properties, example."""
    said = docstring_of(record)
    yield f"{heading}\n"
    yield f"{' '.join([said.summary, *said.text])}\n"
    types = {each.name: str(each.type) for each in fields(record)} if is_dataclass(record) else {}
    meanings = dict(said.entries("Attributes") or said.entries("Args"))
    for name, each in vars(record).items():
        if isinstance(each, property) and each.fget is not None:
            types[name] = str(inspect.signature(each.fget).return_annotation)
            summary = docstring_of(each).summary
            meanings[name] = summary[0].lower() + summary[1:]
    if types:
        rows = [(name, _type(types[name]), _cell(meaning)) for name, meaning in meanings.items()]
        yield table(("field", "type", "meaning"), rows)
    else:
        yield table(("field", "meaning"), [(name, _cell(meaning)) for name, meaning in meanings.items()])
    yield from _example(said)


def _arguments(function: Callable[..., Any], said: Docstring) -> list[tuple[str, str]]:
    entries = said.entries("Args")
    names = [name for name in inspect.signature(function).parameters if name != "self"]
    if [name for name, _ in entries] != names:
        raise ValueError(f"{function.__qualname__}: the docstring explains other arguments than {names}")
    return [(name, _cell(meaning)) for name, meaning in entries]


def _example(said: Docstring) -> Iterator[str]:
    if "Example" in said.sections:
        yield f"```python\n{said.sections['Example']}\n```\n"


def _record_given(function: Callable[..., Any]) -> str:
    name = str(inspect.signature(function).return_annotation)
    return f"`{name}`. " if name in _ON_THE_PAGE_OF_HOOKS else ""


def _type(text: str) -> str:
    named = [name for name in _ON_THE_PAGE_OF_HOOKS if name in re.findall(r"\w+", text)]
    return f"[`{text}`]({_place(named[0])})" if named else f"`{text}`"


def _cell(meaning: str) -> str:
    """Without its full stop, as in tables of other pages."""
    return _linked(meaning if meaning.endswith("...") else meaning.removesuffix("."))


def _linked(text: str) -> str:
    for name in _ON_THE_PAGE_OF_HOOKS:
        text = text.replace(f"`{name}`", f"[`{name}`]({_place(name)})")
    return text


def _place(name: str) -> str:
    return f"hooks.md#{name.lower()}"
