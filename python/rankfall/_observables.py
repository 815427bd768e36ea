"""Observables of one's own: functions of batches of states at save times."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._arrays import Floats

__all__ = ["Batch", "ObservableFunction", "wrapped"]


@dataclass(frozen=True)
class Batch:
    """Some trajectories at one save time. How many there are depends on the sizes, and no value may depend on it.

    Attributes
    ----------
    w1 : ndarray, shape (trajectories, p, l)
        W₁.
    w2 : ndarray, shape (trajectories, l, k)
        W₂.
    time : float
        t.
    first : int
        The index of the first trajectory.
    """

    w1: Floats
    w2: Floats
    time: float
    first: int

    @property
    def theta(self) -> Floats:
        """[W₁; W₂ᵀ], shape (trajectories, p + k, l)."""
        return np.concatenate([self.w1, self.w2.transpose(0, 2, 1)], axis=1)

    @property
    def product(self) -> Floats:
        """W₁W₂, shape (trajectories, p, k)."""
        return np.asarray(self.w1 @ self.w2)

    def __len__(self) -> int:
        return len(self.w1)


#: Takes a batch, and returns a number for each of its trajectories.
ObservableFunction = Callable[[Batch], Any]


def wrapped(
    observables: Mapping[str, ObservableFunction] | None,
) -> list[tuple[str, _Wrapped]]:
    """Functions as the engine calls them, by name."""
    if observables is None:
        return []
    made = []
    for name, function in observables.items():
        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError(f"an observable is called {name!r}, and its name must be an identifier")
        if not callable(function):
            raise TypeError(f"the observable {name!r} is no function")
        made.append((name, _Wrapped(name, function)))
    return made


@dataclass(frozen=True)
class _Wrapped:
    name: str
    function: ObservableFunction

    def __call__(self, time: float, first: int, w1: Floats, w2: Floats) -> Floats:
        batch = Batch(w1, w2, time, first)
        values = np.asarray(self.function(batch), dtype=np.float64)
        if values.shape != (len(batch),):
            raise ValueError(
                f"the observable {self.name!r} returned an array of shape {values.shape}, and a number for each of "
                f"the {len(batch)} trajectories of the batch is needed: shape ({len(batch)},)"
            )
        return np.ascontiguousarray(values)
