"""Made-up data in place of a recipe's own, so that all else of it can be checked where the data is not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domainlm.api import SPLITS, ModelSizeSpec
from domainlm.errors import UserError
from domainlm.plugin import Registry
from domainlm.plugin.discovery import normalise

if TYPE_CHECKING:
    from domainlm.recipe.corpus_settings import CorpusSettings
    from domainlm.recipe.load import LoadedRecipe
    from domainlm.recipe.schema import Recipe
    from domainlm.recipe.task_settings import TaskSettings

UNDER_TEST = "under test"
"""The version of a plugin that a test names, installed or not."""

_ANY_SIZE = ModelSizeSpec(
    name="stand-in/any",
    description="so large that no setting is too large for it, and divided by any degree",
    layers=10_000,
    hidden=720_720,
    heads=720_720,
    max_positions=1_000_000,
)
_MODEL_TYPES = {"bert": "bert", "megatron": "megatron-bert"}
_ENTRIES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True, slots=True)
class StandIns:
    """Files that a recipe's data is replaced by.

    Attributes:
        folder: an empty one, for the files.
        registry: who gives the names in the recipe.
    """

    folder: Path
    registry: Registry

    def in_place(self, loaded: LoadedRecipe) -> LoadedRecipe:
        """The recipe with made-up data, on a grid that does not depend on the machine."""
        cells = tuple(replace(cell, recipe=self._recipe(cell.recipe)) for cell in loaded.cells)
        return replace(loaded, recipe=self._recipe(loaded.recipe), cells=cells)

    def _recipe(self, recipe: Recipe) -> Recipe:
        parallel = recipe.parallel
        auto = {key: 1 for key in ("data", "pipeline", "tensor") if getattr(parallel, key) == "auto"}
        changes: dict[str, Any] = {
            "requires": recipe.requires.model_copy(update={"plugins": self._installed(recipe.requires.plugins)}),
            "corpus": self._corpus(recipe.corpus),
            "general": None if recipe.general is None else self._corpus(recipe.general),
            "mixture": recipe.mixture.model_copy(
                update={"corpora": tuple(self._corpus(corpus) for corpus in recipe.mixture.corpora)}
            ),
            "start": recipe.start.model_copy(update=self._start(recipe)),
            "tasks": tuple(self._task(task) for task in recipe.tasks),
            "parallel": parallel.model_copy(update=auto),
        }
        if recipe.vocabulary.file is not None:
            changes["vocabulary"] = recipe.vocabulary.model_copy(update={"file": self._vocabulary()})
        return recipe.model_copy(update=changes)

    def _installed(self, plugins: Mapping[str, str]) -> dict[str, str]:
        """What is required, without the plugin under test where that is not installed."""
        providers = {entry.provider for table in self.registry.tables for entry in table.values()}
        own = {_package(each.distribution) for each in providers if each.version == UNDER_TEST}
        return {name: allowed for name, allowed in plugins.items() if normalise(name) not in own or _is_installed(name)}

    def _corpus(self, corpus: CorpusSettings) -> CorpusSettings:
        """With a stand-in for each file, so that corpora share those that they share in the recipe."""
        return corpus.model_copy(update={"files": tuple(map(self._text, corpus.files))}) if corpus.files else corpus

    def _task(self, task: TaskSettings) -> TaskSettings:
        from domainlm.recipe.task_settings import TaskFiles

        if task.files is not None:
            given = {split: (self._text(),) for split in SPLITS if getattr(task.files, split)}
        elif task.folder is not None:
            given = {split: (self._text(),) for split in self._files_of(task.spec)}
        else:
            return task
        if "train" not in given:
            return task  # no folder could hold it, which resolving the recipe says
        return task.model_copy(update={"folder": None, "files": TaskFiles(**given)})

    def _files_of(self, task: str) -> Mapping[Any, object]:
        try:
            return self.registry.task(task).files
        except UserError:
            return {}  # resolving the recipe says it, and where

    def _start(self, recipe: Recipe) -> dict[str, Any]:
        """What to change of a start from a model that need not be there; nothing where the settings contradict."""
        start = recipe.start
        if start.kind == "random":
            return {}
        changes: dict[str, Any] = {} if start.vocabulary is None else {"vocabulary": self._vocabulary()}
        if start.kind == "general" or (start.path is None) == (start.hub is None):
            return changes
        if start.hub is not None:
            if start.kind != "huggingface":
                return changes
            changes |= {"hub": None, "revision": None}
        if start.kind == "model":
            changes |= {"kind": "huggingface", "optimizer": "fresh"}  # which needs no checkpoint
        return changes | {"path": self._model(recipe)}

    def _model(self, recipe: Recipe) -> str:
        """A Hugging Face folder of the size that the recipe gives, with weights that nobody reads."""
        size = self._size(recipe.model.size)
        architecture = recipe.model.architecture or size.architecture
        folder = self.folder / f"{size.name.replace('/', '-')}-{architecture}"
        folder.mkdir(exist_ok=True)
        content = {
            "model_type": _MODEL_TYPES[architecture],
            "vocab_size": len(_ENTRIES),
            "num_hidden_layers": size.layers,
            "hidden_size": size.hidden,
            "num_attention_heads": size.heads,
            "intermediate_size": size.feed_forward or 4 * size.hidden,
            "max_position_embeddings": size.max_positions,
        }
        (folder / "config.json").write_text(json.dumps(content), encoding="utf-8")
        (folder / "model.safetensors").touch()
        (folder / "vocab.txt").write_text("\n".join(_ENTRIES), encoding="utf-8")
        return str(folder)

    def _size(self, name: str | None) -> ModelSizeSpec:
        if name is None:
            return _ANY_SIZE
        try:
            return self.registry.model_size(name)
        except UserError:
            return _ANY_SIZE  # resolving the recipe says it, and where

    def _text(self, given: str = "") -> str:
        path = self.folder / f"data-{sha256(given.encode()).hexdigest()[:16]}"
        path.touch()
        return str(path)

    def _vocabulary(self) -> str:
        path = self.folder / "vocab.txt"
        path.write_text("\n".join(_ENTRIES), encoding="utf-8")
        return str(path)


def _package(entry_value: str) -> str:
    """The package that an entry point is in, as the distribution of that name is compared."""
    return normalise(entry_value.partition(":")[0].partition(".")[0])


def _is_installed(distribution: str) -> bool:
    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True
