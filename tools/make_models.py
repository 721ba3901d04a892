"""Make the files in `models/`: real architectures without weights, under PyTorch's parameter names.

Exports each network as the README says, simplifies the graph without folding anything
into a parameter, so that every parameter keeps its name and shape, drops what only tells of the
machine it was made on (stack traces), and has `fanin strip` take the weights out.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from pathlib import Path

import onnx
import onnx_ir as ir
import onnx_ir.passes.common as common_passes
import torch
from common import REPOSITORY, run_fanin, selected, use_threads
from export_models import silence
from load_in_torch import aliases
from matching import match
from onnxscript import optimizer, rewriter
from torch import nn
from zoo import Example, build

MODELS = [
    "convnext_atto",
    "dcgan",
    "gpt2",
    "llama",
    "lstm",
    "mobilenetv3_small",
    "resnet18",
    "unet",
    "vit_tiny",
]


def simplify(model: ir.Model, parameters: set[str]) -> None:
    """Fold what is known beforehand, as the exporter's optimizer does; parameters stay as they are."""

    def should_fold(node: ir.Node) -> bool | None:
        touched = any(value is not None and value.name in parameters for value in node.inputs)
        same = node.op_type == "CastLike" or (node.op_type == "Expand" and vector(node.inputs[0]))
        return False if touched and not same else None

    # Torch's own optimizer does the same with all of its rules.
    rules = [r for r in rewriter._DEFAULT_REWRITE_RULES if "BatchNorm" not in str(r.name)]
    for _ in range(2):
        optimizer.fold_constants(model, onnx_shape_inference=True, should_fold=should_fold)
        rewriter.rewrite(model, pattern_rewrite_rules=rules)
    common_passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    common_passes.DeduplicateInitializersPass()(model)
    common_passes.CommonSubexpressionEliminationPass()(model)
    optimizer.remove_unused_nodes(model)


def vector(value: ir.Value | None) -> bool:
    """Batch norm's vectors, which the exporter expands to the shape that they have."""
    return value is not None and value.shape is not None and len(value.shape) == 1


def export(example: Example) -> onnx.ModelProto:
    """The graph with a free batch and all weights, each under its PyTorch name."""
    axes = tuple({0: "batch"} for _ in example.inputs)
    with silence():
        program = torch.onnx.export(
            example.module,
            tuple(example.inputs.values()),
            dynamo=True,
            input_names=list(example.inputs),
            output_names=["output"],
            dynamic_shapes=axes,
            optimize=False,
            verbose=False,
        )
    simplify(program.model, {name for name, _ in example.module.named_parameters()})
    return without_metadata(program.model_proto)


def without_metadata(model: onnx.ModelProto) -> onnx.ModelProto:
    """Drop stack traces and the like, which hold paths of this machine."""
    for message in [model, model.graph, *model.graph.node, *model.graph.value_info]:
        message.ClearField("metadata_props")
    for message in [*model.graph.initializer, *model.graph.input, *model.graph.output]:
        message.ClearField("metadata_props")
    for node in model.graph.node:
        node.ClearField("doc_string")
    return model


def check_names(model: onnx.ModelProto, module: nn.Module) -> None:
    """Every parameter of the module is in the file, under one of its names and in its shape."""
    first = aliases(module)
    found = {first.get(name, name): entry.label for name, entry in match(model, module).items()}
    shapes = {first.get(t.name, t.name): tuple(t.dims) for t in model.graph.initializer}
    for name, parameter in module.named_parameters():
        if found.get(name) != name or shapes[name] != tuple(parameter.shape):
            raise SystemExit(f"{name} is not in the export under its name and in its shape")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fanin", type=Path, default=REPOSITORY / "target/release/fanin")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "models")
    parser.add_argument("--only", nargs="+", metavar="NAME")
    parser.add_argument("--keep-weights", action="store_true", help="leave out `fanin strip`")
    arguments = parser.parse_args()
    use_threads(2)
    logging.disable(logging.WARNING)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in selected(MODELS, arguments.only):
        example = build(name)
        model = export(example)
        check_names(model, example.module)
        out = arguments.out / f"{name}.onnx"
        with tempfile.TemporaryDirectory() as folder:
            if arguments.keep_weights:
                onnx.save(model, out)
            else:
                full = Path(folder) / out.name
                onnx.save(model, full)
                run_fanin(arguments.fanin, "strip", full, "-o", out, accept=(0,))
        print(f"{out}: {len(model.graph.node)} nodes, {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
