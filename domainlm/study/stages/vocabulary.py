"""A vocabulary: learned from the corpus, or read from a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any, ClassVar

from domainlm.api import VocabularySettings, VocabularySpec
from domainlm.study.stage import Stage, StageContext
from domainlm.study.stages.sources import InputFile, empty_folder
from domainlm.text.corpus import read_sentences
from domainlm.vocab.making import make_vocabulary
from domainlm.vocab.vocabulary import Vocabulary


@dataclass(frozen=True, kw_only=True)
class LearnedVocabularyStage(Stage):
    """Learns a vocabulary from the corpus's training text."""

    kind: ClassVar[str] = "vocabulary"

    spec: VocabularySpec
    settings: VocabularySettings

    def identity(self) -> Mapping[str, Any]:
        """The spec, its settings and the libraries that learn."""
        return {
            "spec": self.spec.reference,
            "settings": asdict(self.settings),
            "tokenizers": version("tokenizers"),
            "numpy": version("numpy") if self.spec.algorithm == "unigram" else None,
        }

    def make(self, context: StageContext) -> Mapping[str, Any]:
        """Learn, then write tokenizer.json and, where it can hold the vocabulary, vocab.txt; the facts describe it."""
        text = context.inputs["corpus"] / "text" / "train.txt"
        folder = empty_folder(context.folder / "vocabulary")
        return make_vocabulary(self.spec, self.settings, lambda: read_sentences(text), folder, self.label)


@dataclass(frozen=True, kw_only=True)
class ReadVocabularyStage(Stage):
    """Reads a BERT vocab.txt or a tokenizer.json."""

    kind: ClassVar[str] = "vocabulary"

    spec: VocabularySpec
    file: InputFile
    cased: bool | None

    def identity(self) -> Mapping[str, Any]:
        """The file's bytes and how it is read."""
        return {
            "spec": self.spec.reference,
            "file": self.file.sha256,
            "cased": self.cased,
            "tokenizers": version("tokenizers"),
        }

    def make(self, context: StageContext) -> Mapping[str, Any]:
        """Load the file, then write tokenizer.json and, where it can hold the vocabulary, vocab.txt."""
        vocabulary = Vocabulary.load(self.file.path, cased=self.cased)
        vocabulary.save(empty_folder(context.folder / "vocabulary"))
        return {
            "kind": vocabulary.kind,
            "size": vocabulary.size,
            "cased": vocabulary.cased,
            "digest": vocabulary.digest,
        }
