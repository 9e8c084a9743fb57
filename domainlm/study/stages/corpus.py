"""Documents of any format to sentences, with some documents held out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from tqdm import tqdm

from domainlm.api import CorpusSpec, Document
from domainlm.study.stage import Stage, StageContext
from domainlm.study.stages.sources import InputFile, empty_folder, sample_files
from domainlm.text.corpus import build_corpus


@dataclass(frozen=True, kw_only=True)
class CorpusStage(Stage):
    """Reads the corpus and writes train.txt and held_out.txt, a sentence a line."""

    kind: ClassVar[str] = "corpus"

    spec: CorpusSpec
    files: tuple[InputFile, ...]
    max_documents: int | None
    held_out_share: float

    def identity(self) -> Mapping[str, Any]:
        """The reader, the bytes it reads and how the documents are divided."""
        return {
            "spec": self.spec.reference,
            "files": [file.sha256 for file in self.files],
            "max_documents": self.max_documents,
            "held_out_share": self.held_out_share,
        }

    def make(self, context: StageContext) -> Mapping[str, Any]:
        """Stream all documents into the two files."""
        paths = tuple(file.path for file in self.files)
        if "sample" in context.inputs:
            paths = sample_files(context.inputs["sample"])["text"]
        counts = build_corpus(
            self._documents(paths, context),
            empty_folder(context.folder / "text"),
            held_out_share=self.held_out_share,
            max_documents=self.max_documents,
        )
        return counts.as_dict()

    def _documents(self, paths: tuple[Path, ...], context: StageContext) -> Iterator[Document]:
        with tqdm(desc=f"corpus {self.label}", unit=" documents", disable=None) as bar:
            for path in paths:
                for document in self.spec.read(path, context.problems):
                    yield document
                    bar.update()
