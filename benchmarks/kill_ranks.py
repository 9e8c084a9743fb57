"""Kills ranks again and again, and compares what comes out in the end with an undisturbed run.

    python benchmarks/kill_ranks.py                     # 50 SIGKILLs on data 1 x pipeline 2 x tensor 2
    python benchmarks/kill_ranks.py --grid 2 1 2 --kills 20

`domainlm run` pretrains a small model on a grid of ranks of this machine, once undisturbed. Then it is started again
and again, and each time a rank chosen at random is killed: after a random time, or as soon as a checkpoint is being
written, or has its manifest, or an old one is being removed. When enough were killed, the run may end. It counts:

- whether the model, its metrics and the results are equal to the undisturbed run's, byte for byte;
- checkpoints lost: restarts that went on from an earlier one than the newest that was complete at the kill;
- how long it took from each kill until the whole run had ended, and whether the message named the rank.

Progress is on stderr. The last line on stdout is a JSON object; with --write a report goes into benchmarks/results.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from measuring import machine_facts, write_results

_RECIPE = """
name = "kill"

[corpus]
spec = "core/text"
files = ["text.txt"]
held_out_share = 0.1

[vocabulary]
size = 120

[model]
size = "core/tiny"

[pretraining]
num_steps = {num_steps}
num_sequences_per_step = 16
num_sequences_per_micro_batch = 4
max_tokens = 32
num_steps_per_checkpoint = {num_steps_per_checkpoint}
num_checkpoints_kept = 2

[parallel]
data = {data}
pipeline = {pipeline}
tensor = {tensor}

[runtime]
device = "cpu"
num_threads = 1
"""
_POLL_SECONDS = 0.002
_MAX_SECONDS = 1.5
_NUM_KILLS_PER_EARLY_ONE = 5
"""Of so many kills one comes while ranks are still starting; the others wait for their first steps."""
_MOMENTS = ("at random", "while a checkpoint is written", "at its manifest", "while an old one is removed")
_PATTERNS = {_MOMENTS[1]: ".*.partial", _MOMENTS[2]: ".*.partial/manifest.json", _MOMENTS[3]: ".*.removed"}
_USER_ERROR = 2


@dataclass(slots=True)
class Tally:
    """What was seen."""

    moments: Counter[str] = field(default_factory=Counter)
    ranks: Counter[int] = field(default_factory=Counter)
    seconds_to_end: list[float] = field(default_factory=list)
    num_named: int = 0
    num_lost: int = 0
    num_resumed: int = 0
    problems: list[str] = field(default_factory=list)


class Study:
    """Runs of one recipe in one folder."""

    def __init__(self, folder: Path, arguments: argparse.Namespace) -> None:
        self.folder = folder
        data, pipeline, tensor = arguments.grid
        self.num_ranks = data * pipeline * tensor
        facts = {"data": data, "pipeline": pipeline, "tensor": tensor, "num_steps": arguments.steps}
        recipe = _RECIPE.format(**facts, num_steps_per_checkpoint=arguments.steps_per_checkpoint)
        (folder / "kill.toml").write_text(recipe, encoding="utf-8")
        (folder / "text.txt").write_text(_text(), encoding="utf-8")

    def start(self, out: str) -> subprocess.Popen[str]:
        """Start the command; its messages go to a file."""
        command = [sys.executable, "-m", "domainlm", "run", "kill.toml", "--out", out]
        with (self.folder / f"{out}.log").open("w", encoding="utf-8") as log:
            return subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=subprocess.STDOUT, text=True)

    def log(self, out: str) -> str:
        """What the last command said."""
        return (self.folder / f"{out}.log").read_text("utf-8")

    def work(self, out: str) -> Path | None:
        """The folder of the pretraining in work."""
        return next((self.folder / out / "artifacts" / "pretrain").glob("*.partial"), None)

    def newest(self, out: str) -> int:
        """The step of the newest complete checkpoint; 0 where there is none."""
        work = self.work(out)
        names = [path.name for path in (work / "checkpoints").glob("step-*")] if work else []
        return max((int(name.split("-")[1]) for name in names), default=0)

    def ranks(self, out: str, first_step: int = 0) -> dict[int, int]:
        """The process of each rank that has written a heartbeat, since its first steps or before."""
        work = self.work(out)
        found = {}
        for path in (work / "ranks").glob("rank-*.json") if work else []:
            try:
                heartbeat = json.loads(path.read_bytes())
            except (OSError, ValueError):
                continue
            if heartbeat["step"] >= first_step:
                found[heartbeat["rank"]] = heartbeat["process"]
        return found

    def outcome(self, out: str) -> dict[str, bytes]:
        """All that must be equal: models, metrics, results."""
        root = self.folder / out
        paths = [*(root / "models").rglob("*"), *(root / "logs").rglob("*"), root / "results.json"]
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths if path.is_file()}


def _text() -> str:
    """Sentences in which some words follow from others: something to learn."""
    choose = random.Random(0)  # noqa: S311 - no secrets
    ships, ports, winds = ("Vega", "Tern", "Gannet"), ("Oslo", "Cork", "Riga", "Brest"), ("north", "west", "south")
    lines = []
    for day in range(400):
        place = choose.randrange(12)
        lines += [
            f"Day {day}: wind from the {winds[place % 3]}.",
            f"The {ships[place % 3]} left for {ports[place % 4]}.",
        ]
        lines += ["", ""] if day % 3 == 2 else []
    return "\n".join(lines) + "\n"


def _wait_for(moment: str, study: Study, choose: random.Random, process: subprocess.Popen[str]) -> str:
    """Wait until it is time to kill; returns the moment that it was, "" where the run ended before."""
    after = time.monotonic() + choose.uniform(0.0, _MAX_SECONDS if moment == _MOMENTS[0] else 0.5)
    while process.poll() is None:
        if time.monotonic() > after + _MAX_SECONDS or (moment == _MOMENTS[0] and time.monotonic() > after):
            return _MOMENTS[0]  # some folders are there for less than a glance
        work = study.work("killed")
        if work is not None and moment in _PATTERNS and time.monotonic() > after:
            if next((work / "checkpoints").glob(_PATTERNS[moment]), None) is not None:
                return moment
            continue  # no pause: it does not last
        time.sleep(_POLL_SECONDS)
    return ""


def kill_repeatedly(study: Study, num_kills: int, seed: int) -> Tally:
    """Kill a rank `num_kills` times, each time followed by a restart, then let the run end."""
    choose, tally, out = random.Random(seed), Tally(), "killed"  # noqa: S311 - no secrets
    expected = 0
    while True:
        process = study.start(out)
        is_last = sum(tally.moments.values()) >= num_kills
        moment, newest = ("", 0) if is_last else _kill_once(study, process, choose, tally)
        struck = time.monotonic()
        code = process.wait()
        _check_resumed(study.log(out), expected, tally)
        if not moment:
            num_done = sum(tally.moments.values())
            if num_done < num_kills:
                tally.problems.append(f"the run ended after {num_done} kills: give it more --steps")
            if code != 0:
                tally.problems.append(f"a run that nobody disturbed ended with {code}: {study.log(out)[-500:]}")
            return tally
        expected = newest
        print(f"kill {sum(tally.moments.values())}: {moment}, after step {newest}'s checkpoint", file=sys.stderr)
        tally.seconds_to_end.append(time.monotonic() - struck)
        is_named = re.search(r"error: rank \d+ of \d+ .*killed by SIGKILL", study.log(out)) is not None
        tally.num_named += is_named
        if code != _USER_ERROR or not is_named or "Traceback" in study.log(out):
            tally.problems.append(f"after a kill {moment} it ended with {code}: {study.log(out)[-500:]}")


def _kill_once(study: Study, process: subprocess.Popen[str], choose: random.Random, tally: Tally) -> tuple[str, int]:
    """Wait for the ranks and the moment, and kill one; ("", 0) where the run ended before."""
    num_done = sum(tally.moments.values())
    first_step = 0 if num_done % _NUM_KILLS_PER_EARLY_ONE == _NUM_KILLS_PER_EARLY_ONE - 1 else 1
    while len(study.ranks("killed", first_step)) < study.num_ranks:
        if process.poll() is not None:
            return "", 0
        time.sleep(_POLL_SECONDS)
    moment = _wait_for(_MOMENTS[num_done % len(_MOMENTS)], study, choose, process)
    ranks, newest = study.ranks("killed"), study.newest("killed")
    if not moment or len(ranks) < study.num_ranks:
        return "", 0
    rank = choose.choice(sorted(ranks))
    try:
        os.kill(ranks[rank], signal.SIGKILL)
    except ProcessLookupError:
        return "", 0
    tally.moments[moment] += 1
    tally.ranks[rank] += 1
    return moment, newest


def _check_resumed(log: str, expected: int, tally: Tally) -> None:
    """Whether the run went on from the newest checkpoint that was complete, or from a newer one."""
    found = re.search(r"going on after step (\d+)", log)
    step = int(found[1]) if found else 0
    tally.num_resumed += found is not None
    if found and step < expected:  # one that was killed while it started has said nothing
        tally.num_lost += 1
        tally.problems.append(f"went on after step {step}, though that of step {expected} was complete")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """The undisturbed run, the disturbed one, and their comparison."""
    with tempfile.TemporaryDirectory(prefix="domainlm-kill-") as name:
        study = Study(Path(name), arguments)
        started = time.monotonic()
        if study.start("whole").wait() != 0:
            raise SystemExit(study.log("whole"))
        whole_seconds = time.monotonic() - started
        tally = kill_repeatedly(study, arguments.kills, arguments.seed)
        expected, found = study.outcome("whole"), study.outcome("killed")
    different = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    return {
        "grid": arguments.grid,
        "num_steps": arguments.steps,
        "num_steps_per_checkpoint": arguments.steps_per_checkpoint,
        "num_kills": sum(tally.moments.values()),
        "moments": dict(tally.moments),
        "ranks": {str(rank): count for rank, count in sorted(tally.ranks.items())},
        "num_named": tally.num_named,
        "num_resumed": tally.num_resumed,
        "num_checkpoints_lost": tally.num_lost,
        "seconds_from_kill_to_end": [round(seconds, 2) for seconds in tally.seconds_to_end],
        "undisturbed_seconds": round(whole_seconds, 1),
        "num_files_compared": len(expected),
        "different_files": different,
        "problems": tally.problems,
    }


def _report(content: dict[str, Any]) -> str:
    found, machine = content["kills"], content["machine"]
    seconds = found["seconds_from_kill_to_end"]
    data, pipeline, tensor = found["grid"]
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    lines = [
        "# SIGKILLs of ranks, each followed by a restart",
        "",
        f"`python benchmarks/kill_ranks.py`, {machine['date']}, {machine['cpu']}, {packages}.",
        "",
        "| what | outcome |",
        "|---|---|",
        f"| grid | data {data} x pipeline {pipeline} x tensor {tensor} |",
        f"| steps, and steps per checkpoint | {found['num_steps']}, {found['num_steps_per_checkpoint']} |",
        f"| kills | {found['num_kills']} ({', '.join(f'{n} {moment}' for moment, n in found['moments'].items())}) |",
        f"| by rank | {', '.join(f'rank {rank}: {n}' for rank, n in found['ranks'].items())} |",
        f"| runs that named the rank | {found['num_named']} |",
        f"| restarts that went on from a checkpoint | {found['num_resumed']} |",
        f"| checkpoints lost | {found['num_checkpoints_lost']} |",
        f"| from the kill to the end of the run, longest | {max(seconds, default=0.0)} s |",
        f"| files compared with the undisturbed run's | {found['num_files_compared']} |",
        f"| of these different | {len(found['different_files'])} {', '.join(found['different_files'])} |",
        f"| other problems | {len(found['problems'])} |",
        "",
    ]
    return "\n".join([*lines, *(f"- {problem}" for problem in found["problems"])])


def main() -> None:
    """Measure, print, and write where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--grid", type=int, nargs=3, default=[1, 2, 2], metavar=("DATA", "PIPELINE", "TENSOR"))
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--steps", type=int, default=3_000)
    parser.add_argument("--steps-per-checkpoint", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="write the result into benchmarks/results")
    arguments = parser.parse_args()
    kills = measure(arguments)
    if arguments.write:
        content = {"machine": machine_facts(["domainlm", "torch", "fairscale"]), "kills": kills}
        print(write_results("kill-ranks", content, _report(content)))
    print(json.dumps(kills))
    raise SystemExit(1 if kills["different_files"] or kills["problems"] or kills["num_checkpoints_lost"] else 0)


if __name__ == "__main__":
    main()
