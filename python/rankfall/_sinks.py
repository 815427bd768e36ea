"""Where a monitor can write beside its own record."""

from __future__ import annotations

import csv as _csv
import os
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["csv", "mlflow", "scalars", "tensorboard", "wandb"]

_OF_LAYER = ("effective_rank", "stable_rank", "numerical_rank", "nuclear_norm", "log_abs_det")
_OF_FEATURES = ("effective_rank", "dead_units", "active_share")


def scalars(record: Mapping[str, Any]) -> dict[str, float]:
    """A measurement as flat names, such as ``fc.weight/effective_rank``; what is undefined is left out.

    Parameters
    ----------
    record : mapping
        What a sink is called with: ``step``, ``loss``, other numbers, and under ``layers`` and ``features`` the measures by
        name.
    """
    flat: dict[str, Any] = {
        key: value for key, value in record.items() if key not in ("step", "layers", "features")
    }
    for name, layer in record["layers"].items():
        flat[f"{name}/sigma_max"] = layer["singular_values"][0]
        flat[f"{name}/sigma_min"] = layer["singular_values"][-1]
        flat.update({f"{name}/{key}": layer[key] for key in _OF_LAYER})
    for name, features in record["features"].items():
        flat.update({f"{name}/features/{key}": features[key] for key in _OF_FEATURES})
    return {key: float(value) for key, value in flat.items() if value is not None}


def csv(path: str | os.PathLike[str]) -> Callable[[Mapping[str, Any]], None]:
    """Rows of step, name and value, in a file that is written anew; each measurement is in it at once."""
    with open(path, "w", newline="") as file:
        _csv.writer(file).writerow(["step", "name", "value"])

    def sink(record: Mapping[str, Any]) -> None:
        with open(path, "a", newline="") as file:
            _csv.writer(file).writerows(
                [record["step"], name, repr(value)] for name, value in scalars(record).items()
            )

    return sink


def tensorboard(writer: Any) -> Callable[[Mapping[str, Any]], None]:
    """Scalars of TensorBoard: a ``SummaryWriter``, or the folder of a new one."""
    if isinstance(writer, (str, os.PathLike)):
        from torch.utils.tensorboard import SummaryWriter

        writer = SummaryWriter(os.fspath(writer))

    def sink(record: Mapping[str, Any]) -> None:
        for name, value in scalars(record).items():
            writer.add_scalar(f"rankfall/{name}", value, record["step"])
        writer.flush()

    return sink


def wandb(run: Any) -> Callable[[Mapping[str, Any]], None]:
    """A run of Weights & Biases: what ``wandb.init`` returns. Steps are a number of their own, ``rankfall/step``."""

    def sink(record: Mapping[str, Any]) -> None:
        named = {f"rankfall/{name}": value for name, value in scalars(record).items()}
        run.log({**named, "rankfall/step": record["step"]})

    return sink


def mlflow(module: Any) -> Callable[[Mapping[str, Any]], None]:
    """MLflow's active run: the module ``mlflow``, or a client with ``log_metrics(metrics, step=…)``."""

    def sink(record: Mapping[str, Any]) -> None:
        named = {f"rankfall/{name}": value for name, value in scalars(record).items()}
        module.log_metrics(named, step=record["step"])

    return sink
