"""All that this plugin gives to domainlm. Nothing heavy is imported here."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from domainlm import hookimpl
from domainlm.api import (
    CorpusSpec,
    ModelSizeSpec,
    RecipeSpec,
    RunInfo,
    RunSummary,
    SampleWriter,
    StageInfo,
    TaskSpec,
    VocabularySpec,
)
from domainlm_harbour.arrivals import read_arrivals
from domainlm_harbour.command import logbook
from domainlm_harbour.letters import learn_letters
from domainlm_harbour.logbooks import read_logbook
from domainlm_harbour.sample import write_arrivals, write_logbooks

WATCH_VARIABLE = "HARBOUR_WATCH"
"""Environment variable: a file to which the observers add a line of JSON for everything they hear."""


@hookimpl
def domainlm_corpora() -> list[CorpusSpec]:
    """Log books."""
    return [
        CorpusSpec(
            name="harbour/logbooks",
            description="log books: a line `== DATE SHIP ==` before the entries of each day",
            read=read_logbook,
            patterns=("*.log", "*.log.gz"),
            sample=SampleWriter(write=write_logbooks, description="synthetic log books, from a grammar of this plugin"),
        )
    ]


@hookimpl
def domainlm_vocabularies() -> list[VocabularySpec]:
    """A vocabulary with an algorithm of its own."""
    return [
        VocabularySpec(
            name="harbour/letters",
            description="every letter of the corpus, and its most frequent words",
            algorithm="custom",
            size=200,
            cased=True,
            learn=learn_letters,
        )
    ]


@hookimpl
def domainlm_model_sizes() -> list[ModelSizeSpec]:
    """A size small enough for tests."""
    return [
        ModelSizeSpec(
            name="harbour/dinghy",
            description="1 layer, 32 wide, for tests",
            layers=1,
            hidden=32,
            heads=2,
            max_positions=64,
        )
    ]


@hookimpl
def domainlm_tasks() -> list[TaskSpec]:
    """Ships, ports and cargoes in notices of arrival."""
    return [
        TaskSpec(
            name="harbour/arrivals",
            description="notices of arrival, mentions marked inline as [type text]",
            kind="token",
            read=read_arrivals,
            types=("ship", "port", "cargo"),
            files={"train": ("train.notices",), "dev": ("dev.notices",), "test": ("test.notices",)},
            defaults={"num_epochs": 2, "max_tokens": 64},
            sample=SampleWriter(write=write_arrivals, description="synthetic notices, from a grammar of this plugin"),
        )
    ]


@hookimpl
def domainlm_recipes() -> list[RecipeSpec]:
    """A recipe of a few seconds."""
    return [
        RecipeSpec(
            name="harbour/first-watch",
            description="does a minute of reading log books help to read notices of arrival?",
            path=Path(__file__).parent / "recipes" / "first-watch.toml",
        )
    ]


@hookimpl
def domainlm_commands() -> list[click.Command]:
    """The command `domainlm logbook`."""
    return [logbook]


@hookimpl
def domainlm_stage_ended(stage: StageInfo) -> None:
    """Note each stage."""
    _note({"heard": "stage_ended", "kind": stage.kind, "cached": stage.cached})


@hookimpl
def domainlm_run_ended(run: RunInfo, summary: RunSummary) -> None:
    """Note the end of the run."""
    _note({"heard": "run_ended", "name": run.name, "status": summary.status})


def _note(line: dict[str, object]) -> None:
    file = os.environ.get(WATCH_VARIABLE)
    if file:
        with Path(file).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
