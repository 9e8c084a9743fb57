"""`domainlm study compare`: two runs side by side."""

from __future__ import annotations

from pathlib import Path

import click

from domainlm.cli.arguments import json_option
from domainlm.cli.table import echo_json, echo_table

_FOLDER = click.Path(file_okay=False, exists=True, path_type=Path)


@click.command(short_help="Put the scores of two runs side by side.")
@click.argument("first", type=_FOLDER)
@click.argument("second", type=_FOLDER)
@json_option
def compare(first: Path, second: Path, as_json: bool) -> None:
    """Compare the scores of two runs, and list the settings that differ.

    FIRST and SECOND are output folders of `domainlm run`. Scores are means over the seeds that both have (n), or over
    each run's own if they share none; of all types together. None is subtracted if signatures differ, since such scores
    were counted in different ways or on different data; nor losses per sub-token of different vocabularies, nor scores
    of language models on different held-out text.
    """
    from domainlm.recipe.toml_text import toml_text
    from domainlm.study.compare import compare_runs

    found = compare_runs(first, second)
    if as_json:
        pairs = [
            {
                **dict(zip(("model", "dataset", "split", "metric", "protocol"), pair.what, strict=True)),
                "first": pair.values[0],
                "second": pair.values[1],
                "difference": pair.difference,
                "num_seeds": list(pair.num_seeds),
                "is_comparable": pair.is_comparable,
            }
            for pair in found.pairs
        ]
        echo_json({"scores": pairs, "settings": [list(entry) for entry in found.settings]})
        return
    rows = [
        (
            *(*pair.what, *map(_number, pair.values)),
            _number(pair.difference) if pair.is_comparable else "not comparable",
            " and ".join(map(str, dict.fromkeys(filter(None, pair.num_seeds)))),
        )
        for pair in found.pairs
    ]
    head = ("model", "data", "split", "metric", "protocol", "first", "second", "difference", "n")
    echo_table(head, rows, numbers=(5, 6, 7, 8))
    click.echo()
    if found.settings:
        shown = [
            (key, *("not set" if value is None else toml_text(value) for value in values))
            for key, *values in found.settings
        ]
        echo_table(("setting", "first", "second"), shown)
    else:
        click.echo("the settings are the same")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
