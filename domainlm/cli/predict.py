"""`domainlm predict`: what a model says of texts."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from domainlm.cli.logs import verbosity_options
from domainlm.cli.records import JSONL, TEXT, read_as_task, read_records
from domainlm.cli.state import cli_state
from domainlm.cli.texts import STANDARD_STREAM, check_output, open_output
from domainlm.errors import SpecError

if TYPE_CHECKING:
    from domainlm.api import OutputSpec
    from domainlm.plugin import Registry

_DEFAULT_FORMAT = "core/jsonl"


@click.command(short_help="Tag, classify, answer, fill masks or embed texts with a model.")
@click.argument("model_folder", metavar="MODEL_DIR", type=click.Path(path_type=Path))
@click.option("--input", "source", default=STANDARD_STREAM, metavar="FILE", help="What to read.  [default: stdin]")
@click.option("--output", "target", default=STANDARD_STREAM, metavar="FILE", help="File to write.  [default: stdout]")
@click.option("--format", "form", type=click.Choice([TEXT, JSONL]), help="Form of the input.  [default: as it looks]")
@click.option("--read-as", metavar="SPEC", help="Read the input file as one of this task's, labels left out.")
@click.option(
    "--output-format", default=_DEFAULT_FORMAT, show_default=True, metavar="NAME", help="Format of the output."
)
@click.option("--embed", type=click.Choice(["mean", "cls"]), help="Write a vector for each text instead.")
@click.option("--stream", is_flag=True, help="Answer each line at once, instead of up to 2,048 together.")
@verbosity_options
@click.pass_context
def predict(
    context: click.Context,
    model_folder: Path,
    source: str,
    target: str,
    form: str | None,
    read_as: str | None,
    output_format: str,
    embed: Any,  # noqa: ANN401 - one of the choices
    stream: bool,
) -> None:
    """Tag, classify, answer, fill masks or embed texts with a model.

    MODEL_DIR is a model folder that `domainlm run` left below models/. The input is one text per line, or JSON lines;
    several texts in one line are separated by tabs. The fields of a JSON line depend on the kind of model: "text" to
    tag or classify, "text" and "second_text" for a pair, "text" and "entities" (each with "start", "end", "type") for
    relations, "question" and "context" (and the same "group" in consecutive lines if a question has several
    contexts), "text" with "[MASK]" for a language model.

    The output is one JSON line for each: "id" (that of the input, or the number of its line) and the prediction, with
    scores from 0 to 1 and offsets in characters of the text, the end exclusive. Plugins provide other formats.
    """
    from tqdm import tqdm

    from domainlm.tasks.load import load

    registry = cli_state(context).plugins.registry
    writer = _output(registry, output_format)
    task = None if read_as is None else registry.task(read_as, where="--read-as")
    check_output(target, source)
    model = load(model_folder)
    _check_kind(writer, "" if embed else model.kind)
    if stream:
        model.num_texts_at_once = 1
    records = (
        read_records(source, form, model.columns, model.num_columns_needed)
        if task is None
        else read_as_task(source, task)
    )
    predictions: Iterator[Any] = model.predict(records) if embed is None else model.embed_records(records, embed)
    silent = cli_state(context).quiet or (target == STANDARD_STREAM and sys.stdout.isatty())
    with open_output(target, flushes=stream) as write:
        for piece in _pieces(writer, tqdm(predictions, unit=" texts", disable=silent or None)):
            write(piece)


def _pieces(writer: OutputSpec, predictions: Iterable[Any]) -> Iterator[str]:
    """What a plugin's writer makes of predictions; a failure of the model's within it is not the writer's."""
    from domainlm.api.failures import blamed, lent, refused

    problem, allowed = "the writer must give texts", "pieces of the output's text"
    with (
        lent(predictions) as given,
        blamed(writer.write, writer.reference, "the predictions could not be written"),
    ):
        for piece in writer.write(given):
            if not isinstance(piece, str):
                raise refused(writer.write, writer.reference, problem, given=repr(piece)[:200], allowed=allowed)
            yield piece


def _output(registry: Registry, name: str) -> OutputSpec:
    """The format of this name; its namespace may be left out where one format alone is called so."""
    if "/" not in name:
        full = [each for each in registry.output_formats if each.partition("/")[2] == name]
        if len(full) == 1:
            return registry.output_format(full[0])
    return registry.output_format(name, where="--output-format")


def _check_kind(writer: OutputSpec, kind: str) -> None:
    if writer.kinds and kind not in writer.kinds:
        raise SpecError(
            f"{writer.name} cannot hold what this model says",
            where="--output-format",
            given=f'a model of kind "{kind}"' if kind else "vectors",
            allowed=[f'kind "{each}"' for each in writer.kinds],
            remedy=f"use {_DEFAULT_FORMAT}",
        )
