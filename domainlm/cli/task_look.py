"""`domainlm task list`, `show`, `stats` and `check`: what tasks there are, and what is in their data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from domainlm.api import SPLITS, Split, TaskSpec, spec_fields
from domainlm.cli.arguments import json_option
from domainlm.cli.logs import verbosity_options
from domainlm.cli.state import cli_state
from domainlm.cli.table import echo_json, echo_markdown, echo_table
from domainlm.cli.vocab_inputs import load_vocabularies, markdown_option

if TYPE_CHECKING:
    from domainlm.tasks.reading import SplitExamples
    from domainlm.tasks.statistics import Fact
    from domainlm.testing import TaskCounts

_FILE = click.Path(path_type=Path)


@click.command("list", short_help="List the tasks of the core and of the installed plugins.")
@json_option
@click.pass_context
def list_(context: click.Context, as_json: bool) -> None:
    """List the tasks of the core and of the installed plugins."""
    tasks = list(_all_tasks(context))
    if as_json:
        echo_json([{"name": t.name, "version": t.version, "kind": t.kind, "description": t.description} for t in tasks])
        return
    echo_table(("task", "kind", "what it is"), [(task.name, task.kind, task.description) for task in tasks])


@click.command(short_help="Show all that is declared about a task.")
@click.argument("spec")
@click.pass_context
def show(context: click.Context, spec: str) -> None:
    """Show all that is declared about a task: kind, types, file names, usual settings, source."""
    task = cli_state(context).plugins.registry.task(spec, where="SPEC")
    shown = spec_fields(task)
    click.echo(f"{shown.pop('name')}@{shown.pop('version')}")
    for key, value in shown.items():
        if value:
            click.echo(f"  {key}: {value}")


@click.command(short_help="Count what is in a task's data, split by split.")
@click.argument("spec")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="Folder with the task's files.")
@click.option("--train", multiple=True, metavar="FILE", help="Training file, folder or pattern; may be repeated.")
@click.option("--dev", multiple=True, metavar="FILE", help="Dev file, likewise.")
@click.option("--test", multiple=True, metavar="FILE", help="Test file, likewise.")
@click.option("--vocabulary", metavar="VOCABULARY", help="For the break-up rate: vocab.txt, tokenizer.json or folder.")
@click.option("--definitions", is_flag=True, help="Say how each number is counted.")
@json_option
@markdown_option
@verbosity_options
@click.pass_context
def stats(
    context: click.Context,
    spec: str,
    folder: Path | None,
    train: tuple[str, ...],
    dev: tuple[str, ...],
    test: tuple[str, ...],
    vocabulary: str | None,
    definitions: bool,
    as_json: bool,
    markdown: bool,
) -> None:
    """Count what is in a task's data, split by split.

    SPEC is the task that reads the files (see `domainlm task list`). Give the folder that has them under the task's
    own names, or the files of each split. What is skipped or repaired is counted below the table.
    """
    from domainlm.tasks.statistics import describe_splits

    task = cli_state(context).plugins.registry.task(spec, where="SPEC")
    files = _files(task, folder, {"train": train, "dev": dev, "test": test})
    loaded = next(iter(load_vocabularies((vocabulary,), cased=None).values())) if vocabulary else None
    described = describe_splits(task, files, loaded)
    if as_json:
        echo_json(
            {
                split: {"facts": {fact.name: fact.value for fact in facts}, "problems": data.problems.as_dict()}
                for split, (facts, data) in described.items()
            }
        )
        return
    _echo_facts(described, markdown=markdown, definitions=definitions)


@click.command(short_help="Check a task's spec and reader, on its sample or on a file.")
@click.argument("spec")
@click.option("--file", "file", type=_FILE, help="File to read; the task's own synthetic sample if not given.")
@verbosity_options
@click.pass_context
def check(context: click.Context, spec: str, file: Path | None) -> None:
    """Check a task's spec and reader, on its sample or on a file.

    It checks that the reader gives the same examples each time, offsets match the text, ids are unique, types are
    those declared, the task's settings are fine-tuning settings, and missing and empty files are refused. What the
    reader skips or repairs is counted, with its first place.
    """
    from domainlm.testing import check_task

    task = cli_state(context).plugins.registry.task(spec, where="SPEC")
    counts = check_task(task, file)
    num_problems = sum(counts.problems.values())
    among = f", with {num_problems:,} problem{'s' if num_problems > 1 else ''}:" if num_problems else ""
    click.echo(f"{task.reference}: sound{among}")
    for kind, count in sorted(counts.problems.items()):
        click.echo(f"{count:,} x {kind}, first at {counts.first_places[kind]}")
    echo_table(["", "read"], list(_counted(task, counts)), numbers=(1,))


def _counted(task: TaskSpec, counts: TaskCounts) -> Iterator[tuple[str, str]]:
    yield "examples", f"{counts.num_examples:,}"
    if task.kind == "token":
        yield "words", f"{counts.num_words:,}"
        yield from ((f"mentions of type {name}", f"{count:,}") for name, count in counts.num_entities.items())
    elif task.kind == "sequence":
        what = "examples" if task.pairs is None else "relations"
        yield from ((f"{what} of label {name}", f"{count:,}") for name, count in counts.num_labels.items())
    else:
        yield "answers", f"{counts.num_answers:,}"


def _all_tasks(context: click.Context) -> list[TaskSpec]:
    registry = cli_state(context).plugins.registry
    table = next(table for table in registry.tables if table.spec_type is TaskSpec)
    return [registry.task(name, where="task") for name in table]


def _files(
    task: TaskSpec, folder: Path | None, named: Mapping[Split, tuple[str, ...]]
) -> dict[Split, tuple[Path, ...]]:
    from domainlm.recipe.resolve import find_task_files
    from domainlm.recipe.task_settings import TaskFiles, TaskSettings

    if (folder is None) == (not any(named.values())):
        raise click.UsageError("say where the data is: --folder DIR, or --train FILE (and --dev, --test)")
    if folder is None and not named["train"]:
        raise click.UsageError("give --train too: types and labels are those of the training split")
    files = None if folder is not None else TaskFiles(**{split: named[split] for split in SPLITS})
    settings = TaskSettings(spec=task.name, folder=None if folder is None else str(folder), files=files)
    return find_task_files(settings, task, "task stats")


def _echo_facts(
    described: Mapping[Split, tuple[list[Fact], SplitExamples]], *, markdown: bool, definitions: bool
) -> None:
    names = dict.fromkeys(fact.name for facts, _ in described.values() for fact in facts)
    values = {split: {fact.name: fact.value for fact in facts} for split, (facts, _) in described.items()}
    rows = [[name, *(_shown(values[split].get(name)) for split in described)] for name in names]
    echo = echo_markdown if markdown else echo_table
    echo(["", *described], rows, numbers=range(1, len(described) + 1))
    for split, (_, data) in described.items():
        for kind, count in sorted(data.problems.counts.items()):
            click.echo(f"{split}: {count:,} x {kind}")
    if definitions:
        meanings = {fact.name: fact.meaning for facts, _ in described.values() for fact in facts if fact.meaning}
        for name, meaning in meanings.items():
            click.echo(f"{name}: {meaning}")


def _shown(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
