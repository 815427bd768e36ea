"""Nonsense from people: thousands of calls with wrong shapes, types and values end in exceptions that say why."""

from __future__ import annotations

import gc
import os
import random
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rankfall as rf
from support import small

#: What a call may raise. A panic, SystemError or MemoryError is none of them.
ALLOWED = (rf.RankfallError, ValueError, TypeError, KeyError, OverflowError, AttributeError, RecursionError)

VALUES: list[Callable[[random.Random], Any]] = [
    lambda r: r.choice([0, 1, -1, 2, 3, 5, 7, 2**31, 2**53, 2**63, 2**64, 2**200, -(2**63)]),
    lambda r: r.choice([0.0, -0.0, 0.01, 1.0, 1e-300, 1e300, float("nan"), float("inf"), -1.5]),
    lambda r: r.choice(["", "gaussian", "sgd", "w1", "\x00", "σ", "../x", "memory:x", "a" * 500, "\ud800"]),
    lambda r: r.choice([None, True, False, object(), b"bytes", {1, 2}, 1 + 2j, lambda: 1]),
    lambda r: [VALUES[r.randrange(3)](r) for _ in range(r.randrange(4))],
    lambda r: {"kind": VALUES[2](r), "scale": VALUES[r.randrange(3)](r)},
    lambda r: np.array(r.choice([[], [1.0], [[1, 2], [3, 4]], [[np.nan, 1.0]], [[[1.0]]]])),
    lambda r: np.zeros(r.choice([(0, 3), (3, 0), (3, 3), (2, 3, 4), ()])),
    lambda r: np.ones((3, 2), dtype=r.choice(["f4", "i8", "c16", "O", "U3", "M8[s]", "?", "f2"])),
    lambda r: np.random.default_rng(0).normal(size=(6, 3))[:: r.choice([1, 2, -1]), :: r.choice([1, -1])],
    lambda r: rf.TwoLayer(3),
    lambda r: rf.SGD(),
    lambda r: small,
]


def value(r: random.Random) -> Any:
    return r.choice(VALUES)(r)


def experiment(r: random.Random) -> Any:
    """An experiment that is right but for some of its parts; small ones are run."""
    parts: dict[str, Any] = {
        "data": rf.Gaussian(samples=20, inputs=3, outputs=2),
        "network": rf.TwoLayer(width=4),
        "dynamics": {"SGD": rf.SGD()},
        "time": 0.1,
        "trajectories": 3,
        "save": 2,
    }
    fields = {
        "data": lambda: r.choice(
            [value(r), rf.Gaussian(samples=value(r), inputs=3, outputs=value(r)), (value(r), value(r))]
        ),
        "network": lambda: r.choice(
            [value(r), rf.TwoLayer(value(r)), rf.TwoLayer(4, init=value(r)), rf.Layers(value(r))]
        ),
        "dynamics": lambda: r.choice(
            [
                value(r),
                {value(r) if r.random() < 0.2 else "x": rf.SGD(step_size=value(r))},
                [rf.SGD(batch_size=value(r))],
            ]
        ),
        "time": lambda: value(r),
        "trajectories": lambda: value(r),
        "save": lambda: value(r),
        "seed": lambda: value(r),
        "rank_tolerance": lambda: value(r),
        "measure": lambda: value(r),
    }
    for key in r.sample(sorted(fields), r.choice([1, 1, 2, 3])):
        parts[key] = fields[key]()
    made = rf.Experiment(**parts)
    steps = made.predict if r.random() < 0.2 else None
    if _is_small(made):
        return steps() if steps else made.run()
    return made


def _is_small(made: rf.Experiment) -> bool:
    """Whether running it takes no time: what fuzzing makes may be right and huge."""
    import tomllib

    table = tomllib.loads(made.to_toml())
    run, data = table["run"], table["data"]
    step = min(one.get("step_size", 0.01) for one in table["dynamics"])
    length = run.get("time", 0) / step + run.get("steps", 0)
    sizes = table["network"].get("layers", [table["network"].get("width", 1)])
    work = length * run["trajectories"] * max(sizes) ** 2
    return work < 1e5 and max(sizes) < 1000 and data.get("samples", 1) < 1e4


CALLS: list[Callable[[random.Random], Any]] = [
    experiment,
    experiment,
    experiment,
    lambda r: rf.Data(value(r), value(r)),
    lambda r: rf.Gram(value(r), value(r), value(r), value(r)),
    lambda r: rf.Gram.of(value(r), value(r)),
    lambda r: rf.Experiment.from_dict({"name": value(r), "run": value(r)}),
    lambda r: rf.Experiment.from_toml(f"name = 3\n{r.choice(['x', '[run]', '[[', chr(0)])}"),
    lambda r: small().replace(
        {r.choice(["run.time", "dynamics.SGF.label_noise", "x", "network.width"]): value(r)}
    ),
    lambda r: rf.decay_rates(value(r), value(r), value(r)),
    lambda r: rf.forces(value(r), value(r), (value(r), value(r), value(r)), value(r)),
    lambda r: rf.slow_flow(value(r), value(r), (value(r), value(r), value(r)), value(r), value(r)),
    lambda r: rf.spectrum(value(r)).effective_rank,
    lambda r: rf.determinant_law(value(r), value(r), 2, value(r), value(r)),
    lambda r: rf.merge([b"x" * r.randrange(200) for _ in range(r.randrange(3))]),
    lambda r: rf.sweep(
        small(time=0.1), {r.choice(["network.width", "run.seed", "x"]): value(r)}, progress=None
    ),
    lambda r: small(time=0.1).run(observables={value(r): value(r)}),
    lambda r: small(time=0.1).stepper(value(r)),
    lambda r: small(time=0.1).run(threads=value(r), progress=value(r)),
    lambda r: rf.shard_of_run(small(time=0.1), value(r), value(r)),
]


def test_thousands_of_calls_end_in_exceptions() -> None:
    count = int(os.environ.get("RANKFALL_FUZZ", "1000"))
    r = random.Random(20)
    raised = 0
    for number in range(count):
        state = r.getstate()
        call = CALLS[number % len(CALLS)]
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                call(r)
        except ALLOWED:
            raised += 1
        except BaseException as error:
            random.Random().setstate(state)
            pytest.fail(f"call {number} raised {type(error).__name__}: {error}")
    assert raised > count / 3, "most of it is nonsense"


def resident() -> int:
    """Bytes of memory of this process."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="no /proc")
def test_memory_does_not_grow_with_the_number_of_runs() -> None:
    count = int(os.environ.get("RANKFALL_RUNS", "1000"))
    x = np.random.default_rng(0).normal(size=(20, 3))

    def one() -> None:
        run = small(data=rf.Data(x, x[:, :2]), time=0.02, trajectories=2, save=1).run(threads=1)
        run.__arrow_c_stream__()
        run["SGF"].loss

    for _ in range(count // 4):
        one()
    gc.collect()
    before = resident()
    for _ in range(count):
        one()
    gc.collect()
    grown = resident() - before
    assert grown < 2e6 + 200 * count, f"{grown / 1e6:.1f} MB after {count} runs"
