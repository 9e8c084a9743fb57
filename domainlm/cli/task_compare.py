"""`domainlm task compare`: whether two models differ by more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from domainlm.cli.arguments import json_option
from domainlm.cli.logs import verbosity_options
from domainlm.cli.table import echo_json

if TYPE_CHECKING:
    from domainlm.tasks.significance import Comparison

_FILE = click.Path(path_type=Path)


@click.command(short_help="Test whether two models differ by more than chance.")
@click.option("--first", multiple=True, required=True, type=_FILE, help="Predictions of the first model; one per seed.")
@click.option("--second", multiple=True, required=True, type=_FILE, help="Predictions of the second model, likewise.")
@click.option(
    "--label",
    "labels",
    multiple=True,
    help="Type or label to count; may be repeated.  [default: all; for relations it must be given]",
)
@click.option("--score", default="", help="Average this number of each record instead of counting correct answers.")
@click.option("--rounds", type=click.IntRange(min=100), default=10_000, show_default=True, help="Random swaps.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the swaps.")
@json_option
@verbosity_options
def compare(
    first: tuple[Path, ...],
    second: tuple[Path, ...],
    labels: tuple[str, ...],
    score: str,
    rounds: int,
    seed: int,
    as_json: bool,
) -> None:
    """Test whether two models differ by more than chance, on the documents of one split.

    The files are the predictions.test.jsonl that fine-tuning leaves in artifacts/finetune/. Paired approximate
    randomisation over documents (Noreen 1989), two-sided, with a bootstrap interval for the difference.

    Sentences with ids "DOCUMENT:n", n from 0, are of one document. Those numbered from 1 through a file without
    document names, as most CoNLL files are, are taken in blocks of ten consecutive ones. Questions and labelled texts
    are units themselves.
    """
    from domainlm.tasks.predictions import check_labels, check_same_units, pool_files
    from domainlm.tasks.signature import Signature, labels_part
    from domainlm.tasks.significance import compare_units
    from domainlm.tasks.units import UNIT_WORDS

    if len(first) != len(second):
        raise click.UsageError("give as many files with --first as with --second: one for each seed")
    if labels and score:
        raise click.UsageError("give either --label or --score: a number of each record is averaged over all of them")
    one, other = (pool_files(paths, labels=labels, score=score) for paths in (first, second))
    check_same_units(one, other, second[0])
    check_labels(labels, (one, other))
    units = sorted(one.by_unit)
    found = compare_units(one.matrix(units), other.matrix(units), one.metric, num_rounds=rounds, seed=seed)
    signature = Signature(
        scorer="paired-randomisation:2",
        protocol=one.name,
        labels=labels_part(labels),
        split="",
        data=one.data,
        seeds=str(seed),
    )
    kinds = [UNIT_WORDS[kind] for kind in one.kinds]
    if as_json:
        echo_json(_as_dict(found, one.name, kinds, str(signature)))
    else:
        _echo(found, one.name, kinds, str(signature))


def _as_dict(found: Comparison, metric: str, kinds: Sequence[str], signature: str) -> dict[str, Any]:
    return {
        "signature": signature,
        "metric": metric,
        "first": found.first,
        "second": found.second,
        "difference": found.first - found.second,
        "interval": found.interval and list(found.interval),
        "p_value": found.p_value,
        "num_units": found.num_units,
        "units": list(kinds),
        "num_rounds": found.num_rounds,
    }


def _echo(found: Comparison, metric: str, kinds: Sequence[str], signature: str) -> None:
    from domainlm.tasks.significance import MIN_UNITS

    click.echo(f"{metric}: first {100 * found.first:.2f} %, second {100 * found.second:.2f} %")
    interval = f"no interval: with fewer than {MIN_UNITS} {' and '.join(kinds)} p cannot be below 0.05 either"
    if found.interval is not None:
        interval = "95 % interval {:+.2f} to {:+.2f}".format(*(100 * end for end in found.interval))
    click.echo(f"difference {100 * (found.first - found.second):+.2f} points, {interval}")
    click.echo(f"p = {found.p_value:.4g} ({found.num_units:,} {' and '.join(kinds)}, {found.num_rounds:,} rounds)")
    click.echo(signature)
