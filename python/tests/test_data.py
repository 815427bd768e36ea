"""Data from arrays, frames, chunks and files: the same numbers, to the same bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rankfall as rf
from support import needed, small

RNG = np.random.default_rng(5)
X = RNG.normal(size=(80, 3))
Y = X @ RNG.normal(size=(3, 2)) + 0.1 * RNG.normal(size=(80, 2))


def losses(data: object) -> np.ndarray:
    dynamics = {"SGD": rf.SGD(step_size=0.01, batch_size=3, label_noise=0.1)}
    run = small(data=data, dynamics=dynamics, time=2).run()
    return run["SGD"].loss.mean


def test_arrays_files_and_frames_give_the_same_bits(tmp_path: Path) -> None:
    expected = losses(rf.Data(X, Y))
    assert np.isfinite(expected).all()
    np.savez(tmp_path / "xy.npz", x=X, y=Y)
    in_file = rf.read(tmp_path / "xy.npz", inputs_array="x", targets_array="y")
    assert (losses(in_file) == expected).all()
    assert (losses((np.asfortranarray(X), Y)) == expected).all()
    pandas = needed("pandas")
    names = ["a", "b", "c", "u", "v"]
    frame = pandas.DataFrame(np.hstack([X, Y]), columns=names)
    assert (losses(rf.Data(frame, ["u", "v"])) == expected).all()
    assert (losses(rf.Data(frame[["a", "b", "c"]], frame[["u", "v"]])) == expected).all()
    polars = needed("polars")
    assert (losses(rf.Data(polars.DataFrame(frame.to_dict("list")), ["u", "v"])) == expected).all()
    pyarrow = needed("pyarrow")
    table = pyarrow.table(frame)
    assert (losses(rf.Data(table.select(names[:3]), table.select(names[3:]))) == expected).all()


def test_settings_of_files_hold_for_arrays(tmp_path: Path) -> None:
    np.savez(tmp_path / "xy.npz", x=X, y=Y)
    names = {"inputs_array": "x", "targets_array": "y"}
    in_file = rf.read(tmp_path / "xy.npz", standardize=True, standardize_targets=True, **names)
    in_memory = rf.Data(X, Y, standardize=True, standardize_targets=True)
    assert (losses(in_memory) == losses(in_file)).all()
    assert not (losses(in_memory) == losses(rf.Data(X, Y))).any()


def test_a_gram_of_chunks_is_that_of_all_rows() -> None:
    whole = rf.Gram.of(X, Y)
    chunks = rf.Gram.of_chunks((X[i : i + 7], Y[i : i + 7]) for i in range(0, 80, 7))
    assert chunks.n == whole.n == 80
    for name in ("sxx", "sxy", "syy"):
        np.testing.assert_allclose(getattr(chunks, name), getattr(whole, name), rtol=1e-13)
    np.testing.assert_allclose(whole.sxx, X.T @ X / 80, rtol=1e-13)
    flow = {"SGF": rf.StochasticGradientFlow(label_noise=1.0)}
    of_gram = small(data=whole, dynamics=flow).run()["SGF"].loss.mean
    of_rows = small(data=rf.Data(X, Y), dynamics=flow).run()["SGF"].loss.mean
    np.testing.assert_allclose(of_gram, of_rows, rtol=1e-8)
    again = small(data=rf.Gram(whole.sxx, whole.sxy, whole.syy, 80), dynamics=flow).run()
    np.testing.assert_allclose(again["SGF"].loss.mean, of_gram, rtol=1e-8)


def test_weights_are_given_as_arrays() -> None:
    w1, w2 = RNG.normal(size=(3, 5)), RNG.normal(size=(5, 2))
    for init in ((w1, w2), {"w1": w1, "w2": w2}, {"0.weight": w1.T, "2.weight": w2.T}):
        run = small(network=rf.TwoLayer(5, init=init)).run()
        sigma = np.linalg.svd(w1, compute_uv=False)
        np.testing.assert_allclose(run["SGF"].singular_values("w1").mean[0], sigma, rtol=1e-12)
    with pytest.raises(rf.RankfallError, match="w1"):
        small(network=rf.TwoLayer(5, init=(w1, w1))).run()


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (X, Y[:5], "80 rows and y has 5"),
        (X.astype(complex), Y, "complex"),
        (np.array([["a", "b"]]), Y, "real numbers"),
        (np.where(X > 2, np.nan, X), Y, "nan"),
        (X[:0], Y[:0], "nothing"),
        (X[None], Y, "dimensions"),
        ([[1, 2], [3]], Y, "array of numbers"),
        (X, "price", "no names"),
        (object(), Y, "numbers"),
    ],
)
def test_what_is_no_data_is_refused(x: object, y: object, words: str) -> None:
    with pytest.raises(rf.DataError, match=words):
        rf.Data(x, y)


def test_data_that_are_gone_are_missed() -> None:
    experiment = small(data=rf.Data(X, Y))
    text = experiment.to_toml()
    del experiment
    with pytest.raises(rf.DataError, match="memory"):
        rf.Experiment.from_toml(text).run()


def test_gram_that_no_data_have_is_refused() -> None:
    gram = rf.Gram(-np.eye(3), np.zeros((3, 1)), np.eye(1), 10)
    flow = {"GF": rf.GradientFlow()}
    with pytest.raises(rf.DataError, match="no data has"):
        small(data=gram, dynamics=flow).run()
    with pytest.raises(rf.DataError, match="p × p"):
        rf.Gram(np.eye(2), np.zeros((3, 1)), np.eye(1), 10)
