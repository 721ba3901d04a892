"""What PyTorch's autograd says about a module: the numbers that fanin has to reproduce."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from common import rms
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from zoo import Example


@dataclass
class Reference:
    """One forward and backward run in float64, with batch statistics and without dropout."""

    output_rms: float
    gradients: dict[str, np.ndarray]
    uses: dict[str, np.ndarray]
    """For tied parameters, the gradient of each use alone, under the name of that use."""
    float32_error: float
    """Largest relative error of torch's own float32 run: what the order of additions alone does."""


def use_batch_statistics(module: nn.Module) -> None:
    """Evaluation mode everywhere but in batch norm."""
    module.eval()
    for child in module.modules():
        if isinstance(child, _BatchNorm):
            child.train()


def run(
    example: Example, cotangent: np.ndarray, dtype: torch.dtype, *, tied: bool = True
) -> tuple[float, dict[str, np.ndarray]]:
    """The output's rms and the gradients of sum(output * cotangent)."""
    module = copy.deepcopy(example.module).to(dtype)
    if not tied:
        untie(module)
    use_batch_statistics(module)
    inputs = [x.to(dtype) if x.is_floating_point() else x for x in example.inputs.values()]
    output = module(*inputs)
    (output * torch.from_numpy(cotangent).to(dtype)).sum().backward()
    gradients = {
        name: np.zeros(p.shape) if p.grad is None else p.grad.double().numpy()
        for name, p in module.named_parameters()
    }
    return rms(output.detach().numpy()), gradients


def tied_names(module: nn.Module) -> dict[str, list[str]]:
    """Of every parameter with several names: its first name, and all of them."""
    names: dict[int, list[str]] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    return {group[0]: group for group in names.values() if len(group) > 1}


def untie(module: nn.Module) -> None:
    """Give every use of a tied parameter a copy of its own."""
    for group in tied_names(module).values():
        for name in group[1:]:
            path, _, leaf = name.rpartition(".")
            owner = module.get_submodule(path)
            setattr(owner, leaf, nn.Parameter(getattr(owner, leaf).detach().clone()))


def output_shape(example: Example) -> tuple[int, ...]:
    module = copy.deepcopy(example.module)
    use_batch_statistics(module)
    with torch.no_grad():
        return tuple(module(*example.inputs.values()).shape)


def reference(example: Example, cotangent: np.ndarray) -> Reference:
    output_rms, gradients = run(example, cotangent, torch.float64)
    output_rms32, gradients32 = run(example, cotangent, torch.float32)
    sizes = {name: rms(gradient) for name, gradient in gradients.items()}
    floor = 1e-3 * max(sizes.values())
    errors = [abs(output_rms32 / output_rms - 1)]
    errors += [abs(rms(gradients32[n]) / size - 1) for n, size in sizes.items() if size > floor]
    groups = tied_names(example.module)
    alone = run(example, cotangent, torch.float64, tied=False)[1] if groups else {}
    uses = {name: alone[name] for group in groups.values() for name in group}
    return Reference(output_rms, gradients, uses, max(errors))
