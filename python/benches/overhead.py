"""What Python costs: a run of about a minute beside the command line, and an own observable in a large ensemble.

    python python/benches/overhead.py target/release/rankfall

Prints seconds; the package must be installed as a release build.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import rankfall as rf

ROUNDS = 3


def experiment(trajectories: int, time: float) -> rf.Experiment:
    return rf.Experiment(
        data=rf.Gaussian(samples=1000, inputs=5, outputs=2),
        network=rf.TwoLayer(width=10),
        dynamics={"SGF": rf.StochasticGradientFlow(step_size=0.01, label_noise=2.0)},
        time=time,
        trajectories=trajectories,
        seed=1,
    )


def smallest_angle(batch: rf.Batch) -> np.ndarray:
    """An observable of middling cost: the cosine between the first rows of both layers."""
    a, b = batch.w1[:, 0, :], batch.w2[:, :, 0]
    return (a * b).sum(axis=1) / np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))


def seconds(work: object) -> float:
    started = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - started


def main() -> None:
    program = sys.argv[1]
    one = experiment(2000, float(sys.argv[2]) if len(sys.argv) > 2 else 500.0)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "one.toml"
        one.to_toml(file)
        from_python, from_shell = [], []
        for number in range(ROUNDS):
            started = time.perf_counter()
            one.run().save(Path(folder) / f"python-{number}")
            from_python.append(time.perf_counter() - started)
            out = str(Path(folder) / f"shell-{number}")
            started = time.perf_counter()
            subprocess.run([program, "run", str(file), "--out", out], check=True, capture_output=True)
            from_shell.append(time.perf_counter() - started)
        print(f"Python {min(from_python):.2f} s, command line {min(from_shell):.2f} s")
    large = one.replace(trajectories=1000)
    without = min(seconds(large.run) for _ in range(ROUNDS))
    with_own = min(seconds(lambda: large.run(observables={"angle": smallest_angle})) for _ in range(ROUNDS))
    print(f"without an observable {without:.2f} s, with one {with_own:.2f} s: {with_own / without - 1:+.1%}")


if __name__ == "__main__":
    main()
