"""A vocabulary: learned from the corpus, read from a file, or grown by words of the corpus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any, ClassVar

from domainlm.api import VocabularySettings, VocabularySpec
from domainlm.study.stage import Stage, StageContext
from domainlm.study.stages.sources import InputFile, empty_folder
from domainlm.text.corpus import read_sentences
from domainlm.vocab.grow import best_words, grow
from domainlm.vocab.making import load_listed, make_vocabulary
from domainlm.vocab.vocabulary import Vocabulary

_NUM_WORDS_NAMED = 20


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
        vocabulary = load_listed(self.spec, self.file.path, cased=self.cased)
        vocabulary.save(empty_folder(context.folder / "vocabulary"))
        return {
            "kind": vocabulary.kind,
            "size": vocabulary.size,
            "cased": vocabulary.cased,
            "digest": vocabulary.digest,
        }


@dataclass(frozen=True, kw_only=True)
class GrownVocabularyStage(Stage):
    """A vocabulary with the words of the corpus that shorten it most as further entries."""

    kind: ClassVar[str] = "vocabulary"
    version: ClassVar[int] = 2

    num_words: int
    min_frequency: int

    def identity(self) -> Mapping[str, Any]:
        """How many words, how frequent, and the library that cuts."""
        return {
            "num_words": self.num_words,
            "min_frequency": self.min_frequency,
            "tokenizers": version("tokenizers"),
        }

    def make(self, context: StageContext) -> Mapping[str, Any]:
        """Choose the words and write the vocabulary; the facts name the first of them."""
        text = context.inputs["corpus"] / "text" / "train.txt"
        old = Vocabulary.load(context.inputs["vocabulary"] / "vocabulary")
        words = best_words(old, read_sentences(text), self.num_words, self.min_frequency)
        grown = grow(old, words)
        grown.save(empty_folder(context.folder / "vocabulary"))
        return {
            "kind": grown.kind,
            "size": grown.size,
            "cased": grown.cased,
            "digest": grown.digest,
            "num_added_words": grown.size - old.size,
            "best_added_words": words[:_NUM_WORDS_NAMED],
        }
