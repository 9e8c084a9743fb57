"""From a recipe's file to its stages: all that is worked out before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domainlm.plugin.manager import LoadedPlugins
from domainlm.recipe.load import load_given
from domainlm.recipe.lock import lock_record
from domainlm.recipe.resolve import resolve
from domainlm.recipe.resolved import Resolved
from domainlm.study.files import FileHashes
from domainlm.study.graph import Graph, build_graph
from domainlm.study.hardware import hardware_identity
from domainlm.study.only import stages_of
from domainlm.study.stage import Stage
from domainlm.study.store import Store


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A recipe that is checked and turned into stages; nothing has run yet.

    `hashes` are those of the input files; `wanted` are the keys of the stages to make; None: all.
    """

    resolved: Resolved
    graph: Graph
    lock: Mapping[str, Any]
    store: Store
    hashes: FileHashes
    wanted: frozenset[str] | None = None

    def stages(self) -> list[Stage]:
        """The stages to make, inputs before what reads them."""
        return [stage for stage in self.graph.ordered() if self.wanted is None or stage.key in self.wanted]


def plan_run(
    recipe: str | Path,
    *,
    out: Path,
    store: Path | None,
    overrides: Sequence[str],
    plugins: LoadedPlugins,
    only: Sequence[str] = (),
) -> PlannedRun:
    """Load, check and resolve a recipe, and work out its stages.

    Args:
        recipe: a TOML file, or the name of a recipe that ships with a plugin.
        out: the output folder.
        store: where artifacts are kept; `out/artifacts` where None.
        overrides: `dotted.key=value` texts.
        plugins: the loaded plugins.
        only: the part of the study to make, as of `stages_of`; all of it where empty.

    Raises:
        UserError: anything wrong with the recipe, its inputs or the folders.

    Nothing is written, unless reading the inputs takes so long that their hashes are saved meanwhile, in a store that
    is there. Whoever has made sure whose folders these are saves them.
    """
    registry = plugins.registry
    resolved = resolve_recipe(recipe, overrides, plugins)
    folder = Store(store if store is not None else out / "artifacts")
    hashes = FileHashes(folder.root / "input-hashes.json")
    graph = build_graph(resolved, hashes, hardware_identity)
    hardware = hardware_identity(resolved.loaded.recipe.runtime)
    lock = lock_record(resolved, registry, hashes.of, hardware)
    return PlannedRun(resolved, graph, lock, folder, hashes, stages_of(only, graph, resolved) if only else None)


def resolve_recipe(recipe: str | Path, overrides: Sequence[str], plugins: LoadedPlugins) -> Resolved:
    """Load and check a recipe; arguments and errors as of `plan_run`."""
    return resolve(load_given(recipe, overrides, plugins.registry), plugins.registry)
