"""A fine-tuned model, ready to label any text."""

from __future__ import annotations

from pathlib import Path

from domainlm.errors import ModelError
from domainlm.model.files import read_config
from domainlm.recipe.schema import RuntimeSettings
from domainlm.tasks.token.tagger import TaggedEntity, TaggedText, Tagger
from domainlm.train.runtime import open_device

__all__ = ["TaggedEntity", "TaggedText", "Tagger", "load"]


def load(path: str | Path, runtime: RuntimeSettings | None = None) -> Tagger:
    """Load a fine-tuned model folder.

    Args:
        path: a folder that fine-tuning wrote as `model/`.
        runtime: device, precision and threads; the machine's own where None.

    Raises:
        ModelError: it is not a model folder, or one that was not fine-tuned, or its parts do not fit together.
        MachineError: the device asked for is not there.
    """
    folder = Path(path)
    kind = read_config(folder).kind
    if kind != "token":
        raise ModelError(
            "not a fine-tuned model",
            where=folder,
            given=f"kind {kind!r}",
            allowed='kind "token"',
            remedy="name the model folder of a fine-tuning, below models/ of a run's output",
        )
    return Tagger.load(folder, open_device(runtime or RuntimeSettings()))
