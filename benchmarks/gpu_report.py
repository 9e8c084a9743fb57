"""The page of benchmarks/gpu.py, and the peaks of GPUs that shares are told of."""

from __future__ import annotations

import re
from typing import Any

PEAKS = {
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "H200 NVL": 835e12,
    "H200": 989e12,
    "GH200": 989e12,
    "GB200": 2500e12,
    "B200": 2250e12,
    "A100": 312e12,
    "A800": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
    "A10": 125e12,
    "RTX 4090": 165e12,
}
"""Dense bf16 operations per second by words of the device's name; the first that matches counts."""
_OTHER_KINDS = re.compile(r"\b(?:MIG|Laptop|4090 D)\b")

_COLUMNS = (
    "size",
    "parameters, M",
    "precision",
    "dropout",
    "micro-batches",
    "ms a step",
    "tokens/s",
    "TFLOP/s",
    "MFU",
    "MFU by 6 N + 12 L s h",
    "memory, GB",
    "plan says, GB",
    "first step, s",
)
_TEXT_COLUMNS = ("size", "precision", "micro-batches")


def peak_of(device_name: str) -> float | None:
    """Dense bf16 operations per second; None where the device is not known."""
    if _OTHER_KINDS.search(device_name):
        return None
    return next((peak for name, peak in PEAKS.items() if re.search(rf"\b{name}\b", device_name)), None)


def report(content: dict[str, Any]) -> str:
    """A table for people."""
    machine, peak = content["machine"], content["peak_operations_per_second"]
    packages = ", ".join(f"{name} {found}" for name, found in machine["packages"].items())
    compiled = "layers compiled" if content["compiled"] else "nothing compiled"
    kernels = "the same bytes each time" if content["deterministic"] else "bytes that may vary"
    lines = [
        f"# Training on one GPU, {machine['date']}",
        "",
        f"{content['device']}, dense bf16 peak {peak / 1e12:,.0f} TFLOP/s by its data sheet; sequences of",
        f"{content['max_tokens']}; {compiled}, kernels that give {kernels}.",
        f"Python {machine['python']}, {packages}.",
        "",
        "| " + " | ".join(_COLUMNS) + " |",
        "|" + "".join("---|" if name in _TEXT_COLUMNS else "---:|" for name in _COLUMNS),
    ]
    lines += ["| " + " | ".join(_cells(row, peak)) + " |" for row in content["rows"]]
    return "\n".join([*lines, ""])


def _cells(row: dict[str, Any], peak: float) -> list[str]:
    return [
        row["size"],
        f"{row['num_parameters'] / 1e6:,.0f}",
        row["precision"],
        f"{row['dropout']:g}",
        f"{row['num_micro_batches']} x {row['micro_batch']}",
        f"{row['seconds_per_step']['median'] * 1e3:,.1f}",
        f"{row['tokens_per_second']:,.0f}",
        f"{row['operations_per_second'] / 1e12:,.1f}",
        f"{row['operations_per_second'] / peak:.1%}",
        f"{row['usual_operations_per_second'] / peak:.1%}",
        f"{row['peak_gigabytes']:.1f}",
        f"{row['planned_gigabytes']:.1f}",
        f"{row['seconds_of_first_step']:.1f}",
    ]
