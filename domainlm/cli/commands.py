"""The core's commands, given through the same hook as anyone's."""

from __future__ import annotations

from domainlm.cli.lazy import LazyCommand
from domainlm.plugin.marker import hookimpl

_TABLE = (
    ("run", "domainlm.cli.run:run", "Run a recipe from corpus to report."),
    ("recipe", "domainlm.cli.recipe:recipe", "List, show and check recipes."),
    ("study", "domainlm.cli.study:study", "Follow a run, compare two, make one stage."),
    ("plan", "domainlm.cli.plan:plan", "Work out what a recipe's pretraining costs, and choose a grid."),
    ("checkpoint", "domainlm.cli.checkpoint:checkpoint", "Inspect, verify and reshard checkpoints of training."),
    ("report", "domainlm.cli.report:report", "Write the report of a finished run again."),
    ("predict", "domainlm.cli.predict:predict", "Tag, classify, answer, fill masks or embed texts with a model."),
    ("corpus", "domainlm.cli.corpus:corpus", "Get and prepare corpora."),
    ("task", "domainlm.cli.task:task", "List and check tasks, get and count their data, compare models."),
    ("vocab", "domainlm.cli.vocab:vocab", "Learn, measure and compare vocabularies."),
    ("model", "domainlm.cli.model:model", "Import, export, inspect and compare models."),
    ("plugins", "domainlm.cli.plugins:plugins", "List plugins and show what they provide."),
    ("doctor", "domainlm.cli.doctor.command:doctor", "Check this installation and this machine."),
    ("completion", "domainlm.cli.completion:completion", "Print the completion script of a shell."),
)


@hookimpl
def domainlm_commands() -> list[LazyCommand]:
    """The commands, in the order in which one needs them."""
    return [LazyCommand(name, target, short_help) for name, target, short_help in _TABLE]
