"""What tests share: small experiments and long ones."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

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


def needed(name: str) -> Any:
    """A package that a test needs: where it is missing the test is skipped, or an error where CI is set."""
    if os.environ.get("CI"):
        return importlib.import_module(name)
    return pytest.importorskip(name)
