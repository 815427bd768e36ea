"""Where a monitor can write beside its own record."""

from __future__ import annotations

import csv as _csv
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from ._errors import RankfallError

__all__ = ["csv", "mlflow", "scalars", "tensorboard", "wandb"]

_OF_LAYER = ("effective_rank", "stable_rank", "numerical_rank", "nuclear_norm", "log_abs_det")
_OF_FEATURES = ("effective_rank", "dead_units", "active_share")
# MLflow takes no more metrics in one call.
_AT_ONCE = 1000


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
    """A run of Weights & Biases: what ``wandb.init`` returns. Steps are a number of their own, ``rankfall/step``.

    What is logged to the same run with a ``step=`` of its own is dropped by Weights & Biases where a measurement came in
    between: log it without.
    """
    run.define_metric("rankfall/*", step_metric="rankfall/step")

    def sink(record: Mapping[str, Any]) -> None:
        named = {f"rankfall/{name}": value for name, value in scalars(record).items()}
        run.log({**named, "rankfall/step": record["step"]})

    return sink


def mlflow(module: Any) -> Callable[[Mapping[str, Any]], None]:
    """The run of MLflow that is active now: the module ``mlflow``, or anything with ``log_metrics(metrics, step=…)``.

    Raises
    ------
    RankfallError
        Where no run is active.
    """
    log = _of_active_run(module) if hasattr(module, "active_run") else module.log_metrics

    def sink(record: Mapping[str, Any]) -> None:
        named = {f"rankfall/{name}": value for name, value in scalars(record).items()}
        log(named, step=record["step"])

    return sink


def _of_active_run(module: Any) -> Callable[..., None]:
    """Logs to the run that is active where this is called: each thread has active runs of its own, and measurements come
    from another one, where MLflow would begin a run for them.
    """
    run = module.active_run()
    if run is None:
        raise RankfallError(
            "no run of MLflow is active", hints=["with mlflow.start_run(): comes before the sink"]
        )
    client = module.MlflowClient()

    def log(metrics: Mapping[str, float], step: int) -> None:
        now = int(time.time() * 1000)
        all_of_them = [module.entities.Metric(name, value, now, step) for name, value in metrics.items()]
        for first in range(0, len(all_of_them), _AT_ONCE):
            client.log_batch(run.info.run_id, metrics=all_of_them[first : first + _AT_ONCE])

    return log
