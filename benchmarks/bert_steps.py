"""One training step of a BERT, by domainlm and by transformers: the same weights, mathematics and optimizer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from bert_batches import VOCABULARY, MaskedSequence, Rows, packed, padded

from domainlm.model.config import ModelConfig
from domainlm.model.encoder import EncoderInputs
from domainlm.model.pretraining import PretrainingModel
from domainlm.parallel.compiling import CompiledLayers
from domainlm.parallel.device import Device
from domainlm.recipe.optimizer_settings import OptimizerSettings
from domainlm.recipe.schema import RuntimeSettings
from domainlm.train.optimizer import build_optimizer
from domainlm.train.runtime import open_device

_SETTINGS = OptimizerSettings()
_COMPILED_ROWS = 8


class Size(NamedTuple):
    """A shape that both can have: BERT's, layer normalisation after each sub-layer."""

    layers: int
    hidden: int
    heads: int


SIZES = {
    "22m": Size(6, 384, 12),
    "110m": Size(12, 768, 12),
    "345m": Size(24, 1024, 16),
    "tiny": Size(2, 64, 2),  # for trying the benchmark
}


class Trained(NamedTuple):
    """A model that can be trained.

    Attributes:
        lay_out: sequences to rows.
        loss: mean cross-entropy of a batch, with gradient.
        model: the module.
        optimizer: AdamW.
    """

    lay_out: Callable[[Sequence[MaskedSequence]], Rows]
    loss: Callable[[Rows], torch.Tensor]
    model: torch.nn.Module
    optimizer: torch.optim.Optimizer

    def step(self, rows: Rows) -> torch.Tensor:
        """Forward, backward, clip, update; the loss."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(rows)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), _SETTINGS.max_gradient_norm)
        self.optimizer.step()
        return loss.detach()


def shape_of(size: Size, dropout: float, max_tokens: int) -> ModelConfig:
    """BERT's shape in domainlm's words."""
    return ModelConfig(
        layers=size.layers,
        hidden=size.hidden,
        heads=size.heads,
        feed_forward=4 * size.hidden,
        max_positions=max(512, max_tokens),
        architecture="bert",
        dropout=dropout,
        vocabulary_size=VOCABULARY,
        padded_vocabulary_size=-(-VOCABULARY // 64) * 64,
    )


def domainlm_model(size: Size, device: Device, dropout: float, max_tokens: int, *, packing: bool) -> Trained:
    """Domainlm's model and optimizer, started from transformers' weights."""
    config = shape_of(size, dropout, max_tokens)
    model = PretrainingModel(config, sentence_order=False)
    model.load_state_dict(_carried_over(_bert(config, "sdpa").state_dict(), config))
    model.to(device.torch_device).train()
    compiled = CompiledLayers(model.encoder.layers[:-1], device)

    def loss(rows: Rows) -> torch.Tensor:
        there = _mover(device.torch_device)
        tokens = there(rows.tokens)
        masked = there(rows.masked)
        inputs = EncoderInputs(tokens, torch.zeros_like(tokens), there(rows.lengths), read=masked)
        if rows.positions is not None and rows.samples is not None and rows.firsts is not None:
            inputs = inputs._replace(
                positions=there(rows.positions), samples=there(rows.samples), firsts=there(rows.firsts)
            )
        with device.autocast(), compiled.in_use():
            words, _ = model.losses(model.encoder(*inputs), masked, there(rows.labels), None)
        return words / len(rows.labels)

    def lay_out(sequences: Sequence[MaskedSequence]) -> Rows:
        multiple = _COMPILED_ROWS if device.compiles else None  # compiled layers are made anew for every shape
        return packed(sequences, max_tokens, multiple) if packing else padded(sequences)

    return Trained(lay_out, loss, model, build_optimizer(model, _SETTINGS))


def transformers_model(size: Size, device: Device, dropout: float, max_tokens: int, *, attention: str) -> Trained:
    """BertForMaskedLM with the fused AdamW that its Trainer takes by default."""
    model = _bert(shape_of(size, dropout, max_tokens), attention).to(device.torch_device).train()
    decayed = [each for each in model.parameters() if each.ndim > 1]
    plain = [each for each in model.parameters() if each.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [
            {"params": decayed, "weight_decay": _SETTINGS.weight_decay},
            {"params": plain, "weight_decay": 0.0},
        ],
        lr=_SETTINGS.learning_rate,
        betas=(_SETTINGS.beta1, _SETTINGS.beta2),
        eps=_SETTINGS.epsilon,
        fused=True,
    )

    def loss(rows: Rows) -> torch.Tensor:
        there = _mover(device.torch_device)
        labels = torch.full(rows.tokens.shape, -100).flatten()
        labels[torch.from_numpy(rows.masked)] = torch.from_numpy(rows.labels)
        slots = torch.arange(rows.tokens.shape[1])
        is_real = slots < torch.from_numpy(rows.lengths)[:, None]
        with device.autocast():
            found = model(
                input_ids=there(rows.tokens),
                attention_mask=is_real.long().to(device.torch_device),
                labels=labels.view(rows.tokens.shape).to(device.torch_device),
            )
        mean: torch.Tensor = found.loss
        return mean

    return Trained(padded, loss, model, optimizer)


def build(contender: str, size: Size, precision: str, dropout: float, max_tokens: int, *, kind: str) -> Trained:
    """A contender's model by its name."""
    device = open_device(RuntimeSettings.model_validate({"device": kind, "precision": precision}), pretrains=True)
    if contender == "transformers-eager":
        return transformers_model(size, device, dropout, max_tokens, attention="eager")
    if contender == "transformers-sdpa":
        return transformers_model(size, device, dropout, max_tokens, attention="sdpa")
    return domainlm_model(size, device, dropout, max_tokens, packing=contender == "domainlm-packed")


def _mover(device: torch.device) -> Callable[[Any], torch.Tensor]:
    return lambda array: torch.from_numpy(array).to(device)


def _bert(config: ModelConfig, attention: str) -> Any:  # noqa: ANN401 - transformers is imported by its users alone
    from transformers import BertConfig, BertForMaskedLM

    torch.manual_seed(0)
    theirs = BertConfig(
        vocab_size=config.vocabulary_size,
        hidden_size=config.hidden,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        intermediate_size=config.feed_forward,
        max_position_embeddings=config.max_positions,
        hidden_dropout_prob=config.dropout,
        attention_probs_dropout_prob=config.dropout,
    )
    theirs._attn_implementation = attention  # noqa: SLF001 - what from_pretrained(attn_implementation=...) sets
    return BertForMaskedLM(theirs)


def _carried_over(theirs: dict[str, torch.Tensor], config: ModelConfig) -> dict[str, torch.Tensor]:
    """BertForMaskedLM's weights under domainlm's names."""
    ours = {
        "encoder.embeddings.word.weight": _padded_rows(theirs["bert.embeddings.word_embeddings.weight"], config),
        "encoder.embeddings.position.weight": theirs["bert.embeddings.position_embeddings.weight"],
        "encoder.embeddings.token_type.weight": theirs["bert.embeddings.token_type_embeddings.weight"],
        "masked_lm.bias": _padded_rows(theirs["cls.predictions.bias"], config),
    }
    names = {
        "encoder.embeddings.norm": "bert.embeddings.LayerNorm",
        "masked_lm.dense": "cls.predictions.transform.dense",
        "masked_lm.norm": "cls.predictions.transform.LayerNorm",
    }
    for layer in range(config.layers):
        here, there = f"encoder.layers.{layer}", f"bert.encoder.layer.{layer}"
        names |= {
            f"{here}.attention.output": f"{there}.attention.output.dense",
            f"{here}.attention_norm": f"{there}.attention.output.LayerNorm",
            f"{here}.feed_forward.inner": f"{there}.intermediate.dense",
            f"{here}.feed_forward.output": f"{there}.output.dense",
            f"{here}.feed_forward_norm": f"{there}.output.LayerNorm",
        }
        for part in ("weight", "bias"):
            three = [theirs[f"{there}.attention.self.{name}.{part}"] for name in ("query", "key", "value")]
            by_head = torch.stack([each.view(config.heads, config.head_width, -1) for each in three], dim=1)
            joined = by_head.reshape(3 * config.hidden, -1)
            ours[f"{here}.attention.query_key_value.{part}"] = joined if part == "weight" else joined.squeeze(1)
    for here, there in names.items():
        for part in ("weight", "bias"):
            ours[f"{here}.{part}"] = theirs[f"{there}.{part}"]
    return ours


def _padded_rows(tensor: torch.Tensor, config: ModelConfig) -> torch.Tensor:
    extra = config.padded_vocabulary_size - len(tensor)
    return torch.cat([tensor, tensor.new_zeros(extra, *tensor.shape[1:])])
