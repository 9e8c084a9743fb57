"""`domainlm vocab`: measure vocabularies."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from domainlm.api import ProblemLog
from domainlm.cli.arguments import json_option
from domainlm.cli.logs import verbosity_options, warn_of_problems
from domainlm.cli.state import cli_state
from domainlm.cli.table import echo_json, echo_table

if TYPE_CHECKING:
    from domainlm.api import TokenExample
    from domainlm.vocab.rate import BreakUpRate
    from domainlm.vocab.vocabulary import Vocabulary

_FILE = click.Path(path_type=Path)


@click.group(short_help="Measure vocabularies.")
def vocab() -> None:
    """Measure vocabularies."""


@vocab.command(short_help="Count the sub-tokens a vocabulary cuts each word of an entity into.")
@click.argument("vocabulary_file", metavar="VOCAB_FILE", type=_FILE)
@click.option("--task", "task_name", required=True, metavar="SPEC", help="Task spec that reads the files.")
@click.option("--file", "files", required=True, multiple=True, type=_FILE, help="Annotated file; may be repeated.")
@click.option("--type", "types", multiple=True, help="Entity type to count; may be repeated.  [default: all]")
@click.option("--cased/--uncased", default=None, help="Keep capitals or not.  [default: as the vocabulary tells]")
@json_option
@verbosity_options
@click.pass_context
def rate(
    context: click.Context,
    vocabulary_file: Path,
    task_name: str,
    files: tuple[Path, ...],
    types: tuple[str, ...],
    cased: bool | None,
    as_json: bool,
) -> None:
    """Print the break-up rate: sub-tokens per word inside the entities of annotated files.

    VOCAB_FILE is a BERT vocab.txt, a tokenizer.json, or a folder that holds one. Words are those of the data set. The
    lower the rate, the better the vocabulary fits the domain (Shin et al. 2020, table 3).
    """
    from domainlm.vocab.vocabulary import Vocabulary

    task = cli_state(context).plugins.registry.task(task_name, where="--task")
    problems = ProblemLog()
    vocabulary = Vocabulary.load(vocabulary_file, cased=cased)
    examples = list(chain.from_iterable(task.read(file, problems) for file in files))
    warn_of_problems(problems)
    rows = _rates(vocabulary, examples, types)
    if as_json:
        echo_json([_as_dict(label, row) for label, row in rows])
        return
    echo_table(
        ("entities of type", "entities", "words", "sub-tokens", "sub-tokens per word"),
        [
            (label, f"{row.num_entities:,}", f"{row.num_words:,}", f"{row.num_sub_tokens:,}", f"{row.rate:.3f}")
            for label, row in rows
        ],
        numbers=(1, 2, 3, 4),
    )


def _rates(
    vocabulary: Vocabulary, examples: Sequence[TokenExample], types: Sequence[str]
) -> list[tuple[str, BreakUpRate]]:
    """One row a type, and one for all together where there are several."""
    from domainlm.vocab.rate import break_up_rate

    wanted = types or sorted({entity.type for example in examples for entity in example.entities})
    rows = [(entity_type, break_up_rate(vocabulary, examples, [entity_type])) for entity_type in wanted]
    if len(rows) != 1:
        rows.append(("all", break_up_rate(vocabulary, examples, wanted)))
    return rows


def _as_dict(label: str, row: BreakUpRate) -> dict[str, object]:
    return {
        "type": label,
        "num_entities": row.num_entities,
        "num_words": row.num_words,
        "num_sub_tokens": row.num_sub_tokens,
        "rate": row.rate,
    }
