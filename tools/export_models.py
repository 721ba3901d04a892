"""Export the zoo to ONNX in several ways, with weights inside and PyTorch's gradients beside.

For every network NAME and every way VARIANT of exporting it, OUT then holds

    NAME.npz                     the arrays named like the graph's inputs, and `cotangent`
    NAME.VARIANT.onnx            the graph with its weights
    NAME.VARIANT.reference.json  rms of the output, rms of every parameter and of its gradient
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from unittest import mock

import numpy as np
import onnx
import onnxruntime
import onnxscript
import torch
from common import rms, selected, use_threads, write_json
from matching import match, name_by_use
from reference import Reference, output_shape, reference, tied_names
from torch import Tensor, nn
from torch.fx.experimental.optimization import fuse
from zoo import ZOO, Example, build


def dynamo(
    example: Example,
    path: Path,
    *,
    free: bool = False,
    optimize: bool = False,
    **options: object,
) -> None:
    """The exporter that is torch's default, as the README has it: without torch's optimizer."""
    axes = tuple(example.free_axes.get(name, {}) for name in example.inputs) if free else None
    torch.onnx.export(
        example.module,
        tuple(example.inputs.values()),
        path,
        dynamo=True,
        optimize=optimize,
        input_names=list(example.inputs),
        output_names=["output"],
        dynamic_shapes=axes,
        verbose=False,
        **{"external_data": False, **options},
    )


def torchscript(example: Example, path: Path, *, free: bool = False, **options: object) -> None:
    """The older exporter. In evaluation mode it would fold batch norm, hence PRESERVE."""
    torch.onnx.export(
        example.module,
        tuple(example.inputs.values()),
        path,
        dynamo=False,
        input_names=list(example.inputs),
        output_names=["output"],
        dynamic_axes=example.free_axes if free else None,
        training=torch.onnx.TrainingMode.PRESERVE,
        **options,
    )


VARIANTS: dict[str, Callable[[Example, Path], None]] = {
    "dynamo": lambda e, p: dynamo(e, p),
    "dynamo-free": lambda e, p: dynamo(e, p, free=True),
    "dynamo-optimized": lambda e, p: dynamo(e, p, optimize=True),
    "dynamo-optimized-free": lambda e, p: dynamo(e, p, optimize=True, free=True),
    "dynamo-opset18": lambda e, p: dynamo(e, p, opset_version=18),
    "dynamo-opset23": lambda e, p: dynamo(e, p, opset_version=23),
    "dynamo-external": lambda e, p: dynamo(e, p, external_data=True),
    "torchscript": lambda e, p: torchscript(e, p),
    "torchscript-raw": lambda e, p: torchscript(e, p, do_constant_folding=False),
    "torchscript-free": lambda e, p: torchscript(e, p, free=True),
    "torchscript-opset9": lambda e, p: without_fused_attention(e, p, opset_version=9),
    "torchscript-opset13": lambda e, p: without_fused_attention(e, p, opset_version=13),
    "folded": lambda e, p: dynamo(e, p, optimize=True),
}


def has_batch_norm(module: nn.Module) -> bool:
    """Whether torch's optimizer would fold something away, so that other parameters are left."""
    return any(isinstance(child, nn.modules.batchnorm._BatchNorm) for child in module.modules())


def wanted_variants(name: str, example: Example) -> list[str]:
    """Most variants for every network, those that teach little new only for a few."""
    optimized = not has_batch_norm(example.module)
    chosen = ["dynamo", "torchscript", "torchscript-raw"]
    if optimized:
        chosen = [*chosen, "dynamo-optimized"]
    if example.free_axes:  # first: after a fixed export torch no longer frees the time of an LSTM
        free = ["dynamo-free", "torchscript-free"]
        chosen = [*free, *(["dynamo-optimized-free"] if optimized else []), *chosen]
    if name in ("mlp", "resnet18", "vit_tiny", "gpt2_masked", "bert", "llama_masked", "lstm"):
        chosen += ["torchscript-opset9", "torchscript-opset13"]
    if not optimized or name in ("mlp", "vit_tiny", "gpt2_masked", "bert", "llama_masked", "lstm"):
        chosen += ["dynamo-opset18", "dynamo-opset23"]
    if name in ("mlp", "resnet18", "gpt2"):
        chosen += ["dynamo-external"]
    if name in ("resnet18", "mobilenetv3_small", "efficientnet_b0"):
        chosen += ["folded"]
    return chosen


def prepared(name: str, variant: str) -> Example:
    """A fresh copy of a network: exporting may leave traces in a module."""
    example = build(name)
    if variant == "folded":  # what torch's optimizer makes of batch norm
        # The biases that folding makes are no parameters yet.
        return replace(example, module=fuse(example.module).requires_grad_())
    return example


def plain_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Attention in operations that every opset has."""
    if enable_gqa:
        repeats = query.shape[1] // key.shape[1]
        key, value = key.repeat_interleave(repeats, 1), value.repeat_interleave(repeats, 1)
    scores = query @ key.transpose(-2, -1) * (scale or query.shape[-1] ** -0.5)
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attn_mask, -1e9)
    elif attn_mask is not None:
        scores = scores + attn_mask
    return scores.softmax(-1) @ value


def without_fused_attention(example: Example, path: Path, opset_version: int) -> None:
    """The older exporter knows torch's attention only from opset 14 on."""
    with mock.patch.object(nn.functional, "scaled_dot_product_attention", plain_attention):
        torchscript(example, path, opset_version=opset_version)


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Nothing to standard output; the older exporter prints whole graphs there, from C++."""
    sys.stdout.flush()
    kept = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def export_quietly(variant: str, example: Example, path: Path) -> None:
    """Export under a temporary name; what the exporter prints stays out of sight."""
    temporary = path.with_name("tmp." + path.name)
    external = Path(f"{temporary}.data")
    try:
        with silence():
            VARIANTS[variant](example, temporary)
        if external.exists():  # the file names its data file, so write it where it is to stay
            model = onnx.load(temporary)
            onnx.save(model, path, save_as_external_data=True, location=path.name + ".data")
        else:
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
        external.unlink(missing_ok=True)


def onnxruntime_error(example: Example, path: Path) -> float | str:
    """How far the export itself is from torch in evaluation mode, relative to the output's rms."""
    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        output = session.run(None, {n: x.numpy() for n, x in example.inputs.items()})[0]
    except Exception as error:  # onnxruntime has no common error class
        return " ".join(str(error).split())[:200]
    with torch.no_grad():
        right = example.module.eval()(*example.inputs.values()).numpy()
    return rms(output - right) / rms(right)


def describe(variant: str, example: Example, path: Path, truth: Reference) -> dict[str, object]:
    """The reference file: every parameter under the name that it has in this export."""
    model = onnx.load(path)
    found = match(model, example.module)
    values = {name: p.detach().numpy() for name, p in example.module.named_parameters()}
    ties = tied_names(example.module)
    copies = Counter(arrangement.label for arrangement in found.values())
    parameters = {}
    for name, arrangement in found.items():
        entry = {
            "torch_name": arrangement.label,
            "rms": rms(arrangement.make(values)),
            "gradient_rms": rms(arrangement.make(truth.gradients)),
        }
        if arrangement.label in ties and copies[arrangement.label] > 1:
            entry["torch_name"] = name_by_use(model, name, ties[arrangement.label])
            entry["tied_gradient_rms"] = entry["gradient_rms"]
            entry["gradient_rms"] = rms(truth.uses[entry["torch_name"]])
        parameters[name] = entry
    held = {torch_name for arrangement in found.values() for torch_name in arrangement.torch_names}
    return {
        "variant": variant,
        "dtype": "float64",
        "batch_norm": "batch statistics",
        "float32_error": truth.float32_error,
        "onnxruntime_error": onnxruntime_error(example, path),
        "tools": {"torch": torch.__version__, "onnxscript": onnxscript.__version__},
        "output_rms": truth.output_rms,
        "missing": sorted(set(values) - held),
        "parameters": parameters,
    }


def export(name: str, variants: list[str] | None, out: Path, threads: int) -> None:
    """Everything for one network."""
    use_threads(threads)
    logging.disable(logging.WARNING)
    example = build(name)
    cotangent = np.random.default_rng(0).standard_normal(output_shape(example), np.float32)
    arrays = {key: tensor.numpy() for key, tensor in example.inputs.items()}
    np.savez(out / f"{name}.npz", **arrays, cotangent=cotangent)
    truth = reference(example, cotangent)
    for variant in variants or wanted_variants(name, example):
        path = out / f"{name}.{variant}.onnx"
        example = prepared(name, variant)
        try:
            export_quietly(variant, example, path)
        except Exception as error:  # exporters raise anything; the others are still wanted
            reason = " ".join(str(error).split())
            print(f"{name:18} {variant:20} not exported: {reason[:200]}", flush=True)
            continue
        folded_truth = reference(example, cotangent) if variant == "folded" else truth
        content = describe(variant, example, path, folded_truth)
        write_json(path.with_suffix(".reference.json"), content)
        error = content["onnxruntime_error"]
        differs = f"{error:.0e}" if isinstance(error, float) else error
        print(
            f"{name:18} {variant:20} {len(content['parameters'])} parameters,"
            f" missing {content['missing'] or 'none'}, onnxruntime differs by {differs}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="+", metavar="NAME")
    parser.add_argument("--variant", nargs="+", choices=VARIANTS)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    # A process for each network, since exporting leaves traces in torch.
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as processes:
        for name in selected(ZOO, arguments.only):
            job = processes.submit(
                export, name, arguments.variant, arguments.out, arguments.threads
            )
            job.result()


if __name__ == "__main__":
    main()
