"""Time normal and uniform values of one thread against Intel's MKL on the same work, in one run.

MKL's generators and methods are tried one by one; its best is what counts. Calls alternate with fanin's benchmark
program `fill`, medians count, and the ratio comes first.

    pip install mkl
    cargo build --release -p fanin --bench fill
    python benches/mkl_speed.py --fill target/release/deps/fill-<hash>
"""

from __future__ import annotations

import argparse
import ctypes
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

# From mkl_vsl_defines.h: generators count in steps of 2**20, methods from 0.
GENERATORS = {"MT19937": 8 << 20, "SFMT19937": 13 << 20, "ARS5": 15 << 20, "Philox4x32-10": 16 << 20}
NORMAL_METHODS = {"Box-Muller": 0, "Box-Muller 2": 1, "ICDF": 2}


def library() -> ctypes.CDLL:
    for folder in (Path(sys.prefix) / "lib", Path(sys.prefix) / "Library" / "bin"):
        for path in sorted(folder.glob("libmkl_rt.*")) + sorted(folder.glob("mkl_rt*.dll")):
            return ctypes.CDLL(str(path))
    sys.exit("mkl_speed: MKL is not in this Python environment; pip install mkl")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--fill", type=Path, required=True, help="the benchmark program `fill`")
    parser.add_argument("--elements", type=int, default=1 << 24)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()

    os.environ["MKL_NUM_THREADS"] = "1"
    os.environ["MKL_THREADING_LAYER"] = "SEQUENTIAL"
    mkl = library()
    n = options.elements
    buffer = (ctypes.c_float * n)()
    low, high = ctypes.c_float(0.0), ctypes.c_float(1.0)

    environment = os.environ | {"RAYON_NUM_THREADS": "1"}
    fanin = subprocess.Popen([options.fill, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    assert fanin.stdin and fanin.stdout

    def ours(initializer: str) -> float:
        fanin.stdin.write(f"{initializer};f32;{n};1\n")
        fanin.stdin.flush()
        return float(fanin.stdout.readline().split()[0])

    def theirs(function: str, generator: int, method: int) -> float:
        stream = ctypes.c_void_p()
        if mkl.vslNewStream(ctypes.byref(stream), generator, 7) != 0:
            return float("inf")
        start = time.perf_counter()
        status = getattr(mkl, function)(method, stream, n, buffer, low, high)
        seconds = time.perf_counter() - start
        mkl.vslDeleteStream(ctypes.byref(stream))
        return seconds if status == 0 else float("inf")

    works = [
        ("normal", "normal(0, 1)", "vsRngGaussian", NORMAL_METHODS),
        ("uniform", "uniform(0, 1)", "vsRngUniform", {"standard": 0}),
    ]
    print(f"one thread, {n} elements, median of {options.rounds}")
    print(f"{'work':<9}{'ratio':>7}{'fanin':>10}{'MKL':>10}   M elements/s")
    for name, initializer, function, methods in works:
        pairs = [(g, m) for g in GENERATORS for m in methods]
        seconds: dict[tuple[str, str], list[float]] = {pair: [] for pair in pairs}
        mine = []
        ours(initializer)
        for _ in range(options.rounds):
            mine.append(ours(initializer))
            for g, m in pairs:
                seconds[g, m].append(theirs(function, GENERATORS[g], methods[m]))
        rate = n / statistics.median(mine) / 1e6
        rates = {pair: n / statistics.median(times) / 1e6 for pair, times in seconds.items()}
        for pair, other in sorted(rates.items(), key=lambda item: -item[1]):
            print(f"{name:<9}{rate / other:>7.2f}{rate:>10.1f}{other:>10.1f}   {pair[0]}, {pair[1]}", flush=True)


if __name__ == "__main__":
    main()
