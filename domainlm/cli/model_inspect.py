"""`domainlm model inspect`: what a model is and what is in it."""

from __future__ import annotations

from pathlib import Path

import click

from domainlm.cli.arguments import json_option
from domainlm.cli.logs import verbosity_options
from domainlm.cli.table import echo_json, echo_table


@click.command(short_help="Say what a model is and what is in it.")
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--heads", type=click.IntRange(1), help="Attention heads, for Megatron-LM checkpoints that lack them.")
@click.option("--tensors", "with_tensors", is_flag=True, help="List every tensor.")
@json_option
@verbosity_options
def inspect(source: Path, heads: int | None, with_tensors: bool, as_json: bool) -> None:
    """Say what a model is and what is in it.

    SOURCE is a model folder, a folder of Hugging Face libraries or a checkpoint of Megatron-LM or NeMo.
    """
    from domainlm.interop.compare import describe_model

    found = describe_model(source, heads=heads)
    if as_json:
        echo_json(found)
        return
    kind = f", {found['kind']}" if found["kind"] else ""
    click.echo(f"format: {found['format']}{kind}")
    for key, value in found["model"].items():
        click.echo(f"{key}: {value}")
    click.echo(f"parameters: {found['parameters']:,}")
    click.echo(f"heads on the encoder: {', '.join(found['heads']) or 'none'}")
    for note in found["notes"]:
        click.echo(f"note: {note}")
    if found["unexpected"]:
        click.echo(f"not used here: {', '.join(found['unexpected'])}")
    if with_tensors:
        echo_table(
            ("tensor", "shape", "dtype", "mean", "deviation"),
            [
                (name, " x ".join(map(str, facts["shape"])), facts["dtype"], *map(_number, _moments(facts)))
                for name, facts in found["tensors"].items()
            ],
        )


def _moments(facts: dict[str, float]) -> tuple[float, float]:
    return facts["mean"], facts["deviation"]


def _number(value: float) -> str:
    return f"{value:.4g}"
