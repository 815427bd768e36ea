"""PyTorch and rankfall-nets on the same network: same weights after 200 steps, and speed.

    pip install torch numpy safetensors
    cargo build --release -p rankfall-nets --example compare_torch --example many_seeds
    python benches/peers/networks/compare.py [--no-speed]

Agreement: two architectures, three losses, with and without momentum and weight decay, in double
precision, from the same initial weights on the same mini-batches. The largest relative difference
of any tensor after 200 steps must be below 1e-10; the script fails if it is not.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch
from safetensors.numpy import load_file, save_file

ROOT = pathlib.Path(__file__).resolve().parents[3]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
EXAMPLES = TARGET / "release" / "examples"

ACTIVATIONS = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "gelu": torch.nn.GELU}


def network(widths, activation, bias, dtype):
    """A stack of linear layers with an activation between them."""
    modules = []
    for index, (inputs, outputs) in enumerate(zip(widths, widths[1:])):
        if index:
            modules.append(ACTIVATIONS[activation]())
        modules.append(torch.nn.Linear(inputs, outputs, bias=bias, dtype=dtype))
    return torch.nn.Sequential(*modules)


def loss_function(name):
    """The losses as rankfall defines them: means over rows, sums over outputs."""
    if name == "squared":
        return lambda f, y: 0.5 * ((f - y) ** 2).sum() / f.shape[0]
    if name == "softmax-cross-entropy":
        return torch.nn.functional.cross_entropy
    return lambda f, y: (
        torch.nn.functional.binary_cross_entropy_with_logits(f, y, reduction="sum") / f.shape[0]
    )


def data(loss, rows, inputs, outputs, dtype):
    """Inputs, and targets of the kind that the loss takes."""
    x = torch.randn(rows, inputs, dtype=dtype)
    if loss == "softmax-cross-entropy":
        return x, torch.randint(outputs, (rows,))
    if loss == "logistic":
        return x, torch.randint(2, (rows, outputs)).to(dtype)
    return x, torch.randn(rows, outputs, dtype=dtype)


def linear_layers(model):
    return [module for module in model if isinstance(module, torch.nn.Linear)]


def tensors(model):
    """The weights of a network under the names that the example reads and writes."""
    named = {}
    for index, layer in enumerate(linear_layers(model)):
        named[f"{index}.weight"] = layer.weight.detach().numpy().copy()
        if layer.bias is not None:
            named[f"{index}.bias"] = layer.bias.detach().numpy().copy()
    return named


def train_torch(model, x, y, loss, optimizer, batch, steps):
    """Plain training; returns seconds per step."""
    of = loss_function(loss)
    rows = x.shape[0]
    start = time.perf_counter()
    for step in range(steps):
        first = step % -(-rows // batch) * batch
        optimizer.zero_grad()
        of(model(x[first : first + batch]), y[first : first + batch]).backward()
        optimizer.step()
    return (time.perf_counter() - start) / steps


def train_rankfall(spec, model, x, y):
    """Trains from the model's weights; returns the trained tensors and seconds per step."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "spec.json").write_text(json.dumps(spec))
        start = {name: np.ascontiguousarray(value) for name, value in tensors(model).items()}
        save_file({**start, "x": x.numpy(), "y": y.numpy()}, folder / "start.safetensors")
        run = [EXAMPLES / "compare_torch", folder]
        seconds = float(subprocess.run(run, check=True, stdout=subprocess.PIPE, text=True).stdout)
        return load_file(folder / "trained.safetensors"), seconds


def specification(widths, activation, bias, loss, settings, rate, batch, steps, precision):
    """A training run as rankfall-nets reads it."""
    return {
        "network": {"layers": widths, "activation": activation, "bias": bias},
        "initialisation": {"kind": "he"},
        "loss": loss,
        "optimizer": settings,
        "step_size": rate,
        "steps": steps,
        "noise": [{"kind": "mini-batch", "batch_size": batch, "sampling": "sequential"}],
        "precision": precision,
        "seed": 0,
    }


def agreement():
    """Prints the largest relative difference per case; True if all are below 1e-10."""
    architectures = [([20, 32, 16, 5], "tanh", True, 0.05), ([50, 64, 3], "relu", False, 0.005)]
    losses = ["squared", "softmax-cross-entropy", "logistic"]
    optimizers = [
        {},
        {"momentum": 0.9, "weight_decay": 1e-3},
        {"momentum": 0.9, "nesterov": True, "weight_decay": 1e-3},
    ]
    batch, steps, good = 16, 200, True
    print("weights after 200 steps, largest relative difference of any tensor")
    for widths, activation, bias, rate in architectures:
        for loss in losses:
            for settings in optimizers:
                torch.manual_seed(3)
                model = network(widths, activation, bias, torch.float64)
                x, y = data(loss, 100, widths[0], widths[-1], torch.float64)
                spec = specification(
                    widths, activation, bias, loss, settings, rate, batch, steps, "f64"
                )
                ours, _ = train_rankfall(spec, model, x, y)
                before = tensors(model)
                optimizer = torch.optim.SGD(model.parameters(), lr=rate, **settings)
                train_torch(model, x, y, loss, optimizer, batch, steps)
                theirs = tensors(model)
                difference = max(
                    np.linalg.norm(ours[name] - value) / np.linalg.norm(value)
                    for name, value in theirs.items()
                )
                moved = min(
                    np.linalg.norm(before[name] - value) / np.linalg.norm(value)
                    for name, value in theirs.items()
                )
                good &= difference < 1e-10 and moved > 1e-3
                print(f"  {widths} {activation:5} {loss:22} {settings}: {difference:.1e}")
    return good


def speed():
    """784-256-10, batch 64, single precision; and many seeds of a small network."""
    widths, batch, steps = [784, 256, 10], 64, 1000
    spec = specification(
        widths, "relu", True, "softmax-cross-entropy", {}, 0.01, batch, steps, "f32"
    )
    torch.manual_seed(3)
    model = network(widths, "relu", True, torch.float32)
    x, y = data("softmax-cross-entropy", 6400, 784, 10, torch.float32)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    seconds = {}
    for _ in range(7):
        _, ours = train_rankfall(spec, model, x, y)
        seconds.setdefault("rankfall-nets, one thread", []).append(ours)
        for threads in [1, os.cpu_count()]:
            torch.set_num_threads(threads)
            theirs = train_torch(model, x, y, "softmax-cross-entropy", optimizer, batch, steps)
            name = f"PyTorch, {threads} thread(s)"
            seconds.setdefault(name, []).append(theirs)
    print("784-256-10, batch 64, single precision: steps per second, median of seven rounds (range)")
    for name, values in seconds.items():
        rates = sorted(1 / value for value in values)
        print(f"  {name}: {statistics.median(rates):.0f} ({rates[0]:.0f} to {rates[-1]:.0f})")
    small_networks()


def small_networks():
    """Two-layer ReLU teacher and student: 2-20-1, 15 rows, batch 1, over 64 seeds."""
    seeds, steps = 64, 14126
    torch.set_num_threads(1)
    torch.manual_seed(3)
    x, y = data("squared", 15, 2, 1, torch.float64)
    model = network([2, 20, 1], "relu", False, torch.float64)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    sample = 3000
    theirs = train_torch(model, x, y, "squared", optimizer, 1, sample)
    run = [EXAMPLES / "many_seeds", str(seeds), str(steps)]
    ours = float(subprocess.run(run, check=True, stdout=subprocess.PIPE, text=True).stdout)
    loop = theirs * steps * seeds
    print(f"2-20-1 ReLU student, batch 1, {seeds} seeds of {steps} steps")
    print(f"  rankfall-nets, {os.cpu_count()} threads: {ours:.2f} s in all")
    print(f"  a loop over PyTorch runs: {loop:.0f} s, from {sample} steps at {1e6 * theirs:.0f} µs")
    print(f"  ratio {loop / ours:.0f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--no-speed", action="store_true", help="agreement only")
    arguments = parser.parse_args()
    good = agreement()
    if not arguments.no_speed:
        speed()
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
