"""Time `fanin check` beside PyTorch doing the same work on the same model and input.

The work: one forward and one backward pass in which mean, rms and share of zeros of every module's
output, the rms of its gradient, and the rms of every parameter's gradient are taken. fanin's time
is that of the whole process, reading the file included; torch's is that of the pass alone, without
importing torch, building the model, or a first pass to warm up. Runs alternate, the median counts.
"""

# No torch here: the peak memory of a child counts from its parent's.
from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODELS = ["resnet50", "gpt2"]


@dataclass
class Runs:
    """Seconds and peak memory of several runs of one program."""

    seconds: list[float] = field(default_factory=list)
    memory: float = 0.0

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def __str__(self) -> str:
        spread = f"{min(self.seconds):.2f} to {max(self.seconds):.2f}"
        return f"{self.median:7.2f} s ({spread}), {self.memory:6.0f} MB"


def measure(command: list[str], threads: int, accept: tuple[int, ...]) -> tuple[float, float, str]:
    """Run a program: its seconds, its peak memory in MB, what it printed."""
    environment = os.environ | {"RAYON_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in accept:
        raise SystemExit(f"{' '.join(command)}: exit {process.returncode}")
    return seconds, usage.ru_maxrss / 1024, printed


def torch_command(action: str, name: str, folder: Path, threads: int) -> list[str]:
    return [sys.executable, str(HERE / "torch_pass.py"), action, name, str(folder), str(threads)]


def compare(name: str, fanin: Path, folder: Path, runs: int, threads: int) -> None:
    """Alternate the two programs and print the ratio of their medians first."""
    data = ["--data", str(folder / f"{name}.npz"), "--format", "json", "-q"]
    check = [str(fanin), "check", str(folder / f"{name}.onnx"), *data]
    torch_pass = torch_command("time", name, folder, threads)
    ours, theirs = Runs(), Runs()
    for _ in range(runs):
        seconds, memory, _printed = measure(check, threads, accept=(0, 1))
        ours.seconds.append(seconds)
        ours.memory = max(ours.memory, memory)
        _seconds, memory, printed = measure(torch_pass, threads, accept=(0,))
        theirs.seconds.append(json.loads(printed.splitlines()[-1]))
        theirs.memory = max(theirs.memory, memory)
    ratio, memory = ours.median / theirs.median, ours.memory / theirs.memory
    print(f"{name}: {ratio:.2f} times torch's time, {memory:.2f} times its memory")
    print(f"    fanin check  {ours}\n    torch        {theirs}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fanin", type=Path, default=HERE.parent / "target/release/fanin")
    parser.add_argument("--folder", type=Path, required=True, help="where the exports go")
    parser.add_argument("--only", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name in arguments.only:
        export = torch_command("export", name, arguments.folder, arguments.threads)
        measure(export, arguments.threads, accept=(0,))
        compare(name, arguments.fanin, arguments.folder, arguments.runs, arguments.threads)


if __name__ == "__main__":
    main()
