"""What the scripts in this folder share: threads, seeds, JSON, root mean squares."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

REPOSITORY = Path(__file__).resolve().parent.parent


def use_threads(count: int) -> None:
    """Keep torch from taking every core of a shared machine."""
    torch.set_num_threads(count)


def rms(array: np.ndarray) -> float:
    """The root mean square of all elements, summed in float64."""
    return float(np.sqrt(np.mean(np.square(array, dtype=np.float64)))) if array.size else 0.0


def write_json(path: Path, content: Any) -> None:
    """Write JSON so that a reader never meets half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        json.dump(content, file, indent=1)
        file.write("\n")
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)


def selected(names: Iterable[str], only: list[str] | None) -> list[str]:
    """The names asked for, or all; an unknown name is an error that lists the known ones."""
    known = list(names)
    unknown = [name for name in only or [] if name not in known]
    if unknown:
        raise SystemExit(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}")
    return [name for name in known if not only or name in only]


def run_fanin(fanin: Path, *arguments: str | Path, accept: tuple[int, ...] = (0, 1)) -> str:
    """Run the command and return what it printed; 1 only says that the check found a fault."""
    result = subprocess.run(
        [fanin, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    if result.returncode not in accept:
        command = " ".join(["fanin", *map(str, arguments)])
        raise RuntimeError(f"{command}: exit {result.returncode}: {result.stderr.strip()[-500:]}")
    return result.stdout
