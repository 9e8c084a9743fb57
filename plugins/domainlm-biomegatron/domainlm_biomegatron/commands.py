"""The command `domainlm biomegatron`."""

from __future__ import annotations

from pathlib import Path

import click

from domainlm.api import DataError, ProblemLog


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
@click.argument("output", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--predictions", multiple=True, type=click.Path(path_type=Path),
              help="predictions.test.jsonl of a fine-tuning on BioASQ; may be repeated.")  # fmt: skip
@click.option("--model", type=click.Path(path_type=Path), help="Model folder that answers the questions.")
@click.option("--questions", multiple=True, type=click.Path(path_type=Path),
              help="File of questions in BioASQ's JSON, with snippets; may be repeated.")  # fmt: skip
def bioasq_submission(
    output: Path, predictions: tuple[Path, ...], model: Path | None, questions: tuple[Path, ...]
) -> None:
    """Write answers to factoid questions into OUTPUT, in the form that BioASQ's participants send in.

    The answers are those of --predictions, or those that --model finds to the --questions: the probabilities that a
    question's snippets give to equal answers, whatever their case, are added, and the best five are kept.
    """
    from domainlm_biomegatron.submission import read_predictions, write_submission

    if bool(predictions) == bool(model) or bool(model) != bool(questions):
        raise click.UsageError("give --predictions, or --model with --questions")
    answers = read_predictions(predictions) if model is None else _answers(model, questions)
    write_submission(output, answers)
    click.echo(f"Wrote answers to {len(answers):,} questions to {output}.")


def _answers(model: Path, files: tuple[Path, ...]) -> dict[str, list[str]]:
    import domainlm
    from domainlm_biomegatron.readers.bioasq import read_questions

    problems = ProblemLog()
    questions = [question for file in files for question in read_questions(file, problems)]
    if problems.counts:
        click.echo(f"Skipped: {problems.summary()}", err=True)
    loaded = domainlm.load(model)
    if not hasattr(loaded, "rank"):
        raise DataError("not a model that answers questions", where=model, remedy="name one fine-tuned on a span task")
    return {each.id: [answer.text for answer in loaded.rank(each.body, each.snippets)] for each in questions}
