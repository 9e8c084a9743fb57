"""A model as one ONNX file, checked against this program's own numbers with onnxruntime."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from domainlm.errors import MachineError, ModelError
from domainlm.interop.folders import new_folder
from domainlm.interop.task_heads import head_activation
from domainlm.model.encoder import Encoder
from domainlm.model.files import read_config, read_tensors
from domainlm.model.visible import Visible
from domainlm.vocab.vocabulary import Vocabulary

ONNX_FILE = "model.onnx"
INPUTS = ("input_ids", "token_type_ids", "attention_mask")
"""Each int64 [batch, tokens]; the mask is 1 on real sub-tokens, which come first."""
_TOLERANCE = 1e-4
_HIDDEN = -1e30
"""Added to scores of padding: finite, for runtimes that do not know infinity."""


class _Computed(nn.Module):
    """Encoder and head on inputs of ONNX's kind."""

    def __init__(self, encoder: Encoder, head: nn.Module, *, first_only: bool) -> None:
        super().__init__()
        self.encoder, self.head, self.first_only = encoder, head, first_only

    def forward(
        self, input_ids: torch.Tensor, token_type_ids: torch.Tensor, attention_mask: torch.Tensor
    ) -> torch.Tensor:
        """[batch, tokens] each to hidden states or logits [batch, tokens, width], of the first place [batch, width]."""
        visible = Visible(mask=((1 - attention_mask).float() * _HIDDEN)[:, None, None, :])
        states = self.encoder.embeddings(input_ids, token_type_ids)
        for layer in self.encoder.layers:
            states = layer(states, visible)
        states = self.encoder.norm(states)
        computed: torch.Tensor = self.head(states[:, 0] if self.first_only else states)
        return computed


def export_onnx(folder: Path, out: Path, *, force: bool = False) -> float:
    """Write model.onnx and tokenizer.json: the encoder of a language model, or a task model with its head.

    Args:
        folder: a model folder.
        out: where to write.
        force: replace what is there.

    Returns:
        The largest difference between onnxruntime's numbers and this program's on made-up rows.

    Raises:
        MachineError: packages of the extra "onnx" are missing.
        ModelError: it is no model folder, its head reads several places, or the numbers differ.
    """
    _import_onnx()
    found, tensors = read_config(folder), read_tensors(folder)
    encoder = Encoder(found.model)
    encoder.load_state_dict(
        {name.removeprefix("encoder."): tensor for name, tensor in tensors.items() if name.startswith("encoder.")}
    )
    is_sequence = found.kind == "sequence"
    if is_sequence:
        first = "head.dense.weight" if "head.dense.weight" in tensors else "head.output.weight"
        _check_one_place(tensors[first], found.model.hidden, folder)
    head = _head(tensors, nn.Tanh() if head_activation(found.extra) == "tanh" else nn.GELU())
    model = _Computed(encoder, head, first_only=is_sequence).eval()
    with new_folder(out, force=force, source=folder) as partial:
        output = "hidden_states" if found.kind == "pretraining" else "logits"
        _write(model, partial / ONNX_FILE, output, found.model.vocabulary_size)
        Vocabulary.load(folder).save_tokenizer(partial / "tokenizer.json")
        largest = _largest_difference(model, partial / ONNX_FILE, found.model.vocabulary_size)
        if not largest <= _TOLERANCE:
            raise ModelError(
                "onnxruntime computes something else", where=folder, given=largest, allowed=f"at most {_TOLERANCE}"
            )
    return largest


def _head(tensors: Mapping[str, torch.Tensor], activation: nn.Module) -> nn.Module:
    layers: list[nn.Module] = []
    for name in ("dense", "output"):
        if f"head.{name}.weight" in tensors:
            weight = tensors[f"head.{name}.weight"]
            layer = nn.Linear(weight.shape[1], weight.shape[0])
            layer.load_state_dict({"weight": weight, "bias": tensors[f"head.{name}.bias"]})
            layers += [layer, activation] if name == "dense" else [layer]
    return nn.Sequential(*layers)


def _check_one_place(weight: torch.Tensor, hidden: int, folder: Path) -> None:
    if weight.shape[1] != hidden:
        raise ModelError(
            "this head reads several places of a text, which no ONNX input names here",
            where=folder,
            given=weight.shape[1] // hidden,
            allowed="1",
        )


def _rows(num_entries: int, batch: int, tokens: int) -> dict[str, torch.Tensor]:
    """Made-up rows of several lengths."""
    generator = torch.Generator().manual_seed(tokens)
    lengths = torch.tensor([tokens - row % (tokens // 2) for row in range(batch)])
    mask = (torch.arange(tokens) < lengths[:, None]).long()
    ids = torch.randint(num_entries, (batch, tokens), generator=generator) * mask
    types = torch.randint(2, (batch, tokens), generator=generator) * mask
    return dict(zip(INPUTS, (ids, types, mask), strict=True))


@torch.no_grad()
def _write(model: nn.Module, file: Path, output: str, num_entries: int) -> None:
    rows = _rows(num_entries, 2, 8)
    batch, tokens = torch.export.Dim("batch", min=1), torch.export.Dim("tokens", min=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own, about itself
        torch.onnx.export(
            model,
            tuple(rows.values()),
            str(file),
            input_names=[*INPUTS],
            output_names=[output],
            dynamic_shapes={name: {0: batch, 1: tokens} for name in INPUTS},
            dynamo=True,
            external_data=False,
            verbose=False,
        )


@torch.no_grad()
def _largest_difference(model: nn.Module, file: Path, num_entries: int) -> float:
    """On the real sub-tokens of rows of another shape than those that were written with."""
    rows = _rows(num_entries, 3, 11)
    onnx, runtime = _import_onnx()
    onnx.checker.check_model(str(file))
    session = runtime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    (computed,) = session.run(None, {name: tensor.numpy() for name, tensor in rows.items()})
    difference = np.abs(computed - model(**rows).numpy())
    if difference.ndim == 3:
        difference = difference[rows["attention_mask"].numpy().astype(bool)]
    return float(difference.max())


def _import_onnx() -> tuple[Any, Any]:
    try:
        import onnx
        import onnxruntime
        import onnxscript
    except ImportError as error:
        raise MachineError(
            f"package {error.name} is not installed", where="ONNX", remedy='pip install "domainlm[onnx]"'
        ) from None
    assert onnxscript  # torch's exporter uses it
    return onnx, onnxruntime
