"""Adapt BERT-style language models to a domain, and measure what helps.

The public interface: `run` a recipe, `transfer` a model to a domain within a `Budget`, `load` a model, `hookimpl` to
write a plugin, `UserError` for everything that the caller can mend. Importing this package is cheap: heavy libraries
are imported when something is run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from domainlm.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from os import PathLike
    from pathlib import Path
    from typing import Any

    from domainlm.api import RunSummary, StageInfo, StepInfo
    from domainlm.plugin.marker import hookimpl
    from domainlm.study.transfer_recipe import Budget
    from domainlm.study.transfer_result import TransferResult
    from domainlm.tasks.load import LoadedModel

__version__ = "0.1.0"

__all__ = ["Budget", "UserError", "__version__", "hookimpl", "load", "run", "transfer"]


def run(
    recipe: str | Path,
    *,
    out: str | Path,
    set: Mapping[str, object] | Sequence[str] = (),  # noqa: A002 - as the command line's --set
    store: str | Path | None = None,
    only: Sequence[str] = (),
) -> RunSummary:
    """Run a recipe, as `domainlm run` does.

    If ranks or workers are started, the calling script needs `if __name__ == "__main__":` around the call.

    Args:
        recipe: a recipe file, or the name of a recipe that a plugin ships.
        out: folder for results.json, report and models; created if it does not exist. One that holds other files of
            these names is refused.
        set: values above the recipe's own: `{"pretraining.num_steps": 200}`, or `["pretraining.num_steps=200"]`.
        store: folder of artifacts that several runs may share; artifacts/ in `out` if not given.
        only: the part of the study to make, as the command line's --only: `["arm=long", "seed=0"]`.

    Returns:
        How the run ended and where its results are.

    Raises:
        UserError: for everything the caller can fix: the recipe, its files, plugins, the machine.
        KeyboardInterrupt: once the current stage has saved what it can; the same call resumes from there.

    Example:
        import domainlm

        summary = domainlm.run("harbour.toml", out="out", set={"pretraining.num_steps": 4})
        print(summary.status, summary.results)  # complete out/results.json
    """
    from pathlib import Path

    from domainlm.plugin import load_plugins
    from domainlm.study.run import run_recipe

    return run_recipe(
        recipe,
        out=Path(out),
        store=None if store is None else Path(store),
        overrides=_override_texts(set),
        plugins=load_plugins(),
        only=only,
    )


def transfer(
    base: str | PathLike[str] | None,
    corpus: str | PathLike[str] | Sequence[str | PathLike[str]] | Mapping[str, Any],
    *,
    out: str | PathLike[str],
    budget: Budget | int,
    vocabulary: str | PathLike[str] | int | Mapping[str, Any] | None = None,
    tasks: Sequence[Mapping[str, Any]] = (),
    general: str | PathLike[str] | Mapping[str, Any] | None = None,
    grid: Mapping[str, int] | None = None,
    settings: Mapping[str, Any] | None = None,
    store: str | PathLike[str] | None = None,
    progress: Callable[[StepInfo | StageInfo], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> TransferResult:
    """Adapt a model to a domain from a program: the engine and the artifacts are those of `run`.

    Leaves in `out` what `domainlm run` leaves, and transfer.toml, the recipe that does the same from the command line.
    The same call resumes one that was stopped or cancelled.

    Args:
        base: the model to start from: a folder or checkpoint, or a name on the Hugging Face hub; None for random
            weights, with "model.size" among the settings.
        corpus: the text of the domain: plain-text files or folders, or a table as [corpus] of a recipe.
        out: the output folder.
        budget: optimizer steps, or `domainlm.Budget(tokens=...)`, or `domainlm.Budget(minutes=...)`.
        vocabulary: None for that of the start, a number for a WordPiece vocabulary of that size learned from the
            corpus, a file to read, or a table as [vocabulary].
        tasks: tables as [[tasks]] of a recipe.
        general: text of no particular domain to score on as well, before and after: files, or a table as [general].
        grid: ranks to train on, as [parallel]: `{"data": 2, "tensor": 1, "pipeline": 1}`; one if not given.
        settings: values of any other keys, by their dotted names, `{"pretraining.optimizer.learning_rate": 5e-4}`, or
            in tables, `{"pretraining": {"optimizer": {"learning_rate": 5e-4}}}`, which set the keys in them alone.
        store: folder of artifacts that several transfers may share; artifacts/ in `out` if not given.
        progress: called with a `StepInfo` after each step, with a `StageInfo` after each stage.
        cancelled: asked after each step and each stage, and about once a second while this process reads, encodes or
            scores text; True ends the call, with status "cancelled", once the current step is saved. A vocabulary that
            is being learned then is learned to its end in the background, for nothing. Of ranks that were launched
            together rank 0 asks, and the others raise KeyboardInterrupt.

    Returns:
        Scores, curves, models and the report.

    Raises:
        UserError: for everything the caller can fix.

    Example:
        import domainlm

        result = domainlm.transfer(
            "out/models/harbour/language-model",
            "log.txt",
            out="adapted",
            budget=4,
            tasks=[{"spec": "core/spans", "name": "ships", "folder": "ships"}],
            settings={"corpus.leak_guard.enabled": False, "corpus.held_out_share": 0.1},
        )
        print(result.score("f1", "ships"), result.score("masked_lm_loss", "core/text", "held-out"))
        print(result.curves["finetune ships, seed 0"][-1]["loss"], result.report().splitlines()[0])
        result.to_huggingface("adapted-tagger", model="ships-seed-0")
    """
    from domainlm.study.transfer import transfer as run_transfer

    return run_transfer(
        base,
        corpus,
        out=out,
        budget=budget,
        vocabulary=vocabulary,
        tasks=tasks,
        general=general,
        grid=grid,
        settings=settings,
        store=store,
        progress=progress,
        cancelled=cancelled,
    )


def load(path: str | Path) -> LoadedModel:
    """Load a model from its folder: what it can do depends on its kind.

    A fine-tuned model labels words (`.tag(texts)`), texts or pairs of texts (`.classify(texts)`), pairs of mentions
    (`.relate(documents)`) or answers questions (`.answer(question, context)`); a pretrained one fills masks
    (`.fill_masks(texts)`). Every model embeds texts (`.embed(texts)`).

    Args:
        path: a model folder: one below models/ of an output folder, or what `domainlm model import` wrote.

    Returns:
        The model, on a GPU if there is one.

    Raises:
        UserError: where the folder is not a model of domainlm, or is damaged; and from a method that the model's kind
            does not have.

    Example:
        import domainlm

        model = domainlm.load("out/models/harbour/ships-seed-0")
        print(model.kind)  # token
    """
    from pathlib import Path

    from domainlm.tasks.load import load as load_model

    return load_model(Path(path))


def _override_texts(values: Mapping[str, object] | Sequence[str]) -> list[str]:
    """The `key=value` texts that the recipe loader takes, values written as TOML."""
    from collections.abc import Mapping

    from domainlm.recipe.toml_text import toml_text

    if isinstance(values, Mapping):
        return [f"{key}={toml_text(value)}" for key, value in values.items()]
    if isinstance(values, str):
        raise UserError("set takes a mapping or a list", given=values, remedy=f"write set=[{values!r}]")
    return list(values)


def __getattr__(name: str) -> object:
    """Import `hookimpl` and `Budget` when they are first asked for (PEP 562)."""
    if name == "hookimpl":
        from domainlm.plugin.marker import hookimpl

        return hookimpl
    if name == "Budget":
        from domainlm.study.transfer_recipe import Budget

        return Budget
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
