"""`domainlm corpus`: a group whose commands are each in a module of their own."""

from __future__ import annotations

import click

from domainlm.cli.lazy import LazyCommand

_TABLE = (
    ("fetch", "domainlm.cli.corpus_fetch:fetch", "Fetch the real data of a corpus."),
    (
        "build",
        "domainlm.cli.corpus_build:build",
        "Prepare a corpus: sentences, and token ids if a vocabulary is given.",
    ),
    ("merge", "domainlm.cli.corpus_merge:merge", "Merge shards, leaving out duplicates between them."),
    ("stats", "domainlm.cli.corpus_look:stats", "Count what is in a corpus, and what was left out."),
    ("show", "domainlm.cli.corpus_look:show", "Print a document of a corpus."),
    ("sample", "domainlm.cli.corpus_look:sample", "Print some documents of a corpus, chosen at random."),
)


@click.group(short_help="Get and prepare corpora.")
def corpus() -> None:
    """Get and prepare corpora."""


for _name, _target, _short_help in _TABLE:
    corpus.add_command(LazyCommand(_name, _target, _short_help))
