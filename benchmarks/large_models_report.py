"""The tables of benchmarks/large_models.py."""

from __future__ import annotations

from typing import Any

KINDS = ("weights", "gradients", "optimizer", "activations", "working")
_GIB = 2**30
_HEADER = ("size", "rank", "stage", *KINDS[:3], "activations and working", "in all", "plan is off by")


def deviation(rank: dict[str, Any]) -> float:
    """How far the plan of a rank's memory is from what was measured, as a share of the latter."""
    if "growth" not in rank:
        return float(rank["planned"]["weights"] / rank["growth_when_built"] - 1.0)
    return float(rank["planned"]["total"] / rank["growth"] - 1.0)


def report(content: dict[str, Any]) -> str:
    """Tables for people."""
    machine, settings = content["machine"], content["settings"]
    data, pipeline, tensor = settings["grid"]
    packages = ", ".join(f"{name} {found}" for name, found in machine["packages"].items())
    every = settings["checkpointing"]
    lines = [
        f"# Large models on data {data} x pipeline {pipeline} x tensor {tensor}, {machine['date']}",
        "",
        f"Vocabulary {settings['vocabulary']:,}; a step has {settings['sequences']} packed sequences",
        f"of {settings['max_tokens']}, a micro-batch {settings['micro_batch']}; {settings['precision']},",
        f"dropout {settings['dropout']},",
        *(["the vocabulary divided over all ranks of a replica,"] if settings.get("divide_vocabulary") else []),
        f"{f'every {every}. layer recomputed' if every else 'nothing recomputed'}. One thread for each rank.",
        f"{machine['cores']} cores of {machine['cpu']}; load {machine['load_at_start']} before.",
        f"Python {machine['python']}, {packages}.",
        "",
        "| size | parameters, M | seconds to build | losses of the steps | seconds of the steps |",
        "|---|---:|---:|---:|---:|",
        *(_speed(row) for row in content["rows"]),
        "",
        "GiB of each rank, planned / measured. Weights, gradients and optimizer are counted tensor by tensor. In all:",
        "the highest growth of a rank's resident memory over that of one that has trained a tiny model; the rest of it",
        "is activations and working memory. Where nothing is trained, it is the growth while weights were built.",
        "",
        f"| {' | '.join(_HEADER)} |",
        "|---|" + "---:|" * (len(_HEADER) - 1),
        *(_memory(row["size"], rank) for row in content["rows"] for rank in row["ranks"]),
    ]
    return "\n".join([*lines, ""])


def _speed(row: dict[str, Any]) -> str:
    steps = row["ranks"][0].get("steps", [])
    losses, seconds = (", ".join(f"{step[key]:.{digits}f}" for step in steps) for key, digits in _COLUMNS)
    build = max(rank["seconds_to_build"] for rank in row["ranks"])
    return f"| {row['size']} | {row['num_parameters'] / 1e6:,.1f} | {build:.1f} | {losses} | {seconds} |"


_COLUMNS = (("loss", 4), ("seconds", 1))


def _memory(size: str, rank: dict[str, Any]) -> str:
    planned = rank["planned"]
    cells = [_pair(planned[kind], rank.get(kind)) for kind in KINDS[:3]]
    if "growth" in rank:
        rest = rank["growth"] - sum(rank[kind] for kind in KINDS[:3])
        cells += [_pair(planned["activations"] + planned["working"], rest), _pair(planned["total"], rank["growth"])]
    else:
        cells[1:] = ["", "", "", _pair(planned["weights"], rank["growth_when_built"])]
    return f"| {size} | {rank['rank']} | {rank['stage']} | {' | '.join(cells)} | {deviation(rank):+.1%} |"


def _pair(planned: float, measured: float | None) -> str:
    return f"{planned / _GIB:.3f} / {'' if measured is None else f'{measured / _GIB:.3f}'}"
