"""`domainlm model export`: a model for Hugging Face libraries."""

from __future__ import annotations

from pathlib import Path

import click

from domainlm.cli.logs import verbosity_options


@click.command(short_help="Write a model for Hugging Face libraries.")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--results",
    type=click.Path(dir_okay=False, path_type=Path),
    help="results.json of the run, for the model card; found automatically if FOLDER is below the run's models/.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["huggingface", "onnx"]),
    default="huggingface",
    show_default=True,
    help='"onnx" writes model.onnx instead: the encoder, or a fine-tuned model with its head; needs the extra "onnx".',
)
@click.option("--keep-padding", is_flag=True, help="Keep the padding rows of the word embedding.")
@click.option("--force", is_flag=True, help="Replace what is at OUT.")
@verbosity_options
def export(folder: Path, out: Path, results: Path | None, form: str, keep_padding: bool, force: bool) -> None:
    """Write a model for Hugging Face libraries.

    FOLDER is a model folder, as a run writes them below models/. OUT gets config.json, model.safetensors, the
    tokenizer's files and a model card with recipe, software, data and scores. Language models and fine-tuned ones
    load with transformers' own classes; the command says what these cannot express.
    """
    if form == "onnx":
        from domainlm.interop.onnx import ONNX_FILE, export_onnx

        largest = export_onnx(folder, out, force=force)
        click.echo(f"{out / ONNX_FILE}: onnxruntime's numbers differ by {largest:.1e} at most")
        return
    from domainlm.interop.export import export_huggingface
    from domainlm.study.card import model_card

    exported = export_huggingface(
        folder, out, card=model_card(folder, results, out.name), keep_padding=keep_padding, force=force
    )
    for note in exported.notes:
        click.echo(note)
    click.echo(f"{out}: transformers.{exported.architecture}.from_pretrained")
