"""What will happen, without simulating it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._arrays import Floats
from ._html import table

__all__ = ["Forecast", "ForecastOfDynamics"]


class ForecastOfDynamics:
    """What is predicted of one dynamics."""

    def __init__(self, record: dict[str, Any]) -> None:
        #: Its entry in the record of ``rankfall predict --json``.
        self.record = record

    @property
    def label(self) -> str:
        """Its label."""
        return str(self.record["label"])

    @property
    def noise_intensity(self) -> float:
        """ν."""
        return float(self.record["noise_intensity"])

    @property
    def reason(self) -> str | None:
        """Why nothing falls, or why nothing can be said; None where something is."""
        reason: str | None = self.record["reason"]
        return reason

    @property
    def rates(self) -> Floats:
        """Rates of log σᵢ(Θ) in t, in the end, from the largest."""
        return np.array(self.record["rates"], dtype=float)

    @property
    def error_order(self) -> float | None:
        """Of what order relative errors are."""
        order: float | None = self.record["error_order"]
        return order

    def _matrix(self, matrix: str) -> dict[str, Any]:
        for one in self.record["matrices"]:
            if one["name"] == matrix:
                found: dict[str, Any] = one
                return found
        raise KeyError(f"nothing is predicted of {matrix!r}: {self.reason or 'no such matrix'}")

    def survivors(self, matrix: str = "theta") -> int:
        """How many singular values stay above the rank tolerance."""
        return int(self._matrix(matrix)["survivors"])

    def rank_at_end(self, matrix: str = "theta") -> int:
        """The numerical rank at the end of the run."""
        return int(self._matrix(matrix)["rank_at_end"])

    def death_times(self, matrix: str = "theta") -> dict[int, float]:
        """When singular values fall below the tolerance, t, by their index from 1."""
        return {one["index"]: one["time"] for one in self._matrix(matrix)["falls"]}

    def singular_values_at_end(self, matrix: str = "theta") -> Floats:
        """Singular values at the end of the run."""
        logs: Floats = np.array(self._matrix(matrix)["log_singular_values"], dtype=float)
        return np.where(np.isnan(logs), 0.0, np.exp(logs))

    def __repr__(self) -> str:
        if not self.record["matrices"]:
            return f"<ForecastOfDynamics {self.label!r}: {self.reason}>"
        return f"<ForecastOfDynamics {self.label!r}: {self.survivors()} singular values of Θ survive>"


class Forecast:
    """What is predicted of an experiment: a mapping from labels to what is predicted of each dynamics."""

    def __init__(self, record: dict[str, Any]) -> None:
        #: The record of ``rankfall predict --json``.
        self.record = record

    @property
    def labels(self) -> list[str]:
        """The labels of the dynamics."""
        return [one["label"] for one in self.record["dynamics"]]

    @property
    def warnings(self) -> list[str]:
        """What a reader must know."""
        return list(self.record["warnings"])

    def __getitem__(self, label: str) -> ForecastOfDynamics:
        for one in self.record["dynamics"]:
            if one["label"] == label:
                return ForecastOfDynamics(one)
        raise KeyError(f"there is no dynamics {label!r}; there are {', '.join(self.labels)}")

    def to_dict(self) -> dict[str, list[Any]]:
        """A table: a row for each dynamics, matrix and singular value."""
        columns: dict[str, list[Any]] = {
            name: []
            for name in (
                "dynamics",
                "matrix",
                "index",
                "survives",
                "death_time",
                "death_step",
                "value_at_end",
            )
        }
        for one in self.record["dynamics"]:
            for matrix in one["matrices"]:
                falls = {fall["index"]: fall for fall in matrix["falls"]}
                for index, log_value in enumerate(matrix["log_singular_values"], start=1):
                    fall = falls.get(index)
                    row = (
                        one["label"],
                        matrix["name"],
                        index,
                        fall is None,
                        fall and fall["time"],
                        fall and fall["steps"],
                        0.0 if log_value is None else float(np.exp(log_value)),
                    )
                    for column, value in zip(columns.values(), row, strict=True):
                        column.append(value)
        return columns

    def to_pandas(self) -> Any:
        """The table of :meth:`to_dict` as a pandas frame."""
        import pandas

        return pandas.DataFrame(self.to_dict())

    def __repr__(self) -> str:
        return f"<Forecast of {self.record['experiment']!r}: {', '.join(self.labels)}>"

    def _repr_html_(self) -> str:
        columns = self.to_dict()
        rows = list(zip(*columns.values(), strict=True))
        reasons = [f"{one['label']}: {one['reason']}" for one in self.record["dynamics"] if one["reason"]]
        return table(list(columns), rows, "; ".join([repr(self), *reasons]))
