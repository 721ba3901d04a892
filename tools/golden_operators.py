"""Make crates/fanin-run/src/op/truth.json: what operators compute by onnxruntime and torchvision.

Each case is a node with small inputs and the outputs that onnxruntime gives, for operators that ONNX's
own node tests do not cover (onnxruntime's domain) or that the test suite is to hold without them.
Deformable convolution, which onnxruntime may lack, is torchvision's.

usage: python tools/golden_operators.py    (torch, torchvision, onnx, onnxruntime, numpy)
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
import torchvision
from onnx import helper

OUT = Path(__file__).resolve().parent.parent / "crates/fanin-run/src/op/truth.json"
MICROSOFT = "com.microsoft"
RNG = np.random.default_rng(11)


def floats(*shape: int) -> np.ndarray:
    """Numbers of two decimals, which print exactly."""
    return np.round(RNG.uniform(-1.5, 1.5, shape), 2).astype(np.float32)


def tensor(array: np.ndarray) -> dict[str, Any]:
    # Seven digits are more than a comparison at 1e-4 asks for.
    data = [float(f"{v:.7g}") for v in array.astype(np.float64).ravel()]
    return {"shape": list(array.shape), "type": str(array.dtype), "data": data}


def run(
    op: str, domain: str, opset: int, attributes: dict[str, Any], inputs: list[np.ndarray | None], outputs: int
) -> list[np.ndarray]:
    names = ["" if x is None else f"x{k}" for k, x in enumerate(inputs)]
    node = helper.make_node(op, names, [f"y{k}" for k in range(outputs)], domain=domain, **attributes)
    values = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
        for n, x in zip(names, inputs)
        if x is not None
    ]
    results = [helper.make_empty_tensor_value_info(f"y{k}") for k in range(outputs)]
    graph = helper.make_graph([node], op, values, results)
    imports = [helper.make_opsetid("", opset), helper.make_opsetid(MICROSOFT, 1)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    feed = {n: x for n, x in zip(names, inputs) if x is not None}
    return session.run(None, feed)


CASES: list[dict[str, Any]] = []


def case(
    op: str,
    attributes: dict[str, Any],
    inputs: list[np.ndarray | None],
    *,
    domain: str = "",
    opset: int = 21,
    outputs: int = 1,
    tracked: list[int] | None = None,
    truth: list[np.ndarray] | None = None,
) -> None:
    """Add a case; `tracked` are the inputs whose gradient the test takes against differences."""
    found = truth or run(op, domain, opset, attributes, inputs, outputs)
    CASES.append(
        {
            "op": op,
            "domain": domain,
            "opset": opset,
            "attributes": attributes,
            "inputs": [None if x is None else tensor(x) for x in inputs],
            "tracked": tracked or [],
            "outputs": [tensor(np.asarray(y)) for y in found],
        }
    )


def products() -> None:
    for flags in ({"transA": 1}, {"transB": 1, "alpha": 0.5}, {"transA": 1, "transB": 1}):
        a = floats(2, 4, 3) if flags.get("transA") else floats(2, 3, 4)
        b = floats(2, 5, 4) if flags.get("transB") else floats(2, 4, 5)
        case("FusedMatMul", flags, [a, b], domain=MICROSOFT, tracked=[0, 1])
    moved = {"transBatchA": 1, "transBatchB": 1, "transB": 1}
    case("FusedMatMul", moved, [floats(3, 2, 4), floats(5, 2, 4)], domain=MICROSOFT, tracked=[0, 1])
    # Differences are taken of activations without corners alone.
    for activation, tracked in (
        ({"activation": "Relu"}, []),
        ({"activation": "LeakyRelu", "activation_alpha": 0.2}, []),
        ({"activation": "Tanh"}, [0, 1, 2]),
    ):
        case(
            "FusedGemm",
            {"transB": 1, "alpha": 0.75, "beta": 0.5, **activation},
            [floats(3, 4), floats(5, 4), floats(5)],
            domain=MICROSOFT,
            tracked=tracked,
        )


def convolutions() -> None:
    shape = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 1]}
    for more, other, tracked in (
        ({"activation": "Relu"}, [], []),
        ({"activation": "Clip", "activation_params": [-0.5, 0.75]}, [], []),
        ({"activation": "Relu"}, [floats(1, 4, 2, 3)], []),
        ({"activation": "Tanh"}, [floats(1, 4, 2, 3)], [0, 1, 2, 3]),
    ):
        inputs = [floats(1, 2, 4, 3), floats(4, 2, 3, 3), floats(4), *other]
        case("FusedConv", {**shape, **more}, inputs, domain=MICROSOFT, tracked=tracked)
    x, w, b = floats(2, 4, 4, 5), floats(6, 2, 2, 3), floats(6)
    # Away from whole numbers, where the slope along an offset changes.
    sizes = (2, 2 * 2 * 6, 4, 2)
    offset = RNG.integers(-2, 2, sizes) + RNG.uniform(0.1, 0.9, sizes).round(2)
    offset = offset.astype(np.float32)
    mask = RNG.uniform(0.1, 1, (2, 2 * 6, 4, 2)).round(2).astype(np.float32)
    attributes = {
        "kernel_shape": [2, 3],
        "group": 2,
        "offset_group": 2,
        "pads": [1, 1, 0, 1],
        "strides": [1, 2],
        "dilations": [1, 2],
    }
    # torchvision pads both sides alike: the row that this puts in at the end is left out of offsets' output.
    for m in (mask, None):
        padded = np.pad(x, ((0, 0), (0, 0), (1, 0), (1, 1)))
        y = torchvision.ops.deform_conv2d(
            *(torch.from_numpy(v) for v in (padded, offset, w, b)),
            stride=(1, 2),
            dilation=(1, 2),
            mask=None if m is None else torch.from_numpy(m),
        ).numpy()
        inputs = [x, w, offset, b] + ([] if m is None else [m])
        tracked = [0, 1, 2, 3] + ([] if m is None else [4])
        case("DeformConv", attributes, inputs, tracked=tracked, truth=[y])
    integers = lambda *v: np.array(v, np.int64)
    col = {"pads": [1, 0, 1, 1], "strides": [2, 1], "dilations": [1, 2]}
    case("Col2Im", col, [floats(2, 3 * 4, 3 * 4), integers(5, 5), integers(2, 2)], tracked=[0])
    case("Col2Im", {}, [floats(1, 2 * 3, 4), integers(6), integers(3)], tracked=[0])


def attention() -> None:
    b, t, s, n, h = 2, 3, 4, 2, 4
    d = n * h
    heads = {"num_heads": n}
    ms = {"domain": MICROSOFT}
    case("MultiHeadAttention", heads, [floats(b, t, d), floats(b, s, d), floats(b, s, d)], tracked=[0, 1, 2], **ms)
    case(
        "MultiHeadAttention",
        {**heads, "scale": 0.3},
        [floats(b, t, d), floats(b, s, d), floats(b, s, d), floats(3 * d), None, floats(b, n, t, s)],
        tracked=[0, 1, 2, 3, 5],
        **ms,
    )
    case("MultiHeadAttention", {**heads, "unidirectional": 1}, [floats(b, t, d), floats(b, t, d), floats(b, t, d)], **ms)
    mask = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], np.int32)
    case("MultiHeadAttention", heads, [floats(b, t, d), floats(b, s, d), floats(b, s, d), None, mask], **ms)
    case(
        "MultiHeadAttention",
        heads,
        [floats(b, t, d), floats(b, n, s, h), floats(b, n, s, h)],
        tracked=[0, 1, 2],
        **ms,
    )
    past = [floats(b, n, 2, h), floats(b, n, 2, h)]
    case(
        "MultiHeadAttention",
        heads,
        [floats(b, t, d), floats(b, t, d), floats(b, t, d), None, None, None, *past],
        outputs=3,
        **ms,
    )

    # The kernel wants heads of a multiple of 16.
    kv, h = 1, 16
    group = {"num_heads": n, "kv_num_heads": kv}
    lengths = np.array([t - 1] * b, np.int32)
    total = np.array(t, np.int32)
    q, k, v = floats(b, t, n * h), floats(b, t, kv * h), floats(b, t, kv * h)
    case("GroupQueryAttention", group, [q, k, v, None, None, lengths, total], outputs=3, tracked=[0, 1, 2], **ms)
    cos, sin = (np.round(f(np.outer(np.arange(6), 0.6 ** np.arange(8))), 3).astype(np.float32) for f in (np.cos, np.sin))
    q, k, v = floats(b, t, n * h), floats(b, t, kv * h), floats(b, t, kv * h)
    for interleaved in (0, 1):
        rotary = {**group, "do_rotary": 1, "rotary_interleaved": interleaved, "softcap": 2.0}
        case("GroupQueryAttention", rotary, [q, k, v, None, None, lengths, total, cos, sin], outputs=3, tracked=[0, 1, 2], **ms)
    packed = floats(b, t, (n + 2 * kv) * h)
    window = {**group, "local_window_size": 1}
    case("GroupQueryAttention", window, [packed, None, None, None, None, lengths, total], outputs=3, tracked=[0], **ms)
    past = [floats(b, kv, 2, h), floats(b, kv, 2, h)]
    lengths, total = np.array([2 + 1 - 1] * b, np.int32), np.array(3, np.int32)
    q, k, v = floats(b, 1, n * h), floats(b, 1, kv * h), floats(b, 1, kv * h)
    rotary = {**group, "do_rotary": 1}
    case("GroupQueryAttention", rotary, [q, k, v, *past, lengths, total, cos, sin], outputs=3, **ms)

    x = floats(b, t, n * h)
    for ids in (np.array([1], np.int64), np.array([[0, 1, 2], [3, 1, 0]], np.int64)):
        case("RotaryEmbedding", {}, [x, ids, cos, sin], tracked=[0], **ms)
    case("RotaryEmbedding", {"interleaved": 1}, [floats(b, n, t, h), np.array([2], np.int64), cos, sin], tracked=[0], **ms)


def regions() -> None:
    boxes = np.array([[0.3, 0.4, 4.1, 5.2], [-1.5, 1, 3, 3.3], [2, 2, 2.2, 7.5]], np.float32)
    which = np.array([0, 1, 1], np.int64)
    for attributes in (
        {"output_height": 2, "output_width": 3, "sampling_ratio": 2, "spatial_scale": 0.9},
        {"output_height": 2, "output_width": 2, "coordinate_transformation_mode": "output_half_pixel"},
        {"output_height": 2, "output_width": 2, "sampling_ratio": 2, "mode": "max"},
    ):
        case("RoiAlign", attributes, [floats(2, 2, 6, 5), boxes, which], tracked=[0])
    for aligned in (0, 1):
        size = np.array([2, 1, 2, 3], np.int64)
        case("AffineGrid", {"align_corners": aligned}, [floats(2, 2, 3), size], tracked=[0])
        size = np.array([1, 1, 2, 3, 2], np.int64)
        case("AffineGrid", {"align_corners": aligned}, [floats(1, 3, 4), size], tracked=[0])


def grids() -> None:
    x = floats(2, 3, 4) * 3
    scalar = lambda v, t: np.array(v, t)
    case("QuantizeLinear", {}, [x, scalar(0.05, np.float32), scalar(20, np.uint8)])
    case("QuantizeLinear", {}, [x, scalar(0.01, np.float32), scalar(-3, np.int8)])
    case("QuantizeLinear", {}, [x, scalar(0.25, np.float32)])
    scales = np.array([0.05, 0.1, 0.02], np.float32)
    zeros = np.array([1, -2, 3], np.int8)
    case("QuantizeLinear", {"axis": 1}, [x, scales, zeros])
    q = RNG.integers(-128, 128, (2, 3, 4)).astype(np.int8)
    case("DequantizeLinear", {"axis": 1}, [q, scales, zeros])
    case("DequantizeLinear", {}, [q, scalar(0.5, np.float32)])
    blocked = np.abs(floats(2, 3, 2)) + np.float32(0.05)
    case("QuantizeLinear", {"axis": 2, "block_size": 2}, [x, blocked, np.zeros((2, 3, 2), np.int8)])
    case("DequantizeLinear", {"axis": 2, "block_size": 2}, [q, blocked, np.ones((2, 3, 2), np.int8)])


def main() -> None:
    for family in (products, convolutions, attention, regions, grids):
        family()
    OUT.write_text("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in CASES) + "\n]\n")
    print(f"{len(CASES)} cases, {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
