"""Check an ONNX file into which fanin wrote weights against the file that it came from.

Both files are walked at the level of the protobuf wire format: outside the payloads of tensors
every byte has to be as it was, integer tensors have to be unchanged, and onnxruntime has to load
and run the result.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import TensorProto

# message -> field number -> message it holds, as far as it leads to tensors
CHILDREN: dict[str, dict[int, str]] = {
    "Model": {7: "Graph", 20: "TrainingInfo", 25: "Function"},
    "TrainingInfo": {1: "Graph", 2: "Graph"},
    "Function": {7: "Node", 11: "Attribute"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Node": {5: "Attribute"},
    "Attribute": {
        5: "Tensor",
        6: "Graph",
        10: "Tensor",
        11: "Graph",
        22: "SparseTensor",
        23: "SparseTensor",
    },
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
}
DATA_TYPE, NAME = 2, 8
PAYLOADS = {4, 5, 6, 7, 9, 10, 11}  # float, int32, string, int64, raw, double and uint64 data
FLOATING = {TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16}


@dataclass
class Payload:
    """The bytes that hold the values of one tensor, or one run of them."""

    name: str
    floating: bool
    start: int
    end: int


def varint(data: bytes, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def fields(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Number, wire type, and where the content starts and ends, of each field of a message."""
    at = start
    while at < end:
        key, at = varint(data, at)
        kind = key & 7
        if kind == 0:
            _, stop = varint(data, at)
        elif kind == 2:
            length, at = varint(data, at)
            stop = at + length
        elif kind in (1, 5):
            stop = at + (8 if kind == 1 else 4)
        else:
            raise ValueError(f"wire type {kind} at byte {at}")
        yield key >> 3, kind, at, stop
        at = stop


def payloads(data: bytes, message: str, start: int, end: int) -> Iterator[Payload]:
    """The payloads of all tensors within a message, in the order of the file."""
    if message == "Tensor":
        yield from tensor_payloads(data, start, end)
        return
    for number, kind, at, stop in fields(data, start, end):
        child = CHILDREN[message].get(number)
        if child and kind == 2:
            yield from payloads(data, child, at, stop)


def tensor_payloads(data: bytes, start: int, end: int) -> Iterator[Payload]:
    parts = list(fields(data, start, end))
    names = [data[at:stop].decode() for number, _, at, stop in parts if number == NAME]
    types = [varint(data, at)[0] for number, _, at, _ in parts if number == DATA_TYPE]
    for number, _, at, stop in parts:
        if number in PAYLOADS:
            yield Payload("".join(names) or "(unnamed)", types[-1] in FLOATING, at, stop)


def blanked(data: bytes, found: list[Payload]) -> bytes:
    """The file with zeros for all payloads; their lengths stay."""
    result = bytearray(data)
    for payload in found:
        result[payload.start : payload.end] = bytes(payload.end - payload.start)
    return bytes(result)


def compare(before: bytes, after: bytes) -> str:
    """What changed, in words; `ValueError` if more did than floating payloads."""
    old = list(payloads(before, "Model", 0, len(before)))
    new = list(payloads(after, "Model", 0, len(after)))
    plain_old, plain_new = blanked(before, old), blanked(after, new)
    if plain_old != plain_new:
        pairs = zip(plain_old, plain_new)
        first = next((i for i, (a, b) in enumerate(pairs) if a != b), "the shorter's end")
        raise ValueError(
            f"differs outside the payloads, first at byte {first}"
            f" ({len(before)} bytes before, {len(after)} after)"
        )
    changed = [a for a in old if before[a.start : a.end] != after[a.start : a.end]]
    touched = [payload.name for payload in changed if not payload.floating]
    if touched:
        raise ValueError(f"integer tensors changed: {', '.join(touched)}")
    return f"{len(changed)} of {len(old)} payloads changed, all other bytes equal"


def run(path: Path, data: Path) -> str:
    """Load and run the model in onnxruntime; `ValueError` unless the outputs are finite."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    arrays = np.load(data)
    outputs = session.run(None, {i.name: arrays[i.name] for i in session.get_inputs()})
    if not all(np.isfinite(output).all() for output in outputs):
        raise ValueError("the output is not finite")
    return f"onnxruntime runs it, output rms {np.sqrt(np.mean(np.square(outputs[0]))):.4g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("original", type=Path)
    parser.add_argument("written", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="npz with the inputs by name")
    arguments = parser.parse_args()
    try:
        print(compare(arguments.original.read_bytes(), arguments.written.read_bytes()))
        print(run(arguments.written, arguments.data))
    except ValueError as error:
        raise SystemExit(f"{arguments.written}: {error}") from None


if __name__ == "__main__":
    main()
