"""What watching costs: 784-1024-1024-1024-10 is trained by turns with and without, and with the loops people write.

`python python/benches/monitor.py [--rounds N] [--steps N] [--batch N] [--ways …]` trains one network in blocks of so many
steps, every second of them watched, and prints the median over rounds of how much longer a watched block takes than
the two beside it, with quartiles: by the clock and in processor time of the whole process, threads of the analysis
included.
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


Watch = Callable[[int, Any], Any]


def monitored(training: Training, budget: float | None) -> Watch:
    """The monitor, whose measurements are not at the ends of blocks, so that none reaches into the next block."""
    monitor = rf.torch.Monitor(training.model, every=EVERY, budget=budget)
    monitor._jobs.join()  # the first measurement is before the training
    seen = 0

    def watch(step: int, loss: Any) -> None:
        nonlocal seen
        if step == 1:
            monitor._last_due = time.perf_counter()  # nothing is saved up in blocks that are not watched
        seen += 1
        monitor.step(loss=loss, step=seen + EVERY // 2)

    return watch


def inline(training: Training) -> Watch:
    """`torch.linalg.svdvals` of every layer in the loop."""

    def watch(step: int, loss: Any) -> None:
        if step % EVERY == EVERY // 2:
            for parameter in training.model.parameters():
                if parameter.ndim == 2:
                    torch.linalg.svdvals(parameter.detach())

    return watch


def beside(training: Training) -> Watch:
    """The same on copies, by a thread that is waited for at the end of the block."""
    threads: list[threading.Thread] = []

    def watch(step: int, loss: Any) -> None:
        if step % EVERY == EVERY // 2:
            copies = [p.detach().clone() for p in training.model.parameters() if p.ndim == 2]
            threads.append(threading.Thread(target=lambda: [torch.linalg.svdvals(w) for w in copies]))
            threads[-1].start()
        if step == training.steps:
            while threads:
                threads.pop().join()

    return watch


WAYS: dict[str, Callable[[Training], Watch]] = {
    "monitor": lambda training: monitored(training, 0.02),
    "monitor, every layer every time": lambda training: monitored(training, None),
    "svdvals in the loop": inline,
    "svdvals on a thread": beside,
}


def quartiles(values: list[float]) -> str:
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:+.1%} ({low:+.1%} to {high:+.1%})"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--steps", type=int, default=200, help="of a block")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of PyTorch")
    parser.add_argument("--ways", nargs="*", default=list(WAYS))
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    training = Training(chosen.batch, chosen.steps)
    watches = {way: WAYS[way](training) for way in chosen.ways}
    more: dict[str, list[tuple[float, float]]] = {way: [] for way in chosen.ways}
    training.run()
    before = training.run()
    for _ in range(chosen.rounds):
        for way, watch in watches.items():
            taken = training.run(watch)
            after = training.run()
            clock, processor = (2 * t / (b + a) - 1 for t, b, a in zip(taken, before, after, strict=True))
            more[way].append((clock, processor))
            before = after
    for way, found in more.items():
        clock, processor = ([one[i] for one in found] for i in (0, 1))
        print(f"{way}: {quartiles(clock)} by the clock, {quartiles(processor)} of processor time")


if __name__ == "__main__":
    main()
