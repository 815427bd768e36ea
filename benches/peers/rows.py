"""What the reductions gain at p = 784, k = 10, width 1024: steps per second of rankfall, which sees only
second moments and p + k columns, beside PyTorch on the reduced problem and on the rows themselves.

    peers/bin/python benches/peers/rows.py

One round runs everything once, in turn; medians of the rounds are printed.
"""

import argparse
import pathlib
import statistics
import tempfile
import time

import torch

import compare
import peers

SIZE = (784, 10, 1024)
ROWS = [1568, 60_000]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(int(peers.THREADS))
    rates = {}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        problem = compare.draw(folder, *SIZE)
        for number in range(rounds):
            for name, rate in one_round(folder, problem, number):
                rates.setdefault(name, []).append(rate)
    for name, values in rates.items():
        median, low, high = statistics.median(values), min(values), max(values)
        print(f"{name:58} {median:10.4g} steps/s  ({low:.4g} to {high:.4g})")


def one_round(folder, problem, number):
    rate, _ = compare.rankfall(folder, "euler-maruyama", 2, 400, 20)
    yield "rankfall, two trajectories, any number of rows", rate
    p, k, width = SIZE
    for columns in (width, p + k):
        reduced = peers.Problem(folder / "problem.npz")
        reduced.w1, reduced.w2 = problem.w1[:, :columns], problem.w2[:columns]
        seconds = timed(lambda: peers.torch_batched(reduced, 2, 20, number))
        yield f"PyTorch, two trajectories, second moments, {columns} columns", 40 / seconds
    for rows in ROWS:
        steps = 5 if rows < 10_000 else 1
        train = on_rows(rows)
        seconds = timed(lambda: train(steps))
        yield f"PyTorch module with autograd, {rows} rows", steps / seconds


def timed(work):
    work()
    clock = time.perf_counter()
    work()
    return time.perf_counter() - clock


def on_rows(rows):
    """Label-noise gradient descent on all rows, as most people would write it."""
    p, k, width = SIZE
    x = torch.randn(rows, p, dtype=torch.float64)
    y = torch.randn(rows, k, dtype=torch.float64)
    layers = [torch.nn.Linear(p, width, bias=False), torch.nn.Linear(width, k, bias=False)]
    module = torch.nn.Sequential(*layers).double()
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-4)

    def train(steps):
        for _ in range(steps):
            optimizer.zero_grad()
            labels = y + torch.randn(rows, k, dtype=torch.float64)
            (0.5 * ((module(x) - labels) ** 2).sum() / rows).backward()
            optimizer.step()

    return train


if __name__ == "__main__":
    main()
