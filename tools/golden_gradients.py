"""Make the golden numbers of the tests: PyTorch's gradients for the weights that fanin writes.

For every file in `models/`: `fanin init` with seed 0 gives the weights, which PyTorch loads by
name and runs on a small input. Kept are, per model,

    NAME.npz   the inputs by name, and `cotangent`
    NAME.json  rms of the output, rms of every parameter and of its gradient, and what made them
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from pathlib import Path

import numpy as np
import torch
from common import REPOSITORY, rms, run_fanin, selected, use_threads, write_json
from load_in_torch import aliases, load
from reference import output_shape, reference
from safetensors.torch import load_file
from torch import Tensor
from zoo import Example, build

LARGEST_INPUT = 60_000


def small(example: Example) -> Example:
    """Few samples of coarse values, which compress well: two images, or one text."""
    batch = 2 if "input" in example.inputs else 1
    for name, tensor in example.inputs.items():
        example.inputs[name] = coarse(tensor[:batch])
    return example


def coarse(tensor: Tensor) -> Tensor:
    return (tensor * 4).round() / 4 if tensor.is_floating_point() else tensor


def golden(fanin: Path, model: Path, recipe: str, out: Path) -> str:
    """Write the two files of one model and return what to print."""
    name = model.stem
    example = small(build(name))
    with tempfile.TemporaryDirectory() as folder:
        options = ["--seed", "0", "--recipe", recipe]
        run_fanin(fanin, "init", model, "-o", folder, *options)
        weights = load_file(next(Path(folder).glob("*.safetensors")))
    load(example.module, weights)
    cotangent = torch.randn(output_shape(example), generator=torch.Generator().manual_seed(0))
    arrays = {key: tensor.numpy() for key, tensor in example.inputs.items()}
    data = out / f"{name}.npz"
    np.savez_compressed(data, **arrays, cotangent=coarse(cotangent).numpy())
    if data.stat().st_size > LARGEST_INPUT:
        raise SystemExit(f"{data} has {data.stat().st_size} bytes, more than {LARGEST_INPUT}")
    truth = reference(example, coarse(cotangent).numpy())
    torch_name = aliases(example.module)
    content = {
        "model": name,
        "seed": 0,
        "recipe": recipe,
        "dtype": "float64",
        "batch_norm": "batch statistics",
        "float32_error": truth.float32_error,
        "tools": {
            "torch": torch.__version__,
            "fanin": run_fanin(fanin, "--version").split()[-1],
        },
        "output_rms": truth.output_rms,
        "parameters": {
            key: {
                "rms": rms(tensor.numpy()),
                "gradient_rms": rms(truth.gradients[torch_name.get(key, key)]),
            }
            for key, tensor in weights.items()
            if torch_name.get(key, key) in truth.gradients
        },
    }
    write_json(out / f"{name}.json", content)
    return (
        f"{name}: output rms {truth.output_rms:.4g}, float32 itself errs {truth.float32_error:.1e}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fanin", type=Path, default=REPOSITORY / "target/release/fanin")
    parser.add_argument("--models", type=Path, default=REPOSITORY / "models")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "models/golden")
    parser.add_argument("--recipe", default="auto")
    parser.add_argument("--only", nargs="+", metavar="NAME")
    arguments = parser.parse_args()
    use_threads(2)
    logging.disable(logging.WARNING)
    arguments.out.mkdir(parents=True, exist_ok=True)
    names = sorted(path.stem for path in arguments.models.glob("*.onnx"))
    for name in selected(names, arguments.only):
        model = arguments.models / f"{name}.onnx"
        print(golden(arguments.fanin, model, arguments.recipe, arguments.out), flush=True)


if __name__ == "__main__":
    main()
