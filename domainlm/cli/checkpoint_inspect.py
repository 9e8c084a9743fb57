"""`domainlm checkpoint inspect`: what is in a checkpoint."""

from __future__ import annotations

from pathlib import Path

import click

from domainlm.cli.arguments import json_option
from domainlm.cli.logs import verbosity_options
from domainlm.cli.table import echo_json, echo_table


@click.command(short_help="Show what is in a checkpoint.")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--tensors", "show_tensors", is_flag=True, help="List the tensors, each with the places of its pieces.")
@json_option
@verbosity_options
def inspect(folder: Path, show_tensors: bool, as_json: bool) -> None:
    """Show step, grid, sizes and files of a checkpoint; of the newest if FOLDER holds several.

    The bytes of the files are not read: `domainlm checkpoint verify` does that.
    """
    from domainlm.train.checkpoints.looking import file_lines, num_elements, open_checkpoint  # they load torch

    found = open_checkpoint(folder)
    manifest = found.manifest
    if as_json:
        echo_json({"folder": str(found.folder), **manifest.model_dump(mode="json")})
        return
    num_bytes = sum(facts.bytes for facts in manifest.files.values())
    rows = [
        ("folder", str(found.folder)),
        ("step", f"{manifest.step:,}" + (", milestones still to be run" if manifest.unsettled is not None else "")),
        ("grid", str(manifest.grid)),
        ("parameters", f"{num_elements(manifest, 'weights'):,} in {len(manifest.weights):,} tensors"),
        ("optimizer", f"{num_elements(manifest, 'optimizer'):,} in {len(manifest.optimizer):,} tensors"),
        *((name, str(value)) for name, value in manifest.training.items()),
        *((f"milestone {name}", str(state)) for name, state in manifest.milestones.items()),
        ("size", f"{num_bytes / 1e6:,.1f} MB in {len(manifest.files)} files"),
    ]
    echo_table(("what", "value"), rows)
    click.echo()
    lines = file_lines(manifest)
    cells = [(line.name, f"{line.num_tensors:,}", f"{line.num_elements:,}", f"{line.num_bytes:,}") for line in lines]
    echo_table(("file", "tensors", "elements", "bytes"), cells, numbers=(1, 2, 3))
    if show_tensors:
        click.echo()
        pieces = [
            (name, tensor.dtype, _shape(tensor.shape), piece.file, _shape(piece.offsets), _shape(piece.shape))
            for tensors in (manifest.weights, manifest.optimizer)
            for name, tensor in tensors.items()
            for piece in tensor.pieces
        ]
        echo_table(("tensor", "type", "shape", "file", "piece from", "of shape"), pieces)


def _shape(numbers: tuple[int, ...]) -> str:
    return " x ".join(map(str, numbers)) if numbers else "scalar"
