"""Which torch parameters an ONNX file holds, under which names and in which arrangement."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper
from torch import nn

Arrays = Mapping[str, np.ndarray]

# torch keeps the gates in the order i f g o (LSTM) and r z n (GRU), ONNX in i o f c and z r h.
GATES = {nn.LSTM: [0, 3, 1, 2], nn.GRU: [1, 0, 2], nn.RNN: [0]}


@dataclass
class Arrangement:
    """How a tensor of an ONNX file is made of torch parameters; `make` also arranges gradients."""

    torch_names: list[str]
    make: Callable[[Arrays], np.ndarray]

    @property
    def label(self) -> str:
        return "+".join(self.torch_names)


def constants(model: onnx.ModelProto) -> Iterator[tuple[str, np.ndarray]]:
    """Every floating tensor in the main graph: initializers, then outputs of `Constant`."""
    for tensor in model.graph.initializer:
        yield tensor.name, numpy_helper.to_array(tensor)
    for node in model.graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value":
                    yield node.output[0], numpy_helper.to_array(attribute.t)


def arrangements(module: nn.Module) -> Iterator[Arrangement]:
    """Every arrangement of the module's parameters that an exporter may write."""
    for name, parameter in module.named_parameters():
        yield Arrangement([name], lambda arrays, name=name: arrays[name])
        if parameter.ndim == 2:
            yield Arrangement([name], lambda arrays, name=name: arrays[name].T)
    for path, child in module.named_modules():
        if isinstance(child, nn.RNNBase):
            yield from recurrent_arrangements(path, child)


def recurrent_arrangements(path: str, module: nn.RNNBase) -> Iterator[Arrangement]:
    """W, R and B of the ONNX recurrent operations, for each layer."""
    order = GATES[type(module)]
    directions = ["", "_reverse"] if module.bidirectional else [""]

    def reorder(array: np.ndarray) -> np.ndarray:
        return np.concatenate([np.split(array, len(order))[gate] for gate in order])

    for layer in range(module.num_layers):
        for kinds in (["weight_ih"], ["weight_hh"], ["bias_ih", "bias_hh"]):
            rows = [[f"{path}.{kind}_l{layer}{end}" for kind in kinds] for end in directions]

            def make(arrays: Arrays, rows: list[list[str]] = rows) -> np.ndarray:
                return np.stack(
                    [np.concatenate([reorder(arrays[name]) for name in row]) for row in rows]
                )

            yield Arrangement([name for row in rows for name in row], make)


def match(model: onnx.ModelProto, module: nn.Module) -> dict[str, Arrangement]:
    """Find the module's parameters in the file by their bits, whatever their names and shapes.

    Optimizers also fold what a graph does to a parameter. A table of position embeddings cut to
    its first rows is recognised; a class token repeated over the batch is not, nor is a gathered
    table of relative positions: their gradients are not an arrangement of torch's.
    """
    values = {name: p.detach().float().numpy() for name, p in module.named_parameters()}
    by_bits: dict[bytes, Arrangement] = {}
    for arrangement in arrangements(module):
        by_bits.setdefault(arrangement.make(values).tobytes(), arrangement)
    found = {}
    for name, array in constants(model):
        if array.dtype == np.float32:
            arrangement = by_bits.get(array.tobytes()) or first_rows(array, values)
            if arrangement:
                found[name] = arrangement
    return found


def first_rows(array: np.ndarray, values: Arrays) -> Arrangement | None:
    """The array as the first rows of a parameter, if it has two rows or more and is that."""
    if array.ndim < 2 or array.shape[-2] < 2:
        return None
    for name, value in values.items():
        rows = array.size // value[0].size if value.ndim == 2 else 0
        if 1 < rows < len(value) and value[:rows].tobytes() == array.tobytes():
            return Arrangement([name], lambda arrays, n=name, r=rows: arrays[n][:r])
    return None


def name_by_use(model: onnx.ModelProto, initializer: str, names: list[str]) -> str:
    """Which of the names of a tied parameter an initializer stands for, where it has copies."""
    gathered = any(
        node.op_type == "Gather" and node.input[0] == initializer for node in model.graph.node
    )
    return names[0] if gathered else names[-1]
