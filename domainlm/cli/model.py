"""`domainlm model`: a group whose commands are each in a module of their own."""

from __future__ import annotations

import click

from domainlm.cli.lazy import LazyCommand

_TABLE = (
    ("import", "domainlm.cli.model_import:import_", "Convert a model of another library to a model folder."),
    ("export", "domainlm.cli.model_export:export", "Write a model for Hugging Face libraries."),
    ("inspect", "domainlm.cli.model_inspect:inspect", "Say what a model is and what is in it."),
    ("compare", "domainlm.cli.model_compare:compare", "Compare two models, tensor by tensor."),
)


@click.group(short_help="Import, export, inspect and compare models.")
def model() -> None:
    """Import, export, inspect and compare models."""


for _name, _target, _short_help in _TABLE:
    model.add_command(LazyCommand(_name, _target, _short_help))
