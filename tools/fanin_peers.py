#!/usr/bin/env python3
"""What other libraries draw, for the test crates/fanin/tests/peers.rs.

Draws with torch, timm, Keras and JAX (those that are installed) and prints one line for each comparison: the library, the
call here that means the same, shape and layout, and of the values their standard deviation, smallest and largest, and the
fraction of zeros. `exact` lines hold all values instead. With `--mpmath` it prints the moments of cut normal distributions
that stand in crates/fanin/src/initializers/mod.rs.

    python -m venv venv && venv/bin/pip install torch timm jax keras scipy mpmath
    KERAS_BACKEND=jax venv/bin/python tools/fanin_peers.py > crates/fanin/tests/golden/peers.txt
"""

import os
import sys

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "jax")


def line(peer, call, layout, values):
    values = np.asarray(values, dtype=np.float64)
    shape = " ".join(map(str, values.shape))
    zeros = float((values == 0).mean())
    numbers = f"{values.std():.6g} {values.min():.6g} {values.max():.6g} {zeros:.6g}"
    print(f"{peer}\t{call}\t{shape}\t{layout}\t{numbers}")


def exact(peer, call, layout, values):
    values = np.asarray(values, dtype=np.float64)
    shape = " ".join(map(str, values.shape))
    print(f"exact {peer}\t{call}\t{shape}\t{layout}\t" + " ".join(f"{v:.9g}" for v in values.reshape(-1)))


def torch_peers():
    try:
        import torch
        from torch.nn import init
    except ImportError:
        return
    torch.manual_seed(0)
    square, conv = (512, 1024), (128, 64, 5, 5)

    def draw(shape, function, *args, **kwargs):
        return function(torch.empty(shape), *args, **kwargs).numpy()

    line("torch", "uniform(-0.05, 0.1)", "linear", draw(square, init.uniform_, -0.05, 0.1))
    line("torch", "normal(0.1, 0.02)", "linear", draw(square, init.normal_, 0.1, 0.02))
    line("torch", "truncated_normal_absolute(0, 0.5, -1, 1)", "linear", draw(square, init.trunc_normal_, 0.0, 0.5, -1.0, 1.0))
    line("torch", "truncated_normal_absolute(0, 1, 1, 3)", "linear", draw(square, init.trunc_normal_, 0.0, 1.0, 1.0, 3.0))
    for shape, layout in ((square, "linear"), (conv, "conv")):
        line("torch", "xavier_uniform(gain=2)", layout, draw(shape, init.xavier_uniform_, 2.0))
        line("torch", "xavier_normal", layout, draw(shape, init.xavier_normal_))
        line("torch", "kaiming_uniform", layout, draw(shape, init.kaiming_uniform_, nonlinearity="relu"))
        line("torch", "kaiming_normal", layout, draw(shape, init.kaiming_normal_, nonlinearity="relu"))
        line("torch", "kaiming_normal(fan_out, leaky_relu(0.2))", layout,
             draw(shape, init.kaiming_normal_, a=0.2, mode="fan_out", nonlinearity="leaky_relu"))
        line("torch", "lora_a", layout, draw(shape, init.kaiming_uniform_, a=5**0.5))
    line("torch", "orthogonal(gain=1.5)", "linear", draw((128, 512), init.orthogonal_, 1.5))
    line("torch", "sparse(sparsity=0.9, std=0.01, per=input)", "linear", draw(square, init.sparse_, 0.9, 0.01))
    line("torch", "sparse(sparsity=0.33, std=1, per=input)", "linear", draw((100, 700), init.sparse_, 0.33, 1.0))
    exact("torch", "identity", "linear", draw((3, 5), init.eye_))
    exact("torch", "dirac", "conv", draw((4, 3, 3, 3), init.dirac_))
    exact("torch", "dirac", "grouped", draw((6, 2, 3, 4), init.dirac_, groups=2))
    embedding = torch.nn.Embedding(100, 64, padding_idx=7)
    line("torch", "embedding(1, padding=7)", "embedding", embedding.weight.detach().numpy())


def timm_peers():
    try:
        import torch
        from timm.layers import weight_init
    except ImportError:
        return
    for mode in ("fan_in", "fan_out", "fan_avg"):
        for distribution in ("normal", "truncated_normal", "uniform"):
            values = torch.empty(512, 1024)
            weight_init.variance_scaling_(values, 2.0, mode, distribution)
            line("timm", f"variance_scaling(2, {mode}, {distribution})", "linear", values.numpy())
    values = torch.empty(512, 1024)
    weight_init.lecun_normal_(values)
    line("timm", "lecun_truncated", "linear", values.numpy())
    weight_init.trunc_normal_tf_(values, std=0.02)
    line("timm", "truncated_normal(std=0.02)", "linear", values.numpy())


def keras_peers():
    try:
        from keras import initializers as k
    except ImportError:
        return
    dense, conv = (1024, 512), (5, 5, 64, 128)
    for shape, layout in ((dense, "dense"), (conv, "channels_last")):
        line("keras", "xavier_uniform", layout, k.GlorotUniform(seed=1)(shape))
        line("keras", "xavier_truncated", layout, k.GlorotNormal(seed=1)(shape))
        line("keras", "kaiming_uniform", layout, k.HeUniform(seed=1)(shape))
        line("keras", "kaiming_truncated", layout, k.HeNormal(seed=1)(shape))
        line("keras", "lecun_uniform", layout, k.LecunUniform(seed=1)(shape))
        line("keras", "lecun_truncated", layout, k.LecunNormal(seed=1)(shape))
        line("keras", "variance_scaling(0.5, fan_avg, normal)", layout,
             k.VarianceScaling(0.5, "fan_avg", "untruncated_normal", seed=1)(shape))
    line("keras", "truncated_normal(0, 0.05)", "dense", k.TruncatedNormal(0.0, 0.05, seed=1)(dense))
    line("keras", "orthogonal(gain=2)", "dense", k.Orthogonal(2.0, seed=1)((512, 128)))
    exact("keras", "identity(gain=2)", "dense", k.Identity(2.0)((3, 4)))


def jax_peers():
    try:
        import jax
        from jax.nn import initializers as j
    except ImportError:
        return
    key, dense, conv = jax.random.key(0), (1024, 512), (5, 5, 64, 128)
    for shape, layout in ((dense, "dense"), (conv, "channels_last")):
        line("jax", "xavier_truncated", layout, j.glorot_normal()(key, shape))
        line("jax", "kaiming_truncated", layout, j.he_normal()(key, shape))
        line("jax", "lecun_uniform", layout, j.lecun_uniform()(key, shape))
        for mode in ("fan_in", "fan_out", "fan_avg", "fan_geo_avg"):
            line("jax", f"variance_scaling(1.5, {mode}, normal)", layout,
                 j.variance_scaling(1.5, mode, "normal")(key, shape))
    stacked = j.lecun_normal(in_axis=-2, out_axis=-1, batch_axis=0)(key, (8, 256, 512))
    line("jax", "lecun_truncated", "experts", stacked)
    line("jax", "truncated_normal(0, 0.3, -1, 2.5)", "dense", j.truncated_normal(0.3, lower=-1.0, upper=2.5)(key, dense))
    line("jax", "delta_orthogonal(gain=2)", "channels_last", j.delta_orthogonal(2.0)(key, (3, 3, 64, 64)))
    line("jax", "orthogonal", "dense", j.orthogonal()(key, (256, 512)))


def scipy_peers():
    try:
        from scipy.linalg import hadamard
    except ImportError:
        return
    # The matrix of ZerO's code: identity, Hadamard of the next power of two over its root, identity.
    for outputs, inputs in ((4, 3), (6, 5), (12, 3), (3, 5)):
        if outputs <= inputs:
            exact("numpy", "hadamard", "linear", np.eye(outputs, inputs))
        else:
            m = int(np.ceil(np.log2(outputs)))
            matrix = np.eye(outputs, 2**m) @ (hadamard(2**m) / 2 ** (m / 2)) @ np.eye(2**m, inputs)
            exact("scipy", "hadamard", "linear", matrix)


def mpmath_moments():
    import mpmath as mp

    mp.mp.dps = 40
    for mean, std, low, high in (
        ("0", "0.02", "-2", "2"), ("0", "0.5", "-1", "1"), ("1", "2", "0", "3"), ("0", "1", "5", "7"),
        ("-3", "0.5", "-10", "-6"), ("0.2", "1", "-0.5", "0.25"), ("0", "1", "30", "31"), ("0", "1", "-37", "-20"),
    ):
        m, s, a, b = map(mp.mpf, (mean, std, low, high))
        a, b = (a - m) / s, (b - m) / s
        near = max(a, -b, mp.mpf(0))
        density = lambda z: mp.exp((near**2 - z**2) / 2)
        points = [a + (b - a) * k / 60 for k in range(61)]
        total = mp.quad(density, points)
        centre = mp.quad(lambda z: z * density(z), points) / total
        square = mp.quad(lambda z: (z - centre) ** 2 * density(z), points) / total
        print(mean, std, low, high, mp.nstr(s * mp.sqrt(square), 18))


if __name__ == "__main__":
    if "--mpmath" in sys.argv:
        mpmath_moments()
    else:
        print("# Made by tools/fanin_peers.py.")
        for peers in (torch_peers, timm_peers, keras_peers, jax_peers, scipy_peers):
            peers()
