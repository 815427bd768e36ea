"""Own observables, runs in the background, and steppers."""

from __future__ import annotations

import asyncio
import os
import pickle
import time

import numpy as np
import pytest

import rankfall as rf
from support import long, small


def effective_rank_of_w1(batch: rf.Batch) -> np.ndarray:
    return np.asarray(rf.effective_rank(batch.w1))


def test_an_own_observable_is_what_the_engine_measures() -> None:
    run = small().run(
        observables={"mine": effective_rank_of_w1, "t": lambda batch: [batch.time] * len(batch)}
    )
    for label in run:
        np.testing.assert_allclose(run[label].mine.mean, run[label].effective_rank("w1").mean, rtol=1e-10)
        np.testing.assert_array_equal(run[label].t.mean, run.times)
    expected = small().run()
    np.testing.assert_array_equal(run["SGF"].loss.mean, expected["SGF"].loss.mean)
    four = small().run(observables={"mine": effective_rank_of_w1}, threads=4)
    np.testing.assert_array_equal(four["SGF"].mine.mean, run["SGF"].mine.mean)


def test_batches_have_every_trajectory_once() -> None:
    seen: list[tuple[float, int]] = []

    def note(batch: rf.Batch) -> np.ndarray:
        assert batch.w1.shape[1:] == (3, 5) and batch.w2.shape[1:] == (5, 2)
        assert batch.theta.shape == (len(batch), 5, 5)
        np.testing.assert_allclose(batch.product, np.einsum("tpl,tlk->tpk", batch.w1, batch.w2))
        seen.extend((batch.time, batch.first + i) for i in range(len(batch)))
        return np.zeros(len(batch))

    run = small(dynamics={"SGF": rf.StochasticGradientFlow(label_noise=1.0)}).run(observables={"note": note})
    assert sorted(seen) == [(t, i) for t in run.times for i in range(20)]


@pytest.mark.parametrize(
    ("function", "error", "words"),
    [
        (lambda batch: 1 / 0, ZeroDivisionError, "zero"),
        (lambda batch: np.zeros(3), ValueError, "shape"),
        (lambda batch: None, (ValueError, TypeError), ""),
        (lambda batch: ["a"] * len(batch), ValueError, "convert"),
    ],
)
def test_what_an_observable_raises_is_raised(function: object, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        long().run(observables={"wrong": function})  # type: ignore[dict-item]


def test_names_and_networks_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="identifier"):
        small().run(observables={"no name": effective_rank_of_w1})
    with pytest.raises(TypeError, match="function"):
        small().run(observables={"x": 3})  # type: ignore[dict-item]
    deep = small(network=rf.Layers([3, 4, 4, 2]), dynamics={"SGD": rf.SGD()})
    with pytest.raises(rf.ExperimentError, match="two linear layers"):
        deep.run(observables={"mine": effective_rank_of_w1})


def test_a_job_tells_how_far_it_is_and_keeps_what_there_is() -> None:
    with long().start() as job:
        while job.progress.total == 0:
            time.sleep(0.01)
        first = job.snapshot()
        assert first.interrupted and not job.done
        assert np.isfinite(first["SGD"].loss.mean[0])
        assert 0 <= job.progress.share < 1 and job.progress.label == "SGD"
        assert "SGD" in repr(job)
        with pytest.raises(TimeoutError):
            job.result(timeout=0.01)
        with pytest.raises(TypeError, match="pickled"):
            pickle.dumps(job)
        part = job.stop()
    assert job.done and part.interrupted


def test_a_job_ends_with_the_bits_of_a_run() -> None:
    expected = small().run()["SGF"].loss.mean
    job = small().start(observables={"mine": effective_rank_of_w1})
    np.testing.assert_array_equal(job.result()["SGF"].loss.mean, expected)
    np.testing.assert_array_equal(job.snapshot()["SGF"].loss.mean, expected)

    async def wait() -> rf.Run:
        return await small().start()

    np.testing.assert_array_equal(asyncio.run(wait())["SGF"].loss.mean, expected)
    wild = small(dynamics={"GD": rf.GradientDescent(step_size=50.0)}, time=5000).start()
    with pytest.raises(ZeroDivisionError):
        small().start(observables={"bad": lambda batch: 1 / 0}).result()
    assert np.isnan(wild.result()["GD"].loss.mean[-1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_job_in_a_forked_child_is_refused_with_a_sentence() -> None:
    with long().start() as job:
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                job.progress
            except rf.RankfallError as error:
                os.write(write, str(error).encode())
            finally:
                os._exit(0)
        os.close(write)
        os.waitpid(child, 0)
        assert b"forked" in os.read(read, 1000)
        os.close(read)


def test_a_stepper_has_the_bits_of_a_run() -> None:
    experiment = small(keep_trajectories=True)
    run = experiment.run()
    stepper = experiment.stepper("SGF")
    assert stepper.step == 0 and stepper.w1.shape == (20, 3, 5)
    expected = run["SGF"].trajectories("log_singular_value_w1")
    for save in range(1, 11):
        stepper.advance(20)
        stepper.advance(30)
        found = stepper.observe()["log_singular_value_w1"]
        np.testing.assert_array_equal(found, expected[:, save])
    np.testing.assert_array_equal(stepper.w1[0], run["SGF"].weights["w1"])
    assert stepper.time == 5.0 and stepper.alive.all()
    sigma = np.linalg.svd(stepper.w1, compute_uv=False)
    np.testing.assert_allclose(np.log(sigma), expected[:, -1], rtol=1e-9)
    with pytest.raises(ValueError, match="no way back"):
        stepper.advance(-1)
    with pytest.raises(rf.ExperimentError, match="SGF"):
        experiment.stepper("nothing")
