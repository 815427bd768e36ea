"""What there is to learn from: drawn, in memory, in files, or only its second moments."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from . import _rankfall
from ._arrays import Floats, matrix, memory_npz, names_of
from ._errors import DataError
from ._sections import Layers, Section, Table

__all__ = ["Data", "Dataset", "File", "Gaussian", "Gram", "Source", "Teacher", "read"]


class Source(Section):
    """Where the data of an experiment come from."""


@dataclass(frozen=True, kw_only=True)
class Gaussian(Source):
    """Drawn data: Gaussian inputs and a linear teacher, Y = Xβ + residuals.

    Parameters
    ----------
    samples, inputs, outputs : int
        n, p and k.
    teacher_rank : int
        The teacher has this rank; its entries are N(0, 1) otherwise.
    teacher_singular_values : sequence of float
        The singular values of the teacher; the others are zero.
    covariance : "identity" or mapping
        Of the inputs: ``{"power_law": 1.0}`` or ``{"matrix": [[1.0, 0.5], [0.5, 1.0]]}``.
    residual_noise : float
        Standard deviation of the residuals.
    classes : bool
        The label is the class of the largest output.
    each_trajectory : bool
        Every trajectory draws its own data and teacher.
    held_out : int
        Rows held out.
    """

    fixed: ClassVar[Table] = {"kind": "gaussian"}
    samples: int
    inputs: int
    outputs: int
    teacher_rank: int | None = None
    teacher_singular_values: Sequence[float] | None = None
    covariance: str | Table | None = None
    residual_noise: float | None = None
    classes: bool | None = None
    each_trajectory: bool | None = None
    held_out: int | None = None


@dataclass(frozen=True, kw_only=True)
class Teacher(Source):
    """Drawn inputs, and targets that a teacher network gives them.

    Parameters
    ----------
    samples : int
        n.
    network : Layers or mapping
        The teacher: its layers, activation and start.
    input_law : {"gaussian", "sphere", "one-hot"}
        How inputs are drawn.
    residual_noise : float
        Standard deviation of the residuals.
    observed : float
        The share of targets that are observed, in (0, 1).
    each_trajectory : bool
        Every trajectory draws its own inputs and teacher.
    held_out : int
        Rows held out.
    """

    fixed: ClassVar[Table] = {"kind": "teacher"}
    samples: int
    network: Layers | Table
    input_law: str | None = None
    residual_noise: float | None = None
    observed: float | None = None
    each_trajectory: bool | None = None
    held_out: int | None = None

    def table(self) -> dict[str, Any]:
        """As an experiment file has it."""
        table = super().table()
        table["teacher"] = table.pop("network")
        return table


@dataclass(frozen=True)
class Dataset(Source):
    """A data set that comes with rankfall, or that a package of the system brings.

    Parameters
    ----------
    name : {"digits", "linnerud", "mnist", "fashion-mnist"}
        Which.
    standardize : bool
        Centre and scale the inputs.
    held_out : int
        Rows held out, of ``"digits"`` and ``"linnerud"``.
    train_rows, test_rows : int
        Only so many of the first images.
    """

    name: str
    standardize: bool | None = None
    held_out: int | None = None
    train_rows: int | None = None
    test_rows: int | None = None

    def table(self) -> dict[str, Any]:
        """As an experiment file has it."""
        table = super().table()
        table["dataset"] = table.pop("name")
        is_images = self.name in ("mnist", "fashion-mnist")
        return {"kind": "idx" if is_images else "bundled", **table}


class Data(Source):
    """Rows in memory.

    Parameters
    ----------
    x : array_like, shape (n, p)
        The inputs: an array, a frame of pandas or Polars, a tensor, an Arrow table.
    y : array_like, shape (n, k) or (n,), or str or sequence of str
        The targets; of a frame the names of the columns that are targets.
    standardize : bool
        Centre and scale the inputs, and centre the targets.
    standardize_targets : bool
        Scale the targets too.
    one_hot : bool
        ``y`` is a class, and becomes one indicator per class.
    held_out : int
        Rows held out, chosen by the seed.

    Examples
    --------
    >>> import numpy as np, rankfall as rf
    >>> x = np.random.default_rng(0).normal(size=(100, 3))
    >>> rf.Data(x, x @ [1.0, 0.0, -2.0])
    Data(100 rows, 3 inputs, 1 output)
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        *,
        standardize: bool = False,
        standardize_targets: bool = False,
        one_hot: bool = False,
        held_out: int = 0,
    ) -> None:
        x, y = _split(x, y)
        inputs, targets = matrix(x, "x"), matrix(y, "y")
        if len(inputs) != len(targets):
            raise DataError(f"x has {len(inputs)} rows and y has {len(targets)}")
        self.shape = (inputs.shape[0], inputs.shape[1], targets.shape[1])
        self._file = memory_npz({"x": inputs, "y": targets})
        flags = {
            "standardize": standardize,
            "standardize_targets": standardize_targets,
            "one_hot": one_hot,
            "held_out": held_out,
        }
        self._settings = {key: value for key, value in flags.items() if value}

    def table(self) -> dict[str, Any]:
        """As an experiment file has it."""
        arrays = {"inputs_array": "x", "targets_array": "y"}
        return {"kind": "file", "path": self._file.path, **arrays, **self._settings}

    def held(self) -> list[Any]:
        """What must be kept."""
        return [self._file]

    def __repr__(self) -> str:
        rows, inputs, outputs = self.shape
        plural = "s" if outputs > 1 else ""
        return f"Data({rows} rows, {inputs} inputs, {outputs} output{plural})"


def _split(x: Any, y: Any) -> tuple[Any, Any]:
    """Inputs and targets, where the targets are columns of a frame."""
    if isinstance(y, str):
        y = [y]
    is_names = isinstance(y, (list, tuple)) and y and all(isinstance(name, str) for name in y)
    if not is_names:
        return x, y
    names = names_of(x)
    if names is None:
        raise DataError("y names columns, and x has no names", hints=["pass a frame, or two arrays"])
    unknown = [name for name in y if name not in names]
    if unknown:
        raise DataError(f"there is no column {unknown[0]!r}", hints=["there are " + ", ".join(names)])
    return x[[name for name in names if name not in y]], x[list(y)]


class Gram(Source):
    """Second moments: all that two linear layers see of their data. Rows can be added chunk by chunk.

    Parameters
    ----------
    sxx : array_like, shape (p, p)
        XᵀX/n.
    sxy : array_like, shape (p, k)
        XᵀY/n.
    syy : array_like, shape (k, k)
        YᵀY/n.
    n : int
        How many rows.

    Examples
    --------
    >>> import numpy as np, rankfall as rf
    >>> gram = rf.Gram()
    >>> rng = np.random.default_rng(0)
    >>> for _ in range(10):
    ...     x = rng.normal(size=(1000, 3))
    ...     gram.add(x, x[:, :1])
    >>> gram
    Gram(10000 rows, 3 inputs, 1 output)
    """

    def __init__(self, sxx: Any = None, sxy: Any = None, syy: Any = None, n: int = 0) -> None:
        given = [one is not None for one in (sxx, sxy, syy)]
        if any(given) and not (all(given) and n):
            raise DataError("a Gram has sxx, sxy, syy and n, all of them or none")
        self._sums: list[Floats] | None = None
        self._n = int(n)
        self._made: _rankfall.MemoryFile | None = None
        if all(given):
            if self._n < 1:
                raise DataError(f"n is {n}, and a Gram has one row at least")
            names = ("sxx", "sxy", "syy")
            self._sums = [
                matrix(one, name) * self._n for one, name in zip((sxx, sxy, syy), names, strict=True)
            ]
            self._check()

    @classmethod
    def of(cls, x: Any, y: Any) -> Gram:
        """The second moments of rows, as :class:`Data` takes them."""
        gram = cls()
        gram.add(x, y)
        return gram

    @classmethod
    def of_chunks(cls, chunks: Iterable[tuple[Any, Any]]) -> Gram:
        """The second moments of pairs of chunks of inputs and targets, one after the other."""
        gram = cls()
        for x, y in chunks:
            gram.add(x, y)
        return gram

    def add(self, x: Any, y: Any) -> None:
        """Adds rows; the experiments that have this Gram already keep what they were made with."""
        x, y = _split(x, y)
        inputs, targets = matrix(x, "x"), matrix(y, "y")
        if len(inputs) != len(targets):
            raise DataError(f"x has {len(inputs)} rows and y has {len(targets)}")
        new = [inputs.T @ inputs, inputs.T @ targets, targets.T @ targets]
        if self._sums is not None:
            if [one.shape for one in self._sums] != [one.shape for one in new]:
                p, k = self._sums[1].shape
                raise DataError(
                    f"the chunk has {inputs.shape[1]} inputs and {targets.shape[1]} outputs, and those before it "
                    f"{p} and {k}"
                )
            new = [a + b for a, b in zip(self._sums, new, strict=True)]
        self._sums, self._n, self._made = new, self._n + len(inputs), None

    def _check(self) -> None:
        assert self._sums is not None
        xx, xy, yy = self._sums
        p, k = xy.shape
        if xx.shape != (p, p) or yy.shape != (k, k):
            raise DataError(
                f"sxx is {xx.shape}, sxy {xy.shape} and syy {yy.shape}: of p inputs and k outputs they are p × p, "
                "p × k and k × k"
            )

    def _moments(self, which: int) -> Floats:
        if self._sums is None:
            raise DataError("this Gram has no rows yet", hints=["add(x, y) adds some"])
        return np.asarray(self._sums[which] / self._n)

    @property
    def sxx(self) -> Floats:
        """XᵀX/n, shape (p, p)."""
        return self._moments(0)

    @property
    def sxy(self) -> Floats:
        """XᵀY/n, shape (p, k)."""
        return self._moments(1)

    @property
    def syy(self) -> Floats:
        """YᵀY/n, shape (k, k)."""
        return self._moments(2)

    @property
    def n(self) -> int:
        """How many rows."""
        return self._n

    def _file(self) -> _rankfall.MemoryFile:
        if self._made is None:
            n = np.asarray(float(self._n))
            self._made = memory_npz({"sxx": self.sxx, "sxy": self.sxy, "syy": self.syy, "n": n})
        return self._made

    def table(self) -> dict[str, Any]:
        """As an experiment file has it."""
        return {"kind": "gram", "path": self._file().path}

    def held(self) -> list[Any]:
        """What must be kept."""
        return [self._file()]

    def __repr__(self) -> str:
        if self._sums is None:
            return "Gram(no rows)"
        p, k = self._sums[1].shape
        return f"Gram({self._n} rows, {p} inputs, {k} output{'s' if k > 1 else ''})"


@dataclass(frozen=True, kw_only=True)
class File(Source):
    """A table in a file: CSV, NPY, NPZ or Parquet, streamed. :func:`read` makes it."""

    fixed: ClassVar[Table] = {"kind": "file"}
    path: str
    targets: str | int | Sequence[str | int] | None = None
    inputs: str | Sequence[str | int] | None = None
    header: bool | None = None
    delimiter: str | None = None
    one_hot: bool | None = None
    standardize: bool | None = None
    standardize_targets: bool | None = None
    inputs_array: str | None = None
    targets_array: str | None = None
    held_out: int | None = None
    test_path: str | None = None


def read(
    path: str | os.PathLike[str],
    targets: str | int | Sequence[str | int] | None = None,
    **settings: Any,
) -> File:
    """A table in a file, which a run streams: CSV, NPY, NPZ or Parquet.

    Parameters
    ----------
    path : path
        The file.
    targets : str, int or sequence of them
        Target columns, by name or by position from 0.
    **settings
        Any other key of ``[data]`` for tables: ``inputs``, ``header``, ``delimiter``, ``one_hot``,
        ``standardize``, ``standardize_targets``, ``inputs_array``, ``targets_array``, ``held_out``,
        ``test_path``.

    Returns
    -------
    File
        To be the ``data`` of an :class:`~rankfall.Experiment`. Nothing is read yet.
    """
    return File(path=os.fspath(path), targets=targets, **settings)


def source(data: Any) -> Source | dict[str, Any]:
    """What was given for the data of an experiment."""
    if isinstance(data, Source):
        return data
    if isinstance(data, Mapping):
        return dict(data)
    if isinstance(data, (str, os.PathLike)):
        raise TypeError("data in a file are rf.read(path, targets=[...])")
    if isinstance(data, (tuple, list)) and len(data) == 2:
        return Data(data[0], data[1])
    raise TypeError(
        f"data of type {type(data).__name__}: give rf.Data(x, y), rf.Gram.of(x, y), rf.read(path, targets=...) or "
        "rf.Gaussian(samples=..., inputs=..., outputs=...)"
    )
