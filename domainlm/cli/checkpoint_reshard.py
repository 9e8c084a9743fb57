"""`domainlm checkpoint reshard`: a checkpoint as another grid would have written it."""

from __future__ import annotations

from pathlib import Path

import click

from domainlm.cli.logs import verbosity_options
from domainlm.errors import ModelError


@click.command(short_help="Write a checkpoint as another grid would have.")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--pipeline", type=click.IntRange(min=1), default=1, show_default=True, help="Pipeline stages.")
@click.option("--tensor", type=click.IntRange(min=1), default=1, show_default=True, help="Tensor ranks.")
@verbosity_options
def reshard(folder: Path, target: Path, pipeline: int, tensor: int) -> None:
    """Write a checkpoint as another grid would have, into TARGET; the newest if FOLDER holds several.

    Training does not need this, since any grid resumes from any grid's checkpoint. It is for sharing files: with the
    defaults all weights are in one file. A damaged checkpoint is refused.
    """
    from domainlm.plan.work import Degrees
    from domainlm.train.checkpoints.looking import open_checkpoint, problems_of  # they load torch
    from domainlm.train.checkpoints.reshard import reshard as write

    found = open_checkpoint(folder)
    problems = problems_of(found.folder)
    if problems:
        raise ModelError(f"damaged: {'; '.join(problems)}", where=found.folder, remedy="choose another checkpoint")
    written = write(found, target, Degrees(pipeline=pipeline, tensor=tensor))
    click.echo(f"{written.folder}: step {written.step:,}, {len(written.manifest.files)} files")
