"""Compare what `fanin check` measures with PyTorch's autograd, for every export in a folder.

Expects the folder that `export_models.py` wrote. A number agrees within 1e-3 of torch's, or within
1e-6 of the largest gradient. Where torch's own float32 run is further than that from its float64
run (a ReLU near its kink flips by rounding), three times that distance is allowed and shown.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common import run_fanin

RELATIVE = 1e-3
OF_LARGEST = 1e-6


@dataclass
class Outcome:
    """The comparison of one export."""

    compared: int = 0
    worst: float = 0.0
    worst_name: str = "output"
    missing: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def add(
        self, name: str, measured: float, expected: list[float], floor: float, limit: float
    ) -> None:
        """One number; `expected` lists what is right, any of them."""
        self.compared += 1
        error = min(abs(measured - right) for right in expected)
        relative = error / max(min(expected), floor)
        if not error <= max(limit * max(expected), floor):
            self.wrong.append(f"{name}: {measured:.6g} instead of {expected[0]:.6g}")
        if not relative <= self.worst and max(expected) > floor:
            self.worst, self.worst_name = relative, name


def compare(checkup: dict[str, Any], reference: dict[str, Any]) -> Outcome:
    outcome = Outcome()
    expected = reference["parameters"]
    limit = max(RELATIVE, 3 * reference["float32_error"])
    floor = OF_LARGEST * max(entry["gradient_rms"] for entry in expected.values())
    outcome.add("output", checkup["output"]["rms"], [reference["output_rms"]], 0.0, limit)
    measured = {entry["name"]: entry for entry in checkup["parameters"]}
    for name, entry in expected.items():
        if name not in measured:
            outcome.missing.append(name)
            continue
        right = [entry[key] for key in ("gradient_rms", "tied_gradient_rms") if key in entry]
        outcome.add(f"gradient of {name}", measured[name]["gradient_rms"], right, floor, limit)
        outcome.add(f"value of {name}", measured[name]["rms"], [entry["rms"]], 0.0, RELATIVE)
    return outcome


def report(name: str, outcome: Outcome, limit: float, seconds: float) -> bool:
    good = not outcome.missing and not outcome.wrong
    wider = f"  (within {limit:.1e})" if limit > RELATIVE else ""
    print(
        f"{'ok  ' if good else 'FAIL'} {name:34} worst {outcome.worst:.1e} {outcome.worst_name},"
        f" {outcome.compared} compared, {len(outcome.missing)} missing, {seconds:.1f} s{wider}",
        flush=True,
    )
    for line in [*outcome.wrong[:5], *(f"missing: {name}" for name in outcome.missing[:5])]:
        print(f"       {line}")
    return good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fanin", type=Path, default=Path("target/release/fanin"))
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="NAME or NAME.VARIANT")
    arguments = parser.parse_args()
    failures, total = 0, 0
    for path in sorted(arguments.models.glob("*.reference.json")):
        name = path.name.removesuffix(".reference.json")
        network = name.split(".")[0]
        if arguments.only and not {name, network} & set(arguments.only):
            continue
        total += 1
        reference = json.loads(path.read_text())
        data = path.with_name(f"{network}.npz")
        start = time.monotonic()
        try:
            printed = run_fanin(
                arguments.fanin,
                "check",
                path.with_name(f"{name}.onnx"),
                "--data",
                data,
                "--format",
                "json",
            )
            outcome = compare(json.loads(printed), reference)
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            print(f"FAIL {name:34} {error!s:.300}", flush=True)
            failures += 1
            continue
        limit = max(RELATIVE, 3 * reference["float32_error"])
        failures += not report(name, outcome, limit, time.monotonic() - start)
    print(f"{total - failures} of {total} exports agree with PyTorch")
    raise SystemExit(failures > 0 or total == 0)


if __name__ == "__main__":
    main()
