"""Sinks of the monitor with Weights & Biases and MLflow themselves, without a network: what they kept is what was
measured.
"""

from __future__ import annotations

import json
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import rankfall as rf
from support import needed

torch = needed("torch")

STEPS = [0, 5, 10, 15, 20]


def watched(sinks: list[Any], beside: Any = None) -> Any:
    """A short training under a monitor with these sinks, none of which may fail; its result."""
    torch.manual_seed(4)
    model = torch.nn.Sequential(torch.nn.Linear(6, 12), torch.nn.ReLU(), torch.nn.Linear(12, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    x = torch.randn(64, 6)
    y = x[:, :2] * 2
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*sink of the monitor.*")
        with rf.torch.Monitor(model, every=5, sinks=sinks, probe=x[:8], budget=None) as monitor:
            for step in range(20):
                loss = torch.nn.functional.mse_loss(model(x), y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                monitor.step(loss=loss, doubled=2 * loss.item())
                if beside is not None:
                    beside(step)
        assert monitor.failure is None
    return monitor.result["training"]


def expected(result: Any) -> dict[str, list[float]]:
    """Some of what a sink has to have, by its names."""
    return {
        "rankfall/0.weight/effective_rank": list(result.effective_rank("w1").mean),
        "rankfall/2.weight/effective_rank": list(result.effective_rank("w2").mean),
        "rankfall/2.weight/sigma_max": list(result.singular_values("w2").mean[:, 0]),
        "rankfall/2/features/effective_rank": list(result.observable("effective_rank_features_w2").mean),
    }


def test_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb", reason="Weights & Biases is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    run = wandb.init(project="rankfall", dir=str(tmp_path))
    result = watched([rf.torch.wandb(run)], beside=lambda step: run.log({"own": step}))
    run.finish()
    # The process that writes ends with it.
    wandb.teardown()
    kept, axes = offline(tmp_path)
    rows = [row for row in kept if "rankfall/step" in row]
    assert [row["rankfall/step"] for row in rows] == STEPS
    for name, values in expected(result).items():
        assert [row[name] for row in rows] == pytest.approx(values, rel=1e-12), name
    assert ["rankfall/loss" in row for row in rows] == [False, True, True, True, True]
    assert all(row["rankfall/doubled"] == pytest.approx(2 * row["rankfall/loss"]) for row in rows[1:])
    # What was logged beside it is all there, and nothing else.
    assert [row["own"] for row in kept if "own" in row] == list(range(20))
    assert len(kept) == len(rows) + 20
    assert axes == {"rankfall/*": "rankfall/step"}


def offline(folder: Path) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Rows of the history that an offline run of Weights & Biases left, and axes by the names of metrics."""
    from wandb.proto import wandb_internal_pb2

    (file,) = folder.glob("wandb/offline-run-*/*.wandb")
    rows: list[dict[str, Any]] = []
    axes: dict[str, str] = {}
    for data in records(file.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        if record.HasField("history"):
            items = record.history.item
            rows.append(
                {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in items}
            )
        elif record.HasField("metric"):
            metric = record.metric
            axes[metric.glob_name or metric.name] = metric.step_metric
    return rows, axes


def records(log: bytes) -> Iterator[bytes]:
    """What a log in the format of LevelDB holds, behind the head of Weights & Biases: blocks of 32 KiB, in them pieces
    with checksum, length and kind, 1 for a whole record, 2, 3 and 4 for its first, middle and last piece.
    """
    assert log[:4] == b":W&B"
    at, whole = 7, b""
    while at + 7 <= len(log):
        left = 32768 - at % 32768
        length, kind = struct.unpack("<HB", log[at + 4 : at + 7]) if left >= 7 else (left - 7, 0)
        if kind:
            whole = (b"" if kind in (1, 2) else whole) + log[at + 7 : at + 7 + length]
        if kind in (1, 4):
            yield whole
        at += 7 + length


@pytest.fixture
def mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    module = pytest.importorskip("mlflow", reason="MLflow is not installed")
    monkeypatch.chdir(tmp_path)
    # A folder needs no database, whose packages are not part of the smaller distribution; it has to be asked for.
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    before = module.get_tracking_uri()
    module.set_tracking_uri((tmp_path / "kept").as_uri())
    yield module
    module.set_tracking_uri(before)


def test_mlflow(mlflow: Any) -> None:
    with mlflow.start_run() as run:
        result = watched([rf.torch.mlflow(mlflow)])
    client = mlflow.MlflowClient()
    for name, values in expected(result).items():
        history = client.get_metric_history(run.info.run_id, name)
        assert [one.step for one in history] == STEPS
        assert [one.value for one in history] == pytest.approx(values, rel=1e-12), name
    assert [one.step for one in client.get_metric_history(run.info.run_id, "rankfall/loss")] == STEPS[1:]
    # The thread that measures has begun no run of its own.
    assert [one.info.run_id for one in client.search_runs(["0"])] == [run.info.run_id]


def test_mlflow_takes_more_metrics_than_fit_in_one_call(mlflow: Any) -> None:
    layer = dict.fromkeys(
        ("effective_rank", "stable_rank", "numerical_rank", "nuclear_norm", "log_abs_det"), 1.0
    )
    layers = {f"layer.{i}": {"singular_values": [2.0, 1.0], **layer} for i in range(300)}
    with mlflow.start_run() as run:
        rf.torch.mlflow(mlflow)({"step": 3, "loss": 0.5, "layers": layers, "features": {}})
    found = mlflow.MlflowClient().get_run(run.info.run_id).data.metrics
    assert len(found) == 300 * 7 + 1
    assert found["rankfall/layer.299/sigma_max"] == 2.0


def test_mlflow_needs_a_run(mlflow: Any) -> None:
    with pytest.raises(rf.RankfallError, match="no run of MLflow is active"):
        rf.torch.mlflow(mlflow)
