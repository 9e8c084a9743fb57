"""Sentences to token ids in Megatron-LM's indexed format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

from domainlm.errors import DataError
from domainlm.files import read_json, write_json
from domainlm.recipe.schema import RuntimeSettings
from domainlm.study.preparation import encoding_of, num_workers
from domainlm.study.stage import Stage, StageContext
from domainlm.text.indexed import idx_path
from domainlm.text.preparation.encoding import EncodeCounts, encode_text

_PARTS = ("train", "held_out")
_REMEDY = "held_out_share, or take more documents"


def train_tokens(made: Path) -> Path:
    """Where an `EncodeStage` left the side to train on; raises `DataError` where its text has none."""
    return _side(made, "train", "pretraining", f"lower its {_REMEDY}")


def held_out_tokens(made: Path) -> Path:
    """Where an `EncodeStage` left the held-out side; raises `DataError` where its text has none, as replay may."""
    return _side(made, "held_out", "scoring", f"raise its {_REMEDY}")


def _side(made: Path, side: str, purpose: str, remedy: str) -> Path:
    prefix = made / "tokens" / side
    if not idx_path(prefix).exists():
        raise DataError(f"no document of the corpus is left for {purpose}", where=made, remedy=remedy)
    return prefix


@dataclass(frozen=True, kw_only=True)
class EncodeStage(Stage):
    """Writes train.bin/.idx and held_out.bin/.idx, each if there is text for it."""

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
        for part in _PARTS:
            text = context.inputs["corpus"] / "text" / f"{part}.txt"
            done = _counts_path(context.folder, part)
            if not text.stat().st_size:  # a side that nothing reads may lack documents
                facts[part] = EncodeCounts().as_dict()
            elif done.exists():
                facts[part] = read_json(done)
            else:
                counts = encode_text(
                    text,
                    folder / part,
                    encoding=encoding,
                    num_workers=num_workers(self.runtime, text.stat().st_size),
                    work=context.folder / f"{part}.work",
                )
                facts[part] = counts.as_dict()
                write_json(done, facts[part])
        for part in _PARTS:
            _counts_path(context.folder, part).unlink(missing_ok=True)
        return facts


def _counts_path(folder: Path, part: str) -> Path:
    """What says that a side is done, until both are."""
    return folder / f"{part}.json"
