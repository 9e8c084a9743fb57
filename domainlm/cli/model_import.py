"""`domainlm model import`: a model folder of this program out of a model from elsewhere."""

from __future__ import annotations

from pathlib import Path

import click

from domainlm.cli.logs import verbosity_options


@click.command("import", short_help="Convert a model of another library to a model folder.")
@click.argument("source")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--vocabulary", type=click.Path(path_type=Path), help="Its vocabulary, if that is not in its folder.")
@click.option("--revision", help="Commit, tag or branch of a model on the hub.")
@click.option("--seed", default=0, show_default=True, help="Of the weights of heads that the source lacks.")
@click.option(
    "--sentence-order",
    is_flag=True,
    help="Add the head for pairs of segments, with random weights, if the source lacks it.",
)
@click.option("--heads", type=click.IntRange(1), help="Attention heads, for Megatron-LM checkpoints that lack them.")
@click.option("--encoder-only", is_flag=True, help="Leave out the head of a task model, and make a language model.")
@click.option(
    "--no-answer-threshold",
    type=float,
    help='Give no answer if "no answer" scores higher than the best one by more than this; 0 for a model of SQuAD 2.0.'
    "  [default: always an answer]",
)
@click.option("--force", is_flag=True, help="Replace what is at OUT.")
@verbosity_options
def import_(
    source: str,
    out: Path,
    vocabulary: Path | None,
    revision: str | None,
    seed: int,
    sentence_order: bool,
    heads: int | None,
    encoder_only: bool,
    no_answer_threshold: float | None,
    force: bool,
) -> None:
    """Convert a model of another library to a model folder.

    SOURCE is a folder of BERT or MegatronBert as Hugging Face libraries write them; or the name of one on the Hugging
    Face hub (ORGANISATION/MODEL, where there is no such folder); or a BERT checkpoint of Megatron-LM (its folder, a
    release's .zip, a .pt of a single rank) or NeMo (.nemo), ranks merged. Tensors missing or not used are listed.

    A folder of transformers' classes ForTokenClassification, ForSequenceClassification or ForQuestionAnswering becomes
    a task model with its head, for `domainlm predict`; any other becomes a language model, with random heads if it
    lacks them.
    """
    from domainlm.interop.importing import import_model

    config, taken = import_model(
        source,
        out,
        vocabulary=vocabulary,
        revision=revision,
        seed=seed,
        sentence_order=True if sentence_order else None,
        heads=heads,
        encoder_only=encoder_only,
        no_answer_threshold=no_answer_threshold,
        force=force,
    )
    for line in taken.lines():
        click.echo(line)
    padding = config.padded_vocabulary_size - config.vocabulary_size
    rows = f" and {padding:,} rows of padding" if padding else ""
    click.echo(
        f"{out}: {config.architecture}, {config.layers} layers of {config.hidden}, {config.heads} heads, "
        f"{config.num_parameters:,} parameters, {config.vocabulary_size:,} entries{rows}"
    )
