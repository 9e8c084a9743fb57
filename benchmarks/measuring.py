"""What benchmarks share: timing in a process of its own, memory of a tree of processes, facts, results on disk."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from pathlib import Path
from typing import Any

from bars import Panel, draw

RESULTS = Path(__file__).parent / "results"
_SECONDS_BETWEEN_SAMPLES = 0.05
_PAUSE_PER_SAMPLE = 50
"""Times what a sample took: the system walks all pages of a process, some 30 ms for 3 GB. Every 0.05 s, that took so
much of a core from what was measured that steps of 1.7 s on both cores lasted 3.5.
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of one contender.

    Attributes:
        contender: its name.
        megabytes: plain text it worked through, in 10**6 bytes.
        seconds: as the contender took them itself, without the start of its process.
        cpu_seconds: of all cores together, over the same time.
        peak_megabytes: most memory of the process and all below it at one time (proportional set size).
        facts: what else it says of its run.
    """

    contender: str
    megabytes: float
    seconds: float
    cpu_seconds: float
    peak_megabytes: float
    facts: dict[str, Any]


def run_apart(script: Path, contender: str, arguments: Sequence[str]) -> Measured:
    """Run `script --run CONTENDER ARGUMENTS` as a process of its own; its last line is JSON with its figures."""
    facts, peak_bytes = run_facts(script, contender, arguments)
    megabytes, seconds, cpu_seconds = (facts.pop(key) for key in ("megabytes", "seconds", "cpu_seconds"))
    return Measured(contender, megabytes, seconds, cpu_seconds, peak_bytes / 1e6, facts)


def run_facts(script: Path, contender: str, arguments: Sequence[str]) -> tuple[dict[str, Any], int]:
    """The figures on the last line of `script --run CONTENDER ARGUMENTS`, and the peak memory of its processes."""
    return run_together(script, contender, [arguments])[0]


def run_together(script: Path, contender: str, arguments: Sequence[Sequence[str]]) -> list[tuple[dict[str, Any], int]]:
    """`run_facts` of several processes at the same time, one for each list of arguments."""
    started = []
    for own in arguments:
        command = [sys.executable, str(script), "--run", contender, *own]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append((process, _Peak(process.pid)))
    found = []
    for process, peak in started:
        output, _ = process.communicate()
        peak_bytes = peak.stop()
        if process.returncode != 0:
            for other, _ in started:
                other.kill()
            raise SystemExit(f"{contender} failed: {process.args}")
        found.append((json.loads(output.strip().splitlines()[-1]), peak_bytes))
    return found


class _Peak(threading.Thread):
    """Watches the memory of a process and all below it."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self._root = root
        self._peak = 0
        self._stopped = threading.Event()
        self.start()

    def run(self) -> None:
        pause = _SECONDS_BETWEEN_SAMPLES
        while not self._stopped.wait(pause):
            started = time.perf_counter()
            self._peak = max(self._peak, _bytes_of(_tree(self._root)))
            pause = max(_SECONDS_BETWEEN_SAMPLES, _PAUSE_PER_SAMPLE * (time.perf_counter() - started))

    def stop(self) -> int:
        self._stopped.set()
        self.join()
        return self._peak


def _tree(root: int) -> list[int]:
    """A process and all below it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def _bytes_of(tree: Sequence[int]) -> int:
    """Memory of some processes now; of one by itself the most that it ever had, so that no peak is missed."""
    sizes = [_sizes(f"/proc/{pid}/smaps_rollup") for pid in tree]
    total = sum(each.get("Pss", 0) for each in sizes)
    if len(tree) == 1:
        highest = _sizes(f"/proc/{tree[0]}/status").get("VmHWM", 0)
        total += max(0, highest - sizes[0].get("Rss", highest))
    return total


def _sizes(path: str) -> dict[str, int]:
    """The sizes in one of the system's files about a process, in bytes; none where it has ended."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return {}
    found = (line.partition(":") for line in lines if line.endswith(" kB"))
    return {name: int(value.split()[0]) * 1024 for name, _, value in found}


def machine_facts(packages: Sequence[str]) -> dict[str, Any]:
    """What the figures were taken on."""
    cpu = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "cpu": cpu[0].partition(":")[2].strip() if cpu else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load_at_start": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "packages": {name: found for name in packages if (found := _version(name)) is not None},
    }


def summary(runs: Sequence[Measured]) -> dict[str, Any]:
    """Median and spread of some runs of one contender at one size."""
    rates = [run.megabytes / run.seconds for run in runs]
    return {
        "contender": runs[0].contender,
        "megabytes": round(runs[0].megabytes, 1),
        "median_megabytes_per_second": round(statistics.median(rates), 3),
        "lowest": round(min(rates), 3),
        "highest": round(max(rates), 3),
        "median_megabytes_per_cpu_second": round(statistics.median(run.megabytes / run.cpu_seconds for run in runs), 3),
        "peak_megabytes": round(max(run.peak_megabytes for run in runs)),
        "facts": runs[-1].facts,
    }


def middle(values: Sequence[float]) -> dict[str, float]:
    """Median, lowest and highest."""
    return {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}


def free_stem(name: str, machine: dict[str, Any]) -> str:
    """NAME-DATE, or NAME-DATE-2 and so on where the day has results already: a trial run replaces none."""
    RESULTS.mkdir(exist_ok=True)
    first = f"{name}-{machine['date']}"
    stems = (first if number == 1 else f"{first}-{number}" for number in count(1))
    return next(stem for stem in stems if not (RESULTS / f"{stem}.json").exists())


def write_results(
    name: str, content: dict[str, Any], report: str, panels: Sequence[Panel] = (), *, replaced: Path | None = None
) -> Path:
    """Write a JSON file at `free_stem`, a report for people beside it, a plot of panels if any; returns the report.

    In place of `replaced`, which was returned before, where a benchmark writes what it has so far.
    """
    stem = free_stem(name, content["machine"]) if replaced is None else replaced.stem
    (RESULTS / f"{stem}.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    path = RESULTS / f"{stem}.md"
    if panels:
        draw(list(panels), path.with_suffix(".svg"))
        report += f"\n![{panels[0].unit}]({stem}.svg)\n"
    path.write_text(report, encoding="utf-8")
    return path


def as_dicts(runs: Sequence[Measured]) -> list[dict[str, Any]]:
    """Every run, for the JSON file."""
    return [asdict(run) for run in runs]


class Clock:
    """Counts from when it was made."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._cpu_start = _cpu_seconds()

    def facts(self) -> dict[str, float]:
        """Seconds until now, and seconds of all cores, those of child processes that have ended among them."""
        return {"seconds": time.perf_counter() - self._start, "cpu_seconds": _cpu_seconds() - self._cpu_start}


def _cpu_seconds() -> float:
    return sum(os.times()[:4])


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
