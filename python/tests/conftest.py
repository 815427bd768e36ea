"""What tests share: small experiments, and the command line where it was built."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import rankfall as rf

ROOT = Path(__file__).resolve().parents[2]


def small(**changes: object) -> rf.Experiment:
    """Two layers under gradient flow and label noise, in well under a second."""
    settings: dict[str, object] = {
        "data": rf.Gaussian(samples=100, inputs=3, outputs=2),
        "network": rf.TwoLayer(width=5),
        "dynamics": {
            "GF": rf.GradientFlow(),
            "SGF": rf.StochasticGradientFlow(step_size=0.01, label_noise=2.0),
        },
        "time": 5,
        "trajectories": 20,
        "save": 10,
        "seed": 3,
    }
    return rf.Experiment(**{**settings, **changes})  # type: ignore[arg-type]


def long(**changes: object) -> rf.Experiment:
    """One that would take minutes."""
    sgd = {"SGD": rf.SGD(step_size=1e-3, label_noise=0.1)}
    settings: dict[str, object] = {"dynamics": sgd, "time": 3000, "trajectories": 1000}
    return small(**{**settings, **changes})


@pytest.fixture(scope="session")
def command_line() -> str:
    """The program `rankfall`: RANKFALL_CLI names it, else a build of this checkout."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    places = [os.environ.get("RANKFALL_CLI"), target / "release/rankfall", target / "debug/rankfall"]
    for place in places:
        if place and Path(place).exists():
            return str(place)
    found = shutil.which("rankfall")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("the program rankfall is not built: cargo build --release")
        pytest.skip("the program rankfall is not built")
    return found
