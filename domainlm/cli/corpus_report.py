"""What a prepared corpus holds, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from domainlm.cli.logs import warn_of_problems
from domainlm.cli.table import echo_table

if TYPE_CHECKING:
    from domainlm.text.preparation.prepare import Prepared

_SIDES = ("train", "held_out")
_COLUMNS = (
    ("documents", "num_documents"),
    ("sentences", "num_sentences"),
    ("words", "num_words"),
    ("characters", "num_characters"),
    ("tokens", "num_tokens"),
)
_REASONS = (
    ("empty", "num_empty"),
    ("leak: overlaps dev or test data", "num_leaked"),
    ("replaced by a later version", "num_replaced"),
    ("removed by a later record", "num_removed"),
    ("exact duplicate", "num_exact_duplicates"),
    ("near duplicate", "num_near_duplicates"),
)

tokens_per_file_option = click.option(
    "--tokens-per-file",
    type=click.IntRange(min=1),
    help="Divide the token ids into files of about this many.  [default: one file]",
)


def say_prepared(prepared: Prepared, out: Path) -> None:
    """Say what was made, and warn of what was skipped."""
    warn_of_problems(prepared.problems)
    echo_facts(prepared.as_dict())
    click.echo(f"done: {out}")


def echo_facts(facts: Mapping[str, Any]) -> None:
    """Print the counts of a corpus as two tables."""
    is_encoded = any(facts[side]["num_tokens"] for side in _SIDES)
    columns = [column for column in _COLUMNS if is_encoded or column[0] != "tokens"]
    echo_table(
        ("", *(name for name, _ in columns)),
        [(side, *(f"{facts[side][key]:,}" for _, key in columns)) for side in _SIDES],
        numbers=range(1, len(columns) + 1),
    )
    documents = facts["documents"]
    click.echo(f"\n{documents['num_documents']:,} documents read, {documents['num_kept']:,} kept")
    left_out = [(reason, f"{documents[key]:,}") for reason, key in _REASONS if documents.get(key)]
    if left_out:
        echo_table(("left out", "documents"), left_out, numbers=(1,))
