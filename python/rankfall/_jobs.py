"""Runs in the background, and trajectories step by step."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import _rankfall
from ._arrays import Floats
from ._errors import RankfallError
from ._results import Run

if TYPE_CHECKING:
    from types import TracebackType
    from typing_extensions import Self

    from ._experiment import Experiment

__all__ = ["Job", "JobProgress", "Stepper"]


class JobProgress(NamedTuple):
    """How far a run is."""

    label: str
    done: int
    total: int

    @property
    def share(self) -> float:
        """The share of the dynamics under way that is done."""
        return self.done / self.total if self.total else 0.0


class Job:
    """A run in the background: :meth:`Experiment.start` makes it.

    Also a context manager, which stops it at its end, and awaitable.

    Examples
    --------
    >>> import rankfall as rf
    >>> with rf.bundled("paper").replace(time=50).start() as job:
    ...     run = job.result()
    >>> job.done, run.interrupted
    (True, False)
    """

    def __init__(self, work: Callable[[_rankfall.Handle], Run], held: tuple[Any, ...]) -> None:
        self._handle = _rankfall.Handle()
        self._held = held
        self._process = os.getpid()
        self._run: Run | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, args=(work,), name="rankfall", daemon=True)
        self._thread.start()

    def _work(self, work: Callable[[_rankfall.Handle], Run]) -> None:
        try:
            self._run = work(self._handle)
        except BaseException as error:  # raised again by result()
            self._error = error
        finally:
            self._handle.end()

    def _expect_same_process(self) -> None:
        if os.getpid() != self._process:
            raise RankfallError(
                "this run goes on in the process that was forked, and this copy of it knows nothing of it",
                hints=["start it in this process, or use the spawn method of multiprocessing"],
            )

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        self._expect_same_process()
        return not self._thread.is_alive()

    @property
    def progress(self) -> JobProgress:
        """The dynamics under way, its trajectory-steps done, and of how many."""
        self._expect_same_process()
        return JobProgress(*self._handle.progress())

    def snapshot(self, timeout: float = 60.0) -> Run:
        """What there is so far; of a run that has ended all of it.

        Of the dynamics under way it has the trajectories that are at their end; as long as there is none, those
        under way as far as they are.
        """
        self._expect_same_process()
        made = None if self.done else self._handle.snapshot(timeout)
        if made is not None:
            return Run._of(made, self._held)
        if not self.done and self._handle.progress()[2] == 0:
            raise TimeoutError("the run is still reading its data")
        if not self.done:
            self._thread.join(timeout)
        return self.result(timeout)

    def stop(self) -> Run:
        """Stops it, and returns what there is."""
        self._expect_same_process()
        self._handle.stop()
        return self.result()

    def result(self, timeout: float | None = None) -> Run:
        """Waits for its end.

        Raises
        ------
        TimeoutError
            It did not end in so many seconds, and goes on.
        """
        self._expect_same_process()
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise TimeoutError(f"the run did not end within {timeout} s")
        if self._error is not None:
            raise self._error
        assert self._run is not None
        return self._run

    def __await__(self) -> Generator[Any, None, Run]:
        return asyncio.to_thread(self.result).__await__()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._handle.stop()
        self._thread.join()

    def __reduce__(self) -> Any:
        raise TypeError("a run in the background cannot be pickled: pickle the experiment, or job.result()")

    def __repr__(self) -> str:
        label, _, _ = self.progress
        state = "done" if self.done else f"{label} {self.progress.share:.0%}"
        return f"<Job: {state}>"


class Stepper:
    """The trajectories of one dynamics of two linear layers, step by step, with the bits of a run that saves where it stops.

    Examples
    --------
    >>> import rankfall as rf
    >>> stepper = rf.bundled("paper").replace(trajectories=3).stepper()
    >>> stepper.advance(100)
    >>> stepper.step, stepper.w1.shape[0]
    (100, 3)
    """

    def __init__(self, experiment: Experiment, label: str) -> None:
        self._made = _rankfall.Stepper(experiment._made, label)
        self._held = experiment._held
        self._weights: tuple[Floats, Floats] | None = None
        #: The label of the dynamics.
        self.label = label

    def advance(self, steps: int = 1) -> None:
        """Takes so many steps of every trajectory; of a flow, so many of the grid of save times."""
        if steps < 0:
            raise ValueError(f"steps is {steps}: there is no way back")
        self._made.advance(steps)
        self._weights = None

    @property
    def step(self) -> int:
        """Steps taken."""
        return self._made.step

    @property
    def time(self) -> float:
        """t."""
        return self._made.time

    @property
    def alive(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which trajectories have not diverged."""
        return np.array(self._made.alive, dtype=bool)

    @property
    def weights(self) -> tuple[Floats, Floats]:
        """W₁, shape (trajectories, p, l), and W₂, shape (trajectories, l, k)."""
        if self._weights is None:
            self._weights = self._made.weights()
        return self._weights

    @property
    def w1(self) -> Floats:
        """W₁, shape (trajectories, p, l)."""
        return self.weights[0]

    @property
    def w2(self) -> Floats:
        """W₂, shape (trajectories, l, k)."""
        return self.weights[1]

    def observe(self) -> dict[str, Floats]:
        """What a run would save now: arrays of shape (trajectories,), or (trajectories, m) of a spectrum."""
        names, values = self._made.observables()
        found = {}
        for name in dict.fromkeys(name for name, _ in names):
            places = [i for i, one in enumerate(names) if one[0] == name]
            is_scalar = names[places[0]][1] == 0
            found[name] = values[:, places[0]] if is_scalar else values[:, places]
        return found

    def __repr__(self) -> str:
        return f"<Stepper of {self.label!r}: step {self.step}, t = {self.time:g}>"
