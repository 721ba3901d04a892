"""Print the digests of PyTorch's conversions to 8-bit floats for the tests of `fanin/src/float8.rs`.

Every bf16, and the f32 just below and above it, is converted; the digest is FNV-1a over the bytes.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch


def digest(dtype: torch.dtype) -> int:
    upper = np.arange(1 << 16, dtype=np.uint32) << 16
    bits = np.stack([upper, upper - np.uint32(1), upper | np.uint32(1)], axis=1).ravel()
    values = torch.from_numpy(bits.view(np.float32))
    digest = 0xCBF29CE484222325
    for byte in values.to(dtype).view(torch.uint8).tolist():
        digest = (digest ^ byte) * 0x100000001B3 % (1 << 64)
    return digest


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    for dtype in (torch.float8_e4m3fn, torch.float8_e5m2):
        print(f"{dtype}: {digest(dtype):#018x} (PyTorch {torch.__version__})")


if __name__ == "__main__":
    main()
