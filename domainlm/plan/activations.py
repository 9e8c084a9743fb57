"""Bytes that a forward pass keeps for its backward pass, by counting what each operation needs.

The counting is that of Korthikanti et al. (2022), section 4: a layer keeps 16 values per token of the width of its
products and states (10 of them in the feed-forward of four times the width), two dropout masks, and where the
probabilities of all pairs of tokens are kept, those as well: s b h (34 + 5 a s / h) bytes in 16 bits, of which
s b h (24 + 5 a s / h) are divided over the ranks of a tensor group (their equation 2). Differences here: sums between
the layers that stay in fp32 under autocast, and probabilities stored once.
"""

from __future__ import annotations

from domainlm.plan.parameters import Share
from domainlm.plan.work import FP32_BYTES, HALF_BYTES, Work

_NORM_STATISTICS = 2 * FP32_BYTES
"""Mean and deviation of each token in a layer normalisation."""


def layer_bytes(work: Work, tensor_degree: int) -> int:
    """What one layer keeps of one micro-batch."""
    config, value = work.config, work.value_bytes
    mask = work.mask_bytes if config.dropout else 0
    # Whole on every rank: inputs of both normalisations, their outputs as inputs of the products, both dropout masks.
    whole = 2 * (config.hidden * (work.state_bytes + value + mask) + _NORM_STATISTICS)
    # Query, key, value and what attention gives; before and after GELU.
    divided = (4 * config.hidden + 2 * config.feed_forward) * value
    if work.attention == "plain":
        divided += config.heads * work.max_tokens * (value + mask)
    else:
        divided += config.heads * FP32_BYTES  # logarithm of the sum of each row of exponentials
    return work.num_slots_per_micro_batch * (whole + divided // tensor_degree)


def pair_mask_bytes(work: Work) -> int:
    """What says of each pair of slots whether they see one another, where rows hold several samples."""
    if not work.packs_rows:
        return 0
    return work.num_slots_per_micro_batch * work.max_tokens * work.value_bytes


def embedding_bytes(work: Work) -> int:
    """What the embeddings keep of one micro-batch: the mask, the types as numbers; ids are counted with the batch."""
    config = work.config
    per_token = config.hidden * (work.mask_bytes if config.dropout else 0) + work.state_bytes
    if config.architecture == "bert":
        per_token += config.hidden * work.state_bytes + _NORM_STATISTICS
    return work.num_slots_per_micro_batch * per_token


def head_bytes(work: Work, share: Share) -> int:
    """What the last normalisation and the masked-language-model head keep of one micro-batch."""
    config, value = work.config, work.value_bytes
    num_rows = 0 if share.vocabulary_degree else share.vocabulary_rows(config)
    # Dense layer, GELU and normalisation keep their inputs, the decoder its input and the gradient of its scores.
    per_masked = config.hidden * (3 * value + work.state_bytes) + _NORM_STATISTICS + num_rows * value
    kept = work.num_masked_per_micro_batch * per_masked
    if config.architecture == "megatron":
        kept += work.num_slots_per_micro_batch * (config.hidden * work.state_bytes + _NORM_STATISTICS)
    if work.sentence_order and value == work.state_bytes:  # its head reads a part of all states, and so holds them all
        kept += work.num_slots_per_micro_batch * config.hidden * value
    return kept


def narrow_weight_bytes(work: Work, share: Share) -> int:
    """Copies of the matrices in the narrow format, which autocast keeps from the forward to the backward pass."""
    if work.precision not in ("bf16", "fp16"):
        return 0
    config = work.config
    layer = 4 * config.hidden * config.hidden + 2 * config.hidden * config.feed_forward
    size = share.num_layers * layer // share.tensor_degree
    if share.has_decoder:
        size += share.vocabulary_rows(config) * config.hidden
    if share.is_last:
        size += config.hidden**2
        size += config.hidden**2 if work.sentence_order else 0
    return HALF_BYTES * size


def micro_batch_bytes(work: Work, share: Share) -> int:
    """What a rank keeps of one micro-batch; narrow copies of weights, which all micro-batches share, not counted."""
    recomputed = share.num_recomputed
    kept = (share.num_layers - recomputed) * layer_bytes(work, share.tensor_degree)
    kept += recomputed * work.num_slots_per_micro_batch * work.config.hidden * work.state_bytes
    if work.attention == "fused" or recomputed:  # plain products read the mask in the forward pass alone
        kept += pair_mask_bytes(work) * work.num_stages_per_rank
    kept += embedding_bytes(work) if share.is_first else 0
    kept += head_bytes(work, share) if share.is_last else 0
    return kept


def divided_vocabulary_bytes(work: Work, share: Share, num_micro_batches: int) -> int:
    """Where the vocabulary is divided: what the decoder and the embedding keep of all micro-batches of a step."""
    if not share.vocabulary_degree:
        return 0
    config = work.config
    # States in fp32 with their gradient, their narrow copy, and the gradient of the scores; fp32 vectors, twice.
    per_masked = config.hidden * (2 * FP32_BYTES + work.value_bytes) + share.vocabulary_rows(config) * work.value_bytes
    looked_up = 2 * work.num_slots_per_micro_batch * config.hidden * FP32_BYTES if share.is_first else 0
    return num_micro_batches * (work.num_masked_per_micro_batch * per_masked + looked_up)


def recomputed_bytes(work: Work, share: Share) -> int:
    """What comes on top while one checkpointed layer is computed again."""
    return layer_bytes(work, share.tensor_degree) if share.num_recomputed else 0


def differentiated_bytes(work: Work, tensor_degree: int) -> int:
    """Gradients at the widest place of a layer's backward pass: around GELU, and at both ends of the layer."""
    wide = 2 * work.config.feed_forward * work.value_bytes // tensor_degree
    return work.num_slots_per_micro_batch * (wide + 2 * work.config.hidden * work.state_bytes)
