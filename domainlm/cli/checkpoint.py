"""`domainlm checkpoint`: a group whose commands are each in a module of their own."""

from __future__ import annotations

import click

from domainlm.cli.lazy import LazyCommand

_TABLE = (
    ("inspect", "domainlm.cli.checkpoint_inspect:inspect", "Show what is in a checkpoint."),
    ("verify", "domainlm.cli.checkpoint_verify:verify", "Check every byte of checkpoints."),
    ("reshard", "domainlm.cli.checkpoint_reshard:reshard", "Write a checkpoint as another grid would have."),
)


@click.group(short_help="Inspect, verify and reshard checkpoints of training.")
def checkpoint() -> None:
    """Inspect, verify and reshard checkpoints of training.

    An unfinished stage has them in STORE/KIND/KEY.partial/checkpoints. FOLDER is a checkpoint, or a folder with
    several.
    """


for _name, _target, _short_help in _TABLE:
    checkpoint.add_command(LazyCommand(_name, _target, _short_help))
