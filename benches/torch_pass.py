"""PyTorch's side of `compare_torch.py`: export a model, time one observed pass through it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))

import numpy as np
import torch
import torchvision
import zoo
from export_models import dynamo, silence
from reference import output_shape, use_batch_statistics
from torch import Tensor, nn
from zoo import Example


def resnet50() -> Example:
    return Example(torchvision.models.resnet50(), zoo.images(224, batch=8))


def gpt2() -> Example:
    """GPT-2 small, 124 million parameters."""
    sizes = {"vocab_size": 50257, "n_positions": 1024, "n_embd": 768, "n_layer": 12, "n_head": 12}
    module = zoo.Gpt2(zoo.gpt2_config(**sizes))
    return Example(module, zoo.tokens(50257, length=256, batch=1))


MODELS = {"resnet50": resnet50, "gpt2": gpt2}


def export(name: str, folder: Path) -> None:
    """Export the model and its input, unless they are there already."""
    torch.manual_seed(0)
    example = MODELS[name]()
    path = folder / f"{name}.onnx"
    if path.exists():
        return
    example.module.eval()
    cotangent = np.random.default_rng(0).standard_normal(output_shape(example), np.float32)
    arrays = {key: tensor.numpy() for key, tensor in example.inputs.items()}
    np.savez(folder / f"{name}.npz", **arrays, cotangent=cotangent)
    temporary = path.with_suffix(".tmp")
    with silence():
        dynamo(example, temporary)
    temporary.replace(path)


class Observer:
    """Hooks that measure what fanin measures."""

    def __init__(self, module: nn.Module) -> None:
        self.numbers: list[Tensor] = []
        for child in module.modules():
            if not list(child.children()):
                child.register_forward_hook(self.observe)

    def observe(self, _module: nn.Module, _inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.requires_grad:
            values = output.detach()
            self.numbers += [values.mean(), self.rms(values), (values == 0).float().mean()]
            output.register_hook(self.observe_gradient)

    def observe_gradient(self, gradient: Tensor) -> None:
        self.numbers.append(self.rms(gradient))

    @staticmethod
    def rms(values: Tensor) -> Tensor:
        return torch.linalg.vector_norm(values) / values.numel() ** 0.5


def torch_pass(name: str, folder: Path) -> float:
    """Seconds of one observed forward and backward pass, after one to warm up."""
    torch.manual_seed(0)
    module = MODELS[name]().module
    use_batch_statistics(module)
    observer = Observer(module)
    arrays = dict(np.load(folder / f"{name}.npz"))
    cotangent = torch.from_numpy(arrays.pop("cotangent"))
    inputs = [torch.from_numpy(array) for array in arrays.values()]
    seconds = 0.0
    for _ in range(2):
        module.zero_grad()
        observer.numbers.clear()
        start = time.perf_counter()
        (module(*inputs) * cotangent).sum().backward()
        observer.numbers += [observer.rms(p.grad) for p in module.parameters()]
        torch.stack(observer.numbers).tolist()
        seconds = time.perf_counter() - start
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["export", "time"])
    parser.add_argument("name", choices=MODELS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("threads", type=int)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.action == "export":
        export(arguments.name, arguments.folder)
    else:
        print(json.dumps(torch_pass(arguments.name, arguments.folder)))


if __name__ == "__main__":
    main()
