"""Arrays from whatever people have: NumPy, frames, Arrow tables, tensors."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _rankfall
from ._errors import DataError

__all__ = ["Floats", "floats", "matrix", "memory_npz", "names_of"]

Floats = npt.NDArray[np.float64]


def floats(values: Any, what: str) -> Floats:
    """An array of doubles, or a sentence why it is none."""
    if hasattr(values, "detach"):  # a PyTorch tensor, wherever it lives
        values = values.detach().cpu()
    if not hasattr(values, "__array__") and hasattr(values, "__arrow_c_stream__"):
        values = _of_arrow(values, what)
    if hasattr(values, "to_numpy") and not isinstance(values, np.ndarray):
        values = values.to_numpy()
    try:
        array = np.asarray(values)
    except (ValueError, TypeError) as error:
        raise DataError(f"{what} is no array of numbers: {error}") from None
    if array.dtype.kind == "O":
        try:
            array = array.astype(np.float64)
        except (ValueError, TypeError):
            raise DataError(
                f"{what} has values that are no numbers",
                hints=["encode text and dates as numbers first, or drop those columns"],
            ) from None
    if array.dtype.kind not in "fiub":
        raise DataError(
            f"{what} has the type {array.dtype}, and real numbers are needed",
            hints=["encode text and dates as numbers first, or drop those columns"],
        )
    return np.asarray(array, dtype=np.float64, order="C")


def matrix(values: Any, what: str, *, any_shape: bool = False) -> Floats:
    """A matrix of finite doubles, rows first; a vector is one column."""
    array = floats(values, what)
    if not any_shape:
        if array.ndim == 1:
            array = array[:, np.newaxis]
        if array.ndim != 2:
            raise DataError(f"{what} has {array.ndim} dimensions, and a matrix has two")
        if 0 in array.shape:
            raise DataError(f"{what} has the shape {array.shape}: nothing is in it")
    if not np.isfinite(array).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise DataError(
            f"{what} has {array[place]} at {list(place)}",
            hints=["drop or fill what is missing before"],
        )
    return array


def _of_arrow(values: Any, what: str) -> Any:
    """Columns of an Arrow stream side by side, by the reader that the object brings or that is installed."""
    if hasattr(values, "to_numpy"):
        return values.to_numpy()
    try:
        import pyarrow
    except ImportError:
        raise DataError(
            f"{what} is an Arrow stream, which pyarrow reads here",
            hints=["pip install pyarrow, or pass .to_numpy() of it"],
        ) from None
    table = pyarrow.table(values)
    return np.column_stack([column.to_numpy() for column in table.columns])


def names_of(values: Any) -> list[str] | None:
    """The names of the columns of a frame, or None."""
    columns = getattr(values, "columns", None)
    if columns is None or isinstance(values, np.ndarray):
        return None
    return [str(name) for name in columns]


def memory_npz(arrays: Mapping[str, Floats]) -> _rankfall.MemoryFile:
    """Arrays as an NPZ file in memory, equal for equal arrays."""
    out = io.BytesIO()
    np.savez(out, **{name: np.asarray(value) for name, value in arrays.items()})  # type: ignore[arg-type]
    return _rankfall.MemoryFile(out.getvalue())
