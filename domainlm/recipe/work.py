"""From a recipe's settings to the step that `domainlm.plan` does its arithmetic on."""

from __future__ import annotations

from domainlm.model.config import ModelConfig
from domainlm.plan.work import Attention, Schedule, Work
from domainlm.recipe.parallel_settings import ParallelSettings
from domainlm.recipe.pretraining_settings import PretrainingSettings
from domainlm.recipe.schema import RuntimeSettings
from domainlm.recipe.task_settings import FinetuningSettings

_MAX_PLAIN_TOKENS = 1024
"""As in domainlm/model/attention.py: up to here, CPUs keep the probabilities of all pairs in bfloat16."""


def work_of(
    config: ModelConfig,
    phase: PretrainingSettings | FinetuningSettings,
    parallel: ParallelSettings,
    runtime: RuntimeSettings,
    *,
    on_gpu: bool,
) -> Work:
    """The step of a phase.

    Args:
        config: shape of the encoder.
        phase: its batches. A head of fine-tuning is small beside the masked language model's: nothing is predicted.
        parallel: how the work is divided, degrees aside.
        runtime: number formats.
        on_gpu: computed on GPUs.
    """
    divides_vocabulary = parallel.divide_vocabulary and isinstance(phase, PretrainingSettings)
    return Work(
        config=config,
        sentence_order=isinstance(phase, PretrainingSettings) and phase.second_objective != "none",
        max_tokens=phase.max_tokens,
        num_sequences_per_step=phase.num_sequences_per_step,
        num_sequences_per_micro_batch=phase.num_sequences_per_micro_batch,
        masked_share=phase.masking.rate if isinstance(phase, PretrainingSettings) else 0.0,
        precision=runtime.precision,
        attention=_attention(config, phase.max_tokens, runtime, on_gpu=on_gpu),
        checkpoint_every=parallel.num_layers_per_recomputed,
        shard_optimizer=parallel.shard_optimizer,
        schedule="gpipe" if divides_vocabulary else schedule_of(parallel),
        divides_vocabulary=divides_vocabulary,
        num_stages_per_rank=parallel.num_stages_per_rank,
        packs_rows=isinstance(phase, PretrainingSettings) and phase.packing,
        layers_per_stage=None if parallel.layers_per_stage == "auto" else parallel.layers_per_stage,
    )


def schedule_of(parallel: ParallelSettings) -> Schedule:
    """The order of a pipeline's micro-batches; where it is left open, the leanest that the engine has."""
    if parallel.schedule != "auto":
        return parallel.schedule
    if parallel.engine == "async_pipe":
        return "gpipe"
    return "interleaved" if parallel.num_stages_per_rank > 1 else "1f1b"


def _attention(config: ModelConfig, max_tokens: int, runtime: RuntimeSettings, *, on_gpu: bool) -> Attention:
    """What domainlm/model/attention.py chooses in training."""
    if on_gpu:
        return "fused"
    is_short = runtime.precision != "fp32" and max_tokens <= _MAX_PLAIN_TOKENS
    return "plain" if config.dropout > 0.0 or is_short else "fused"
