"""Shards on process pools, Dask, ipyparallel, MPI and Ray: the bits of a run without any."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rankfall as rf
from support import needed, small

DYNAMICS = {
    "GF": rf.GradientFlow(),
    "SGF": rf.StochasticGradientFlow(label_noise=1.0),
    "SGD": rf.SGD(batch_size=2, label_noise=0.5),
}
ROWS = np.random.default_rng(3).normal(size=(60, 3))


def experiment() -> rf.Experiment:
    return small(dynamics=DYNAMICS, data=rf.Data(ROWS, ROWS[:, :2] ** 2), trajectories=100)


def expect_equal(one: rf.Run, other: rf.Run) -> None:
    expected = one.to_dict()
    for column, values in other.to_dict().items():
        np.testing.assert_array_equal(values, expected[column])
    for label in one:
        for name, weights in one[label].weights.items():
            np.testing.assert_array_equal(other[label].weights[name], weights)


def spread(batch: rf.Batch) -> np.ndarray:
    return np.asarray(batch.w1.std(axis=(1, 2)))


def spawned() -> concurrent.futures.ProcessPoolExecutor:
    return concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context("spawn"))


def test_a_process_pool_gives_the_bits_of_a_run(tmp_path: Path) -> None:
    whole = experiment().run(observables={"spread": spread})
    told: list[tuple[str, int, int]] = []
    with spawned() as pool:
        sharded = experiment().run(
            executor=pool,
            shards=3,
            observables={"spread": spread},
            progress=lambda *one: told.append(one),
        )
        expect_equal(whole, sharded)
        assert told == [("shards", 1, 3), ("shards", 2, 3), ("shards", 3, 3)]
        with pytest.raises(rf.ExperimentError):
            huge = small(keep_trajectories=True, trajectories=10**9, save=10**6)
            huge.run(executor=pool, shards=2)
    sharded.save(tmp_path / "run")
    again = rf.Experiment.from_toml(tmp_path / "run/experiment.toml").run()
    np.testing.assert_array_equal(again["SGD"].loss.mean, whole["SGD"].loss.mean)
    assert rf.load(tmp_path / "run")["SGF"].spread.mean[-1] == whole["SGF"].spread.mean[-1]


def test_threads_and_forks_are_executors_too() -> None:
    whole = experiment().run()
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        expect_equal(whole, experiment().run(executor=pool, shards=7))
    if hasattr(os, "fork"):
        context = multiprocessing.get_context("fork")
        with concurrent.futures.ProcessPoolExecutor(2, context) as forked:
            expect_equal(whole, experiment().run(executor=forked, shards=3))


def test_more_shards_than_blocks_are_merged() -> None:
    few = small(trajectories=3)
    parts = [rf.shard_of_run(few, i, 5) for i in (4, 1, 5, 3, 2)]
    expect_equal(few.run(), rf.merge(parts))
    with pytest.raises(rf.ExperimentError, match="missing"):
        rf.merge(parts[1:])
    with pytest.raises(rf.ExperimentError, match="twice"):
        rf.merge([*parts, parts[0]])
    with pytest.raises(rf.ExperimentError, match="damaged"):
        rf.merge([*parts[1:], parts[0][:-3]])
    with pytest.raises(rf.ExperimentError, match="seed"):
        rf.merge([*parts[1:], rf.shard_of_run(small(trajectories=3, seed=8), 4, 5)])


class Unlucky(concurrent.futures.ThreadPoolExecutor):
    """Loses the worker of the first task."""

    lost = 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
        if self.lost == 0:
            self.lost += 1
            future: concurrent.futures.Future[Any] = concurrent.futures.Future()
            future.set_exception(ConnectionError("the worker is gone"))
            return future
        return super().submit(fn, *args, **kwargs)


def test_a_lost_worker_costs_its_shard_alone() -> None:
    with Unlucky(2) as pool:
        expect_equal(experiment().run(), experiment().run(executor=pool, shards=4))
    with Unlucky(2) as pool, pytest.raises(ConnectionError):
        experiment().run(executor=pool, shards=4, retries=0)


def test_a_sweep_is_the_same_wherever_it_is_computed() -> None:
    over = {"dynamics.SGF.label_noise": rf.log(0.5, 2, 3), "network.width": [5, 6]}
    here = rf.sweep(small(time=2), over)
    assert here.shape == (3, 2) and here.axes["network.width"] == [5, 6]
    slope = here["log_det_slope", "SGF"]
    expected = -2 * here.get("log_det_slope", "SGF", column="prediction")
    np.testing.assert_allclose(slope, here.get("log_det_slope", "SGF", column="prediction"), rtol=1e-6)
    assert (expected != slope).all() and (np.diff(slope, axis=0) < 0).all()
    with spawned() as pool:
        there = rf.sweep(small(time=2), over, executor=pool, shards=4)
    for column, values in here.to_dict().items():
        np.testing.assert_array_equal(there.to_dict()[column], values)
    assert len(here.to_pandas()) == len(here.to_dict()["value"])
    assert "label_noise × 3" in repr(here) and "<table>" in here._repr_html_()
    with pytest.raises(rf.ExperimentError, match="wdth"):
        rf.sweep(small(), {"network.wdth": [1, 2]})
    with pytest.raises(TypeError, match="sequence"):
        rf.sweep(small(), {"network.width": 5})


def test_a_dask_cluster_gives_the_bits_of_a_run() -> None:
    distributed = needed("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        expect_equal(experiment().run(), experiment().run(executor=client.get_executor(), shards=3))


def kill_once(experiment: rf.Experiment, flag: str, index: int) -> bytes:
    """Kills the worker that comes first, in the middle of its shard."""
    if index == 2 and not Path(flag).exists():
        Path(flag).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return rf.shard_of_run(experiment, index, 3)


def test_a_killed_dask_worker_costs_its_shard_alone(tmp_path: Path) -> None:
    distributed = needed("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        flag = str(tmp_path / "killed")
        futures = [client.submit(kill_once, experiment(), flag, i, pure=False) for i in (1, 2, 3)]
        expect_equal(experiment().run(), rf.merge(client.gather(futures)))
    assert Path(flag).exists()


def test_ipyparallel_gives_the_bits_of_a_run() -> None:
    ipyparallel = needed("ipyparallel")
    with ipyparallel.Cluster(n=2) as client:
        expect_equal(experiment().run(), experiment().run(executor=client.executor(), shards=3))


#: What `mpiexec` runs: the file of bytes that a run saves beside those of its shards.
OVER_MPI = """
import sys
from mpi4py.futures import MPIPoolExecutor
import rankfall as rf

if __name__ == "__main__":
    experiment = rf.Experiment.from_toml(sys.argv[1])
    with MPIPoolExecutor() as pool:
        assert pool.num_workers == 2
        experiment.run(executor=pool, shards=3).save(sys.argv[2])
"""


def test_mpi_gives_the_bits_of_a_run(tmp_path: Path) -> None:
    needed("mpi4py")
    launcher = shutil.which("mpiexec", path=os.path.dirname(sys.executable)) or shutil.which("mpiexec")
    if launcher is None:
        assert not os.environ.get("CI"), "mpi4py is there, and mpiexec is not"
        pytest.skip("there is no mpiexec")
    one = small(dynamics=DYNAMICS, trajectories=100)
    one.to_toml(tmp_path / "one.toml")
    script = tmp_path / "over_mpi.py"
    script.write_text(OVER_MPI)
    ranks = [sys.executable, "-m", "mpi4py.futures", script, tmp_path / "one.toml", tmp_path / "out"]
    # As root, Open MPI runs where it is told to.
    allowed = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    done = subprocess.run(
        [launcher, "-n", "3", *ranks], env={**os.environ, **allowed}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    one.run().save(tmp_path / "whole")
    of = [(tmp_path / folder / "series.parquet").read_bytes() for folder in ("out", "whole")]
    assert of[0] == of[1]


def test_ray_gives_the_bits_of_a_run_though_a_worker_is_killed(tmp_path: Path) -> None:
    engine = needed("ray")
    # Its workers do not find the modules of tests.
    engine.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    engine.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        executor = rf.ray(num_cpus=1)
        whole = experiment().run()
        expect_equal(whole, experiment().run(executor=executor, shards=3))
        flag = str(tmp_path / "killed")
        futures = [executor.submit(kill_once, experiment(), flag, i) for i in (1, 2, 3)]
        expect_equal(whole, rf.merge([future.result() for future in futures]))
        assert Path(flag).exists()
    finally:
        engine.shutdown()


def test_files_may_lie_elsewhere_on_every_machine(tmp_path: Path) -> None:
    """What counts is their checksum."""
    experiments = []
    for machine in ("one", "other"):
        folder = tmp_path / machine
        folder.mkdir()
        np.savetxt(folder / "rows.csv", ROWS, delimiter=",", header="a,b,c", comments="")
        data = rf.read(folder / "rows.csv", targets=["c"])
        experiments.append(small(dynamics=DYNAMICS, data=data, trajectories=40))
    parts = [rf.shard_of_run(one, i, 2) for i, one in enumerate(experiments, start=1)]
    expect_equal(experiments[0].run(), rf.merge(parts))
    (tmp_path / "other/rows.csv").write_text("a,b,c\n1,2,3\n2,1,4\n0,1,1\n")
    with pytest.raises(rf.ExperimentError, match="checksum|data"):
        rf.merge([parts[0], rf.shard_of_run(experiments[1], 2, 2)])
