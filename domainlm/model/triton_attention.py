"""Attention within samples as Triton kernels, forward and backward: imported only where Triton is.

After FlashAttention-2 (Dao 2023): scores are never written to memory, and the backward passes compute them again. No
two programs add to the same number, so that the bytes are the same each time. Exponents are to base 2, in fp32.

Whether a weight is dropped is a function of the seeds, the head and the two tokens' places in the batch, so that
nothing is kept for the backward passes: the product of a hash of the query and one of the key ("lowbias32", Wellons),
below THRESHOLD or not, which is the dropout times 2^32.
"""

from __future__ import annotations

import triton
import triton.language as tl

_LOG2_E = tl.constexpr(1.4426950408889634)
_NUM_DRAWN = tl.constexpr(2**32)


@triton.jit
def _mixed(number):
    """A permutation of 32-bit numbers that scatters neighbours ("lowbias32")."""
    number ^= number >> 16
    number *= 0x7FEB352D
    number ^= number >> 15
    number *= 0x846CA68B
    return number ^ (number >> 16)


@triton.jit
def _hashes(places, head, seeds, WHICH: tl.constexpr):
    """A random odd number of 32 bits for each token as query (WHICH = 0) or as key (1), other ones for each head."""
    seed = tl.load(seeds + WHICH).to(tl.uint32)
    return _mixed(_mixed(places.to(tl.uint32) + seed) ^ _mixed(head.to(tl.uint32) * 2 + WHICH)) | 1


@triton.jit
def _is_kept(of_some, of_others, THRESHOLD: tl.constexpr):
    """Whether weights stay, from the hashes of queries and keys, which broadcast against each other."""
    return of_some * of_others >= THRESHOLD


@triton.jit
def _own_block(num_blocks, HEADS: tl.constexpr, SIZE: tl.constexpr):
    """Where this program's block begins in its sample, of which head, of which sample.

    Kernels look the sample's bounds up themselves: torch takes a tensor that goes through a call for one that is
    written to, and copies it.
    """
    program = tl.program_id(0)
    return (program % num_blocks) * SIZE, (program // num_blocks) % HEADS, program // num_blocks // HEADS


@triton.jit
def _further_keys(
    query, highest, total, mixed, joint, start, length, begin, head, seeds, of_queries, STEP: tl.constexpr,
    WIDTH: tl.constexpr, SCALE: tl.constexpr, THRESHOLD: tl.constexpr, KEYS: tl.constexpr, IS_FULL: tl.constexpr,
):  # fmt: skip
    """The softmax over some more keys, and the mean of their values."""
    columns = start + tl.arange(0, KEYS)
    places = columns[:, None] * STEP + tl.arange(0, WIDTH)[None, :]
    if IS_FULL:
        key = tl.load(joint + WIDTH + places)
        value = tl.load(joint + 2 * WIDTH + places)
    else:
        key = tl.load(joint + WIDTH + places, mask=(columns < length)[:, None], other=0.0)
        value = tl.load(joint + 2 * WIDTH + places, mask=(columns < length)[:, None], other=0.0)
    scores = tl.dot(query, tl.trans(key))
    if not IS_FULL:
        scores = tl.where((columns < length)[None, :], scores, float("-inf"))
    higher = tl.maximum(highest, tl.max(scores, 1) * (SCALE * _LOG2_E))
    weights = tl.exp2(scores * (SCALE * _LOG2_E) - higher[:, None])
    shrinking = tl.exp2(highest - higher)
    total = total * shrinking + tl.sum(weights, 1)
    if THRESHOLD > 0:
        of_keys = _hashes(begin + columns, head, seeds, 1)
        weights = tl.where(_is_kept(of_queries[:, None], of_keys[None, :], THRESHOLD), weights, 0.0)
    mixed = tl.dot(weights.to(value.dtype), value, mixed * shrinking[:, None])
    return higher, total, mixed


@triton.jit(do_not_specialize=["num_tokens", "num_blocks"])
def attention_forward(
    joint, bounds, seeds, attended, sums, num_tokens, num_blocks, HEADS: tl.constexpr, WIDTH: tl.constexpr,
    SCALE: tl.constexpr, THRESHOLD: tl.constexpr, QUERIES: tl.constexpr, KEYS: tl.constexpr,
):  # fmt: skip
    """A block of queries of one head of one sample, against all keys of the sample."""
    first, head, sample = _own_block(num_blocks, HEADS, QUERIES)
    begin = tl.load(bounds + sample)
    length = tl.load(bounds + sample + 1) - begin
    if first >= length:
        return
    step: tl.constexpr = HEADS * 3 * WIDTH
    joint += begin.to(tl.int64) * step + head * (3 * WIDTH)
    across = tl.arange(0, WIDTH)
    rows = first + tl.arange(0, QUERIES)
    are_rows = rows < length
    query = tl.load(joint + rows[:, None] * step + across[None, :], mask=are_rows[:, None], other=0.0)
    highest = tl.full((QUERIES,), float("-inf"), tl.float32)
    total = tl.zeros((QUERIES,), tl.float32)
    mixed = tl.zeros((QUERIES, WIDTH), tl.float32)
    of_queries = _hashes(begin + rows, head, seeds, 0) if THRESHOLD > 0 else rows
    num_full = length // KEYS * KEYS
    for start in range(0, num_full, KEYS):
        highest, total, mixed = _further_keys(
            query, highest, total, mixed, joint, start, length, begin, head, seeds, of_queries, step, WIDTH, SCALE,
            THRESHOLD, KEYS, True,
        )  # fmt: skip
    if num_full < length:
        highest, total, mixed = _further_keys(
            query, highest, total, mixed, joint, num_full, length, begin, head, seeds, of_queries, step, WIDTH, SCALE,
            THRESHOLD, KEYS, False,
        )  # fmt: skip
    mixed = mixed / total[:, None] * (_NUM_DRAWN / (_NUM_DRAWN - THRESHOLD))
    attended += begin.to(tl.int64) * (HEADS * WIDTH) + head * WIDTH
    places = rows[:, None] * (HEADS * WIDTH) + across[None, :]
    tl.store(attended + places, mixed.to(attended.dtype.element_ty), mask=are_rows[:, None])
    tl.store(sums + head * num_tokens + begin + rows, highest + tl.log2(total), mask=are_rows)


@triton.jit(do_not_specialize=["num_tokens", "num_blocks"])
def attention_backward_of_queries(
    joint, bounds, seeds, attended, sums, gradient, inner, joint_gradient, num_tokens, num_blocks, HEADS: tl.constexpr,
    WIDTH: tl.constexpr, SCALE: tl.constexpr, THRESHOLD: tl.constexpr, QUERIES: tl.constexpr, KEYS: tl.constexpr,
):  # fmt: skip
    """The gradient of a block of queries; `inner` is what all weights of a query have in common in theirs."""
    first, head, sample = _own_block(num_blocks, HEADS, QUERIES)
    begin = tl.load(bounds + sample)
    length = tl.load(bounds + sample + 1) - begin
    if first >= length:
        return
    step: tl.constexpr = HEADS * 3 * WIDTH
    joint += begin.to(tl.int64) * step + head * (3 * WIDTH)
    joint_gradient += begin.to(tl.int64) * step + head * (3 * WIDTH)
    attended += begin.to(tl.int64) * (HEADS * WIDTH) + head * WIDTH
    gradient += begin.to(tl.int64) * (HEADS * WIDTH) + head * WIDTH
    across = tl.arange(0, WIDTH)
    rows = first + tl.arange(0, QUERIES)
    are_rows = rows < length
    own_places = rows[:, None] * (HEADS * WIDTH) + across[None, :]
    d_mixed = tl.load(gradient + own_places, mask=are_rows[:, None], other=0.0)
    mixed = tl.load(attended + own_places, mask=are_rows[:, None], other=0.0)
    in_common = tl.sum(mixed.to(tl.float32) * d_mixed.to(tl.float32), 1) * ((_NUM_DRAWN - THRESHOLD) / _NUM_DRAWN)
    tl.store(inner + head * num_tokens + begin + rows, in_common, mask=are_rows)
    query_places = rows[:, None] * step + across[None, :]
    query = tl.load(joint + query_places, mask=are_rows[:, None], other=0.0)
    sum_of_row = tl.load(sums + head * num_tokens + begin + rows, mask=are_rows, other=float("inf"))
    of_queries = _hashes(begin + rows, head, seeds, 0) if THRESHOLD > 0 else rows
    d_query = tl.zeros((QUERIES, WIDTH), tl.float32)
    for start in range(0, length, KEYS):
        columns = start + tl.arange(0, KEYS)
        places = columns[:, None] * step + across[None, :]
        key = tl.load(joint + WIDTH + places, mask=(columns < length)[:, None], other=0.0)
        value = tl.load(joint + 2 * WIDTH + places, mask=(columns < length)[:, None], other=0.0)
        scores = tl.dot(query, tl.trans(key)) * (SCALE * _LOG2_E) - sum_of_row[:, None]
        # Beyond the sample keys are 0: a weight there may be infinite, and times 0 it would be no number.
        weights = tl.exp2(tl.where((columns < length)[None, :], scores, float("-inf")))
        d_weights = tl.dot(d_mixed, tl.trans(value))
        if THRESHOLD > 0:
            of_keys = _hashes(begin + columns, head, seeds, 1)
            d_weights = tl.where(_is_kept(of_queries[:, None], of_keys[None, :], THRESHOLD), d_weights, 0.0)
        d_scores = (weights * (d_weights - in_common[:, None])).to(key.dtype)
        d_query = tl.dot(d_scores, key, d_query)
    d_query = (d_query * (SCALE * _NUM_DRAWN / (_NUM_DRAWN - THRESHOLD))).to(joint_gradient.dtype.element_ty)
    tl.store(joint_gradient + query_places, d_query, mask=are_rows[:, None])


@triton.jit(do_not_specialize=["num_tokens", "num_blocks"])
def attention_backward_of_keys(
    joint, bounds, seeds, sums, gradient, inner, joint_gradient, num_tokens, num_blocks, HEADS: tl.constexpr,
    WIDTH: tl.constexpr, SCALE: tl.constexpr, THRESHOLD: tl.constexpr, QUERIES: tl.constexpr, KEYS: tl.constexpr,
):  # fmt: skip
    """The gradients of a block of keys and their values, after that of the queries; scores are keys by queries here."""
    first, head, sample = _own_block(num_blocks, HEADS, KEYS)
    begin = tl.load(bounds + sample)
    length = tl.load(bounds + sample + 1) - begin
    if first >= length:
        return
    step: tl.constexpr = HEADS * 3 * WIDTH
    joint += begin.to(tl.int64) * step + head * (3 * WIDTH)
    joint_gradient += begin.to(tl.int64) * step + head * (3 * WIDTH)
    gradient += begin.to(tl.int64) * (HEADS * WIDTH) + head * WIDTH
    sums += head * num_tokens + begin
    inner += head * num_tokens + begin
    across = tl.arange(0, WIDTH)
    columns = first + tl.arange(0, KEYS)
    are_columns = columns < length
    places = columns[:, None] * step + across[None, :]
    key = tl.load(joint + WIDTH + places, mask=are_columns[:, None], other=0.0)
    value = tl.load(joint + 2 * WIDTH + places, mask=are_columns[:, None], other=0.0)
    of_keys = _hashes(begin + columns, head, seeds, 1) if THRESHOLD > 0 else columns
    d_key = tl.zeros((KEYS, WIDTH), tl.float32)
    d_value = tl.zeros((KEYS, WIDTH), tl.float32)
    for start in range(0, length, QUERIES):
        rows = start + tl.arange(0, QUERIES)
        are_rows = rows < length
        query = tl.load(joint + rows[:, None] * step + across[None, :], mask=are_rows[:, None], other=0.0)
        own_places = rows[:, None] * (HEADS * WIDTH) + across[None, :]
        d_mixed = tl.load(gradient + own_places, mask=are_rows[:, None], other=0.0)
        sum_of_row = tl.load(sums + rows, mask=are_rows, other=float("inf"))
        in_common = tl.load(inner + rows, mask=are_rows, other=0.0)
        weights = tl.exp2(tl.dot(key, tl.trans(query)) * (SCALE * _LOG2_E) - sum_of_row[None, :])
        d_weights = tl.dot(value, tl.trans(d_mixed))
        kept = weights
        if THRESHOLD > 0:
            of_queries = _hashes(begin + rows, head, seeds, 0)
            stays = _is_kept(of_queries[None, :], of_keys[:, None], THRESHOLD)
            kept = tl.where(stays, weights, 0.0)
            d_weights = tl.where(stays, d_weights, 0.0)
        d_value = tl.dot(kept.to(d_mixed.dtype), d_mixed, d_value)
        d_scores = (weights * (d_weights - in_common[None, :])).to(query.dtype)
        d_key = tl.dot(d_scores, query, d_key)
    d_key = (d_key * (SCALE * _NUM_DRAWN / (_NUM_DRAWN - THRESHOLD))).to(joint_gradient.dtype.element_ty)
    d_value = (d_value * (_NUM_DRAWN / (_NUM_DRAWN - THRESHOLD))).to(joint_gradient.dtype.element_ty)
    tl.store(joint_gradient + WIDTH + places, d_key, mask=are_columns[:, None])
    tl.store(joint_gradient + 2 * WIDTH + places, d_value, mask=are_columns[:, None])
