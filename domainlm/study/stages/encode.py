"""Sentences to token ids in Megatron-LM's indexed format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, ClassVar

from domainlm.study.stage import Stage, StageContext
from domainlm.study.stages.sources import empty_folder
from domainlm.text.encode import encode_corpus
from domainlm.vocab.vocabulary import Vocabulary


@dataclass(frozen=True, kw_only=True)
class EncodeStage(Stage):
    """Writes train.bin/.idx and held_out.bin/.idx."""

    kind: ClassVar[str] = "encode"

    def identity(self) -> Mapping[str, Any]:
        """The library that encodes; all else is in the inputs."""
        return {"tokenizers": version("tokenizers")}

    def make(self, context: StageContext) -> Mapping[str, Any]:
        """Encode both parts of the corpus."""
        vocabulary = Vocabulary.load(context.inputs["vocabulary"] / "vocabulary")
        text = context.inputs["corpus"] / "text"
        folder = empty_folder(context.folder / "tokens")
        facts = {}
        for part in ("train", "held_out"):
            counts = encode_corpus(
                text / f"{part}.txt",
                folder / part,
                encode_batch=vocabulary.encode_batch,
                vocabulary_size=vocabulary.size,
            )
            facts[part] = counts.as_dict()
        return facts
