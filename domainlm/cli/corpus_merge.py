"""`domainlm corpus merge`: shards to one corpus."""

from __future__ import annotations

from pathlib import Path

import click

from domainlm.cli.corpus_report import say_prepared, tokens_per_file_option
from domainlm.cli.logs import verbosity_options

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command(short_help="Merge shards, leaving out duplicates between them.")
@click.argument("shards", nargs=-1, required=True, metavar="SHARD_DIR...", type=_FOLDER)
@click.option("--out", type=_FOLDER, required=True, help="Folder for the corpus; may be one of the shards.")
@tokens_per_file_option
@verbosity_options
def merge(shards: tuple[Path, ...], out: Path, tokens_per_file: int | None) -> None:
    """Merge shards, leaving out duplicates between them.

    Each SHARD_DIR is the --out of a `domainlm corpus build --shard I/N`; together they must hold every shard. The
    corpus is the same, byte for byte, as one built without shards.
    """
    from domainlm.study.corpora import merge_corpus

    say_prepared(merge_corpus(shards, out, tokens_per_file), out)
