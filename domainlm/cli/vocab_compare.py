"""`domainlm vocab compare`: what vocabularies share, and how they fit a text."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import TYPE_CHECKING, Any

import click

from domainlm.cli.arguments import json_option
from domainlm.cli.logs import verbosity_options
from domainlm.cli.state import cli_state
from domainlm.cli.table import echo_json, echo_markdown, echo_table
from domainlm.cli.vocab_inputs import (
    DEFAULT_CORPUS,
    cased_option,
    load_vocabularies,
    markdown_option,
    text_reader,
    vocabularies_argument,
)

if TYPE_CHECKING:
    from domainlm.plugin import Registry
    from domainlm.vocab.measure import TextFit
    from domainlm.vocab.vocabulary import Vocabulary

_NONE = "-"


@click.command(short_help="Compare vocabularies with one another, and on a text.")
@vocabularies_argument
@click.option("--file", "files", multiple=True, metavar="PATH", help="Text to compare on: file, folder or pattern.")
@click.option("--corpus", default=DEFAULT_CORPUS, show_default=True, metavar="SPEC", help="Corpus spec that reads it.")
@click.option(
    "--max-characters",
    type=click.IntRange(min=1),
    default=100_000_000,
    show_default=True,
    help="Of a larger text, take a sample of this size, spread evenly over it.",
)
@cased_option
@json_option
@markdown_option
@verbosity_options
@click.pass_context
def compare(
    context: click.Context,
    vocabularies: tuple[str, ...],
    files: tuple[str, ...],
    corpus: str,
    max_characters: int,
    cased: bool | None,
    as_json: bool,
    markdown: bool,
) -> None:
    """Compare vocabularies with one another, and on a text.

    A vocabulary is a BERT vocab.txt, a tokenizer.json, or a folder with one; NAME= gives it a name. Entries are
    shared if they have the same text and both begin a word or both continue one, however each kind of vocabulary
    writes that. With --file: how each vocabulary fits the text, and the share of its sub-tokens there that are
    shared.
    """
    loaded = load_vocabularies(vocabularies, cased=cased)
    fits: dict[str, TextFit] = {}
    used: dict[str, Counter[int]] = {}
    if files:
        _measure(loaded, files, corpus, max_characters, cli_state(context).plugins.registry, fits, used)
    singles = [_single(name, vocabulary, fits.get(name)) for name, vocabulary in loaded.items()]
    pairs = [_pair(loaded, used, first, second) for first, second in combinations(loaded, 2)]
    if as_json:
        echo_json({"vocabularies": singles, "pairs": pairs})
        return
    echo = echo_markdown if markdown else echo_table
    header, rows = _singles_table(singles)
    echo(header, rows, numbers=range(3, len(header)))
    if pairs:
        click.echo()
        header, rows = _pairs_table(pairs)
        echo(header, rows, numbers=range(2, len(header)))


def _measure(
    loaded: dict[str, Vocabulary],
    files: tuple[str, ...],
    corpus: str,
    max_characters: int,
    registry: Registry,
    fits: dict[str, TextFit],
    used: dict[str, Counter[int]],
) -> None:
    from domainlm.vocab.measure import count_runs, measure_text
    from domainlm.vocab.sample import EvenSample, some_taken

    runs = count_runs(some_taken(EvenSample(text_reader(registry, corpus, files), max_characters)))
    for name, vocabulary in loaded.items():
        fits[name], used[name] = measure_text(vocabulary, runs)


def _single(name: str, vocabulary: Vocabulary, fit: TextFit | None) -> dict[str, Any]:
    return {
        "vocabulary": name,
        "kind": vocabulary.kind,
        "cased": vocabulary.cased,
        "size": vocabulary.size,
        "text": None if fit is None else fit.as_dict(),
    }


def _pair(loaded: dict[str, Vocabulary], used: dict[str, Counter[int]], first: str, second: str) -> dict[str, Any]:
    from domainlm.vocab.overlap import overlap

    found = overlap(loaded[first], loaded[second], used.get(first), used.get(second))
    return {
        "first": first,
        "second": second,
        "num_shared": found.num_shared,
        "jaccard": found.jaccard,
        "share_of_first": found.share_of_first,
        "share_of_second": found.share_of_second,
        "share_of_first_text": found.share_of_first_text,
        "share_of_second_text": found.share_of_second_text,
    }


def _singles_table(singles: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    header = ["vocabulary", "kind", "case", "entries"]
    rows = [
        [entry["vocabulary"], entry["kind"], "cased" if entry["cased"] else "uncased", f"{entry['size']:,}"]
        for entry in singles
    ]
    if all(entry["text"] is not None for entry in singles):
        header += ["characters per sub-token", "[UNK] rate", "characters covered", "words whole", "entries used"]
        for row, entry in zip(rows, singles, strict=True):
            text = entry["text"]
            row += [
                f"{text['characters_per_sub_token']:.3f}",
                f"{text['unknown_rate']:.4%}",
                f"{text['coverage']:.4%}",
                f"{text['num_whole'] / text['num_runs']:.1%}",
                f"{text['num_used']:,}",
            ]
    return header, rows


def _pairs_table(pairs: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    header = ["first", "second", "shared", "Jaccard", "of first", "of second", "of first's text", "of second's text"]
    rows = [
        [
            entry["first"],
            entry["second"],
            f"{entry['num_shared']:,}",
            f"{entry['jaccard']:.3f}",
            *(
                _NONE if entry[key] is None else f"{entry[key]:.1%}"
                for key in ("share_of_first", "share_of_second", "share_of_first_text", "share_of_second_text")
            ),
        ]
        for entry in pairs
    ]
    return header, rows
