"""`domainlm vocab convert`: from one file format into the other."""

from __future__ import annotations

from pathlib import Path

import click

from domainlm.cli.logs import verbosity_options
from domainlm.cli.texts import check_output
from domainlm.cli.vocab_inputs import cased_option


@click.command(short_help="Write a vocabulary as vocab.txt or tokenizer.json.")
@click.argument("vocabulary", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path))
@cased_option
@verbosity_options
def convert(vocabulary: Path, target: Path, cased: bool | None) -> None:
    """Write a vocabulary as vocab.txt or tokenizer.json.

    TARGET is written as tokenizer.json if its name ends in .json, as vocab.txt if it ends in .txt. A vocab.txt can
    only hold WordPiece, and does not say whether it is cased.
    """
    from domainlm.vocab.vocabulary import Vocabulary

    if target.suffix not in {".json", ".txt"}:
        raise click.UsageError(f"the name of the target must end in .json or .txt: {target}")
    check_output(target)
    loaded = Vocabulary.load(vocabulary, cased=cased)
    if target.suffix == ".json":
        loaded.save_tokenizer(target)
    else:
        loaded.save_entries(target)
    click.echo(f"{target}: {loaded.size:,} entries")
