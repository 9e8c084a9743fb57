"""The registry: every declared spec by name, with the plugin that gives it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from domainlm.api import (
    CorpusSpec,
    ModelSizeSpec,
    OutputSpec,
    RecipeSpec,
    ReferenceTable,
    Spec,
    SpecError,
    TaskSpec,
    VocabularySpec,
)
from domainlm.errors import PluginError, nearest_name
from domainlm.plugin.provider import Provider

SpecT = TypeVar("SpecT", CorpusSpec, VocabularySpec, ModelSizeSpec, TaskSpec, RecipeSpec, OutputSpec, ReferenceTable)

Where = str | Path | None


class Provided(NamedTuple, Generic[SpecT]):
    """A spec and the plugin that gives it."""

    spec: SpecT
    provider: Provider


class Table(Mapping[str, Provided[SpecT]]):
    """All specs of one kind, by name.

    Attributes:
        noun: what one is called in messages ("model size").
        key: what all are called ("model_sizes"); the hook that declares them is `domainlm_` and this.
        spec_type: the class of the specs.
    """

    def __init__(self, noun: str, key: str, spec_type: type[SpecT]) -> None:
        self.noun = noun
        self.key = key
        self.spec_type: type[SpecT] = spec_type
        self._entries: dict[str, Provided[SpecT]] = {}

    def __getitem__(self, name: str) -> Provided[SpecT]:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def hook(self) -> str:
        """The hook that declares these specs."""
        return f"domainlm_{self.key}"

    def check_free(self, spec: Spec, provider: Provider) -> None:
        """Raise `PluginError` where another plugin gives a spec of this name."""
        taken = self._entries.get(spec.name)
        if taken is not None:
            raise PluginError(
                f'{self.noun} "{spec.name}" is given twice: by {taken.provider} and by {provider}',
                where=f"plugin {provider}",
                remedy="rename one of them, or uninstall one of the plugins",
            )

    def add(self, spec: SpecT, provider: Provider) -> None:
        """Enter a spec under its name; `PluginError` where the name is taken."""
        self.check_free(spec, provider)
        self._entries[spec.name] = Provided(spec, provider)


class Registry:
    """Who gives which corpus, vocabulary, model size, task, recipe, output format and reference table.

    The seven attributes are mappings from a name to `(spec, provider)`; the seven methods look a name up as a recipe
    writes it, `namespace/name` or `namespace/name@version`, and raise `SpecError` where there is none.

    Args:
        disabled: distributions that are switched off, to say so where a name is missing.
    """

    def __init__(self, disabled: Iterable[str] = ()) -> None:
        self.corpora = Table("corpus", "corpora", CorpusSpec)
        self.vocabularies = Table("vocabulary", "vocabularies", VocabularySpec)
        self.model_sizes = Table("model size", "model_sizes", ModelSizeSpec)
        self.tasks = Table("task", "tasks", TaskSpec)
        self.recipes = Table("recipe", "recipes", RecipeSpec)
        self.output_formats = Table("output format", "output_formats", OutputSpec)
        self.reference_tables = Table("reference table", "reference_tables", ReferenceTable)
        self.disabled = tuple(disabled)

    @property
    def tables(
        self,
    ) -> tuple[
        Table[CorpusSpec],
        Table[VocabularySpec],
        Table[ModelSizeSpec],
        Table[TaskSpec],
        Table[RecipeSpec],
        Table[OutputSpec],
        Table[ReferenceTable],
    ]:
        """The seven kinds: those a recipe uses, in its order, then what is written in the end."""
        return (
            self.corpora,
            self.vocabularies,
            self.model_sizes,
            self.tasks,
            self.recipes,
            self.output_formats,
            self.reference_tables,
        )

    def corpus(self, name: str, *, where: Where = None) -> CorpusSpec:
        """The corpus of this name. `where` is the place that names it, for the error."""
        return self._find(self.corpora, name, where)

    def vocabulary(self, name: str, *, where: Where = None) -> VocabularySpec:
        """The vocabulary of this name."""
        return self._find(self.vocabularies, name, where)

    def model_size(self, name: str, *, where: Where = None) -> ModelSizeSpec:
        """The model size of this name."""
        return self._find(self.model_sizes, name, where)

    def task(self, name: str, *, where: Where = None) -> TaskSpec:
        """The task of this name."""
        return self._find(self.tasks, name, where)

    def recipe(self, name: str, *, where: Where = None) -> RecipeSpec:
        """The recipe of this name."""
        return self._find(self.recipes, name, where)

    def output_format(self, name: str, *, where: Where = None) -> OutputSpec:
        """The output format of this name."""
        return self._find(self.output_formats, name, where)

    def reference_table(self, name: str, *, where: Where = None) -> ReferenceTable:
        """The reference table of this name."""
        return self._find(self.reference_tables, name, where)

    def add(self, spec: Spec, provider: Provider) -> None:
        """Enter a spec; `PluginError` where another plugin gives one of this kind and name."""
        match spec:
            case CorpusSpec():
                self.corpora.add(spec, provider)
            case VocabularySpec():
                self.vocabularies.add(spec, provider)
            case ModelSizeSpec():
                self.model_sizes.add(spec, provider)
            case TaskSpec():
                self.tasks.add(spec, provider)
            case RecipeSpec():
                self.recipes.add(spec, provider)
            case OutputSpec():
                self.output_formats.add(spec, provider)
            case ReferenceTable():
                self.reference_tables.add(spec, provider)

    def check_free(self, spec: Spec, provider: Provider) -> None:
        """Raise `PluginError` where another plugin gives a spec of this kind and name."""
        for table in self.tables:
            if isinstance(spec, table.spec_type):
                table.check_free(spec, provider)

    def provider(self, spec: Spec) -> Provider:
        """The plugin that gives a spec of this registry."""
        for table in self.tables:
            if isinstance(spec, table.spec_type):
                return table[spec.name].provider
        raise TypeError(f"not a spec: {spec!r}")

    def missing_plugin_hint(self, name: str) -> str | None:
        """What to do where nobody gives `name`; None where its namespace is known, so that the name itself is wrong."""
        namespace, slash, _ = name.partition("/")
        if not slash:
            return "write it as namespace/name"
        namespaces = {given.partition("/")[0] for table in self.tables for given in table}
        if namespace in namespaces:
            return None
        near = nearest_name(namespace, sorted(namespaces))
        but = "" if near is None else f' (the nearest is "{near}/")'
        off = f" (switched off here: {', '.join(self.disabled)})" if self.disabled else ""
        return (
            f'no plugin here gives names in "{namespace}/"{but}; one may be missing{off}: '
            f"pip install the distribution that gives them, by custom domainlm-{namespace}"
        )

    def _find(self, table: Table[SpecT], reference: str, where: Where) -> SpecT:
        name, at, version = reference.partition("@")
        entry = table.get(name)
        if entry is None:
            raise self._unknown(table, name, where)
        if at and version != str(entry.spec.version):
            raise SpecError(
                f'{table.noun} "{name}" is installed in another version',
                where=where,
                given=reference,
                allowed=f"{entry.spec.reference}, given by {entry.provider}",
                remedy=f"install a version of {entry.provider.distribution} that gives it, or ask for this one",
            )
        return entry.spec

    def _unknown(self, table: Table[SpecT], name: str, where: Where) -> SpecError:
        return SpecError(
            f"unknown {table.noun}",
            where=where,
            given=name,
            allowed=list(table),
            nearest=nearest_name(name, table),
            remedy=self.missing_plugin_hint(name),
        )
