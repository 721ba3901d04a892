"""The exact numbers that papers/ holds its measurements against: integrals over Gaussians, by scipy.

    python tools/papers_reference.py
"""

import math

import numpy as np
from scipy.integrate import quad
from scipy.special import ndtr


def mean(f, q):
    """E f(x) for x ~ N(0, q)."""
    s = math.sqrt(q)
    density = lambda z: math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return quad(lambda z: f(s * z) * density(z), -12, 12, limit=400, epsabs=1e-13)[0]


def square_tanh(q):
    return mean(lambda x: math.tanh(x) ** 2, q)


def slope_tanh(q):
    return mean(lambda x: (1 - math.tanh(x) ** 2) ** 2, q)


def chain(weight, first, layers):
    """Second moments of the pre-activations of a tanh network: first layer's, then the map's."""
    q = [first]
    while len(q) < layers:
        q.append(weight * square_tanh(q[-1]))
    return q


print("Glorot & Bengio: five layers of tanh, inputs of variance one")
for name, weight in [("standard", 1 / 3), ("normalized", 1.0)]:
    q = chain(weight, weight, 5)
    deviations = [math.sqrt(square_tanh(x)) for x in q]
    print(" ", name, "activations", np.round(deviations, 5))
    # delta_l = phi'(h_l) W' delta_(l+1): the slope of layer l times the weight that reads it.
    chi = [weight * slope_tanh(x) for x in q]
    back = [math.sqrt(np.prod(chi[l:4])) for l in range(5)]
    print("    gradient at pre-activations, layer l over layer 5", np.round(back, 5))
    inputs = [1.0] + deviations[:4]
    print("    weight gradients, layer l over layer 5",
          np.round([back[l] * inputs[l] / inputs[4] for l in range(5)], 5))
    print("    mean singular value of W", 8 / (3 * math.pi) * math.sqrt(weight))

print("makemore: tanh, inputs of variance one, weights N(0, gain^2 / n)")
for gain in [1.0, 5 / 3, 3.0]:
    q = chain(gain**2, gain**2, 5)
    print("  gain", gain, "std", np.round([math.sqrt(square_tanh(x)) for x in q], 4),
          "saturated", np.round([2 * ndtr(-math.atanh(0.97) / math.sqrt(x)) for x in q], 5))
print("  batch norm", math.sqrt(square_tanh(1)), 2 * ndtr(-math.atanh(0.97)))

print("Yang: growth of the gradient's rms per layer of batch norm")
print("  relu", math.sqrt(math.pi / (math.pi - 1)), "tanh", math.sqrt(slope_tanh(1) / square_tanh(1)))

print("Pennington: variance over squared mean of the squared singular values, per layer")
for q in [1 / 64, 0.25]:
    m1 = slope_tanh(q)
    m2 = mean(lambda x: (1 - math.tanh(x) ** 2) ** 4, q)
    print("  tanh, q", q, "critical weight", 1 / m1, "orthogonal", m2 / m1**2 - 1, "Gaussian", m2 / m1**2)

print("SIREN: variance of sin", (1 - math.exp(-2)) / 2)


print("Pennington: largest squared singular value of eight Gaussian matrices, limit", 9**9 / 8**8)
generator = np.random.default_rng(0)
for n, networks in [(128, 20), (512, 4)]:
    largest = []
    for _ in range(networks):
        product = np.eye(n)
        for _ in range(8):
            product = generator.standard_normal((n, n)) @ product / math.sqrt(n)
        largest.append(np.linalg.norm(product, 2) ** 2)
    print("  n", n, np.mean(largest), "standard error", np.std(largest) / math.sqrt(networks))
