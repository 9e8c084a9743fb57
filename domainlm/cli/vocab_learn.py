"""`domainlm vocab learn`: a vocabulary from text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from domainlm.cli.arguments import json_option
from domainlm.cli.logs import verbosity_options
from domainlm.cli.state import cli_state
from domainlm.cli.table import echo_json, echo_table
from domainlm.cli.vocab_inputs import DEFAULT_CORPUS, text_reader
from domainlm.errors import StorageError


@click.command(short_help="Learn a vocabulary from text.")
@click.option("--file", "files", multiple=True, required=True, metavar="PATH", help="Text: file, folder or pattern.")
@click.option("--corpus", default=DEFAULT_CORPUS, show_default=True, metavar="SPEC", help="Corpus spec that reads it.")
@click.option("--spec", "spec_name", default="core/wordpiece", show_default=True, help="What is learned, and how.")
@click.option("--size", type=click.IntRange(min=10), help="Entries, special tokens included.")
@click.option("--cased/--uncased", default=None, help="Keep capitals and accents.  [default: as the spec says]")
@click.option(
    "--min-frequency", type=click.IntRange(min=1), default=2, show_default=True, help="Minimum count of a piece."
)
@click.option(
    "--max-characters",
    type=click.IntRange(min=1),
    default=1_000_000_000,
    show_default=True,
    help="Of a larger text, learn from a sample of this size, spread evenly over it.",
)
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for it.")
@json_option
@verbosity_options
@click.pass_context
def learn(
    context: click.Context,
    files: tuple[str, ...],
    corpus: str,
    spec_name: str,
    size: int | None,
    cased: bool | None,
    min_frequency: int,
    max_characters: int,
    out: Path,
    as_json: bool,
) -> None:
    """Learn a vocabulary from text, and report on it.

    Leaves tokenizer.json in the folder, and vocab.txt too for WordPiece. The same text gives the same bytes. The text
    is read three times: to count it, to learn from it, and for the report.
    """
    from domainlm.api import VocabularySettings
    from domainlm.vocab.making import make_vocabulary

    registry = cli_state(context).plugins.registry
    spec = registry.vocabulary(spec_name, where="--spec")
    wanted = size if size is not None else spec.size
    if wanted is None:
        raise click.UsageError(f"{spec.name} has no size of its own: say how many entries, as in --size 30000")
    settings = VocabularySettings(
        size=wanted,
        cased=spec.learns_cased if cased is None else cased,
        min_frequency=min_frequency,
        max_characters=max_characters,
    )
    read = text_reader(registry, corpus, files)
    _check_folder(out)
    out.mkdir(parents=True, exist_ok=True)
    report = make_vocabulary(spec, settings, read, out, spec.name)
    if as_json:
        echo_json(report)
    else:
        _echo_report(report, out)


def _check_folder(out: Path) -> None:
    """Refuse to write over a vocabulary, or over a text that is called like one."""
    from domainlm.vocab.files import TOKENIZER_FILE, VOCABULARY_FILE

    for name in (TOKENIZER_FILE, VOCABULARY_FILE):
        if (out / name).exists():
            raise StorageError(
                f"holds a {name} already", where=out, remedy="choose another folder with --out, or remove it"
            )


def _echo_report(report: dict[str, Any], out: Path) -> None:
    text = report["text"]
    rows = [
        ("written to", str(out)),
        ("kind", f"{report['kind']}, {'cased' if report['cased'] else 'uncased'}"),
        ("entries", f"{report['size']:,}"),
        ("of them beginning a word", f"{report['num_word_beginnings']:,}"),
        ("of them going on with one", f"{report['num_continuations']:,}"),
        ("different characters as entries", f"{report['num_characters_in_alphabet']:,}"),
        ("characters of the corpus", f"{report['num_characters_in_corpus']:,}"),
        ("characters learned from", f"{report['num_characters_learned_from']:,}"),
        ("characters described below", f"{text['num_characters']:,} (white space left out)"),
        ("characters per sub-token", f"{text['characters_per_sub_token']:.3f}"),
        ("sub-tokens that are [UNK]", f"{text['unknown_rate']:.4%}"),
        ("characters that are covered", f"{text['coverage']:.4%}"),
        ("words left whole", f"{text['num_whole'] / text['num_runs']:.1%} (between white space)"),
        ("entries used", f"{text['num_used']:,}"),
    ]
    echo_table(("vocabulary", ""), rows)
