"""`domainlm vocab rate`: into how many sub-tokens vocabularies cut the words of entities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from domainlm.api import ProblemLog
from domainlm.cli.arguments import json_option
from domainlm.cli.logs import verbosity_options, warn_of_problems
from domainlm.cli.state import cli_state
from domainlm.cli.table import echo_json, echo_markdown, echo_table
from domainlm.cli.vocab_inputs import cased_option, load_vocabularies, markdown_option, vocabularies_argument
from domainlm.errors import DataError, SpecError, nearest_name

if TYPE_CHECKING:
    from domainlm.api import TokenExample
    from domainlm.plugin import Registry
    from domainlm.vocab.rate import BreakUpRate
    from domainlm.vocab.vocabulary import Vocabulary

_FILE = click.Path(path_type=Path)
_ALL = "all"


@dataclass(frozen=True, slots=True)
class _Row:
    """A vocabulary's rate on a data set, for one type or for all together."""

    name: str
    vocabulary: Vocabulary
    data_set: str
    type: str
    rate: BreakUpRate

    def as_dict(self) -> dict[str, object]:
        return {
            "vocabulary": self.name,
            "kind": self.vocabulary.kind,
            "size": self.vocabulary.size,
            "cased": self.vocabulary.cased,
            "data_set": self.data_set,
            "type": self.type,
            "num_entities": self.rate.num_entities,
            "num_words": self.rate.num_words,
            "num_sub_tokens": self.rate.num_sub_tokens,
            "rate": self.rate.rate,
        }


@click.command(short_help="Count the sub-tokens that vocabularies split the words of entities into.")
@vocabularies_argument
@click.option(
    "--data",
    "data",
    type=(str, str, _FILE),
    multiple=True,
    metavar="NAME TASK FILE",
    help="A data set: its name, the task spec that reads it, a file; may be repeated, a name too.",
)
@click.option("--task", "task_name", metavar="SPEC", help="Task spec that reads --file.")
@click.option(
    "--file", "files", multiple=True, type=_FILE, help="File of one data set without a name; may be repeated."
)
@click.option("--type", "types", multiple=True, help="Entity type to count; may be repeated.  [default: all]")
@cased_option
@json_option
@markdown_option
@verbosity_options
@click.pass_context
def rate(
    context: click.Context,
    vocabularies: tuple[str, ...],
    data: tuple[tuple[str, str, Path], ...],
    task_name: str | None,
    files: tuple[Path, ...],
    types: tuple[str, ...],
    cased: bool | None,
    as_json: bool,
    markdown: bool,
) -> None:
    """Print the break-up rate: sub-tokens per word inside the entities of annotated files.

    A vocabulary is a BERT vocab.txt, a tokenizer.json, or a folder with one; NAME= gives it a name. Words are those of
    the data set. The lower the rate, the better a vocabulary fits the domain (Shin et al. 2020, table 3). One
    vocabulary on one data set is shown type by type, several as a table of vocabularies and data sets.
    """
    if bool(files) != bool(task_name) or bool(files) == bool(data):
        raise click.UsageError("say what to measure on: --data NAME TASK FILE, or --task SPEC with --file FILE")
    named = data or tuple((task_name or "", task_name or "", file) for file in files)
    data_sets = _read(named, cli_state(context).plugins.registry)
    _check_entities(types, data_sets)
    loaded = load_vocabularies(vocabularies, cased=cased)
    by_type = len(loaded) == len(data_sets) == 1
    rows = [
        row
        for name, vocabulary in loaded.items()
        for data_set, examples in data_sets.items()
        for row in _rates(name, vocabulary, data_set, examples, types, by_type=by_type)
    ]
    if as_json:
        echo_json([row.as_dict() for row in rows])
        return
    header, cells, numbers = _by_type(rows) if by_type else _by_data_set(rows, list(data_sets))
    if markdown:
        echo_markdown(header, cells, numbers=numbers)
    else:
        echo_table(header, cells, numbers=numbers)


def _read(named: Sequence[tuple[str, str, Path]], registry: Registry) -> dict[str, list[TokenExample]]:
    """The examples of each data set; files of one name count together."""
    problems = ProblemLog()
    data_sets: dict[str, list[TokenExample]] = {}
    for name, task_name, file in named:
        task = registry.task(task_name, where="--task")
        if task.kind != "token":
            raise SpecError(
                "only tasks with entities have a break-up rate",
                where="--task",
                given=f'{task.name}, of kind "{task.kind}"',
                allowed='tasks of kind "token"',
            )
        data_sets.setdefault(name, []).extend(task.read_all(file, problems))
    warn_of_problems(problems)
    return data_sets


def _check_entities(types: Sequence[str], data_sets: Mapping[str, Sequence[TokenExample]]) -> None:
    """Refuse a data set without entities, and a type that none has: beside others it would be left out silently."""
    types_of = {
        name: {entity.type for example in examples for entity in example.entities}
        for name, examples in data_sets.items()
    }
    empty = next((name for name, there in types_of.items() if not there), None)
    if empty is not None:
        raise DataError("no entity to measure a vocabulary on", where=f"data set {empty}")
    there = sorted(set().union(*types_of.values()))
    unknown = next((name for name in types if name not in there), None)
    if unknown is not None:
        nearest = nearest_name(unknown, there)
        raise DataError("no entity is of this type", where="--type", given=unknown, allowed=there, nearest=nearest)
    without = next((name for name, there in types_of.items() if types and there.isdisjoint(types)), None)
    if without is not None:
        raise DataError(
            "no entity to measure a vocabulary on",
            where=f"data set {without}",
            given=f"types {', '.join(types)}",
            allowed=sorted(types_of[without]),
        )


def _rates(
    name: str,
    vocabulary: Vocabulary,
    data_set: str,
    examples: Sequence[TokenExample],
    types: Sequence[str],
    *,
    by_type: bool,
) -> list[_Row]:
    """A row for all types together, and before it one for each type where there are several and it is asked for."""
    from domainlm.vocab.rate import break_up_rate

    wanted = types or sorted({entity.type for example in examples for entity in example.entities})
    rows = []
    if by_type or len(wanted) == 1:
        rows = [_Row(name, vocabulary, data_set, kind, break_up_rate(vocabulary, examples, [kind])) for kind in wanted]
    if len(wanted) != 1:
        rows.append(_Row(name, vocabulary, data_set, _ALL, break_up_rate(vocabulary, examples, wanted)))
    return rows


def _by_type(rows: Sequence[_Row]) -> tuple[list[str], list[list[str]], list[int]]:
    cells = [
        [
            row.type,
            f"{row.rate.num_entities:,}",
            f"{row.rate.num_words:,}",
            f"{row.rate.num_sub_tokens:,}",
            f"{row.rate.rate:.3f}",
        ]
        for row in rows
    ]
    return ["entities of type", "entities", "words", "sub-tokens", "sub-tokens per word"], cells, [1, 2, 3, 4]


def _by_data_set(rows: Sequence[_Row], data_sets: Sequence[str]) -> tuple[list[str], list[list[str]], list[int]]:
    """As table 3 of the paper: a row for each vocabulary, a column for each data set."""
    rates = {(row.name, row.data_set): f"{row.rate.rate:.3f}" for row in rows}
    vocabularies = {row.name: row.vocabulary for row in rows}
    cells = [
        [
            name,
            vocabulary.kind,
            "cased" if vocabulary.cased else "uncased",
            f"{vocabulary.size:,}",
            *(rates[name, data_set] for data_set in data_sets),
        ]
        for name, vocabulary in vocabularies.items()
    ]
    header = ["vocabulary", "kind", "case", "entries", *data_sets]
    return header, cells, list(range(3, len(header)))
