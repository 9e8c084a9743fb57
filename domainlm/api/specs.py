"""The frozen specs that plugins declare: corpora, vocabularies, model sizes, recipes, output formats.

Tasks and reference tables are specs, too, in `domainlm.api.task_spec` and `domainlm.api.references`.

A spec is data plus, where something must be read or learned, a callable. Specs check themselves when they are made,
so a wrong field fails where the plugin is loaded. Declaring one must be cheap: import heavy libraries inside the
callable. `version` rises whenever the bytes or numbers that a spec produces change; it is part of every artifact's
identity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from domainlm.api.fetching import FetchPlan
from domainlm.api.field_checks import (
    check_absolute,
    check_callable,
    check_choice,
    check_optional,
    check_positive,
    check_strings,
    check_text,
)
from domainlm.api.field_names import with_known_fields
from domainlm.api.problems import ProblemLog
from domainlm.api.records import Document
from domainlm.api.references import ReferenceTable
from domainlm.api.sample_writer import SampleWriter
from domainlm.api.spec_base import SpecBase
from domainlm.api.task_spec import TaskKind, TaskSpec
from domainlm.errors import SpecError

_MIN_ENTRIES = 10
"""A vocabulary has no fewer, five special tokens included; recipes cannot ask for fewer either."""

Architecture = Literal["megatron", "bert"]
"""Layer normalisation: "megatron" before each sub-layer (pre-LN, Shoeybi et al. 2019), "bert" after it (post-LN)."""


@with_known_fields
@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusSpec(SpecBase):
    """A format of pretraining text and the reader for it.

    Attributes:
        read: `read(path, problems)` streams the documents of one file; what it skips goes to `problems`.
        patterns: file-name patterns to take where a recipe gives a folder.
        sample: writes a synthetic sample, where the spec ships one; its files come under the key "text".
        source: where the real data comes from, and under which licence.
        replaces: a document whose id comes again replaces the earlier one unless its `version` is lower, and one
            without paragraphs removes it. Files are read in the order of their names.
        fetch: how `domainlm corpus fetch` gets the real data.
    """

    read: Callable[[Path, ProblemLog], Iterator[Document]]
    patterns: tuple[str, ...] = ("*",)
    sample: SampleWriter | None = None
    source: str = ""
    replaces: bool = False
    fetch: FetchPlan | None = None

    def _check(self, where: str) -> None:
        check_callable(self.read, "read", where, takes=("path", "problems"))
        if not isinstance(self.replaces, bool):
            raise SpecError("wrong replaces", where=where, given=repr(self.replaces), allowed="True or False")
        check_strings(self.patterns, "patterns", where)
        check_text(self.source, "source", where)
        check_optional(self.sample, SampleWriter, "sample", where)
        check_optional(self.fetch, FetchPlan, "fetch", where)


@dataclass(frozen=True, slots=True, kw_only=True)
class VocabularySettings:
    """What a vocabulary is learned by, after recipe and spec are merged.

    Attributes:
        size: number of entries, special tokens included.
        cased: keep capitals and accents; uncased lower-cases and strips accents as BERT does.
        min_frequency: pieces seen less often are not merged.
        max_characters: the text is no more than so many characters: where the corpus has more, a sample spread evenly
            over it.
    """

    size: int
    cased: bool
    min_frequency: int = 2
    max_characters: int = 1_000_000_000


@with_known_fields
@dataclass(frozen=True, slots=True, kw_only=True)
class VocabularySpec(SpecBase):
    """A subword vocabulary: learned from the recipe's corpus, or read from a file.

    Attributes:
        algorithm: "wordpiece", "bpe" (byte-level) and "unigram" learn one; "file" reads a BERT vocab.txt or a
            tokenizer.json; "custom" calls `learn`.
        size: number of entries, 10 or more, special tokens included; the recipe must give it where it is None and one
            is learned.
        cased: keep capitals; the recipe may override it. Of `file` it says what that is. Where None, what is learned
            keeps them, and a file is judged from its entries.
        file: the file to read; the recipe must give one where it is None and `algorithm` is "file".
        learn: for "custom": `learn(sentences, settings)` returns the text of a `tokenizer.json`.
    """

    algorithm: Literal["wordpiece", "bpe", "unigram", "file", "custom"]
    size: int | None = None
    cased: bool | None = None
    file: Path | None = None
    learn: Callable[[Iterator[str], VocabularySettings], str] | None = None

    @property
    def learns_cased(self) -> bool:
        """Whether what is learned keeps capitals, unless a recipe says otherwise."""
        return self.cased is not False

    def _check(self, where: str) -> None:
        check_choice(self.algorithm, ("wordpiece", "bpe", "unigram", "file", "custom"), "algorithm", where)
        if self.size is not None:
            check_positive(self.size, "size", where, least=_MIN_ENTRIES)
        if self.algorithm == "custom":
            check_callable(self.learn, "learn", where, takes=("sentences", "settings"))
        if not isinstance(self.cased, bool | None):
            raise SpecError("wrong cased", where=where, given=repr(self.cased), allowed="True, False or None")
        if self.file is not None:
            check_absolute(self.file, "file", where)


@with_known_fields
@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSizeSpec(SpecBase):
    """The shape of an encoder.

    Attributes:
        layers: number of Transformer layers.
        hidden: width of the hidden states.
        heads: attention heads; divides `hidden`.
        feed_forward: width of the feed-forward sub-layer; `4 * hidden` where None.
        max_positions: longest sequence in sub-tokens.
        architecture: order of layer normalisation.
        dropout: of hidden states and attention.
    """

    layers: int
    hidden: int
    heads: int
    feed_forward: int | None = None
    max_positions: int = 512
    architecture: Architecture = "megatron"
    dropout: float = 0.1

    def _check(self, where: str) -> None:
        for key in ("layers", "hidden", "heads", "max_positions"):
            check_positive(getattr(self, key), key, where)
        if self.feed_forward is not None:
            check_positive(self.feed_forward, "feed_forward", where)
        if self.hidden % self.heads:
            raise SpecError(
                f"hidden {self.hidden} is not divisible by heads {self.heads}",
                where=where,
                remedy=f"choose heads among the divisors of {self.hidden}",
            )
        check_choice(self.architecture, get_args(Architecture), "architecture", where)
        is_number = isinstance(self.dropout, int | float) and not isinstance(self.dropout, bool)
        if not is_number or not 0.0 <= self.dropout < 1.0:
            raise SpecError("wrong dropout", where=where, given=repr(self.dropout), allowed="from 0.0 to below 1.0")


@with_known_fields
@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeSpec(SpecBase):
    """A recipe that ships with a plugin.

    Attributes:
        path: its TOML file.
    """

    path: Path

    def _check(self, where: str) -> None:
        check_absolute(self.path, "path", where)


Prediction = Mapping[str, Any]
"""What `domainlm predict` writes as a line of JSON: "id", and what a model of its kind says."""


@with_known_fields
@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSpec(SpecBase):
    """A format that predictions can be written in.

    Attributes:
        kinds: the kinds of model whose predictions it can hold; empty takes any, language models included.
        write: `write(predictions)` streams the pieces of the output's text, line ends included.
    """

    kinds: tuple[TaskKind, ...] = ()
    write: Callable[[Iterable[Prediction]], Iterator[str]]

    def _check(self, where: str) -> None:
        check_strings(self.kinds, "kinds", where)
        for kind in self.kinds:
            check_choice(kind, get_args(TaskKind), "kinds", where)
        check_callable(self.write, "write", where, takes=("predictions",))


Spec = CorpusSpec | VocabularySpec | ModelSizeSpec | TaskSpec | RecipeSpec | OutputSpec | ReferenceTable


def spec_fields(spec: Spec) -> dict[str, str]:
    """The spec's fields as text, callables by their qualified name: for `plugins show` and snapshots."""
    shown: dict[str, str] = {}
    for entry in fields(spec):
        value = getattr(spec, entry.name)
        if callable(value):
            shown[entry.name] = f"{value.__module__}.{getattr(value, '__qualname__', type(value).__name__)}"
        elif isinstance(value, SampleWriter):
            shown[entry.name] = value.description
        elif value is not None:
            shown[entry.name] = str(value)
    return shown
