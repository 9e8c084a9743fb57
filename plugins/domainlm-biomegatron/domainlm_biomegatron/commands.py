"""The command `domainlm biomegatron`."""

from __future__ import annotations

from pathlib import Path

import click

from domainlm.api import DataError


@click.group()
def biomegatron() -> None:
    """Biomedical data for domainlm."""


@biomegatron.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--documents", "num_documents", type=click.IntRange(1, 20_000), default=60, show_default=True,
              help="Documents of each sort; dev and test parts are half of that.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Another seed, other documents.")
def sample(folder: Path, num_documents: int, seed: int) -> None:
    """Write a synthetic sample into FOLDER, in the official formats.

    PubMed XML, PMC JATS, PubTator, ChemProt TSV, SQuAD and BioASQ JSON. All names and facts in it are invented.
    """
    from domainlm_biomegatron.sample.writers import write_everything

    if folder.is_dir() and any(folder.iterdir()):
        raise DataError("the folder is not empty", where=folder, remedy="choose a new one: nothing is overwritten")
    write_everything(folder, seed, num_documents)
    click.echo(f"Wrote a synthetic sample to {folder}; see {folder / 'README.txt'}.")


@biomegatron.command(name="bioasq-submission")
@click.argument("predictions", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--output", required=True, type=click.Path(path_type=Path, dir_okay=False), help="File to write.")
def bioasq_submission(predictions: tuple[Path, ...], output: Path) -> None:
    """Write what a fine-tuning on BioASQ answered in the form that participants send in.

    PREDICTIONS are its predictions.test.jsonl. Questions without answers in their file are answered by `domainlm
    predict MODEL_DIR --input FILE --read-as biomegatron/bioasq --output-format biomegatron/bioasq`.
    """
    from domainlm_biomegatron.sample.files import write_text
    from domainlm_biomegatron.writing.bioasq import read_predictions, write_bioasq

    questions = list(read_predictions(predictions))
    write_text(output, "".join(write_bioasq(questions)))
    click.echo(f"Wrote answers to {len(questions):,} questions to {output}.")
