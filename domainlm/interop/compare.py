"""What a model is, and how two models of whatever kind differ, tensor by tensor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from domainlm.interop.foreign import BY_ENTRY, ForeignModel
from domainlm.interop.importing import read_vocabulary
from domainlm.interop.read import kind_of, read_with_heads


@dataclass(frozen=True, slots=True)
class Difference:
    """One tensor in two models.

    Attributes:
        name: here.
        first: shape in the first model, None where it is not there.
        second: shape in the second one.
        largest: largest absolute difference of two values; None where shapes differ.
        share: root mean square of the difference by that of the first; None where shapes differ.
    """

    name: str
    first: tuple[int, ...] | None
    second: tuple[int, ...] | None
    largest: float | None
    share: float | None

    @property
    def is_equal(self) -> bool:
        """Whether both hold the same values."""
        return self.largest == 0.0


@dataclass(frozen=True, slots=True)
class VocabularyDifference:
    """Two vocabularies with other entries, or another order of them.

    Attributes:
        first: entries of the first model.
        second: entries of the second one.
        num_shared: entries of both, wherever they stand.
        num_in_place: entries of both with the same id, so that their rows are comparable.
    """

    first: int
    second: int
    num_shared: int
    num_in_place: int


def compare_models(first: ForeignModel, second: ForeignModel) -> list[Difference]:
    """Every tensor of either model, in the order of the first and then of the second.

    Where one has more rows for the vocabulary, those that are known to stand for no entry are left out.
    """
    names = dict.fromkeys([*first.tensors, *second.tensors])
    return [_difference(name, *_alike(name, first, second)) for name in names]


def compare_vocabularies(first: ForeignModel, second: ForeignModel) -> VocabularyDifference | None:
    """How the vocabularies of two models differ; None if they do not.

    Raises:
        UserError: either model comes without one, or it cannot be read.
    """
    one, other = (read_vocabulary(model) for model in (first, second))
    entries, others = (vocabulary.tokens(range(vocabulary.size)) for vocabulary in (one, other))
    if entries == others:
        return None
    in_place = sum(entry == another for entry, another in zip(entries, others, strict=False))
    return VocabularyDifference(len(entries), len(others), len({*entries} & {*others}), in_place)


def describe_model(source: Path, *, heads: int | None = None) -> dict[str, Any]:
    """What a model is, as JSON values: its format, its shape, its tensors, and what means nothing here."""
    foreign = read_with_heads(source, heads=heads)
    own = foreign.own or {}
    return {
        "format": kind_of(source),
        "kind": own.get("kind"),
        "model": foreign.config.as_dict(),
        "parameters": sum(tensor.numel() for tensor in foreign.tensors.values()),
        "heads": sorted({name.split(".")[0] for name in foreign.tensors} - {"encoder"}),
        "unexpected": list(foreign.unexpected),
        "notes": list(foreign.notes),
        "tensors": {name: _facts(tensor) for name, tensor in foreign.tensors.items()},
    }


def _facts(tensor: torch.Tensor) -> Mapping[str, Any]:
    values = tensor.double()
    return {
        "shape": list(tensor.shape),
        "dtype": str(tensor.dtype).removeprefix("torch."),
        "mean": float(values.mean()),
        "deviation": float(values.std(correction=0)),
    }


def _alike(name: str, first: ForeignModel, second: ForeignModel) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    one, other = first.tensors.get(name), second.tensors.get(name)
    if name in BY_ENTRY and one is not None and other is not None and len(one) != len(other):
        return one[: first.config.vocabulary_size], other[: second.config.vocabulary_size]
    return one, other


def _difference(name: str, first: torch.Tensor | None, second: torch.Tensor | None) -> Difference:
    shapes = [None if tensor is None else tuple(tensor.shape) for tensor in (first, second)]
    if first is None or second is None or first.shape != second.shape:
        return Difference(name, shapes[0], shapes[1], None, None)
    difference = second.double() - first.double()
    scale = float(first.double().square().mean().sqrt())
    share = float(difference.square().mean().sqrt()) / scale if scale else float(difference.any())
    return Difference(name, shapes[0], shapes[1], float(difference.abs().max()), share)
