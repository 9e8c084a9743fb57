"""`domainlm vocab`: a group whose commands are each in a module of their own."""

from __future__ import annotations

import click

from domainlm.cli.lazy import LazyCommand

_TABLE = (
    ("learn", "domainlm.cli.vocab_learn:learn", "Learn a vocabulary from text."),
    (
        "rate",
        "domainlm.cli.vocab_rate:rate",
        "Count the sub-tokens that vocabularies split the words of entities into.",
    ),
    ("compare", "domainlm.cli.vocab_compare:compare", "Compare vocabularies with one another, and on a text."),
    ("show", "domainlm.cli.vocab_show:show", "Show how terms are split, or what is in a vocabulary."),
    ("convert", "domainlm.cli.vocab_convert:convert", "Write a vocabulary as vocab.txt or tokenizer.json."),
)


@click.group(short_help="Learn, measure and compare vocabularies.")
def vocab() -> None:
    """Learn, measure and compare vocabularies."""


for _name, _target, _short_help in _TABLE:
    vocab.add_command(LazyCommand(_name, _target, _short_help))
