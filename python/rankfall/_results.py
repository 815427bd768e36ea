"""What a run left: curves by name, frames, weights, figures, folders."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _rankfall
from ._arrays import Floats
from ._errors import DivergedError, FolderError, RankfallError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["DynamicsResult", "Observable", "Run", "load", "merge"]

#: The quantiles that are always there.
QUANTILES = {0.05: "q05", 0.25: "q25", 0.5: "q50", 0.75: "q75", 0.95: "q95"}
_COLUMNS = ["mean", "std_error", *QUANTILES.values(), "law"]


@dataclass(frozen=True, repr=False)
class Observable:
    """Statistics of one quantity over the trajectories that survived, at every save time. NaN is undefined.

    Attributes
    ----------
    name : str
        Its name.
    times : ndarray, shape (T,)
        t.
    mean, std_error, law : ndarray, shape (T,) or (T, m)
        Mean, its standard error, and what theory says; of a spectrum, largest first, with a column per index.
    """

    name: str
    times: Floats
    mean: Floats
    std_error: Floats
    law: Floats
    _quantiles: Mapping[float, Floats]

    def quantile(self, q: float) -> Floats:
        """A quantile, of type 7: one of 0.05, 0.25, 0.5, 0.75 and 0.95.

        Others come from the trajectories themselves: ``Experiment(keep_trajectories=True)`` and
        :meth:`DynamicsResult.trajectories`.
        """
        if q not in self._quantiles:
            known = ", ".join(str(one) for one in self._quantiles)
            raise ValueError(
                f"the quantile {q} was not kept: there are {known}; others are np.quantile of .trajectories() of a "
                "run with keep_trajectories=True"
            )
        return self._quantiles[q]

    @property
    def median(self) -> Floats:
        """The quantile 0.5."""
        return self._quantiles[0.5]

    def __array__(self, dtype: Any = None, copy: Any = None) -> Floats:
        return np.array(self.mean, dtype=dtype)

    def __len__(self) -> int:
        return len(self.times)

    def _map(self, name: str) -> Observable:
        """Exponentials: quantiles of σ from those of log σ; the mean is the geometric one."""
        exp = {q: np.exp(values) for q, values in self._quantiles.items()}
        mean = np.exp(self.mean)
        return Observable(name, self.times, mean, mean * self.std_error, np.exp(self.law), exp)

    def __repr__(self) -> str:
        shape = " × ".join(str(size) for size in self.mean.shape)
        return f"<Observable {self.name}, {shape}, t = {self.times[0]:g} … {self.times[-1]:g}>"


class DynamicsResult:
    """What was measured of one dynamics. Every observable is an attribute: ``result.log_det``, ``result.loss``.

    :meth:`observables` lists them.
    """

    def __init__(self, run: Run, label: str) -> None:
        self._run = run
        self._label = label

    @property
    def label(self) -> str:
        """Its label."""
        return self._label

    @property
    def summary(self) -> dict[str, Any]:
        """Its entry of ``summary.json``."""
        found: dict[str, Any] = self._run.summary["dynamics"][self._run.labels.index(self._label)]
        return found

    @property
    def times(self) -> Floats:
        """The save times, t."""
        return self.observable("loss").times

    def observables(self) -> list[str]:
        """The names of what was measured; of a layer with its number behind, as ``numerical_rank_w1``."""
        return list(self._run._names(self._label))

    def observable(self, name: str) -> Observable:
        """What was measured under a name of :meth:`observables`.

        Raises
        ------
        KeyError
            Nothing was measured under this name.
        """
        return self._run._observable(self._label, name)

    def log_singular_values(self, matrix: str) -> Observable:
        """Natural logarithms of the singular values of ``"w1"``, ``"w2"``, …, ``"theta"`` or ``"product"``.

        Returns
        -------
        Observable
            Arrays of shape (times, m), largest first.
        """
        return self.observable(f"log_singular_value_{matrix}")

    def singular_values(self, matrix: str) -> Observable:
        """Singular values of a matrix; ``mean`` is the geometric mean, exp(mean log σ), and quantiles are those of σ."""
        return self.log_singular_values(matrix)._map(f"singular_value_{matrix}")

    def numerical_rank(self, matrix: str) -> Observable:
        """#{σᵢ > tolerance · σ₁}."""
        return self.observable(f"numerical_rank_{matrix}")

    def effective_rank(self, matrix: str) -> Observable:
        """exp of the entropy of σᵢ/Σσ."""
        return self.observable(f"effective_rank_{matrix}")

    def stable_rank(self, matrix: str) -> Observable:
        """Σσᵢ²/σ₁²."""
        return self.observable(f"stable_rank_{matrix}")

    @property
    def weights(self) -> dict[str, Floats]:
        """Weights of trajectory 0 at the end, by name; empty where it diverged or was not finished."""
        return self._run._weights(self._run.labels.index(self._label))

    def trajectories(self, name: str) -> Floats:
        """Every trajectory of an observable: shape (trajectories, times), or (trajectories, times, m).

        The experiment must have ``keep_trajectories``.
        """
        return self._run._trajectories(self._label, name)

    def __getattr__(self, name: str) -> Observable:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self.observable(name)
        except KeyError as error:
            raise AttributeError(error.args[0]) from None

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *(n for n in self.observables() if n.isidentifier())})

    def __repr__(self) -> str:
        one = self.summary
        survived = one["trajectories"] - one["diverged"]
        return f"<DynamicsResult {self._label!r}: {one['kind']}, {survived} of {one['trajectories']} trajectories>"


class Run:
    """What an experiment left: a mapping from labels of dynamics to what was measured.

    It is an Arrow stream with the columns of ``series.parquet``: ``polars.DataFrame(run)``,
    ``pyarrow.table(run)`` and DuckDB read it as it is.
    """

    def __init__(self) -> None:
        raise TypeError("a Run is what Experiment.run() and rf.load() return")

    _made: _rankfall.Run
    _held: tuple[Any, ...]
    _folder: Path | None

    @classmethod
    def _of(cls, made: _rankfall.Run, held: Sequence[Any] = (), folder: Path | None = None) -> Run:
        run = cls.__new__(cls)
        run._made, run._held, run._folder = made, tuple(held), folder
        run._summary = json.loads(made.summary())
        run._cache = {}
        run._by_label = None
        return run

    _summary: dict[str, Any]
    _cache: dict[tuple[str, str], Observable]
    _by_label: dict[str, dict[str, list[tuple[str, str, int | None, int]]]] | None

    @property
    def summary(self) -> dict[str, Any]:
        """What the run says of itself: ``summary.json``."""
        return self._summary

    @property
    def labels(self) -> list[str]:
        """The labels of its dynamics."""
        return [one["label"] for one in self._summary["dynamics"]]

    @property
    def interrupted(self) -> bool:
        """Whether it was stopped early: what was not reached is undefined or missing."""
        return self._made.interrupted

    @property
    def warnings(self) -> list[str]:
        """Sentences that a reader of the results must see."""
        return list(self._summary["warnings"])

    @property
    def folder(self) -> Path | None:
        """Where it was read from or saved to, or None."""
        return self._folder

    @property
    def times(self) -> Floats:
        """Save times, t; of the first dynamics where they differ."""
        if not self.labels:
            return np.empty(0)
        return self[self.labels[0]].times

    @property
    def experiment(self) -> Any:
        """The experiment that was run, with the checksums of its data."""
        from ._experiment import Experiment

        if "monitor" in self._summary:
            raise RankfallError("this is the record of a training run elsewhere: it has no experiment")
        made = _rankfall.Experiment.of_text(self._made.resolved, "the experiment", "", [])
        return Experiment._of(made, self._held)

    def __getitem__(self, label: str) -> DynamicsResult:
        if label not in self.labels:
            there = ", ".join(repr(one) for one in self.labels)
            raise KeyError(f"there is no dynamics {label!r}; there are {there or 'none'}")
        return DynamicsResult(self, label)

    def __iter__(self) -> Iterator[str]:
        return iter(self.labels)

    def __len__(self) -> int:
        return len(self.labels)

    def __contains__(self, label: object) -> bool:
        return label in self.labels

    def keys(self) -> list[str]:
        """The labels of its dynamics."""
        return self.labels

    def _ipython_key_completions_(self) -> list[str]:
        return self.labels

    def _names(self, label: str) -> dict[str, list[tuple[str, str, int | None, int]]]:
        """The curves of a dynamics, by the name under which people ask for them."""
        if self._by_label is None:
            by_label: dict[str, dict[str, list[tuple[str, str, int | None, int]]]] = {}
            for curve in self._made.curves():
                dynamics, observable, layer, _ = curve
                name = observable if layer is None else f"{observable}_w{layer}"
                by_label.setdefault(dynamics, {}).setdefault(name, []).append(curve)
            self._by_label = by_label
        return self._by_label.get(label, {})

    def _observable(self, label: str, name: str) -> Observable:
        if (label, name) in self._cache:
            return self._cache[label, name]
        curves = self._names(label).get(name)
        if curves is None:
            there = ", ".join(self._names(label))
            raise KeyError(f"{name!r} was not measured of {label!r}; there are {there}")
        parts = [self._made.curve(curve) for curve in curves]
        columns = [
            np.stack([part[column] for part in parts], axis=1) if curves[0][3] else parts[0][column]
            for column in range(1, 9)
        ]
        for column in columns:
            column.flags.writeable = False
        quantiles = dict(zip(QUANTILES, columns[2:7], strict=True))
        made = Observable(name, parts[0][0], columns[0], columns[1], columns[7], quantiles)
        self._cache[label, name] = made
        return made

    def _trajectories(self, label: str, name: str) -> Floats:
        kept = self._made.trajectories(self.labels.index(label))
        if kept is None:
            raise ValueError(
                "trajectories were not kept: run the experiment with keep_trajectories=True, in memory"
            )
        _, values, cells = kept
        wanted = self._names(label).get(name)
        if wanted is None:
            raise KeyError(f"{name!r} was not measured of {label!r}")
        columns = [
            values[:, [i for i, cell in enumerate(cells) if cell[:3] == curve[1:]]] for curve in wanted
        ]
        return np.stack(columns, axis=2) if wanted[0][3] else columns[0]

    def _weights(self, position: int) -> dict[str, Floats]:
        prefix = f"dynamics.{position}." if len(self.labels) > 1 else ""
        if self._folder is not None and not self._made.weights():
            tensors = _read_safetensors(self._folder / "final.safetensors")
        else:
            tensors = {
                name: np.asarray(values).reshape(shape) for name, shape, values in self._made.weights()
            }
        return {name[len(prefix) :]: values for name, values in tensors.items() if name.startswith(prefix)}

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._made.__arrow_c_stream__(requested_schema)

    def to_dict(self) -> dict[str, Any]:
        """The columns of ``series.parquet`` as NumPy arrays; NaN is undefined, and -1 a missing layer."""
        curves = [(name, self._made.curve(name)) for name in self._made.curves()]
        lengths = [len(curve[0]) for _, curve in curves]
        table: dict[str, Any] = {
            "dynamics": np.repeat([name[0] for name, _ in curves], lengths),
            "observable": np.repeat([name[1] for name, _ in curves], lengths),
            "layer": np.repeat([-1 if name[2] is None else name[2] for name, _ in curves], lengths),
            "index": np.repeat([name[3] for name, _ in curves], lengths),
        }
        for place, column in enumerate(["time", *_COLUMNS]):
            parts = [curve[place] for _, curve in curves]
            table[column] = np.concatenate(parts) if parts else np.empty(0)
        return table

    def to_pandas(self) -> Any:
        """The series as a pandas frame."""
        import pandas

        try:
            import pyarrow
        except ImportError:
            table = self.to_dict()
            layer = pandas.array(table["layer"], dtype="Int32")
            layer[table["layer"] < 0] = pandas.NA
            return pandas.DataFrame({**table, "layer": layer})
        return pyarrow.table(self).to_pandas()

    def to_polars(self) -> Any:
        """The series as a Polars frame."""
        import polars

        return polars.DataFrame(self)

    def to_xarray(self) -> Any:
        """Every observable as a variable of an xarray Dataset, over dynamics, statistic, time and index."""
        import xarray

        union = {float(t) for label in self for t in self[label].times}
        times = np.array(sorted(union))
        variables = {}
        for name in dict.fromkeys(n for label in self for n in self._names(label)):
            having = [label for label in self if name in self._names(label)]
            first = self[having[0]].observable(name)
            size = first.mean.shape[1:]
            values = np.full((len(having), len(_COLUMNS), len(times), *size), np.nan)
            for place, label in enumerate(having):
                one = self[label].observable(name)
                at = np.searchsorted(times, one.times)
                values[place][:, at] = np.stack(
                    [one.mean, one.std_error, *(one.quantile(q) for q in QUANTILES), one.law]
                )
            dims = ("dynamics", "statistic", "time") + ((f"index_{name}",) if size else ())
            coords = {"dynamics": having, "statistic": _COLUMNS, "time": times}
            if size:
                coords[f"index_{name}"] = np.arange(1, size[0] + 1)
            variables[name] = xarray.DataArray(values, dims=dims, coords=coords)
        return xarray.Dataset(variables)

    def figures(self) -> dict[str, str | None]:
        """The figures of the report by name, with why one is not drawn, or None where it is."""
        return dict(self._made.figures())

    def svg(self, name: str) -> str:
        """A figure of the report as SVG."""
        drawn = self._made.figure_svg(name)
        if drawn is None:
            why = self.figures().get(name)
            known = ", ".join(one for one, reason in self.figures().items() if reason is None)
            raise ValueError(f"no figure {name!r}: {why or 'there are ' + known}")
        return drawn

    def plot(self, name: str | None = None, **settings: Any) -> Figure | list[str]:
        """A figure with matplotlib, or the names of those there are.

        Parameters
        ----------
        name : str
            ``"seed"``, ``"singular-values"``, ``"ranks"``, ``"loss"``, ``"determinants"``, or the name of any
            observable.
        **settings
            ``matrix``: whose singular values or ranks; ``figsize``: in inches.

        Returns
        -------
        matplotlib.figure.Figure
            Every line can be reached through its axes, and has the label of its dynamics.
        """
        from . import _plots

        if name is None:
            return _plots.names(self)
        return _plots.draw(self, name, **settings)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Writes it as a run folder, which must be new: series, summary, weights, figures, report.

        Data in memory are written into it, and its experiment file names them there: the command line can run
        it again.
        """
        target = Path(folder)
        if self._folder is not None:
            if target.exists() and any(target.iterdir()):
                raise FolderError(f"{target} has something in it already", hints=["name a new folder"])
            shutil.copytree(self._folder, target, dirs_exist_ok=True)
            return target
        text = self._made.resolved
        beside = {f"data{number or ''}.npz": file for number, file in enumerate(self._held)}
        for name, file in beside.items():
            text = text.replace(file.path, name)
        self._made.save(os.fspath(target), text)
        for name, file in beside.items():
            (target / name).write_bytes(file.bytes)
        return target

    def _check_survivors(self) -> None:
        """Says so where trajectories diverged; raises where all of a dynamics did."""
        for one in self._summary["dynamics"]:
            if one["trajectories"] and one["diverged"] == one["trajectories"] and not self.interrupted:
                raise DivergedError(
                    f"every trajectory of {one['label']!r} diverged",
                    self,
                    ["a smaller step_size, or smaller initial weights"],
                )
            if one["diverged"]:
                warnings.warn(
                    f"{one['diverged']} of {one['trajectories']} trajectories of {one['label']!r} diverged; "
                    "statistics are over the others",
                    RuntimeWarning,
                    stacklevel=3,
                )

    def __repr__(self) -> str:
        state = ", interrupted" if self.interrupted else ""
        return f"<Run of {self._summary['experiment']!r}: {', '.join(self.labels) or 'nothing'}{state}>"

    def _repr_html_(self) -> str:
        from ._html import of_run

        return of_run(self)


def _read_safetensors(path: Path) -> dict[str, Floats]:
    """All tensors of a file of doubles."""
    if not path.exists():
        return {}
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    tensors = {}
    for name, one in header.items():
        if name == "__metadata__":
            continue
        begin, end = (8 + length + at for at in one["data_offsets"])
        dtype = {"F64": "<f8", "F32": "<f4"}[one["dtype"]]
        values = np.frombuffer(raw[begin:end], dtype=dtype).reshape(one["shape"])
        tensors[name] = values.astype(np.float64)
    return tensors


def load(folder: str | os.PathLike[str]) -> Run:
    """Reads a run folder, of the command line or of :meth:`Run.save`.

    Raises
    ------
    FolderError
        A folder that is no finished run.
    """
    return Run._of(_rankfall.load(os.fspath(folder)), (), Path(folder))


def merge(shards: Sequence[bytes]) -> Run:
    """Puts the shards of a run together, in any order, to the bits of the run that was never divided.

    Parameters
    ----------
    shards : sequence of bytes
        What :func:`~rankfall.shard_of_run` returned for every index.
    """
    return Run._of(_rankfall.merge_shards(list(shards)))
