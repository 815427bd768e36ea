"""Theory as functions of arrays, held against simulations and closed forms."""

from __future__ import annotations

import time

import numpy as np
import pytest

import rankfall as rf
from support import small

RNG = np.random.default_rng(11)
X = RNG.normal(size=(200, 3))
BETA = RNG.normal(size=(3, 2))
GRAM = rf.Gram.of(X, X @ BETA)
W1, W2 = RNG.normal(size=(3, 6)), RNG.normal(size=(6, 2))


def test_the_drifts_add_up_to_the_determinant_law() -> None:
    nu = np.array([[0.01], [0.3]])
    w1 = RNG.normal(size=(4, 3, 6))
    on = rf.forces(w1, W2, GRAM, nu)
    assert on.total.shape == (2, 4, 5)
    law = -2 * nu * 2 * np.trace(GRAM.sxx)
    np.testing.assert_allclose(on.total.sum(axis=-1), np.broadcast_to(law, (2, 4)), rtol=1e-9)
    theta = np.concatenate([w1[1], W2.T])
    log_lambda = 2 * np.log(np.linalg.svd(theta, compute_uv=False))
    np.testing.assert_allclose(on.log_eigenvalues[0, 1], log_lambda, rtol=1e-10)
    slope = (rf.determinant_law(1.0, 0.3, 2, np.trace(GRAM.sxx), 2.0) - 1.0) / 2.0
    np.testing.assert_allclose(slope, law[1, 0])


def test_splits_have_the_same_sum_and_the_antisymmetric_repulsion_adds_up_to_nothing() -> None:
    one, other = (rf.forces(W1, W2, GRAM, 0.1, split=s) for s in ("regular", "antisymmetric"))  # type: ignore[arg-type]
    np.testing.assert_allclose(one.total, other.total, rtol=1e-10)
    assert abs(other.repulsion.sum()) < 1e-10 < abs(one.repulsion.sum())
    np.testing.assert_array_equal(one.gradient, other.gradient)


def test_the_gradient_force_is_that_of_gradient_flow() -> None:
    """A step of gradient flow against the first force, by differences."""
    step = 1e-6
    a = GRAM.sxy - GRAM.sxx @ W1 @ W2
    moved = np.concatenate([W1 + step * a @ W2.T, (W2 + step * W1.T @ a).T])
    before = np.concatenate([W1, W2.T])
    logs = [2 * np.log(np.linalg.svd(one, compute_uv=False)) for one in (before, moved)]
    np.testing.assert_allclose(
        (logs[1] - logs[0]) / step, rf.forces(W1, W2, GRAM, 0.0).gradient, rtol=1e-3, atol=1e-4
    )


def test_rates_are_those_of_the_slow_flow() -> None:
    nu = 1e-3
    rates = rf.decay_rates(GRAM.sxx, BETA, nu)
    assert rates.shape == (5,) and rf.surviving_singular_values(GRAM.sxx, BETA) == (rates > -1e-12).sum()
    flow = rf.slow_flow(W1, W2, GRAM, nu, [0, 20_000, 30_000])
    logs = flow["log_singular_value_theta"]
    np.testing.assert_allclose((logs[2] - logs[1]) / 10_000, rates, atol=2e-2 * nu)
    many = rf.decay_rates(np.stack([GRAM.sxx, 2 * GRAM.sxx])[:, None], BETA, [nu, 2 * nu, 3 * nu])
    assert many.shape == (2, 3, 5)
    np.testing.assert_allclose(many[0, 0], rates)
    np.testing.assert_allclose(many[0, 2], 3 * rates, rtol=1e-9)


def test_the_slow_flow_predicts_simulations() -> None:
    flow = {"SGF": rf.StochasticGradientFlow(step_size=0.01, label_noise=0.1)}
    settings = {"data": GRAM, "network": rf.TwoLayer(6, init=(W1, W2)), "dynamics": flow}
    run = small(**settings, time=300, trajectories=64).run()
    predicted = rf.slow_flow(W1, W2, GRAM, rf.noise_intensity(0.01, 0.1), run.times)
    measured = run["SGF"].log_singular_values("w1")
    late = run.times > 30
    error = measured.mean[late] - predicted["log_singular_value_w1"][late]
    assert np.abs(error).max() < 0.1, "errors are of the order of the noise"
    assert predicted.error_order < 0.1
    forecast = small(**settings, time=300).predict()
    assert forecast["SGF"].noise_intensity == pytest.approx(0.001)


def test_ten_thousand_settings_are_followed_in_seconds() -> None:
    nu = np.geomspace(1e-4, 1e-2, 10_000)
    started = time.monotonic()
    flow = rf.slow_flow(W1, W2, GRAM, nu, [0, 100])
    lasted = time.monotonic() - started
    assert flow.singular_values("w1").shape == (10_000, 2, 3)
    print(f"10,000 settings in {lasted:.1f} s")
    lone = rf.slow_flow(W1, W2, GRAM, nu[77], [0, 100])
    np.testing.assert_array_equal(flow["log_det"][77], lone["log_det"])


def test_predictions_say_who_survives_and_when_others_fall() -> None:
    forecast = rf.bundled("paper").predict()
    assert isinstance(forecast, rf.Forecast)
    label = next(label for label in forecast.labels if "stochastic" in label)
    one = forecast[label]
    assert one.survivors("w1") == 2 and set(one.death_times("w1")) == {3, 4, 5}
    assert (np.diff(list(one.death_times("w1").values())) != 0).all()
    assert one.singular_values_at_end("w1").shape == (5,)
    quiet = forecast[forecast.labels[0]]
    assert quiet.reason and "noise" in quiet.reason
    table = forecast.to_dict()
    assert len({len(column) for column in table.values()}) == 1
    assert "<table>" in forecast._repr_html_() and label in forecast._repr_html_()
    with pytest.raises(KeyError, match="stochastic"):
        forecast["nothing"]
    with pytest.raises(rf.ExperimentError, match="two linear layers"):
        small(network=rf.Layers([3, 4, 4, 2]), dynamics={"SGD": rf.SGD()}).predict()


def test_spectra_and_ranks() -> None:
    q, _ = np.linalg.qr(RNG.normal(size=(6, 4)))
    sigma = np.array([8.0, 4.0, 2.0, 1e-5])
    of = rf.spectrum(q * sigma)
    np.testing.assert_allclose(of.values, sigma, atol=of.error_bound)
    assert of.numerical_rank() == 3 and of.numerical_rank(1e-7) == 4
    shares = sigma / sigma.sum()
    np.testing.assert_allclose(of.effective_rank, np.exp(-(shares * np.log(shares)).sum()))
    np.testing.assert_allclose(of.stable_rank, (sigma**2).sum() / 64)
    assert rf.effective_rank(np.stack([np.eye(3)] * 5)).shape == (5,)
    assert np.isnan(rf.effective_rank(np.zeros((2, 2))))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: rf.decay_rates(np.eye(3), np.ones((2, 1)), 1.0), "sxx is"),
        (lambda: rf.decay_rates(np.eye(3), np.ones((3, 1)), np.nan), "NaN"),
        (lambda: rf.slow_flow(W1, W2, GRAM, 0.0, [0, 1]), "noise"),
        (lambda: rf.slow_flow(W1, W2, GRAM, 1e-3, [1, 0]), "fall"),
        (lambda: rf.slow_flow(W1.T, W2, GRAM, 1e-3, [0]), "do not fit"),
        (lambda: rf.slow_flow(W1, W2, GRAM, [1e-3, 0.0], [0, 1]), "setting 1"),
        (lambda: rf.forces(np.ones((2, 3, 6)), np.ones((3, 6, 2)), GRAM, 0.1), "broadcast"),
        (lambda: rf.forces(W1, W2, GRAM, 0.1, split="x"), "regular"),  # type: ignore[arg-type]
        (lambda: rf.spectrum([1.0, 2.0]), "dimensions"),
        (lambda: rf.spectrum(np.zeros((0, 3))), "nothing"),
    ],
)
def test_what_is_wrong_is_said(call: object, words: str) -> None:
    with pytest.raises((ValueError, rf.RankfallError), match=words):
        call()  # type: ignore[operator]
