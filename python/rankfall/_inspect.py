"""Spectra of the layers of checkpoints."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

from . import _rankfall, _threads
from ._html import table
from ._progress import Progress, watcher

__all__ = ["Inspection", "inspect"]


class Inspection:
    """A row for each matrix of a checkpoint, those that were skipped with the reason."""

    def __init__(self, record: dict[str, Any]) -> None:
        #: The record of ``rankfall inspect --json``.
        self.record = record

    @property
    def tensors(self) -> list[dict[str, Any]]:
        """The rows."""
        rows: list[dict[str, Any]] = self.record["tensors"]
        return rows

    @property
    def interrupted(self) -> bool:
        """Whether it was stopped early."""
        return bool(self.record.get("interrupted", False))

    def __len__(self) -> int:
        return len(self.tensors)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.tensors)

    def __getitem__(self, name: str) -> dict[str, Any]:
        for row in self.tensors:
            if row["name"] == name:
                return row
        raise KeyError(name)

    def to_dict(self) -> dict[str, list[Any]]:
        """The rows as columns."""
        names = dict.fromkeys(key for row in self.tensors for key in row)
        return {name: [row.get(name) for row in self.tensors] for name in names}

    def to_pandas(self) -> Any:
        """The rows as a pandas frame."""
        import pandas

        return pandas.DataFrame(self.to_dict())

    def to_polars(self) -> Any:
        """The rows as a Polars frame."""
        import polars

        return polars.DataFrame(self.tensors, strict=False)

    def __repr__(self) -> str:
        analysed = sum(bool(row["analysed"]) for row in self.tensors)
        return f"<Inspection: {analysed} of {len(self)} tensors analysed>"

    def _repr_html_(self) -> str:
        shown = [
            "name",
            "shape",
            "dtype",
            "numerical_rank",
            "effective_rank",
            "stable_rank",
            "alpha",
            "reason",
        ]
        rows = [[_cell(row.get(key)) for key in shown] for row in self.tensors[:200]]
        return table(shown, rows, repr(self))


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return " × ".join(str(one) for one in value)
    return value


def inspect(
    *paths: str | os.PathLike[str],
    layers: str | Sequence[str] = (),
    optimizer: bool = False,
    threads: int | None = None,
    progress: Progress = "auto",
) -> Inspection:
    """Ranks, norms and tails of the spectra of all layers of checkpoints, with bounds of their errors.

    Parameters
    ----------
    *paths : path
        Files, folders or patterns: safetensors, PyTorch (without executing its pickle), NPY, NPZ.
    layers : str or sequence of str
        Patterns of names, with ``*`` and ``?``; all by default.
    optimizer : bool
        Also what optimisers keep.
    threads : int
        All cores by default; the numbers do not depend on it.
    progress
        As of :meth:`Experiment.run`.

    Returns
    -------
    Inspection
        A row per tensor.

    Raises
    ------
    CheckpointError
        Paths without a checkpoint that can be read.
    """
    if not paths:
        raise TypeError("inspect takes a path at least")
    patterns = [layers] if isinstance(layers, str) else list(layers)
    text = _rankfall.inspect(
        [os.fspath(path) for path in paths],
        patterns,
        optimizer,
        _threads.count(threads),
        watcher(progress),
        _threads.is_main(),
    )
    return Inspection(json.loads(text))
