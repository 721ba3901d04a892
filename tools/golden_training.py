"""Makes the golden numbers of fanin-run's training steps: 20 steps of torch.optim.

    python tools/golden_training.py crates/fanin-run/tests/golden/training.json

Weights, inputs and targets follow formulas that the test repeats, so that nothing but losses and
final weights is stored. Networks are those of the architectures named in the file.
"""

import json
import sys

import numpy as np
import torch
from torch import nn

torch.set_num_threads(1)


def wave(n, phase, step):
    return np.sin(step * np.arange(n, dtype=np.float64) + phase)


def start(model):
    """Parameter p, element i: 0.5 sin(1.7 i + p + 0.3), plus 1 for the scale of a norm."""
    norms = {id(m.weight) for m in model.modules() if isinstance(m, nn.BatchNorm2d)}
    for p, parameter in enumerate(model.parameters()):
        values = 0.5 * wave(parameter.numel(), p + 0.3, 1.7)
        if id(parameter) in norms:
            values = values + 1.0
        with torch.no_grad():
            parameter.copy_(torch.tensor(values.astype(np.float32)).reshape(parameter.shape))


def mlp():
    return nn.Sequential(
        nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3)
    )


def conv():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3),
    )


NETWORKS = {
    "mlp(5, 8, 8, 3, tanh)": (mlp, [7, 5]),
    "conv(1x6x6, 4, 6, 3, relu, norm=batch, pool=max)": (conv, [7, 1, 6, 6]),
}

OPTIMIZERS = {
    "sgd": (lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9), None),
    "sgd-decay-clip": (lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=0.1), 0.2),
    "adam": (lambda p: torch.optim.Adam(p, lr=0.01), None),
    "adamw": (lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1), None),
}


def run(make, shape, optimizer, clip, objective):
    model = make()
    start(model)
    model.train()
    step = optimizer(model.parameters())
    x = torch.tensor(wave(int(np.prod(shape)), 0.2, 0.9).astype(np.float32)).reshape(shape)
    if objective == "classes":
        target = torch.arange(shape[0]) % 3
        loss_of = nn.CrossEntropyLoss()
    else:
        target = torch.tensor(wave(shape[0] * 3, 0.7, 1.1).astype(np.float32)).reshape(-1, 3)
        loss_of = nn.MSELoss()
    losses = []
    for _ in range(20):
        step.zero_grad()
        loss = loss_of(model(x), target)
        loss.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        step.step()
        losses.append(loss.item())
    weights = [float(v) for p in model.parameters() for v in p.detach().flatten()]
    return losses, weights


def main():
    cases = []
    for network, (make, shape) in NETWORKS.items():
        for name, (optimizer, clip) in OPTIMIZERS.items():
            for objective in ["classes", "values"] if name == "adam" else ["classes"]:
                losses, weights = run(make, shape, optimizer, clip, objective)
                cases.append(
                    {
                        "network": network,
                        "optimizer": name,
                        "objective": objective,
                        "losses": [float(f"{v:.9g}") for v in losses],
                        "weights": [float(f"{v:.9g}") for v in weights],
                    }
                )
    with open(sys.argv[1], "w") as file:
        json.dump({"torch": torch.__version__, "cases": cases}, file)
        file.write("\n")


main()
