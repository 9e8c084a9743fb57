"""Starting, side by side: what domainlm's commands, its import and a first training step take, and transformers'.

    python benchmarks/start_up.py --write

The seconds of a whole process from its start to its end, contenders in turns, after a first round that fills the file
cache. A first step is one of a BERT of 2 layers x 64 on 4 sequences of 32, from a fresh interpreter: domainlm's by
benchmarks/step_workers.py, transformers' BertForMaskedLM with torch's AdamW. Needs an idle machine.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bars import Panel
from measuring import machine_facts, middle, write_results

_PACKAGES = ("domainlm", "torch", "transformers")
_RECIPE = Path(__file__).parents[1] / "recipes" / "quickstart.toml"
_OUR_STEP = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from step_workers import Shape, make_worker, take_step
shape = Shape.of("tiny:4x32")
take_step(make_worker(shape, "fp32"), 0, next(shape.batches(1)))
"""
_THEIR_STEP = """
import torch
from transformers import BertConfig, BertForMaskedLM
model = BertForMaskedLM(BertConfig(num_hidden_layers=2, hidden_size=64, num_attention_heads=2, intermediate_size=256))
optimizer = torch.optim.AdamW(model.parameters(), fused=True)
tokens = torch.randint(1000, 30000, (4, 32))
model(input_ids=tokens, attention_mask=torch.ones_like(tokens), labels=tokens).loss.backward()
torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
optimizer.step()
"""
_COMMANDS = {
    "import domainlm": ["-c", "import domainlm"],
    "domainlm --help": ["-m", "domainlm", "--help"],
    "domainlm --version": ["-m", "domainlm", "--version"],
    "domainlm run RECIPE --dry-run": ["-m", "domainlm", "run", str(_RECIPE), "--dry-run"],
    "a first step by domainlm": ["-c", _OUR_STEP],
    "import torch": ["-c", "import torch"],
    "import transformers": ["-c", "import transformers"],
    "from transformers import Trainer, AutoModelForTokenClassification": [
        "-c",
        "from transformers import Trainer, AutoModelForTokenClassification",
    ],
    "a first step by transformers": ["-c", _THEIR_STEP],
}


def time_commands(repeats: int) -> dict[str, dict[str, float]]:
    """Seconds of each command; the first round does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in _COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(repeats + 1):
            for name, arguments in _COMMANDS.items():
                started = time.perf_counter()
                subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, cwd=folder)
                if turn:
                    seconds[name].append(time.perf_counter() - started)
    return {name: middle(each) for name, each in seconds.items()}


def report(content: dict[str, Any]) -> str:
    """The page for people."""
    lines = ["# Starting", "", json.dumps(content["machine"]), "", content["note"]]
    lines += ["Seconds of a whole process.", "", "| process | median | lowest to highest |", "|---|---:|---:|"]
    for name, each in content["start_up"].items():
        lines.append(f"| `{name}` | {each['median']:.2f} | {each['lowest']:.2f} to {each['highest']:.2f} |")
    return "\n".join(lines) + "\n"


def panels(content: dict[str, Any]) -> list[Panel]:
    """Seconds of every process."""
    return [Panel("Starting", "seconds of a whole process", content["start_up"])]


def main() -> None:
    """Run all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--note", default="", help="what readers of the figures should know")
    parser.add_argument("--write", action="store_true", help="keep the results below benchmarks/results")
    arguments = parser.parse_args()
    content = {
        "machine": machine_facts(_PACKAGES),
        "note": arguments.note,
        "start_up": time_commands(arguments.repeats),
    }
    page = report(content)
    print(page)
    if arguments.write:
        print(write_results("start-up", content, page, panels(content)))


if __name__ == "__main__":
    main()
