"""`domainlm corpus stats`, `show` and `sample`: look at a finished corpus."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from domainlm.cli.arguments import json_option
from domainlm.cli.corpus_report import echo_facts
from domainlm.cli.table import echo_json

if TYPE_CHECKING:
    from domainlm.text.preparation.listing import ListedDocument

_FOLDER = click.Path(file_okay=False, path_type=Path)
_corpus_argument = click.argument("corpus_folder", metavar="CORPUS_DIR", type=_FOLDER)


@click.command(short_help="Count what is in a corpus, and what was left out.")
@_corpus_argument
@json_option
def stats(corpus_folder: Path, as_json: bool) -> None:
    """Count what is in a corpus, and what was left out.

    CORPUS_DIR is the --out of `domainlm corpus build` or `merge`, or a corpus in a store of artifacts.
    """
    from domainlm.study.corpora import read_manifest

    manifest = read_manifest(corpus_folder)
    problems = manifest["problems"]
    if as_json:
        echo_json({**manifest["facts"], "problems": problems})
        return
    echo_facts(manifest["facts"])
    for kind, count in problems["counts"].items():
        first = next(example for example in problems["examples"] if example["kind"] == kind)
        click.echo(f"{count:,} x {kind}, first at {first['where']}: {first['detail']}")


@click.command(short_help="Print a document of a corpus.")
@_corpus_argument
@click.argument("wanted", metavar="DOCUMENT")
@click.option("--number", "by_number", is_flag=True, help="DOCUMENT is a position in the corpus, from 1, not an id.")
@json_option
def show(corpus_folder: Path, wanted: str, by_number: bool, as_json: bool) -> None:
    """Print a document of a corpus, one sentence per line.

    DOCUMENT is its id, as in CORPUS_DIR/text/documents.tsv.
    """
    from domainlm.study.corpora import read_manifest
    from domainlm.text.preparation.listing import find_document

    read_manifest(corpus_folder)
    if by_number and not wanted.isdecimal():
        raise click.UsageError(f"not a number: {wanted}")
    _print(corpus_folder, [find_document(corpus_folder / "text", int(wanted) if by_number else wanted)], as_json)


@click.command(short_help="Print some documents of a corpus, chosen at random.")
@_corpus_argument
@click.option("-n", "--num-documents", default=3, show_default=True, type=click.IntRange(min=1), help="How many.")
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(min=0), help="The same seed, the same choice."
)
@json_option
def sample(corpus_folder: Path, num_documents: int, seed: int, as_json: bool) -> None:
    """Print some documents of a corpus, chosen at random, in the order of the corpus."""
    from domainlm.study.corpora import read_manifest
    from domainlm.text.preparation.listing import sample_documents

    read_manifest(corpus_folder)
    _print(corpus_folder, sample_documents(corpus_folder / "text", num_documents, seed), as_json)


def _print(corpus_folder: Path, documents: Sequence[ListedDocument], as_json: bool) -> None:
    from domainlm.text.preparation.listing import read_document

    texts = [(document, read_document(corpus_folder / "text", document)) for document in documents]
    if as_json:
        echo_json(
            [
                {"number": document.number, "id": document.id, "side": document.side, "sentences": sentences}
                for document, sentences in texts
            ]
        )
        return
    for place, (document, sentences) in enumerate(texts):
        if place:
            click.echo()
        click.echo(f"# {document.number}: {document.id} ({document.side}, {len(sentences)} sentences)")
        click.echo("\n".join(sentences))
