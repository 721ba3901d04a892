"""Prints the shards that huggingface_hub makes of the tensors in crates/fanin-plan/tests/plan/slices.rs.

The test `shards_by_size_are_those_of_hugging_face` holds fanin against them. Needs huggingface_hub and torch.
"""

import huggingface_hub
import torch
from huggingface_hub import split_torch_state_dict_into_shards

SHAPES = {
    "large": (700, 1100),
    "empty": (0, 3),
    "odd square": (730, 730),
    "odd": (7, 3, 3),
    "bias": (13,),
    "table": (97, 31),
    "scalar": (),
}

print("huggingface_hub", huggingface_hub.__version__)
tensors = {name: torch.empty(shape) for name, shape in SHAPES.items()}
for most in (3_080_000, 3_000_000, 300):
    split = split_torch_state_dict_into_shards(
        tensors, max_shard_size=most, filename_pattern="model{suffix}.safetensors"
    )
    print(most, split.metadata, list(split.filename_to_tensors.values()))
