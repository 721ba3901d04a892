"""Load weights that fanin wrote into the PyTorch module of the same name, strictly by name.

`lm_head.weight` and the like may stand for a tied parameter under any of its names. Buffers
(running statistics) are no parameters and stay as torch made them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from reference import tied_names
from safetensors.torch import load_file
from torch import Tensor, nn
from zoo import ZOO, build


def aliases(module: nn.Module) -> dict[str, str]:
    """Every name of a tied parameter, and the first of its names."""
    return {alias: names[0] for names in tied_names(module).values() for alias in names}


def load(module: nn.Module, weights: dict[str, Tensor]) -> None:
    """Copy the weights in; any name too many or too few, or another shape, is an error."""
    first = aliases(module)
    given = {first.get(name, name): tensor for name, tensor in weights.items()}
    parameters = dict(module.named_parameters())
    buffers = {name for name, _ in module.named_buffers()}
    problems = [f"not in the weights: {name}" for name in parameters if name not in given]
    problems += [f"not in torch: {name}" for name in given.keys() - parameters.keys() - buffers]
    problems += [
        f"{name}: {tuple(given[name].shape)} in the weights, {tuple(parameter.shape)} in torch"
        for name, parameter in parameters.items()
        if name in given and given[name].shape != parameter.shape
    ]
    if problems:
        raise ValueError("\n".join(problems))
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(given[name])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=ZOO)
    parser.add_argument("weights", type=Path, help="a safetensors file from `fanin init`")
    arguments = parser.parse_args()
    module = build(arguments.name).module
    try:
        load(module, load_file(arguments.weights))
    except ValueError as error:
        raise SystemExit(f"{arguments.name}: does not load\n{error}") from None
    print(f"{arguments.name}: {len(list(module.parameters()))} parameters loaded by name")


if __name__ == "__main__":
    main()
