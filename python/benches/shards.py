"""What shards cost: merging up to ten thousand of them, and runs that grow with the number of processes.

    python python/benches/shards.py [--shards 10000] [--figure shards.png]

A shard of the paper's setting (two dynamics, 50 saves) with one block of eight trajectories is computed so many times over,
and merged as `run(executor=...)` merges. Then a pool of 1, 2, … processes runs as many shards each.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable

import rankfall as rf

BLOCK = 8


def setting(trajectories: int, time: float) -> rf.Experiment:
    return rf.Experiment(
        "paper",
        data=rf.Gaussian(samples=1000, inputs=5, outputs=2),
        network=rf.TwoLayer(width=10),
        dynamics={
            "SGF": rf.StochasticGradientFlow(step_size=0.01, label_noise=2.0),
            "SGD": rf.SGD(step_size=0.01, label_noise=2.0),
        },
        time=time,
        trajectories=trajectories,
        save=50,
        seed=1,
    )


def seconds(work: Callable[[], object]) -> float:
    clock = time.perf_counter()
    work()
    return time.perf_counter() - clock


def merging(most: int) -> list[tuple[int, float, float]]:
    """Shards, megabytes of all of them, and seconds to merge them."""
    found = []
    count = 10
    while count <= most:
        experiment = setting(BLOCK * count, 5.0)
        parts = [rf.shard_of_run(experiment, i, count) for i in range(1, count + 1)]
        took = statistics.median(seconds(lambda: rf.merge(parts)) for _ in range(3))
        found.append((count, sum(map(len, parts)) / 1e6, took))
        print(f"{count} shards, {found[-1][1]:.1f} MB: merged in {took:.3f} s", flush=True)
        count *= 10
    return found


def scaling(processes: int) -> list[tuple[int, float]]:
    """Processes, and seconds of a run with as many shards to each."""
    found = []
    context = multiprocessing.get_context("spawn")
    for workers in range(1, processes + 1):
        shards = 4 * workers
        experiment = setting(16 * BLOCK * shards, 200.0)
        with concurrent.futures.ProcessPoolExecutor(workers, context) as pool:
            list(pool.map(len, ["warm"] * workers))

            def run() -> rf.Run:
                return experiment.run(executor=pool, shards=shards, progress=None)

            run()
            took = statistics.median(seconds(run) for _ in range(3))
        found.append((workers, took))
        print(f"{workers} processes, {shards} shards: {took:.2f} s", flush=True)
    return found


def draw(merged: list[tuple[int, float, float]], scaled: list[tuple[int, float]], path: str) -> None:
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    workers, took = zip(*scaled, strict=True)
    left.plot(workers, [took[0] / one for one in took], "o-", color="#0b4f8a")
    left.axhline(1, color="0.5", linestyle="--", linewidth=0.8)
    left.set(xlabel="processes, four shards each", ylabel="time of one / time of all", ylim=(0, 1.15))
    left.set_xticks(workers)
    counts, _, merges = zip(*merged, strict=True)
    right.loglog(counts, merges, "o-", color="#0b4f8a", label="measured")
    right.loglog(counts, [merges[-1] * one / counts[-1] for one in counts], "k--", linewidth=0.8, label="in proportion")
    right.set(xlabel="shards", ylabel="seconds to merge")
    right.legend(frameon=False)
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--figure")
    arguments = parser.parse_args()
    merged, scaled = merging(arguments.shards), scaling(arguments.processes)
    if arguments.figure:
        draw(merged, scaled, arguments.figure)


if __name__ == "__main__":
    main()
