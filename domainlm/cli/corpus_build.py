"""`domainlm corpus build`: prepare a corpus, whole or a shard of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from domainlm.cli.arguments import complete_recipe, set_option
from domainlm.cli.corpus_report import say_prepared, tokens_per_file_option
from domainlm.cli.logs import verbosity_options
from domainlm.cli.state import cli_state

if TYPE_CHECKING:
    from domainlm.plugin import Registry
    from domainlm.study.corpora import CorpusOrder

_FOLDER = click.Path(file_okay=False, path_type=Path)
_PATH = click.Path(path_type=Path)


@click.command(short_help="Prepare a corpus: sentences, and token ids if a vocabulary is given.")
@click.argument("recipe", required=False, shell_complete=complete_recipe)
@click.option("--spec", metavar="SPEC", help="Corpus spec that reads the files, instead of a recipe.")
@click.option(
    "--file", "files", multiple=True, metavar="PATH", help="File, folder or pattern to read; may be repeated."
)
@click.option(
    "--guard",
    "guards",
    nargs=2,
    multiple=True,
    metavar="TASK_SPEC FILE",
    help="Test data that the corpus must not overlap; may be repeated. A recipe's own tasks are guarded in any case.",
)
@click.option("--vocabulary", type=_PATH, help="Encode by it: vocab.txt, tokenizer.json or a folder with one.")
@click.option("--out", type=_FOLDER, required=True, help="Folder for the corpus, or for the shard's parts.")
@click.option("--shard", metavar="I/N", help="Make the parts of one of N equal shares, anywhere; then merge them.")
@tokens_per_file_option
@click.option("--workers", type=click.IntRange(min=1), help="Processes.  [default: runtime.num_threads, or the cores]")
@set_option
@verbosity_options
@click.pass_context
def build(
    context: click.Context,
    recipe: str | None,
    spec: str | None,
    files: tuple[str, ...],
    guards: tuple[tuple[str, str], ...],
    vocabulary: Path | None,
    out: Path,
    shard: str | None,
    tokens_per_file: int | None,
    workers: int | None,
    overrides: tuple[str, ...],
) -> None:
    """Prepare a corpus: sentences, and token ids if a vocabulary is given.

    The corpus is that of RECIPE, or of --spec and --file. Duplicates and documents that overlap dev or test data are
    left out and listed in removed.jsonl; settings of a recipe's [corpus] can be given as
    --set corpus.deduplication.near=0.8. DIR must be new or empty, must not contain any input, and must not
    lie in a folder given by --file. After an interruption, the same command resumes with the first missing part.
    """
    from domainlm.study.corpora import build_corpus
    from domainlm.study.corpus_folder import check_outside
    from domainlm.text.preparation.blocks import Shard

    registry = cli_state(context).plugins.registry
    if (recipe is None) == (spec is None):
        raise click.UsageError("give either a RECIPE or --spec and --file")
    if spec is not None:
        check_outside(out, files)
        order = _order_of_spec(spec, files, guards, vocabulary, overrides, registry)
    else:
        assert recipe is not None
        if files or guards:
            raise click.UsageError("--file and --guard go with --spec; a recipe names its files and tasks itself")
        order = _order_of_recipe(recipe, out, vocabulary, overrides, registry)
    if workers is not None:
        order = order.with_workers(workers)
    prepared = build_corpus(order, out, None if shard is None else Shard.parse(shard), tokens_per_file)
    if prepared is None:
        click.echo(f"shard {shard} is done; when all are: domainlm corpus merge SHARD_DIR... --out DIR")
    else:
        say_prepared(prepared, out)


def _order_of_recipe(
    recipe: str, out: Path, vocabulary: Path | None, overrides: tuple[str, ...], registry: Registry
) -> CorpusOrder:
    from domainlm.recipe.load import load_given
    from domainlm.recipe.resolve import resolve
    from domainlm.study.corpora import order_of_recipe

    resolved = resolve(load_given(recipe, overrides, registry), registry)
    return order_of_recipe(resolved, out, vocabulary)


def _order_of_spec(
    spec_name: str,
    files: tuple[str, ...],
    guards: tuple[tuple[str, str], ...],
    vocabulary: Path | None,
    overrides: tuple[str, ...],
    registry: Registry,
) -> CorpusOrder:
    from domainlm.study.corpora import CorpusOrder, corpus_settings
    from domainlm.study.preparation import GuardedFiles
    from domainlm.text.paths import expand_files

    if not files:
        raise click.UsageError("say what to read: --file PATH")
    spec = registry.corpus(spec_name, where="--spec")
    guarded = tuple(
        GuardedFiles(registry.task(task, where="--guard"), Path(file).name, {"test": expand_files([file], Path.cwd())})
        for task, file in guards
    )
    return CorpusOrder(
        spec=spec,
        settings=corpus_settings(spec.name, files, overrides),
        files=expand_files(files, Path.cwd(), spec.patterns),
        guarded=guarded,
        vocabulary=vocabulary,
    )
