"""The plugin's entry point: what it gives to domainlm."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from domainlm import hookimpl
from domainlm.api import CorpusSpec, ModelSizeSpec, OutputSpec, RecipeSpec, ReferenceTable, TaskSpec, VocabularySpec
from domainlm_biomegatron.specs.corpora import CORPORA
from domainlm_biomegatron.specs.formats import FORMATS
from domainlm_biomegatron.specs.outputs import OUTPUTS
from domainlm_biomegatron.specs.recipes import RECIPES
from domainlm_biomegatron.specs.references import REFERENCE_TABLES
from domainlm_biomegatron.specs.sequence_tasks import SEQUENCE_TASKS
from domainlm_biomegatron.specs.sizes import SIZES
from domainlm_biomegatron.specs.span_tasks import SPAN_TASKS
from domainlm_biomegatron.specs.tasks import TASKS
from domainlm_biomegatron.specs.vocabularies import VOCABULARIES

if TYPE_CHECKING:
    import click


@hookimpl
def domainlm_corpora() -> Iterable[CorpusSpec]:
    """Declare PubMed and PMC."""
    return CORPORA


@hookimpl
def domainlm_vocabularies() -> Iterable[VocabularySpec]:
    """Declare the study's vocabularies."""
    return VOCABULARIES


@hookimpl
def domainlm_model_sizes() -> Iterable[ModelSizeSpec]:
    """Declare the study's sizes and their small relatives."""
    return SIZES


@hookimpl
def domainlm_tasks() -> Iterable[TaskSpec]:
    """Declare the study's tasks, others of its field, and formats of annotations."""
    return (*TASKS, *SEQUENCE_TASKS, *SPAN_TASKS, *FORMATS)


@hookimpl
def domainlm_recipes() -> Iterable[RecipeSpec]:
    """Declare the recipes in the package."""
    return RECIPES


@hookimpl
def domainlm_output_formats() -> Iterable[OutputSpec]:
    """Declare the formats that predictions can be written in."""
    return OUTPUTS


@hookimpl
def domainlm_reference_tables() -> Iterable[ReferenceTable]:
    """Declare the study's published tables."""
    return REFERENCE_TABLES


@hookimpl
def domainlm_commands() -> Iterable[click.Command]:
    """Add `domainlm biomegatron`."""
    from domainlm_biomegatron.commands import biomegatron

    return (biomegatron,)
