"""Building a corpus by itself: from a recipe's [corpus] or from a spec and its files, whole or in shards.

```
OUT/manifest.json     what was made of what; written last
OUT/text/             train.txt, held_out.txt, documents.tsv
OUT/tokens/           train.bin, train.idx, held_out.bin, held_out.idx (or train-00000.bin, ...), given a vocabulary
OUT/removed.jsonl     the documents left out
OUT/work/             parts, while it is being made, and of a shard
```
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from domainlm import __version__
from domainlm.api import CorpusSpec, ProblemLog, TaskSpec
from domainlm.errors import DataError, RecipeError
from domainlm.files import read_json, write_json
from domainlm.plugin.samples import write_sample_of
from domainlm.recipe.corpus_settings import TASK_TEXT, CorpusSettings, SampleSettings
from domainlm.recipe.overrides import parse_override, with_values
from domainlm.recipe.resolved import Resolved
from domainlm.recipe.schema import RuntimeSettings
from domainlm.recipe.validate import validate_settings
from domainlm.study.corpus_folder import MANIFEST_FILE, SAMPLES_FOLDER, WORK_FOLDER, claim_folder, release_folder
from domainlm.study.files import FileHashes
from domainlm.study.preparation import GuardedFiles, corpus_preparation, encoding_of, num_workers
from domainlm.study.stages.sources import InputFile
from domainlm.text.preparation.blocks import Shard
from domainlm.text.preparation.prepare import (
    REMOVED_FILE,
    Finishing,
    Prepared,
    check_same_plan,
    finish,
    prepare_parts,
    read_plan,
)

_OPTIONS = {"spec": "--spec SPEC", "files": "--file PATH", "sample": "a recipe, which can ask for a sample"}
"""What to give instead of keys of [corpus] where there is no recipe."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusOrder:
    """A corpus to build.

    Attributes:
        spec: the reader.
        settings: how, as [corpus] of a recipe says.
        files: the input files, in order.
        guarded: dev and test files that it must not overlap.
        vocabulary: encode it by this vocabulary.
        runtime: how many processes may work.
    """

    spec: CorpusSpec
    settings: CorpusSettings
    files: tuple[Path, ...]
    guarded: tuple[GuardedFiles, ...] = ()
    vocabulary: Path | None = None
    runtime: RuntimeSettings = field(default_factory=RuntimeSettings)

    def inputs(self) -> list[Path]:
        """All that is read."""
        guarded = [path for task in self.guarded for paths in task.files.values() for path in paths]
        return [*self.files, *guarded, *([] if self.vocabulary is None else [self.vocabulary])]

    def with_workers(self, num_workers: int) -> CorpusOrder:
        """The same with so many processes."""
        return replace(self, runtime=self.runtime.model_copy(update={"num_threads": num_workers}))


def corpus_settings(spec: str, files: Sequence[str], overrides: Sequence[str]) -> CorpusSettings:
    """Settings of a corpus without a recipe.

    Args:
        spec: name of the corpus spec.
        files: files, folders or patterns.
        overrides: `corpus.KEY=VALUE` texts.

    Raises:
        RecipeError: an override of something else, or with a wrong value.
    """
    tables: dict[str, Any] = {"corpus": {"spec": spec, "files": list(files)}}
    for text in overrides:
        keys, value = parse_override(text)
        if keys[0] != "corpus" or len(keys) < 2:
            raise RecipeError(
                "only [corpus] can be set where there is no recipe",
                where="--set",
                given=text,
                allowed="corpus.KEY=VALUE; `domainlm recipe keys corpus` lists the keys",
            )
        if keys[1] in _OPTIONS:
            raise RecipeError(
                "another option says this where there is no recipe",
                where="--set",
                given=text,
                remedy=f"give {_OPTIONS[keys[1]]}",
            )
        tables = with_values(tables, {keys: value}, "--set")
    return validate_settings(CorpusSettings, tables["corpus"], lambda _: "--set")


def order_of_recipe(resolved: Resolved, out: Path, vocabulary: Path | None) -> CorpusOrder:
    """The corpus of a recipe: its [corpus], without what else it mixes in.

    Args:
        resolved: the recipe; what it varies must not change its corpus.
        out: folder that the corpus is to be built into; it takes synthetic samples, where the recipe asks for some.
        vocabulary: encode the corpus by this vocabulary.

    Raises:
        RecipeError: the recipe has several corpora, or one that only a run makes.
        StorageError: samples are to be written, and `out` holds something else.
    """
    if not resolved.cells:
        raise RecipeError(
            "the recipe only measures", where=resolved.loaded.path, remedy="build its corpus by --spec and --file"
        )
    first = resolved.cells[0]
    if first.corpus.spec.name == TASK_TEXT:
        raise RecipeError(
            f"{TASK_TEXT} is made of the training splits of the recipe's tasks when it is run",
            where=resolved.loaded.path,
            remedy="`domainlm run` it: the corpus is then among its artifacts; or name another corpus.spec",
        )
    if any(cell.corpus != first.corpus or cell.tasks != first.tasks for cell in resolved.cells):
        raise RecipeError(
            "the recipe varies its corpus or its tasks: there are several corpora to build",
            where=resolved.loaded.path,
            remedy="choose one value: --set study.axes={} and --set of what is varied",
        )
    files = first.corpus.files
    if first.corpus.settings.sample is not None:
        files = _sample(first.corpus.spec, first.corpus.settings.sample, out, "corpus")["text"]
    guarded = []
    for task in first.tasks:
        task_files = dict(task.files)
        if task.sample is not None:
            task_files = _sample(task.spec, task.sample, out, task.name)
        guarded.append(GuardedFiles(task.spec, task.name, task_files))
    return CorpusOrder(
        spec=first.corpus.spec,
        settings=first.corpus.settings,
        files=files,
        guarded=tuple(guarded),
        vocabulary=vocabulary,
        runtime=first.definition.recipe.runtime,
    )


def build_corpus(
    order: CorpusOrder, out: Path, shard: Shard | None = None, tokens_per_file: int | None = None
) -> Prepared | None:
    """Build a corpus into `out`, or make the parts of a shard of it; goes on where a stopped call left off.

    Returns:
        What came out; None for a shard.

    Raises:
        DataError: input that cannot be read and is not to be skipped, a corpus that is empty in the end, or one without
            token ids where these are to be divided.
        StorageError: `out` holds another corpus, other files or an input.
    """
    _check_division(tokens_per_file, is_encoded=order.vocabulary is not None)
    claim_folder(out, order.inputs())
    hashes = FileHashes(out / "input-hashes.json")
    files = InputFile.all_of(order.files, hashes)
    hashes.save()
    guard_problems = ProblemLog()
    preparation = corpus_preparation(
        order.spec,
        order.settings,
        order.files,
        identity={"spec": order.spec.reference, "files": [[file.path.name, file.sha256] for file in files]},
        guarded=order.guarded,
        guard_problems=guard_problems,
        encoding=None if order.vocabulary is None else encoding_of(order.vocabulary),
    )
    if guard_problems.counts:
        _log.warning("in the guarded files: %s", guard_problems.summary())
    workers = num_workers(order.runtime, sum(path.stat().st_size for path in order.files))
    prepare_parts(preparation, out / WORK_FOLDER, num_workers=workers, shard=shard, title=f"corpus {order.spec.name}")
    if shard is not None and shard.count > 1:
        return None
    return _finish(out, [out / WORK_FOLDER], tokens_per_file)


def merge_corpus(shards: Sequence[Path], out: Path, tokens_per_file: int | None = None) -> Prepared:
    """Put shards together, duplicates between them left out; the same bytes as without shards.

    Args:
        shards: the folders given to `build_corpus` for each of them.
        out: folder for the corpus; may be one of these.
        tokens_per_file: divide the token ids into files of about so many; one file where None.

    Raises:
        DataError: parts are missing, or have no token ids where these are to be divided.
        StorageError: the shards are not of one corpus, or `out` holds something else.
    """
    works = [shard / WORK_FOLDER for shard in shards]
    plan = read_plan(works[0])
    for work in works[1:]:
        check_same_plan(plan, work)
    _check_division(tokens_per_file, is_encoded=bool(Finishing.of_plan(plan).dtype))
    claim_folder(out)
    return _finish(out, works, tokens_per_file)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a finished corpus, also of one in a store of artifacts.

    Raises:
        DataError: there is none.
    """
    try:
        manifest: dict[str, Any] = read_json(folder / MANIFEST_FILE)
        if manifest["kind"] == "corpus":
            return manifest
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise DataError(
        "no finished corpus here",
        where=folder,
        allowed="a folder that `domainlm corpus build` or `merge` has filled, or a corpus in a store of artifacts",
        remedy="a shard becomes a corpus by `domainlm corpus merge`" if (folder / WORK_FOLDER).is_dir() else None,
    )


def _check_division(tokens_per_file: int | None, *, is_encoded: bool) -> None:
    """Refuse to divide token ids that there are none of."""
    if tokens_per_file is not None and not is_encoded:
        raise DataError(
            "there are no token ids to divide into files",
            where="--tokens-per-file",
            given=tokens_per_file,
            remedy="give `domainlm corpus build` a --vocabulary, or leave the option out",
        )


def _finish(out: Path, works: Sequence[Path], tokens_per_file: int | None) -> Prepared:
    plan = read_plan(works[0])
    finishing = Finishing.of_plan(plan)
    tokens = out / "tokens" if finishing.dtype else None
    prepared = finish(
        finishing,
        works,
        text=out / "text",
        tokens=tokens,
        removed=out / REMOVED_FILE,
        tokens_per_file=tokens_per_file,
    )
    manifest = {
        "format": 1,
        "kind": "corpus",
        "plan": plan,
        "facts": prepared.as_dict(),
        "problems": prepared.problems.as_dict(),
        "domainlm": __version__,
    }
    write_json(out / MANIFEST_FILE, manifest)
    if out / WORK_FOLDER in works:
        shutil.rmtree(out / WORK_FOLDER)
    release_folder(out)
    return prepared


def _sample(spec: CorpusSpec | TaskSpec, settings: SampleSettings, out: Path, name: str) -> dict[Any, tuple[Path, ...]]:
    """Write a synthetic sample: the same files in every shard."""
    claim_folder(out)
    folder = out / SAMPLES_FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    names = write_sample_of(spec, folder, seed=settings.seed, num_documents=settings.num_documents)
    return {split: tuple(folder / name for name in found) for split, found in names.items()}
