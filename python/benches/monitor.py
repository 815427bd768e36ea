"""What watching costs: 784-1024-1024-1024-10 is trained alternately with and without, and with the loops people write.

`python python/benches/monitor.py [--rounds N] [--steps N] [--batch N] [--ways …]` prints medians over rounds, by the clock and in
processor time of the whole process, threads of the analysis included.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections.abc import Callable
from typing import Any

import torch

import rankfall as rf

EVERY = 100
WIDTHS = [784, 1024, 1024, 1024, 10]


def network() -> Any:
    modules: list[Any] = []
    for m, n in zip(WIDTHS, WIDTHS[1:], strict=False):
        modules += [torch.nn.Linear(m, n), torch.nn.ReLU()]
    return torch.nn.Sequential(*modules[:-1])


class Training:
    def __init__(self, batch: int, steps: int) -> None:
        torch.manual_seed(0)
        self.model = network()
        self.x, self.y = torch.randn(4096, 784), torch.randint(0, 10, (4096,))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01)
        self.batch, self.steps = batch, steps

    def run(self, watch: Callable[[int, Any], Any] | None = None) -> tuple[float, float]:
        """Seconds by the clock and of the processors."""
        began, spent = time.perf_counter(), time.process_time()
        for step in range(1, self.steps + 1):
            rows = torch.randint(0, 4096, (self.batch,))
            loss = torch.nn.functional.cross_entropy(self.model(self.x[rows]), self.y[rows])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            if watch is not None:
                watch(step, loss)
        return time.perf_counter() - began, time.process_time() - spent


def monitored(training: Training, budget: float | None) -> tuple[float, float]:
    monitor = rf.torch.Monitor(training.model, every=EVERY, budget=budget)
    monitor._jobs.join()  # the first measurement is before the training
    taken = training.run(lambda step, loss: monitor.step(loss=loss))
    print("   ", monitor.overhead, flush=True)
    monitor.close()
    return taken


def inline(training: Training) -> tuple[float, float]:
    """`torch.linalg.svdvals` of every layer in the loop."""

    def watch(step: int, loss: Any) -> None:
        if step % EVERY == 0:
            for parameter in training.model.parameters():
                if parameter.ndim == 2:
                    torch.linalg.svdvals(parameter.detach())

    return training.run(watch)


def beside(training: Training) -> tuple[float, float]:
    """The same on copies, by a thread that nobody waits for until the end."""
    threads: list[threading.Thread] = []

    def watch(step: int, loss: Any) -> None:
        if step % EVERY == 0:
            copies = [p.detach().clone() for p in training.model.parameters() if p.ndim == 2]
            threads.append(threading.Thread(target=lambda: [torch.linalg.svdvals(w) for w in copies]))
            threads[-1].start()

    began, spent = time.perf_counter(), time.process_time()
    training.run(watch)
    for thread in threads:
        thread.join()
    return time.perf_counter() - began, time.process_time() - spent


WAYS: dict[str, Callable[[Training], tuple[float, float]]] = {
    "monitor": lambda training: monitored(training, 0.02),
    "monitor, every layer every time": lambda training: monitored(training, None),
    "svdvals in the loop": inline,
    "svdvals on a thread": beside,
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of PyTorch")
    parser.add_argument("--ways", nargs="*", default=list(WAYS))
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    training = Training(chosen.batch, chosen.steps)
    training.run()
    ratios: dict[str, list[tuple[float, float]]] = {way: [] for way in chosen.ways}
    before = training.run()
    for _ in range(chosen.rounds):
        for way in chosen.ways:
            taken = WAYS[way](training)
            after = training.run()
            ratios[way].append(
                (2 * taken[0] / (before[0] + after[0]) - 1, 2 * taken[1] / (before[1] + after[1]) - 1)
            )
            clock, processor = ratios[way][-1]
            print(f"{way}: {clock:+.1%} by the clock, {processor:+.1%} of processor time", flush=True)
            before = after
    for way, found in ratios.items():
        clock, processor = (statistics.median(one[i] for one in found) for i in (0, 1))
        print(f"median of {len(found)}, {way}: {clock:+.1%} by the clock, {processor:+.1%} of processor time")


if __name__ == "__main__":
    main()
