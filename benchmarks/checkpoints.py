"""Saving and loading checkpoints, side by side: how long training is held up, and how long all takes.

    python benchmarks/checkpoints.py --write

A BERT of 12 x 768 (`--layers`, `--hidden`) with AdamW's state is saved `--repeats` times. `domainlm` copies it and
writes in the background, synced to the disk and hashed; `domainlm, waiting` writes as much without a copy, while
training waits (`checkpoints_in_background = false`). `torch.save`, and `save_pretrained` with torch.save of the
optimizer as transformers' Trainer does, write while training waits, and sync nothing. Held up is the time until
training may go on, durable the time until all is written. A first save of each is not counted. Needs an idle machine.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bars import Panel
from measuring import machine_facts, middle, run_facts, write_results

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from transformers import PreTrainedModel

_PACKAGES = ("domainlm", "torch", "transformers", "safetensors")
_SAVERS = ("domainlm", "domainlm, waiting", "torch.save", "save_pretrained")
_HEAD_WIDTH = 32


def run_saver(arguments: argparse.Namespace) -> dict[str, Any]:
    """One contender's checkpoints."""
    import torch
    from transformers import BertConfig, BertForMaskedLM

    config = BertConfig(
        num_hidden_layers=arguments.layers,
        hidden_size=arguments.hidden,
        num_attention_heads=arguments.hidden // _HEAD_WIDTH,
        intermediate_size=4 * arguments.hidden,
    )
    network = BertForMaskedLM(config)
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    found: dict[str, list[float]] = {"held_up": [], "durable": [], "load": []}
    num_bytes = 0
    for _ in range(arguments.repeats + 1):
        with tempfile.TemporaryDirectory() as folder:
            held_up, durable, load = _SAVE[arguments.run](Path(folder), network, optimizer)
            num_bytes = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
        for name, value in (("held_up", held_up), ("durable", durable), ("load", load)):
            found[name].append(value)
    return {name: middle(values[1:]) for name, values in found.items()} | {"megabytes": num_bytes / 1e6}


def _save_domainlm(
    folder: Path, network: PreTrainedModel, optimizer: Optimizer, *, in_background: bool = True
) -> tuple[float, float, float]:
    from domainlm.parallel.shards import Shard
    from domainlm.train.checkpoints.runs import Checkpoints, Contents
    from domainlm.train.optimizer import optimizer_tensors

    def contents() -> Contents:
        weights = [Shard.whole(name, each.detach()) for name, each in network.named_parameters()]
        state = [Shard.whole(name, each) for name, each in optimizer_tensors(optimizer, network).items()]
        return Contents(weights=weights, optimizer=state)

    checkpoints = Checkpoints(folder, "benchmark", 1, in_background=in_background)
    started = time.perf_counter()
    checkpoints.begin(1, contents())
    held_up = time.perf_counter()
    checkpoints.seal()
    durable = time.perf_counter()
    latest = checkpoints.latest()
    assert latest is not None
    target = contents()
    latest.load("weights", list(target.weights))
    for _ in latest.optimizer(list(target.weights)):
        pass
    return held_up - started, durable - started, time.perf_counter() - durable


def _save_torch(folder: Path, network: PreTrainedModel, optimizer: Optimizer) -> tuple[float, float, float]:
    import torch

    path = folder / "checkpoint.pt"
    started = time.perf_counter()
    torch.save({"model": network.state_dict(), "optimizer": optimizer.state_dict()}, path)
    saved = time.perf_counter()
    stored = torch.load(path, weights_only=True)
    network.load_state_dict(stored["model"])
    optimizer.load_state_dict(stored["optimizer"])
    return saved - started, saved - started, time.perf_counter() - saved


def _save_pretrained(folder: Path, network: PreTrainedModel, optimizer: Optimizer) -> tuple[float, float, float]:
    import torch

    started = time.perf_counter()
    network.save_pretrained(folder)
    torch.save(optimizer.state_dict(), folder / "optimizer.pt")
    saved = time.perf_counter()
    type(network).from_pretrained(folder)
    optimizer.load_state_dict(torch.load(folder / "optimizer.pt", weights_only=True))
    return saved - started, saved - started, time.perf_counter() - saved


_SAVE = {
    "domainlm": _save_domainlm,
    "domainlm, waiting": partial(_save_domainlm, in_background=False),
    "torch.save": _save_torch,
    "save_pretrained": _save_pretrained,
}


def report(content: dict[str, Any]) -> str:
    """The page for people."""

    def cell(values: dict[str, float]) -> str:
        return f"{values['median']:.2f} ({values['lowest']:.2f} to {values['highest']:.2f})"

    lines = [f"# Checkpoints of a BERT of {content['shape']} with the optimizer's state", ""]
    lines += [json.dumps(content["machine"]), "", content["note"], "Seconds: median (lowest to highest).", ""]
    lines += [
        "| saved by | training held up s | durable s | to load s | MB | peak of the process, MB |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, each in content["checkpoints"].items():
        durable = cell(each["durable"]) if name.startswith("domainlm") else "not synced"
        cells = [cell(each["held_up"]), durable, cell(each["load"])]
        lines.append(f"| {name} | {' | '.join(cells)} | {each['megabytes']:,.0f} | {each['peak_megabytes']:,.0f} |")
    return "\n".join(lines) + "\n"


def panels(content: dict[str, Any]) -> list[Panel]:
    """Seconds that training waits, and those of loading."""
    titles = {"held_up": "Saving holds training up", "load": "Loading"}
    return [
        Panel(title, "seconds", {name: each[kind] for name, each in content["checkpoints"].items()})
        for kind, title in titles.items()
    ]


def main() -> None:
    """Run all, or, as a child, one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--hidden", type=int, default=768)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--note", default="", help="what readers of the figures should know")
    parser.add_argument("--write", action="store_true", help="keep the results below benchmarks/results")
    parser.add_argument("--run", choices=_SAVERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        print(json.dumps(run_saver(arguments)))
        return
    shared = [f"--{name}={getattr(arguments, name)}" for name in ("layers", "hidden", "repeats")]
    content: dict[str, Any] = {"machine": machine_facts(_PACKAGES), "note": arguments.note, "checkpoints": {}}
    content["shape"] = f"{arguments.layers} x {arguments.hidden}"
    for name in _SAVERS:
        facts, peak = run_facts(Path(__file__), name, shared)
        content["checkpoints"][name] = facts | {"peak_megabytes": peak / 1e6}
    page = report(content)
    print(page)
    if arguments.write:
        print(write_results("checkpoints", content, page, panels(content)))


if __name__ == "__main__":
    main()
