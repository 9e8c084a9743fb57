"""The specs of the core that recipes name."""

from __future__ import annotations

from typing import TypeVar

from domainlm.api import CorpusSpec, ModelSizeSpec, Spec, TaskSpec, VocabularySpec
from domainlm.model.config import ModelConfig
from domainlm.plugin import load_plugins
from domainlm.recipe.corpus_settings import TASK_TEXT
from generating.tables import table

_NUM_ENTRIES = 30_522
"""Of BERT's vocabulary (Devlin et al. 2019)."""

SpecT = TypeVar("SpecT", bound=Spec)


def core_specs() -> str:
    """A table for each kind, in the order in which the core declares them."""
    parts = [
        "## The core's specs\n",
        "### Corpora\n",
        table(
            ("`spec` of `[corpus]`", "what it reads", "files that it takes from a folder"),
            [(spec.name, spec.description, _patterns(spec)) for spec in _specs(CorpusSpec)],
        ),
        "### Vocabularies\n",
        table(
            ("`spec` of `[vocabulary]`", "what it is"),
            [(spec.name, spec.description) for spec in _specs(VocabularySpec)],
        ),
        "### Model sizes\n",
        table(
            ("`size` of `[model]`", "what it is", "heads", f"parameters of the encoder, with {_NUM_ENTRIES:,} entries"),
            [(spec.name, spec.description, str(spec.heads), _parameters(spec)) for spec in _specs(ModelSizeSpec)],
        ),
        "### Tasks\n",
        "In a `folder`, the first of these names that exists is used, also with `.gz` appended.\n",
        table(
            ("`spec` of `[[tasks]]`", "kind", "what it reads", "train", "dev", "test"),
            [(spec.name, spec.kind, spec.description, *_files(spec)) for spec in _specs(TaskSpec)],
        ),
    ]
    return "\n".join(parts)


def _specs(kind: type[SpecT]) -> list[SpecT]:
    plugins = load_plugins(candidates=[]).loaded  # the core's own, whatever is installed here
    return [spec for plugin in plugins for spec in plugin.specs if isinstance(spec, kind)]


def _patterns(spec: CorpusSpec) -> str:
    return "those of the tasks" if spec.name == TASK_TEXT else _code(spec.patterns)


def _files(spec: TaskSpec) -> list[str]:
    return [_code(spec.files.get(split, ())) or "name them" for split in ("train", "dev", "test")]


def _code(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _parameters(spec: ModelSizeSpec) -> str:
    config = ModelConfig.from_spec(spec, vocabulary_size=_NUM_ENTRIES, vocabulary_multiple=1)
    return f"{config.num_parameters / 1e6:.1f} million"
