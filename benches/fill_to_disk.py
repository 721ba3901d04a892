"""GPT-2 XL in bf16, planned, filled and written, against as many bytes of zeros on the same disk.

    cargo build --release -p fanin-plan --example whole_model
    python benches/fill_to_disk.py [FOLDER] [ROUNDS]

The runs alternate, so that both see the same disk; both end when the bytes are on it (fsync). The table gives medians
and the peak of resident memory. A model of a quarter of the layers shows whether memory grows with the model. Needs
Python alone.
"""

import os
import statistics
import sys
import time

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(REPOSITORY, "target"))
PROGRAM = os.path.join(TARGET, "release", "examples", "whole_model")
MODEL = "transformer(layers={}, width=1600, heads=25, vocab=50257, context=1024)"


def run(command):
    """Seconds that a command takes, seconds of processors that it uses, and the peak of its memory in MB."""
    begin = time.monotonic()
    pid = os.posix_spawn(command[0], command, os.environ)
    _, status, usage = os.wait4(pid, 0)
    if status != 0:
        sys.exit(f"{command[0]} failed")
    return time.monotonic() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else "."
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    path = os.path.join(folder, "fill_to_disk.safetensors")

    def fill(layers):
        result = run([PROGRAM, path, "bf16", MODEL.format(layers)])
        size = os.path.getsize(path)
        os.remove(path)
        return result, size

    def zeros(size):
        # In blocks of 1 MiB, as the weights are.
        blocks = -(-size // (1 << 20))
        command = ["/bin/dd", "if=/dev/zero", f"of={path}", "bs=1M", f"count={blocks}", "conv=fsync", "status=none"]
        result = run(command)
        os.remove(path)
        return result

    (*_, small), _ = fill(12)
    weights, blank = [], []
    for k in range(rounds):
        weight, size = fill(48)
        zero = zeros(size)
        weights.append(weight)
        blank.append(zero)
        print(f"round {k + 1}: fill {weight[0]:.2f} s (processors {weight[1]:.2f} s), zeros {zero[0]:.2f} s", flush=True)
    fill_s, zero_s = (statistics.median(run[0] for run in runs) for runs in (weights, blank))
    print(f"{size / 1e9:.2f} GB: fill {fill_s:.2f} s ({size / fill_s / 1e6:.0f} MB/s), zeros {zero_s:.2f} s; ratio {fill_s / zero_s:.2f}")
    print(f"peak memory: 12 layers {small:.0f} MB, 48 layers {max(run[2] for run in weights):.0f} MB")


main()
