"""`domainlm checkpoint verify`: every byte of checkpoints checked."""

from __future__ import annotations

from pathlib import Path

import click

from domainlm.cli.logs import verbosity_options
from domainlm.errors import ModelError


@click.command(short_help="Check every byte of checkpoints.")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@verbosity_options
def verify(folder: Path) -> None:
    """Check every byte of a checkpoint, or of all that FOLDER holds, against the hashes in its manifest.

    All damage is listed. The exit code is 0 if there is none, and 2 if there is some.
    """
    from domainlm.train.checkpoints.looking import find_checkpoints, problems_of  # they load torch

    num_damaged = 0
    found = find_checkpoints(folder)
    for checkpoint in found:
        problems = problems_of(checkpoint)
        num_damaged += bool(problems)
        click.echo(f"{checkpoint}: {'; '.join(problems) if problems else 'whole'}")
    if num_damaged:
        raise ModelError(
            f"{num_damaged} of {len(found)} checkpoint(s) damaged",
            where=folder,
            remedy="training goes on from the newest whole one by itself; damaged ones can be removed",
        )
