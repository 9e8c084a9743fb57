"""`domainlm predict`: tag text with a fine-tuned model."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from domainlm.cli.logs import verbosity_options
from domainlm.cli.state import cli_state
from domainlm.cli.texts import JSONL, STANDARD_STREAM, TEXT, open_output, read_texts, tag_lines


@click.command(short_help="Tag text with a fine-tuned model.")
@click.argument("model_folder", metavar="MODEL_DIR", type=click.Path(path_type=Path))
@click.option("--input", "source", default=STANDARD_STREAM, metavar="FILE", help="Texts to tag.  [default: stdin]")
@click.option("--output", "target", default=STANDARD_STREAM, metavar="FILE", help="File to write.  [default: stdout]")
@click.option("--format", "form", type=click.Choice([TEXT, JSONL]), help="Form of the input.  [default: as it looks]")
@verbosity_options
@click.pass_context
def predict(context: click.Context, model_folder: Path, source: str, target: str, form: str | None) -> None:
    """Tag text with a fine-tuned model.

    MODEL_DIR is a model folder that `domainlm run` left below models/. The input is a text a line, or JSON lines
    {"id", "text"}. Each becomes a line of JSON: {"id", "text", "entities": [{"start", "end", "type", "text",
    "score"}]}, with offsets in characters of the text, the end exclusive. A text without id gets its line's number.
    """
    from tqdm import tqdm

    from domainlm.tasks.load import load

    tagger = load(model_folder)
    silent = cli_state(context).quiet or (target == STANDARD_STREAM and sys.stdout.isatty())
    with open_output(target) as write:
        for line in tqdm(tag_lines(tagger, read_texts(source, form)), unit=" texts", disable=silent or None):
            write(line)
