"""The monitor of training runs, with PyTorch itself."""

from __future__ import annotations

import copy
import csv
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rankfall as rf
from support import needed

torch = needed("torch")
F = torch.nn.functional


def linear() -> tuple[Any, Any, Any, Any]:
    """Two linear layers, a linear teacher."""
    torch.manual_seed(1)
    model = torch.nn.Sequential(torch.nn.Linear(5, 10, bias=False), torch.nn.Linear(10, 2, bias=False))
    x = torch.randn(200, 5)
    return model, x, x @ torch.randn(5, 2) + 0.1 * torch.randn(200, 2), F.mse_loss


def rectifiers() -> tuple[Any, Any, Any, Any]:
    """A student of rectifiers of a teacher of rectifiers."""
    torch.manual_seed(2)
    teacher = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
    model = torch.nn.Sequential(torch.nn.Linear(4, 20), torch.nn.ReLU(), torch.nn.Linear(20, 1))
    x = torch.randn(100, 4)
    return model, x, teacher(x).detach(), F.mse_loss


def digits() -> tuple[Any, Any, Any, Any]:
    """784–256–10 on ten clouds of points."""
    torch.manual_seed(3)
    model = torch.nn.Sequential(torch.nn.Linear(784, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10))
    y = torch.randint(0, 10, (500,))
    x = (torch.randn(10, 784)[y] + torch.randn(500, 784)) / 28
    return model, x, y, F.cross_entropy


NETWORKS = [linear, rectifiers, digits]


def train(
    model: Any, x: Any, y: Any, loss_of: Any, steps: int, monitor: Any = None, rate: float = 0.05
) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    for _ in range(steps):
        rows = torch.randint(0, len(x), (16,))
        loss = loss_of(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if monitor is not None:
            monitor.step(loss=loss)


@pytest.mark.parametrize("network", NETWORKS)
def test_values_are_those_of_torch(network: Any) -> None:
    model, x, y, loss_of = network()
    initial = copy.deepcopy(model)
    with rf.torch.Monitor(model, every=10, singular_values=None, budget=None) as monitor:
        train(model, x, y, loss_of, 50, monitor)
    result = monitor.result["training"]
    assert list(result.times) == [0, 10, 20, 30, 40, 50]
    for state, at in ((initial, 0), (model, -1)):
        parameters = dict(state.named_parameters())
        for name, called in monitor.layers.items():
            truth = torch.linalg.svdvals(parameters[name].detach().double()).numpy()
            found = result.singular_values(called).mean[at]
            bound = result.observable(f"error_bound_{called}").mean[at]
            assert np.nanmax(np.abs(found - truth)) <= bound + 1e-14 * truth[0]
            assert bound < 1e-6 * truth[0]
            # PyTorch in single precision, to its own errors.
            single = torch.linalg.svdvals(parameters[name].detach()).numpy()
            assert np.nanmax(np.abs(found - single)) < 1e-5 * truth[0]
            p = truth / truth.sum()
            entropy = -np.sum(p * np.log(p))
            assert result.effective_rank(called).mean[at] == pytest.approx(np.exp(entropy), rel=1e-6)
            assert result.stable_rank(called).mean[at] == pytest.approx((truth**2).sum() / truth[0] ** 2)
            tolerance = max(parameters[name].shape) * np.finfo(np.float32).eps
            assert result.numerical_rank(called).mean[at] == (truth > tolerance * truth[0]).sum()


def test_every_parameter_is_listed() -> None:
    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv2d(3, 8, 3)
            self.embedding = torch.nn.Embedding(20, 6)
            self.head = torch.nn.Linear(6, 20, bias=False)
            self.head.weight = self.embedding.weight
            self.scale = torch.nn.Parameter(torch.tensor(1.0))

    model = Net()
    monitor = rf.torch.Monitor(model, layers=["*"])
    monitor.close()
    assert set(monitor.layers) == {"conv.weight", "embedding.weight"}
    assert monitor.skipped["conv.bias"] == "a vector is no matrix"
    assert monitor.skipped["head.weight"] == "it is the same tensor as embedding.weight"
    assert "single number" in monitor.skipped["scale"]
    weights = model.conv.weight.detach().reshape(8, -1).double()
    found = monitor.result["training"].singular_values("w1").mean[-1]
    np.testing.assert_allclose(found, torch.linalg.svdvals(weights).numpy(), rtol=1e-6)
    some = rf.torch.Monitor(model, layers="conv*")
    some.close()
    assert some.skipped["embedding.weight"] == "not chosen by layers"
    with pytest.raises(rf.RankfallError, match="no layer"):
        rf.torch.Monitor(model, layers="nothing")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"every": 0}, "every"),
        ({"budget": 0}, "budget"),
        ({"budget": 2}, "budget"),
        ({"singular_values": 1}, "2"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        rf.torch.Monitor(torch.nn.Linear(3, 2), **changes)


def test_spectra_of_many_values_are_recorded_in_part() -> None:
    model = torch.nn.Linear(300, 200)
    with rf.torch.Monitor(model, singular_values=16) as monitor:
        pass
    run = monitor.result
    truth = torch.linalg.svdvals(model.weight.detach().double()).numpy()
    frame = run.to_dict()
    mask = frame["observable"] == "log_singular_value"
    indices = frame["index"][mask]
    assert len(indices) == 16 and indices[0] == 1 and indices[-1] == 200
    np.testing.assert_allclose(np.exp(frame["mean"][mask]), truth[indices - 1], rtol=1e-6)
    assert any("16 of 200" in sentence for sentence in run.warnings)


def test_the_record_is_a_run_folder(tmp_path: Path, command_line: str) -> None:
    model, x, y, loss_of = rectifiers()
    out = tmp_path / "mine"
    with rf.torch.Monitor(model, every=5, out=out, budget=None) as monitor:
        train(model, x, y, loss_of, 40, monitor)
    run = rf.load(out)
    assert not run.interrupted and run.summary["experiment"] == "mine"
    assert run.summary["monitor"]["end"] == "closed"
    assert run.to_dict()["mean"].tolist() == pytest.approx(
        monitor.result.to_dict()["mean"].tolist(), nan_ok=True
    )
    assert run.figures()["layers"] is None
    report = (out / "report.html").read_text()
    assert "0.weight" in report and "a vector is no matrix" in report
    subprocess.run([command_line, "plot", out], check=True, capture_output=True)
    with pytest.raises(rf.FolderError):
        rf.torch.Monitor(model, out=out)
    with pytest.raises(rf.RankfallError, match="no experiment"):
        run.experiment
    rf.torch.Monitor(model, out=out, replace=True).close()


KILLED = """
import rankfall as rf, torch, sys
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.Linear(8, 2))
monitor = rf.torch.Monitor(model, every=10, out=sys.argv[1], budget=None)
step = 0
while True:
    with torch.no_grad():
        model[0].weight.mul_(0.99)
    step += 1
    monitor.step(loss=1.0 / step)
    if step % 10 == 0:
        monitor._jobs.join()
        print(step, torch.linalg.svdvals(model[0].weight.detach().double())[0].item(), flush=True)
"""


def test_what_was_measured_survives_a_kill(tmp_path: Path, command_line: str) -> None:
    out = tmp_path / "run"
    with subprocess.Popen([sys.executable, "-c", KILLED, out], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline().split() for _ in range(7)]
        while_going = rf.load(out)
        assert while_going.interrupted
        os.kill(process.pid, signal.SIGKILL)
    for _ in range(2):  # as it was left, and when it was made a finished run
        run = rf.load(out)
        assert run.interrupted and any("not closed" in sentence for sentence in run.warnings)
        found = dict(
            zip(run["training"].times, run["training"].singular_values("w1").mean[:, 0], strict=True)
        )
        for step, sigma in said:
            assert found[float(step)] == pytest.approx(float(sigma), rel=1e-6)
        subprocess.run([command_line, "plot", out], check=True, capture_output=True)
        assert (out / "report.html").exists()


def test_divergence_is_recorded_with_its_step(tmp_path: Path) -> None:
    model, x, y, loss_of = linear()
    out = tmp_path / "run"
    with pytest.warns(RuntimeWarning, match="diverged"), rf.torch.Monitor(model, every=5, out=out) as monitor:
        train(model, x, y, loss_of, 10, monitor)
        with torch.no_grad():
            model[0].weight[1, 2] = float("nan")
        train(model, x, y, loss_of, 20, monitor)
    assert monitor.diverged is not None and "step 15" in monitor.diverged
    one = rf.load(out).summary["dynamics"][0]
    assert one["diverged"] == 1 and one["divergences"][0]["step"] == 15
    singular = rf.load(out)["training"].singular_values("w1")
    assert singular.times[-1] == 10 and np.isfinite(singular.mean).all()


def test_models_that_are_wrapped_are_unwrapped() -> None:
    model, x, y, loss_of = linear()
    compiled = torch.compile(model, backend="eager")
    with rf.torch.Monitor(compiled, every=5) as monitor:
        train(compiled, x, y, loss_of, 10, monitor)
    assert list(monitor.layers) == ["0.weight", "1.weight"]
    half = copy.deepcopy(model).to(torch.bfloat16)
    with rf.torch.Monitor(half) as of_half:
        pass
    truth = torch.linalg.svdvals(half[0].weight.detach().double()).numpy()
    found = of_half.result["training"]
    np.testing.assert_allclose(found.singular_values("w1").mean[-1], truth, rtol=1e-6)
    # The tolerance is that of storage: ten times 2⁻⁷ of the largest.
    tolerance = of_half.result.summary["dynamics"][0]["matrices"][0]["numerical_rank"]["tolerance"]
    assert tolerance == 10 * 2.0**-7


AUTOCAST = """
import rankfall as rf, torch
model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2))
torch.distributed.init_process_group("gloo", init_method="file://" + {file!r}, rank={rank}, world_size=2)
wrapped = torch.nn.parallel.DistributedDataParallel(model)
monitor = rf.torch.Monitor(wrapped, every=2, out={out!r})
optimizer = torch.optim.SGD(wrapped.parameters(), lr=0.1)
for _ in range(6):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = wrapped(torch.randn(4, 8)).square().mean()
    optimizer.zero_grad(); loss.backward(); optimizer.step()
    monitor.step(loss=loss)
monitor.close()
torch.distributed.destroy_process_group()
"""


def test_of_several_processes_the_first_is_watched(tmp_path: Path) -> None:
    """With automatic mixed precision, two processes on this machine."""
    scripts = [
        AUTOCAST.format(file=str(tmp_path / "meet"), rank=rank, out=str(tmp_path / "run")) for rank in (0, 1)
    ]
    processes = [
        subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True)
        for script in scripts
    ]
    for process in processes:
        _, error = process.communicate(timeout=300)
        assert process.returncode == 0, error
    run = rf.load(tmp_path / "run")
    assert list(run["training"].times) == [0, 2, 4, 6]
    assert run.summary["dynamics"][0]["matrices"][0]["called"] == "0.weight"


def test_features_leave_no_hook_and_no_mode_behind() -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(4, 30),
        torch.nn.ReLU(),
        torch.nn.Dropout(0.5),
        torch.nn.BatchNorm1d(30),
        torch.nn.Linear(30, 2),
    )
    with torch.no_grad():
        model[0].bias[:7] = -100.0
    model[2].eval()
    probe = torch.randn(64, 4)
    seen = model[3].num_batches_tracked.item()
    with rf.torch.Monitor(model, every=1, probe=probe) as monitor:
        monitor.step()
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in model.modules())
    assert model.training and model[3].training and not model[2].training
    assert model[3].num_batches_tracked.item() == seen
    result = monitor.result["training"]
    # Normalised by running statistics of 0 and 1, what is zero stays zero.
    assert list(result.observable("dead_units_features_w2").mean) == [7, 7]
    with torch.no_grad():
        model.eval()
        inputs = model[:4](probe).double().numpy()
    p = np.linalg.svd(inputs, compute_uv=False)
    p = p[p > 0] / p.sum()
    expected = np.exp(-(p * np.log(p)).sum())
    assert result.observable("effective_rank_features_w2").mean[-1] == pytest.approx(expected, rel=1e-4)


def test_sinks_get_what_the_record_has(tmp_path: Path) -> None:
    needed("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    class Fake:
        def __init__(self) -> None:
            self.seen: list[Any] = []

        def define_metric(self, name: str, step_metric: str) -> None:
            assert (name, step_metric) == ("rankfall/*", "rankfall/step")

        def log(self, values: Any) -> None:
            self.seen.append(values)

        def log_metrics(self, values: Any, step: int) -> None:
            self.seen.append({**values, "step": step})

    model, x, y, loss_of = rectifiers()
    wandb, mlflow = Fake(), Fake()

    def broken(record: Any) -> None:
        raise OSError("no room")

    sinks = [
        rf.torch.csv(tmp_path / "log.csv"),
        rf.torch.tensorboard(tmp_path / "board"),
        rf.torch.wandb(wandb),
        rf.torch.mlflow(mlflow),
        broken,
    ]
    with (
        pytest.warns(RuntimeWarning, match="no room"),
        rf.torch.Monitor(model, every=5, sinks=sinks, budget=None) as m,
    ):
        train(model, x, y, loss_of, 20, m)
    rank = m.result["training"].effective_rank("w1").mean
    with open(tmp_path / "log.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["name"] == "0.weight/effective_rank"]
    assert [float(row["value"]) for row in rows] == list(rank)
    events = EventAccumulator(str(tmp_path / "board"))
    events.Reload()
    scalars = events.Scalars("rankfall/0.weight/effective_rank")
    assert [one.step for one in scalars] == [0, 5, 10, 15, 20]
    np.testing.assert_allclose([one.value for one in scalars], rank, rtol=1e-6)
    for seen, step in ((wandb.seen, "rankfall/step"), (mlflow.seen, "step")):
        assert [one[step] for one in seen] == [0, 5, 10, 15, 20]
        assert [one["rankfall/0.weight/effective_rank"] for one in seen] == list(rank)


def test_layers_take_turns_within_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is saved up is spent on who waited longest; small layers are measured every time."""
    model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.Linear(64, 64), torch.nn.Linear(64, 2))
    monitor = rf.torch.Monitor(model, every=1, budget=0.5)
    monitor._jobs.join()
    monitor._processors = 1
    monitor._costs = [1.0, 1.0, 0.001]
    monitor._allowance, monitor._last_due = 0.0, 0.0
    monitor._since = [0, 0, 0]
    counts = [0, 0, 0]
    for turn in range(1, 41):
        for place in monitor._due(float(turn)):  # half a second of processor time for each turn
            counts[place] += 1
            monitor._since[place] = turn
    assert counts[2] == 40
    assert sum(counts[:2]) in (19, 20) and abs(counts[0] - counts[1]) <= 1
    monitor._costs = [0.0, 0.0, 0.0]
    monitor.close()
    # However much time has passed, no more is saved up than a measurement of everything takes.
    assert monitor.overhead.measured["0.weight"] >= 1


def test_the_training_goes_on_when_the_monitor_cannot(tmp_path: Path) -> None:
    model, x, y, loss_of = linear()
    monitor = rf.torch.Monitor(model, every=5, out=tmp_path / "run")
    monitor._jobs.join()

    class Full:
        def append(self, line: str) -> None:
            raise OSError("no space left on device")

    monitor._folder = Full()  # type: ignore[assignment]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        train(model, x, y, loss_of, 10, monitor)
        monitor._jobs.join()
        train(model, x, y, loss_of, 10, monitor)
    assert isinstance(monitor.failure, OSError)
    assert any("no space left" in str(one.message) for one in caught)
    monitor._folder = None
    monitor.close()


def test_an_exception_of_the_training_is_in_the_record(tmp_path: Path) -> None:
    model, x, y, loss_of = linear()
    with pytest.raises(KeyboardInterrupt), rf.torch.Monitor(model, every=5, out=tmp_path / "run") as monitor:
        train(model, x, y, loss_of, 12, monitor)
        raise KeyboardInterrupt
    run = rf.load(tmp_path / "run")
    assert run.summary["monitor"]["end"] == "KeyboardInterrupt" and run["training"].times[-1] == 12
    with pytest.raises(rf.RankfallError, match="closed"):
        monitor.step()


def test_overhead_is_what_it_took() -> None:
    model, x, y, loss_of = digits()
    with rf.torch.Monitor(model, every=20, budget=None) as monitor:
        began = time.perf_counter()
        train(model, x, y, loss_of, 60, monitor)
        taken = time.perf_counter() - began
    overhead = monitor.overhead
    assert overhead.measurements == 4 and set(overhead.measured.values()) == {4}
    assert 0 < overhead.training_thread_seconds < overhead.wall_seconds
    assert overhead.wall_seconds >= taken and 0 < overhead.share
    assert monitor.result.summary["monitor"]["analysis_seconds"] == overhead.analysis_seconds
    log = json.loads(monitor._lines[0])
    assert [layer["name"] for layer in log["layers"]] == ["0.weight", "2.weight"]


def test_the_page_that_watches_shows_it(tmp_path: Path, command_line: str) -> None:
    model, x, y, loss_of = linear()
    out = tmp_path / "run"
    monitor = rf.torch.Monitor(model, every=5, out=out, budget=None)
    command = [command_line, "watch", "--no-open", out]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            page, token = server.stdout.readline().strip().split("?")

            def look() -> Any:
                request = urllib.request.Request(f"{page}watch?{token}", data=b"{}", method="POST")
                request.add_header("content-type", "application/json")
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return json.loads(answer.read())["folders"][0]

            train(model, x, y, loss_of, 20, monitor)
            monitor._jobs.join()
            going = look()
            assert going["state"] == "running" and going["name"] == "run"
            ranks = [one for one in going["dynamics"][0]["curves"] if one["observable"] == "effective_rank"]
            assert [one["layer"] for one in ranks] == [1, 2] and ranks[0]["times"] == [0, 5, 10, 15, 20]
            monitor.close()
            assert look()["state"] == "finished"
        finally:
            server.terminate()


def test_large_models_are_copied_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than so many bytes at once; every layer is measured in the end all the same."""
    monkeypatch.setattr("rankfall._monitor.MOST_COPIED", 2 * 4 * 16 * 16)
    model = torch.nn.Sequential(*(torch.nn.Linear(16, 16) for _ in range(5)))
    with rf.torch.Monitor(model, every=1, budget=None) as monitor:
        monitor._jobs.join()
        assert sum(monitor.overhead.measured.values()) == 2
        for _ in range(2):
            monitor.step()
        monitor._jobs.join()
        assert set(monitor.overhead.measured.values()) == {1, 2}
        monitor.step()
    run = monitor.result
    assert list(run["training"].effective_rank("w5").times[-1:]) == [3]
    assert any("took turns" in sentence for sentence in run.warnings)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_process_leaves_the_record_alone(tmp_path: Path) -> None:
    monitor = rf.torch.Monitor(torch.nn.Linear(3, 2), out=tmp_path / "run")
    monitor._jobs.join()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        monitor.close()
        os._exit(0)
    os.waitpid(child, 0)
    assert rf.load(tmp_path / "run").interrupted
    monitor.close()
    assert not rf.load(tmp_path / "run").interrupted
