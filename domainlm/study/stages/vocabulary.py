"""A vocabulary: learned from the corpus, or read from a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

from tqdm import tqdm

from domainlm.api import VocabularySettings, VocabularySpec
from domainlm.study.files import write_atomically
from domainlm.study.stage import Stage, StageContext
from domainlm.study.stages.sources import InputFile, empty_folder
from domainlm.text.corpus import read_sentences
from domainlm.vocab.learn import learn_wordpiece
from domainlm.vocab.vocabulary import Vocabulary


@dataclass(frozen=True, kw_only=True)
class LearnedVocabularyStage(Stage):
    """Learns a vocabulary from the corpus's training text."""

    kind: ClassVar[str] = "vocabulary"

    spec: VocabularySpec
    settings: VocabularySettings

    def identity(self) -> Mapping[str, Any]:
        """The spec, its settings and the library that learns."""
        return {
            "spec": self.spec.reference,
            "settings": asdict(self.settings),
            "tokenizers": version("tokenizers"),
        }

    def make(self, context: StageContext) -> Mapping[str, Any]:
        """Learn, then write tokenizer.json and vocab.txt."""
        learn = self.spec.learn or learn_wordpiece
        sentences = _with_progress(context.inputs["corpus"] / "text" / "train.txt", self.label)
        text = learn(sentences, self.settings)
        folder = empty_folder(context.folder / "vocabulary")
        write_atomically(folder / "tokenizer.json", text.encode())
        return _facts(folder, self.settings.cased)


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
        """Load the file, then write tokenizer.json and vocab.txt."""
        folder = empty_folder(context.folder / "vocabulary")
        Vocabulary.load(self.file.path, cased=self.cased).save(folder)
        return _facts(folder, self.cased)


def _facts(folder: Path, cased: bool | None) -> dict[str, Any]:
    vocabulary = Vocabulary.load(folder, cased=cased)
    vocabulary.save(folder)
    return {"size": vocabulary.size, "cased": vocabulary.cased, "digest": vocabulary.digest}


def _with_progress(path: Path, label: str) -> Iterator[str]:
    with tqdm(desc=f"vocabulary {label}", unit=" sentences", disable=None) as bar:
        for sentence in read_sentences(path):
            yield sentence
            bar.update()
