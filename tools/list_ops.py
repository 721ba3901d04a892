"""List the operations of all ONNX files in a folder: how often, and in which files."""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import onnx


def operations(nodes: Iterable[onnx.NodeProto]) -> Iterator[str]:
    """Operation names, those in subgraphs included, with the domain where it is not ONNX's own."""
    for node in nodes:
        yield f"{node.domain}::{node.op_type}" if node.domain else node.op_type
        for attribute in node.attribute:
            for graph in [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]:
                yield from operations(graph.node)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    counts: Counter[str] = Counter()
    files: dict[str, list[str]] = defaultdict(list)
    opsets: Counter[str] = Counter()
    for path in sorted(folder.glob("*.onnx")):
        model = onnx.load(path, load_external_data=False)
        opsets.update(f"{o.domain or 'ai.onnx'} {o.version}" for o in model.opset_import)
        here = Counter(operations(model.graph.node))
        for function in model.functions:
            here.update(operations(function.node))
            here[f"[local function {function.name}]"] += 1
        counts += here
        for name in here:
            files[name].append(path.name.removesuffix(".onnx"))
    print("opsets:", ", ".join(f"{name} ({count} files)" for name, count in opsets.items()))
    print(f"{len(counts)} operations\n")
    for name, count in sorted(counts.items()):
        print(f"{name:24} {count:6}  {' '.join(files[name])}")


if __name__ == "__main__":
    main()
