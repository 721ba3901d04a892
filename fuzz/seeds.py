"""Write a first corpus for the targets `onnx` and `check`: the operation tests of the `onnx` package
and a few whole networks, each a small file.

    python3 fuzz/seeds.py fuzz/corpus        # needs `pip install onnx`
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from onnx.backend.test.case.node import collect_testcases

ARCHITECTURES = [
    "mlp(4, 8x3, 3, relu)",
    "mlp(6, 6x4, 2, gelu, norm=layer, residual=true)",
    "mlp(5, 5x3, 2, tanh, norm=batch)",
    "conv(2x4x4, 3x2, 2, silu)",
    "lstm(3, 4x2, 2)",
    "gru(3, 4, 2)",
    "rnn(3, 4, 2)",
    "transformer(layers=1, width=4, heads=2, vocab=5)",
]


def weight(name: str, *shape: int) -> TensorProto:
    numbers = np.random.default_rng(len(name)).standard_normal(shape)
    return numpy_helper.from_array(numbers.astype(np.float32) / 2, name)


def network(nodes: list, weights: list, shape: list) -> bytes:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        weights,
    )
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()


def networks() -> dict[str, bytes]:
    node = helper.make_node
    external = weight("w", 4, 3)
    external.ClearField("raw_data")
    external.data_location = TensorProto.EXTERNAL
    for key, value in {"location": "w.bin", "offset": "0", "length": "48"}.items():
        entry = external.external_data.add()
        entry.key, entry.value = key, value
    shape = numpy_helper.from_array(np.array([4, 3], np.int64), "shape")
    return {
        "mlp": network(
            [node("Gemm", ["x", "w1", "b1"], ["h"]), node("Relu", ["h"], ["a"]), node("Gemm", ["a", "w2", "b2"], ["y"])],
            [weight("w1", 4, 3), weight("b1", 3), weight("w2", 3, 2), weight("b2", 2)],
            ["batch", 4],
        ),
        "conv": network(
            [
                node("Conv", ["x", "w", "b"], ["h"], pads=[1, 1, 1, 1], strides=[1, 1]),
                node("BatchNormalization", ["h", "s", "b", "m", "v"], ["n"]),
                node("Relu", ["n"], ["a"]),
                node("GlobalAveragePool", ["a"], ["p"]),
                node("Flatten", ["p"], ["y"]),
            ],
            [weight("w", 3, 2, 3, 3), weight("b", 3), weight("s", 3), weight("m", 3), weight("v", 3)],
            [2, 2, 4, 4],
        ),
        "external": network([node("MatMul", ["x", "w"], ["y"])], [external], [2, 4]),
        "declared": network(
            [node("ConstantOfShape", ["shape"], ["w"]), node("MatMul", ["x", "w"], ["y"])], [shape], [2, 4]
        ),
        "attention": network(
            [
                node("MatMul", ["x", "q"], ["a"]),
                node("MatMul", ["x", "k"], ["b"]),
                node("Transpose", ["b"], ["c"], perm=[0, 2, 1]),
                node("MatMul", ["a", "c"], ["d"]),
                node("Softmax", ["d"], ["e"], axis=-1),
                node("MatMul", ["e", "x"], ["f"]),
                node("Add", ["f", "x"], ["y"]),
            ],
            [weight("q", 4, 4), weight("k", 4, 4)],
            [2, 3, 4],
        ),
    }


def main() -> None:
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "fuzz/corpus")
    models = networks()
    warnings.simplefilter("ignore")
    for case in collect_testcases(""):
        if case.model is not None and case.model.ByteSize() < 2000:
            models[case.name] = case.model.SerializeToString()
    for target in ("onnx", "check"):
        (out / target).mkdir(parents=True, exist_ok=True)
    for k, (name, data) in enumerate(models.items()):
        (out / "onnx" / name).write_bytes(data)
        # The second byte chooses recipe, weights and what else is asked.
        (out / "check" / name).write_bytes(bytes([1, k * 37 % 256]) + data)
    for k, text in enumerate(ARCHITECTURES):
        (out / "check" / f"architecture-{k}").write_bytes(bytes([0, k * 37 % 256]) + text.encode())
    rng = np.random.default_rng(1)
    for k in range(200):
        built = bytes([2, k * 37 % 256]) + rng.integers(0, 256, 60 + k, np.uint8).tobytes()
        (out / "check" / f"built-{k}").write_bytes(built)


if __name__ == "__main__":
    main()
