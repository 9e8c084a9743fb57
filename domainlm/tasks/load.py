"""Models from their folders, ready to use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from domainlm.errors import ModelError
from domainlm.model.files import read_config
from domainlm.parallel.device import Device
from domainlm.recipe.schema import RuntimeSettings
from domainlm.tasks.language_model import LanguageModel
from domainlm.tasks.models import LoadedModel
from domainlm.tasks.sequence.classifier import Classifier
from domainlm.tasks.span.answerer import AnsweredQuestion, Answerer, FoundAnswer
from domainlm.tasks.token.tagger import TaggedEntity, TaggedText, Tagger
from domainlm.train.runtime import open_device

__all__ = [
    "AnsweredQuestion",
    "Answerer",
    "Classifier",
    "FoundAnswer",
    "LanguageModel",
    "LoadedModel",
    "TaggedEntity",
    "TaggedText",
    "Tagger",
    "load",
]

_LOADERS: Mapping[str, Callable[[Path, Device], LoadedModel]] = {
    "pretraining": LanguageModel.load,
    "token": Tagger.load,
    "sequence": Classifier.load,
    "span": Answerer.load,
}
"""How a model of each kind is loaded."""


def load(path: str | Path, runtime: RuntimeSettings | None = None) -> LoadedModel:
    """Load a model folder.

    Args:
        path: a folder that pretraining or fine-tuning wrote as `model/`.
        runtime: device, precision and threads; the machine's own where None.

    Returns:
        A `Tagger`, a `Classifier`, an `Answerer` or a `LanguageModel`, as the folder's kind is.

    Raises:
        ModelError: it is not a model folder, or one of an unknown kind, or its parts do not fit together.
        MachineError: the device asked for is not there.
    """
    folder = Path(path)
    kind = read_config(folder).kind
    loader = _LOADERS.get(kind)
    if loader is None:
        raise ModelError(
            "a model of a kind that this version does not know",
            where=folder,
            given=kind,
            allowed=sorted(_LOADERS),
            remedy="update domainlm, or name another model folder",
        )
    return loader(folder, open_device(runtime or RuntimeSettings()))
