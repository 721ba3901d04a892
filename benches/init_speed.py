"""Time the initialization of tensors in PyTorch and in fanin on the same work, in one run.

Each work is a tensor that is there already (its pages are touched) and one call that fills it: `torch.nn.init` in
place, and fanin's `Initializer::fill` in the benchmark program. Both use the same number of threads. Calls alternate,
medians count; the ratio comes first. A second ratio compares processor time, which other programs on the machine
disturb less: PyTorch's threads and fanin's, all together.

    cargo build --release -p fanin --bench fill
    python benches/init_speed.py --fill target/release/deps/fill-<hash>
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import torch

TARGETS = """6x normal, 9x uniform, 100x truncated normal, 8x bf16 normal, 3x orthogonal; tiny ones at least 1x"""


@dataclass
class Work:
    name: str
    initializer: str
    dtype: str
    shape: tuple[int, ...]
    torch: Callable[[torch.Tensor], object]
    calls: int = 1
    rounds: int = 5


def works(n: int, side: int) -> list[Work]:
    init = torch.nn.init
    bf16 = "bf16"
    all_works = [
        Work("normal f32", "normal(0, 1)", "f32", (n,), lambda t: t.normal_()),
        Work("uniform f32", "uniform(-1, 1)", "f32", (n,), lambda t: t.uniform_(-1, 1)),
        Work("truncated f32", "truncated_normal(0, 1)", "f32", (n,), init.trunc_normal_, rounds=3),
        Work("normal bf16", "normal(0, 1)", bf16, (n,), lambda t: t.normal_()),
        Work("zeros f32", "memset", "f32", (n,), lambda t: t.zero_()),
        Work("orthogonal f32", "orthogonal", "f32", (side, side), init.orthogonal_, rounds=3),
    ]
    for small in (64, 512, 4096):
        calls = 4000
        all_works += [
            Work(f"normal {small}", "normal(0, 1)", "f32", (small,), lambda t: t.normal_(), calls),
            Work(
                f"uniform {small}",
                "uniform(-1, 1)",
                "f32",
                (small,),
                lambda t: t.uniform_(-1, 1),
                calls,
            ),
            Work(
                f"truncated {small}",
                "truncated_normal(0, 1)",
                "f32",
                (small,),
                init.trunc_normal_,
                calls // 10,
            ),
        ]
    return all_works


class Fanin:
    """The benchmark program, which answers one line for each line."""

    def __init__(self, program: Path, threads: int) -> None:
        environment = os.environ | {"RAYON_NUM_THREADS": str(threads)}
        self.process = subprocess.Popen(
            [program, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def seconds(self, work: Work) -> tuple[float, float]:
        assert self.process.stdin and self.process.stdout
        shape = "x".join(map(str, work.shape))
        self.process.stdin.write(f"{work.initializer};{work.dtype};{shape};{work.calls}\n")
        self.process.stdin.flush()
        wall, used = self.process.stdout.readline().split()
        return float(wall), float(used)


def torch_seconds(work: Work, tensor: torch.Tensor) -> tuple[float, float]:
    start, used = time.perf_counter(), time.process_time()
    with torch.no_grad():
        for _ in range(work.calls):
            work.torch(tensor)
    wall, used = time.perf_counter() - start, time.process_time() - used
    return wall / work.calls, used / work.calls


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--fill", type=Path, required=True, help="the benchmark program `fill`")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--elements", type=int, default=1 << 26)
    parser.add_argument("--side", type=int, default=4096, help="of the orthogonal matrix")
    parser.add_argument("--only", default="", help="works whose name contains this")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    fanin = Fanin(options.fill, options.threads)
    print(f"PyTorch {torch.__version__}, {options.threads} threads; asked for: {TARGETS}")
    print(f"{'work':<18}{'ratio':>8}{'(cpu)':>8}{'fanin':>12}{'PyTorch':>12}   M elements/s")
    for work in works(options.elements, options.side):
        if options.only not in work.name:
            continue
        dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[work.dtype]
        tensor = torch.ones(work.shape, dtype=dtype)
        torch_seconds(work, tensor)
        fanin.seconds(work)
        ours, theirs = [], []
        for _ in range(work.rounds):
            ours.append(fanin.seconds(work))
            theirs.append(torch_seconds(work, tensor))

        def medians(pairs: list[tuple[float, float]]) -> tuple[float, float]:
            return statistics.median(p[0] for p in pairs), statistics.median(p[1] for p in pairs)

        (wall, used), (torch_wall, torch_used) = medians(ours), medians(theirs)
        millions = tensor.numel() / 1e6
        processor = f"({torch_used / used:.1f})" if used > 0 else ""
        print(
            f"{work.name:<18}{torch_wall / wall:>8.1f}{processor:>8}"
            f"{millions / wall:>12.1f}{millions / torch_wall:>12.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
