"""Sweeps: what becomes of an experiment at every combination of values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _cluster, _rankfall, _threads
from ._arrays import Floats
from ._html import table
from ._progress import Progress, watcher
from ._sections import plain
from ._toml import argument

if TYPE_CHECKING:
    from ._experiment import Experiment

__all__ = ["SweepResult", "linear", "log", "sweep"]


def log(first: float, last: float, points: int) -> Floats:
    """So many values in equal ratios, both ends among them.

    Examples
    --------
    >>> import rankfall as rf
    >>> rf.log(0.1, 10, 3).tolist()
    [0.1, 1.0, 10.0]
    """
    if not (first > 0 and last > 0 and points >= 1):
        raise ValueError("ends of equal ratios are above zero, and there is one point at least")
    values = np.geomspace(first, last, points)
    return values


def linear(first: float, last: float, points: int) -> Floats:
    """So many values in equal distances, both ends among them."""
    if points < 1:
        raise ValueError("there is one point at least")
    return np.linspace(first, last, points)


class SweepResult:
    """Metrics at the end of every point: a mapping from their names to arrays over the axes.

    ``result["effective_rank_theta", "SGF"]`` has the shape of the axes; :meth:`to_dict` is a table with a row for
    each point, dynamics, metric and index.
    """

    def __init__(self, axes: dict[str, list[Any]], labels: list[str], rows: list[Any]) -> None:
        #: The values of each key that varies, in the order of the dimensions.
        self.axes = axes
        self._labels = labels
        self._rows = rows

    @property
    def shape(self) -> tuple[int, ...]:
        """How many values each axis has."""
        return tuple(len(values) for values in self.axes.values())

    @property
    def labels(self) -> list[str]:
        """The labels of the dynamics."""
        return self._labels

    @property
    def metrics(self) -> list[str]:
        """The names of what was measured."""
        return list(dict.fromkeys(row[2] for row in self._rows))

    def get(self, metric: str, label: str, *, index: int = 0, column: str = "value") -> Floats:
        """A metric of a dynamics over the axes.

        Parameters
        ----------
        metric : str
            One of :attr:`metrics`.
        label : str
            Of the dynamics.
        index : int
            0 for scalars, else a place in a spectrum, from 1.
        column : {"value", "std_error", "prediction"}
            What of it; NaN is undefined.
        """
        place = {"value": 4, "std_error": 5, "prediction": 6}[column]
        if label not in self._labels:
            raise KeyError(f"there is no dynamics {label!r}; there are {', '.join(self._labels)}")
        dynamics = self._labels.index(label)
        values = np.full(int(np.prod(self.shape)), np.nan)
        found = False
        for row in self._rows:
            if row[1] == dynamics and row[2] == metric and row[3] == index:
                found = True
                values[row[0]] = np.nan if row[place] is None else row[place]
        if not found:
            raise KeyError(
                f"{metric!r} of index {index} was not measured; there are {', '.join(self.metrics)}"
            )
        return values.reshape(self.shape)

    def __getitem__(self, key: tuple[str, str]) -> Floats:
        metric, label = key
        return self.get(metric, label)

    def to_dict(self) -> dict[str, Any]:
        """A table: a column for each axis, and dynamics, metric, index, value, std_error and prediction."""
        points = np.array([row[0] for row in self._rows], dtype=int)
        places = np.unravel_index(points, self.shape) if self.shape else ()
        columns: dict[str, Any] = {
            key: np.array(values, dtype=object)[at] if not _numbers(values) else np.array(values)[at]
            for (key, values), at in zip(self.axes.items(), places, strict=True)
        }
        columns["dynamics"] = np.array([self._labels[row[1]] for row in self._rows])
        columns["metric"] = np.array([row[2] for row in self._rows])
        columns["index"] = np.array([row[3] for row in self._rows], dtype=int)
        for name, place in (("value", 4), ("std_error", 5), ("prediction", 6)):
            columns[name] = np.array([np.nan if row[place] is None else row[place] for row in self._rows])
        return columns

    def to_pandas(self) -> Any:
        """The table of :meth:`to_dict` as a pandas frame."""
        import pandas

        return pandas.DataFrame(self.to_dict())

    def __repr__(self) -> str:
        axes = ", ".join(f"{key} × {len(values)}" for key, values in self.axes.items())
        return f"<SweepResult: {axes}; {len(self._labels)} dynamics, {len(self.metrics)} metrics>"

    def _repr_html_(self) -> str:
        columns = self.to_dict()
        count = min(20, len(self._rows))
        rows = [[column[i] for column in columns.values()] for i in range(count)]
        more = "" if count == len(self._rows) else f", the first {count} of {len(self._rows)} rows"
        return table(list(columns), rows, repr(self) + more)


def _numbers(values: Sequence[Any]) -> bool:
    return all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in values)


def sweep(
    experiment: Experiment,
    over: Mapping[str, Any],
    *,
    executor: Any = None,
    shards: int | None = None,
    threads: int | None = None,
    progress: Progress = "auto",
    retries: int = 2,
) -> SweepResult:
    """Runs an experiment at every combination of values, in memory, and keeps numbers at the end of each point.

    Parameters
    ----------
    experiment : Experiment
        What is varied.
    over : mapping of str to sequence
        Values by dotted path, a dynamics by its label: ``{"dynamics.SGF.label_noise": rf.log(0.1, 10, 16)}``.
    executor : concurrent.futures.Executor
        Where shards are run: a process pool, ``client.get_executor()`` of Dask, :func:`ray`. Here by default.
    shards : int
        How many; as many as points, and 64 at most, unless given.
    threads : int
        Of each worker (one by default), or here (all cores).
    progress
        As of :meth:`Experiment.run`.
    retries : int
        How often a shard whose worker was lost is run again.

    Returns
    -------
    SweepResult
        The same numbers wherever they were computed.

    Examples
    --------
    >>> import rankfall as rf
    >>> exp = rf.Experiment(
    ...     data=rf.Gaussian(samples=100, inputs=3, outputs=2), network=rf.TwoLayer(width=6),
    ...     dynamics={"SGF": rf.StochasticGradientFlow()}, time=5, save=2)
    >>> result = rf.sweep(exp, {"dynamics.SGF.label_noise": [0.5, 1.0, 2.0], "network.width": [5, 6]})
    >>> result["log_det_slope", "SGF"].shape
    (3, 2)
    """
    threads = _threads.count(threads)
    given = {experiment._path(key): plain(values) for key, values in over.items()}
    if not given:
        raise ValueError("nothing varies: over names keys and their values")
    for key, values in given.items():
        if not isinstance(values, list) or not values:
            raise TypeError(f"{key}: give a sequence of values")
    axes = [argument(key, values)[:-1].replace("=[", "=", 1) for key, values in given.items()]
    tell = watcher(progress)
    if executor is None:
        made = _rankfall.Sweep(experiment._made, axes, None, threads, tell, _threads.is_main())
    else:
        points = int(np.prod([len(values) for values in given.values()]))
        count = max(1, min(shards or 64, points))
        work = [(experiment, axes, i, count, threads or 1) for i in range(1, count + 1)]
        parts = _cluster.gather(executor, _cluster.shard_of_sweep, work, tell, retries)
        # The plan of the whole is that of a shard that has nothing.
        made = _rankfall.Sweep(experiment._made, axes, (points + 1, points + 1), 1, None, False)
        for part in parts:
            made.absorb(part)
    values = _axis_values(list(over), made.coordinates())
    rows = sorted(made.rows(), key=lambda row: row[:2])
    return SweepResult(values, experiment.labels, rows)


def _axis_values(keys: list[str], coordinates: list[list[str]]) -> dict[str, list[Any]]:
    """The values of each axis, as they were read."""
    columns = zip(*coordinates, strict=True)
    return {
        key: [_read(text) for text in dict.fromkeys(column)]
        for key, column in zip(keys, columns, strict=True)
    }


def _read(text: str) -> Any:
    """A value of TOML that is one of JSON too; others stay text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
