"""Does a run that is killed again and again end with the same results?

    python benchmarks/kill_run.py recipes/quickstart.toml
    python benchmarks/kill_run.py recipes/real/bc5cdr.toml --kills 5 -- --set variables.data=FOLDER

The recipe is run once undisturbed. A second run, into a folder and a store of its own, is killed (SIGKILL, to all of
its processes) at random moments, each somewhere within the time that is left to do, and started again; then it may end.
The two results.json must be the same to the byte. Exit status 1 where they are not.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from measuring import machine_facts, write_results

_PACKAGES = ("domainlm", "domainlm-biomegatron", "torch", "numpy", "tokenizers")
_FIRST_SECONDS = 3.0  # by then the command has read its recipe


def start(recipe: str, out: Path, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a run in a process group of its own."""
    command = [sys.executable, "-m", "domainlm", "run", recipe, "--out", str(out), *arguments]
    return subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def finish(process: subprocess.Popen[bytes]) -> None:
    """Wait for a run to end well."""
    if process.wait() != 0:
        raise SystemExit(f"the run failed with exit status {process.returncode}: {' '.join(map(str, process.args))}")


def run_with_kills(
    recipe: str, out: Path, arguments: Sequence[str], *, kills: int, seconds: float, seed: int
) -> list[float]:
    """Run to the end through some kills; returns the seconds after which each came."""
    choose = random.Random(seed)  # noqa: S311 - no secrets
    moments: list[float] = []
    left = seconds
    for number in range(kills):
        moment = choose.uniform(_FIRST_SECONDS, max(_FIRST_SECONDS + 1, 2 * left / (kills - number + 1)))
        process = start(recipe, out, arguments)
        began = time.monotonic()
        while process.poll() is None and time.monotonic() - began < moment:
            time.sleep(0.01)
        if process.poll() is not None:
            print(f"ended by itself before kill {number + 1}")
            break
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        moments.append(round(moment, 1))
        left = max(0.0, left - moment)
        print(f"kill {number + 1} after {moment:.1f} s")
    finish(start(recipe, out, arguments))
    return moments


def main() -> None:
    """Run twice and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="keep both runs below this folder")
    parser.epilog = "What stands after -- goes to `domainlm run`."
    own = sys.argv[1 : sys.argv.index("--")] if "--" in sys.argv else sys.argv[1:]
    arguments = sys.argv[len(own) + 2 :]
    given = parser.parse_args(own)
    with tempfile.TemporaryDirectory() as temporary:
        root = given.out or Path(temporary)
        machine = machine_facts(_PACKAGES)
        began = time.monotonic()
        finish(start(given.recipe, root / "undisturbed", arguments))
        seconds = time.monotonic() - began
        print(f"undisturbed: {seconds:.0f} s")
        began = time.monotonic()
        moments = run_with_kills(
            given.recipe, root / "killed", arguments, kills=given.kills, seconds=seconds, seed=given.seed
        )
        with_kills = time.monotonic() - began
        digests = {
            name: hashlib.sha256((root / name / "results.json").read_bytes()).hexdigest()
            for name in ("undisturbed", "killed")
        }
    same = len(set(digests.values())) == 1
    content = {
        "machine": machine,
        "recipe": given.recipe,
        "arguments": arguments,
        "seconds_undisturbed": round(seconds, 1),
        "seconds_with_kills": round(with_kills, 1),
        "kill_seconds": moments,
        "results_sha256": digests,
        "same": same,
    }
    verdict = "the same, to the byte" if same else "DIFFERENT"
    report = (
        f"# Killed and started again: {given.recipe}, {machine['date']}\n\n"
        f"{machine['cpu']}, {machine['cores']} cores, load {machine['load_at_start']} at the start.\n\n"
        f"- Undisturbed: {seconds:.0f} s.\n"
        f"- With {len(moments)} SIGKILLs ({', '.join(map(str, moments))} s after each start): {with_kills:.0f} s.\n"
        f"- results.json of both: {verdict} (sha256 {digests['killed'][:16]}).\n"
    )
    print(write_results(f"kill-run-{Path(given.recipe).stem}", content, report))
    print(f"results.json of both: {verdict}")
    sys.exit(not same)


if __name__ == "__main__":
    main()
