"""`domainlm model compare`: how two models differ, tensor by tensor."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from domainlm.cli.arguments import json_option
from domainlm.cli.logs import verbosity_options
from domainlm.cli.table import echo_json, echo_table
from domainlm.errors import UserError


@click.command(short_help="Compare two models, tensor by tensor.")
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@click.option("--heads", type=click.IntRange(1), help="Attention heads, for Megatron-LM checkpoints that lack them.")
@json_option
@verbosity_options
def compare(first: Path, second: Path, heads: int | None, as_json: bool) -> None:
    """Compare two models, tensor by tensor.

    Each is a model folder, a folder of Hugging Face libraries or a checkpoint of Megatron-LM or NeMo. Tensors that are
    equal are counted, the others are listed: the largest absolute difference, and the root mean square of the
    difference by that of the first. Vocabularies are compared if both models come with one. The exit code is 1 if
    anything differs.
    """
    from domainlm.interop.compare import compare_models, compare_vocabularies
    from domainlm.interop.read import read_with_heads

    models = [read_with_heads(source, heads=heads) for source in (first, second)]
    differences = compare_models(*models)
    unequal = [entry for entry in differences if not entry.is_equal]
    vocabularies = None
    try:
        vocabularies = compare_vocabularies(*models)
    except UserError as error:
        click.echo(f"the vocabularies were not compared: {error.where}: {error.problem}", err=True)
    is_equal = not unequal and vocabularies is None
    if as_json:
        others = None if vocabularies is None else asdict(vocabularies)
        tensors = [asdict(entry) for entry in differences]
        echo_json({"tensors": tensors, "vocabularies": others, "equal": is_equal})
    else:
        if unequal:
            echo_table(
                ("tensor", "first", "second", "largest", "share"),
                [
                    (
                        entry.name,
                        _shape(entry.first),
                        _shape(entry.second),
                        _number(entry.largest),
                        _number(entry.share),
                    )
                    for entry in unequal
                ],
            )
        click.echo(f"{len(differences) - len(unequal)} of {len(differences)} tensors are equal")
        if vocabularies is not None:
            click.echo(
                f"the vocabularies differ: {vocabularies.first:,} and {vocabularies.second:,} entries, "
                f"{vocabularies.num_shared:,} in both, {vocabularies.num_in_place:,} with the same id"
            )
    if not is_equal:
        raise click.exceptions.Exit(1)


def _shape(shape: tuple[int, ...] | None) -> str:
    return "-" if shape is None else " x ".join(map(str, shape))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
