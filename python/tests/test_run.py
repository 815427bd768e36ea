"""Running: the bits of the command line, Ctrl-C, progress, and what is said."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

import rankfall as rf
from support import long, small

T = TypeVar("T")


def test_bits_are_those_of_the_command_line(tmp_path: Path, command_line: str) -> None:
    dynamics = {
        "GF": rf.GradientFlow(),
        "SGF": rf.StochasticGradientFlow(label_noise=2.0),
        "SGD": rf.SGD(batch_size=2, label_noise=0.5),
    }
    x = np.random.default_rng(0).normal(size=(40, 3))
    for name, data in [("drawn", small_data()), ("mine", rf.Data(x, x[:, :2] ** 2))]:
        experiment = small(name=name, data=data, dynamics=dynamics)
        experiment.run(threads=2).save(tmp_path / name)
        again = tmp_path / f"{name}-again"
        command = [command_line, "run", tmp_path / name / "experiment.toml", "--out", again]
        subprocess.run(command, check=True, capture_output=True)
        for file in ("series.parquet", "final.safetensors"):
            assert (again / file).read_bytes() == (tmp_path / name / file).read_bytes(), file


def small_data() -> rf.Gaussian:
    return rf.Gaussian(samples=100, inputs=3, outputs=2)


def test_bits_do_not_depend_on_threads() -> None:
    one, four = (small().run(threads=threads).to_dict() for threads in (1, 4))
    for column in one:
        np.testing.assert_array_equal(one[column], four[column])


def test_dense_networks_run() -> None:
    network = rf.Layers([3, 8, 2], activation="relu")
    run = small(network=network, dynamics={"SGD": rf.SGD(batch_size=5)}, trajectories=3).run()
    assert run.experiment.engine == "dense"
    loss = run["SGD"].loss
    assert loss.mean[-1] < loss.mean[0]
    assert run["SGD"].singular_values("w2").mean.shape == (11, 2)
    assert run["SGD"].weights["layers.0.weight"].shape == (8, 3)


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    small().run()
    assert capfd.readouterr() == ("", "")


def test_progress_is_told_and_what_it_raises_is_raised() -> None:
    told: list[tuple[str, int, int]] = []
    experiment = long(time=30, trajectories=64)
    experiment.run(progress=lambda *one: told.append(one))
    assert told[-1][0] == "SGD" and told[-1][1] == told[-1][2] == 64 * 30_000
    assert all(a[1] <= b[1] for a, b in zip(told, told[1:], strict=False))

    def fails(label: str, done: int, total: int) -> None:
        raise ZeroDivisionError(label)

    with pytest.raises(ZeroDivisionError, match="SGD"):
        long().run(progress=fails)
    with pytest.raises(ValueError, match="plain"):
        small().run(progress="loud")  # type: ignore[arg-type]


def test_no_threads_are_refused_wherever_they_are_asked_for() -> None:
    calls = [
        lambda threads: small().run(threads=threads),
        lambda threads: small().start(threads=threads),
        lambda threads: rf.sweep(small(), {"run.seed": [1, 2]}, threads=threads),
        lambda threads: rf.verify(only="determinant-law", threads=threads),
        lambda threads: rf.inspect("weights.npz", threads=threads),
    ]
    for call in calls:
        for threads in (0, -1):
            with pytest.raises(ValueError, match=f"threads is {threads}"):
                call(threads)


def test_without_a_console_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    from rankfall._progress import watcher

    monkeypatch.setattr(sys, "stderr", None)
    assert [watcher(how) for how in (True, "auto", "terminal", "plain")] == [None] * 4
    with pytest.raises(ValueError, match="loud"):
        watcher("loud")  # type: ignore[arg-type]


def test_plain_progress_is_rate_limited(capsys: pytest.CaptureFixture[str]) -> None:
    from rankfall import _progress

    plain = _progress._Plain(sys.stderr)
    for done in range(1000):
        plain("SGD", done, 1000)
        plain.began = time.monotonic() - 60
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("rankfall: SGD:")


class CtrlC:
    """Progress that has SIGINT sent once a run is far enough; when that comes is for the run to say."""

    def __init__(self, far_enough: Callable[[str, int, int], bool]) -> None:
        self.far_enough = far_enough
        self.sender: threading.Thread | None = None

    def __call__(self, label: str, done: int, total: int) -> None:
        if self.sender is None and self.far_enough(label, done, total):
            self.sender = threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGINT))
            self.sender.start()


def interrupted(run: Callable[[CtrlC], T], far_enough: Callable[[str, int, int], bool]) -> T | None:
    """What a run leaves that is interrupted on its way; None where it was over before."""
    ctrl_c = CtrlC(far_enough)
    try:
        left = run(ctrl_c)
        if ctrl_c.sender is not None:
            ctrl_c.sender.join()
    except KeyboardInterrupt:
        return None
    return left


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to send")
def test_ctrl_c_keeps_what_there_is_and_resuming_gives_the_same_bits() -> None:
    dynamics = {
        "GF": rf.GradientFlow(),
        "SGD": rf.SGD(step_size=1e-3, label_noise=0.1),
        "LN": rf.LabelNoiseGradientDescent(step_size=1e-3, label_noise=0.1),
    }
    # Ever longer ones, until one is interrupted on its way.
    for length in (60, 240, 960, 3840):
        experiment = long(dynamics=dynamics, time=length, trajectories=40)
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            part = interrupted(
                lambda ctrl_c: experiment.run(threads=2, progress=ctrl_c),
                lambda label, done, total: label != "GF",
            )
        if part is not None and part.interrupted:
            break
    assert part is not None and part.interrupted and "GF" in part
    assert any(one.category is rf.InterruptedWarning for one in warned)
    whole = experiment.run(threads=2)
    assert (part["GF"].loss.mean == whole["GF"].loss.mean).all()
    if len(part) > 1:
        last = part.labels[-1]
        reached = np.isfinite(part[last].loss.mean)
        assert reached.any()
        assert any("stopped" in words for words in part.warnings)
    resumed = experiment.run(resume=part)
    assert not resumed.interrupted
    expected = whole.to_dict()
    for column, values in resumed.to_dict().items():
        np.testing.assert_array_equal(values, expected[column])
    with pytest.raises(rf.RankfallError, match="not the experiment"):
        experiment.replace(seed=77).run(resume=part)


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to send")
def test_ctrl_c_of_one_trajectory_is_partial_in_time() -> None:
    one = long(trajectories=1, time=1e5, save=10_000)

    def far_enough(label: str, done: int, total: int) -> bool:
        return 1000 * done > total

    with pytest.warns(rf.InterruptedWarning):
        part = interrupted(lambda ctrl_c: one.run(progress=ctrl_c), far_enough)
    assert part is not None
    loss = part["SGD"].loss.mean
    reached = np.isfinite(loss)
    assert 1 < reached.sum() < len(loss) and not reached[-1]
    assert reached[: reached.sum()].all(), "up to where it came"
    with pytest.raises(KeyboardInterrupt):
        long(time=1e5).run(on_interrupt="raise", progress=CtrlC(far_enough))
    with pytest.raises(rf.FolderError, match="stopped"):
        part.save("never")


def test_the_interpreter_is_free_while_it_computes() -> None:
    turns = 0
    done = threading.Event()

    def count() -> None:
        nonlocal turns
        while not done.is_set():
            turns += 1
            time.sleep(0.001)

    counter = threading.Thread(target=count)
    counter.start()
    started = time.monotonic()
    long(time=60, trajectories=64).run(threads=1)
    lasted = time.monotonic() - started
    done.set()
    counter.join()
    assert turns > 50 * lasted, f"{turns} turns in {lasted:.1f} s"


def test_many_threads_of_python_run_at_once() -> None:
    expected = small().run().to_dict()["mean"]
    found: list[np.ndarray] = []
    threads = [
        threading.Thread(target=lambda: found.append(small().run().to_dict()["mean"])) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    for one in found:
        np.testing.assert_array_equal(one, expected)


def test_divergence_is_an_error_that_holds_the_run() -> None:
    wild = small(dynamics={"GD": rf.GradientDescent(step_size=50.0)}, time=5000)
    with pytest.raises(rf.DivergedError, match="diverged") as caught:
        wild.run()
    assert caught.value.run is not None
    assert np.isnan(caught.value.run["GD"].loss.mean).all()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_runs_to_the_same_bits() -> None:
    expected = small().run()["SGF"].loss.mean[-1]
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, small().run()["SGF"].loss.mean[-1].hex().encode())
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    assert float.fromhex(os.read(read, 100).decode()) == expected
    os.close(read)


def test_a_run_in_a_folder_is_that_in_memory(tmp_path: Path) -> None:
    expected = small().run().to_dict()
    for resume in (None, True):
        run = small().run(out=tmp_path / "run", resume=resume)
        assert run.folder == tmp_path / "run"
        for column, values in run.to_dict().items():
            np.testing.assert_array_equal(values, expected[column])
    with pytest.raises(rf.FolderError):
        small().run(out=tmp_path / "run")
    with pytest.raises(rf.FolderError, match="seed"):
        small(seed=9).run(out=tmp_path / "run", resume=True)
    with pytest.raises(ValueError, match="in memory"):
        small(data=(np.eye(3), np.eye(3))).run(out=tmp_path / "other")


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to send")
def test_ctrl_c_leaves_a_folder_that_goes_on(tmp_path: Path) -> None:
    # Ever longer ones, until one is interrupted on its way.
    for length in (60, 240, 960, 3840):
        experiment, folder = long(time=length, trajectories=40), tmp_path / str(length)
        interrupted(
            lambda ctrl_c: experiment.run(out=folder, progress=ctrl_c),
            lambda label, done, total: 10 * done > total,
        )
        if (folder / "checkpoint").exists():
            break
    assert (folder / "checkpoint").exists()
    whole = experiment.run()
    resumed = experiment.run(out=folder, resume=True)
    np.testing.assert_array_equal(resumed["SGD"].loss.mean, whole["SGD"].loss.mean)
