"""`domainlm vocab show`: how terms are cut, and what is in a vocabulary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from domainlm.cli.arguments import json_option
from domainlm.cli.logs import verbosity_options
from domainlm.cli.table import echo_json, echo_markdown, echo_table
from domainlm.cli.vocab_inputs import cased_option, load_vocabularies, markdown_option, vocabularies_argument
from domainlm.errors import VocabularyError
from domainlm.text.surrogates import without_surrogates

if TYPE_CHECKING:
    from domainlm.vocab.vocabulary import Vocabulary


@click.command(short_help="Show how terms are split, or what is in a vocabulary.")
@vocabularies_argument
@click.option("--term", "terms", multiple=True, help="Term to split: a word or several; may be repeated.")
@click.option("--prefix", help="List the entries that begin with this, as BERT writes them (##ing).")
@click.option(
    "--id", "ids", multiple=True, type=click.IntRange(min=0), help="List the entry with this id; may be repeated."
)
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="Maximum number of entries listed."
)
@cased_option
@json_option
@markdown_option
@verbosity_options
def show(
    vocabularies: tuple[str, ...],
    terms: tuple[str, ...],
    prefix: str | None,
    ids: tuple[int, ...],
    limit: int,
    cased: bool | None,
    as_json: bool,
    markdown: bool,
) -> None:
    """Show how terms are split, or what is in a vocabulary.

    A vocabulary is a BERT vocab.txt, a tokenizer.json, or a folder with one; NAME= gives it a name. Sub-tokens of all
    kinds of vocabularies are written as in BERT: ## before a piece that continues a word.
    """
    if bool(terms) == (prefix is not None or bool(ids)):
        raise click.UsageError("say what to show: --term TERM, or --prefix TEXT or --id NUMBER")
    loaded = load_vocabularies(vocabularies, cased=cased)
    if terms:
        header = ["term", *loaded]
        terms = tuple(map(without_surrogates, terms))  # half a pair is how Python takes a wrong byte of a shell
        rows = [[term, *(_cut(vocabulary, term) for vocabulary in loaded.values())] for term in terms]
        content: object = [dict(zip(header, row, strict=True)) for row in rows]
        chosen: dict[str, list[int]] = {}
    else:
        header = ["vocabulary", "id", "entry"]
        chosen = {name: _chosen(name, vocabulary, prefix, ids) for name, vocabulary in loaded.items()}
        found = [
            (name, number, str(loaded[name].pieces[number]))
            for name, numbers in chosen.items()
            for number in numbers[:limit]
        ]
        rows = [[name, str(number), entry] for name, number, entry in found]
        content = [{"vocabulary": name, "id": number, "entry": entry} for name, number, entry in found]
    if as_json:
        echo_json(content)
    else:
        echo = echo_markdown if markdown else echo_table
        echo(header, rows, numbers=() if terms else (1,))
    _tell_of_more(chosen, limit)


def _tell_of_more(chosen: Mapping[str, Sequence[int]], limit: int) -> None:
    """Say on stderr which vocabularies have more entries than are listed."""
    for name, numbers in chosen.items():
        if len(numbers) > limit:
            click.echo(f"{name}: {limit:,} of {len(numbers):,} entries; --limit lists more", err=True)


def _cut(vocabulary: Vocabulary, term: str) -> str:
    (ids,) = vocabulary.encode_batch([term])
    return " ".join(str(vocabulary.pieces[number]) for number in ids)


def _chosen(name: str, vocabulary: Vocabulary, prefix: str | None, ids: tuple[int, ...]) -> list[int]:
    """Ids asked for, then those of the entries with the prefix."""
    beyond = [number for number in ids if number >= vocabulary.size]
    if beyond:
        raise VocabularyError(
            "no entry has this id", where=name, given=beyond[0], allowed=f"0 to {vocabulary.size - 1:,}"
        )
    with_prefix = [
        number for number, piece in enumerate(vocabulary.pieces) if prefix is not None and str(piece).startswith(prefix)
    ]
    return [*ids, *with_prefix]
