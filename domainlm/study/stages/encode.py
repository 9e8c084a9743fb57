"""Sentences to token ids in Megatron-LM's indexed format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, ClassVar

from domainlm.recipe.schema import RuntimeSettings
from domainlm.study.preparation import encoding_of, num_workers
from domainlm.study.stage import Stage, StageContext
from domainlm.text.preparation.encoding import encode_text


@dataclass(frozen=True, kw_only=True)
class EncodeStage(Stage):
    """Writes train.bin/.idx and held_out.bin/.idx."""

    kind: ClassVar[str] = "encode"
    version: ClassVar[int] = 2

    runtime: RuntimeSettings

    def identity(self) -> Mapping[str, Any]:
        """The library that encodes; all else is in the inputs."""
        return {"tokenizers": version("tokenizers")}

    def make(self, context: StageContext) -> Mapping[str, Any]:
        """Encode both parts of the corpus; one that a stopped run has begun is gone on with."""
        encoding = encoding_of(context.inputs["vocabulary"] / "vocabulary")
        folder = context.folder / "tokens"
        folder.mkdir(exist_ok=True)
        facts = {}
        for part in ("train", "held_out"):
            text = context.inputs["corpus"] / "text" / f"{part}.txt"
            counts = encode_text(
                text,
                folder / part,
                encoding=encoding,
                num_workers=num_workers(self.runtime, text.stat().st_size),
                work=context.folder / f"{part}.work",
            )
            facts[part] = counts.as_dict()
        return facts
