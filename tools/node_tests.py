"""Write the operation tests of the `onnx` package as files, with an index of what each one needs.

OUT/NAME/model.onnx
OUT/NAME/test_data_set_0/input_0.pb, …, output_0.pb, …
OUT/index.json  name -> operations, opsets, types of inputs and outputs, tolerances
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from common import write_json
from list_ops import operations
from onnx import TensorProto, TypeProto, ValueInfoProto, numpy_helper
from onnx.backend.test.case.node import collect_testcases
from onnx.backend.test.case.test_case import TestCase


def describe_type(type_: TypeProto) -> str:
    """`float32`, `sequence(float32)`, `optional(…)`, …"""
    kind = type_.WhichOneof("value")
    if kind == "tensor_type":
        name = TensorProto.DataType.Name(type_.tensor_type.elem_type).lower()
        return {"float": "float32", "double": "float64"}.get(name, name)
    if kind in ("sequence_type", "optional_type"):
        return f"{kind.removesuffix('_type')}({describe_type(getattr(type_, kind).elem_type)})"
    return str(kind)


def serialize(value: Any, info: ValueInfoProto) -> bytes:
    """One input or output in the form its type asks for."""
    if info.type.HasField("sequence_type"):
        return numpy_helper.from_list(value, info.name).SerializeToString()
    if info.type.HasField("optional_type"):
        return numpy_helper.from_optional(value, info.name).SerializeToString()
    if isinstance(value, TensorProto):
        return value.SerializeToString()
    return numpy_helper.from_array(np.asarray(value), info.name).SerializeToString()


def write_values(
    folder: Path, kind: str, values: Iterable[Any], infos: Iterable[ValueInfoProto]
) -> None:
    for index, (value, info) in enumerate(zip(values, infos, strict=True)):
        (folder / f"{kind}_{index}.pb").write_bytes(serialize(value, info))


def write_case(case: TestCase, out: Path) -> dict[str, Any]:
    """Write one case and return its line in the index."""
    folder = out / case.name
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(case.model, folder / "model.onnx")
    graph = case.model.graph
    for index, (inputs, outputs) in enumerate(case.data_sets):
        data = folder / f"test_data_set_{index}"
        data.mkdir(exist_ok=True)
        write_values(data, "input", inputs, graph.input)
        write_values(data, "output", outputs, graph.output)
    return {
        "ops": sorted(set(operations(graph.node))),
        "opset": {o.domain or "ai.onnx": o.version for o in case.model.opset_import},
        "inputs": [describe_type(info.type) for info in graph.input],
        "outputs": [describe_type(info.type) for info in graph.output],
        "rtol": case.rtol,
        "atol": case.atol,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    np.random.seed(0)
    index, failed = {}, {}
    for case in collect_testcases():
        try:
            index[case.name] = write_case(case, out)
        except Exception as error:  # a case that onnx itself cannot write is counted, not hidden
            failed[case.name] = repr(error)
    write_json(out / "index.json", index)
    plain = sum("float32" in case["inputs"] + case["outputs"] for case in index.values())
    print(f"{len(index)} cases, {plain} of them with float32; not written: {failed or 'none'}")


if __name__ == "__main__":
    main()
