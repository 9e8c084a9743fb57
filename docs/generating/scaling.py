"""Tables of the plan's arithmetic."""

from __future__ import annotations

from dataclasses import replace

from domainlm.model.config import ModelConfig
from domainlm.plan.parameters import num_parameters
from domainlm.plan.timing import Cluster, efficiency
from domainlm.plan.work import Degrees, Work
from generating.tables import number_table


def scaling_tables() -> str:
    """Efficiencies on paper: of the runs that Shoeybi et al. (2019) measured, and of two sizes on up to 512 GPUs."""
    measured = number_table(
        ("model", "grid", "without overlap", "all overlapped", "measured"),
        [_measured_row(*run) for run in _MEGATRON_RUNS],
    )
    ours = number_table(
        ("model", "GPUs", "grid", "64 sequences a GPU", "8,192 sequences"),
        [_scaling_row(layers, hidden, gpus, ways) for layers, hidden in _SHAPES for gpus in _GPUS for ways in _WAYS],
    )
    return f"### Against what was measured\n\n{measured}\n### Up to 512 GPUs\n\n{ours}"


_MEGATRON_RUNS = (
    (40, 1536, 16, Degrees(data=64), 96),
    (54, 1920, 20, Degrees(tensor=2), 95),
    (54, 1920, 20, Degrees(data=64, tensor=2), 83),
    (64, 2304, 24, Degrees(tensor=4), 82),
    (64, 2304, 24, Degrees(data=64, tensor=4), 79),
    (72, 3072, 32, Degrees(tensor=8), 77),
    (72, 3072, 32, Degrees(data=64, tensor=8), 74),
)
"""Layers, hidden, heads, grid, percent measured: Shoeybi et al. (2019), table 1 and figure 5."""
_V100 = Cluster(
    operations_per_second=39e12,
    bytes_per_second_within=150e9,
    bytes_per_second_between=100e9 / 16,
    ranks_per_machine=16,
)
_H100 = Cluster(
    operations_per_second=400e12, bytes_per_second_within=450e9, bytes_per_second_between=50e9, ranks_per_machine=8
)
_SHAPES = ((24, 1024), (24, 2048))
_GPUS = (8, 64, 512)
_WAYS = ((1, 1), (2, 1), (1, 2), (1, 8))
_SEQUENCES_PER_GPU, _LARGE_BATCH, _MOST_IN_A_MICRO_BATCH = 64, 8192, 32


def _shape(layers: int, hidden: int, heads: int, rows: int, max_positions: int) -> ModelConfig:
    return ModelConfig(
        layers=layers,
        hidden=hidden,
        heads=heads,
        feed_forward=4 * hidden,
        max_positions=max_positions,
        architecture="megatron",
        dropout=0.1,
        vocabulary_size=rows,
        padded_vocabulary_size=rows,
    )


def _measured_row(layers: int, hidden: int, heads: int, degrees: Degrees, percent: int) -> list[str]:
    """Eight sequences of 1,024 a replica, the whole model recomputed, everything predicted, 16-bit values."""
    work = Work(
        config=_shape(layers, hidden, heads, 51_200, 1024),
        sentence_order=False,
        max_tokens=1024,
        num_sequences_per_step=8 * degrees.data,
        num_sequences_per_micro_batch=8,
        masked_share=1.0,
        precision="bf16_weights",
        checkpoint_every=1,
        gradient_bytes=2,
    )
    shares = [efficiency(work, degrees, replace(_V100, overlap=overlap)) for overlap in (0.0, 1.0)]
    billions = num_parameters(work.config, sentence_order=False) / 1e9
    return [f"{billions:.1f} B", str(degrees), *(f"{share:.0%}" for share in shares), f"{percent}%"]


def _scaling_row(layers: int, hidden: int, num_gpus: int, ways: tuple[int, int]) -> list[str]:
    """Without and with all overlapped, at a batch that grows with the GPUs and at one that does not."""
    pipeline, tensor = ways
    degrees = Degrees(data=num_gpus // (pipeline * tensor), pipeline=pipeline, tensor=tensor)
    cells = []
    for batch in (_SEQUENCES_PER_GPU * num_gpus, _LARGE_BATCH):
        in_a_micro_batch = min(_MOST_IN_A_MICRO_BATCH, batch // (degrees.data * pipeline))
        work = Work(
            config=_shape(layers, hidden, 16, 30_592, 512),
            num_sequences_per_step=batch,
            num_sequences_per_micro_batch=in_a_micro_batch,
            precision="bf16",
        )
        low, high = (efficiency(work, degrees, replace(_H100, overlap=overlap)) for overlap in (0.0, 1.0))
        cells.append(" to ".join(dict.fromkeys(f"{share:.0%}" for share in (low, high))))
    millions = num_parameters(work.config, sentence_order=True) / 1e6
    return [f"{millions:,.0f} M", str(num_gpus), str(degrees), *cells]
