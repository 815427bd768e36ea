"""Forces on real layers: against the dense engine on the same network and rows, and against what PyTorch's steps do."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import numpy as np
import pytest

import rankfall as rf
from rankfall import _rankfall
from support import needed
from test_monitor import NETWORKS, linear, rectifiers, train

torch = needed("torch")
F = torch.nn.functional


def half_squared(outputs: Any, targets: Any) -> Any:
    """The squared loss with its ½, summed over outputs: that of the dense engine."""
    return 0.5 * (outputs - targets).square().sum(dim=1).mean()


@pytest.mark.parametrize(
    ("widths", "activation", "loss"),
    [
        ([4, 6, 3], "linear", "squared"),
        ([4, 8, 8, 2], "relu", "squared"),
        ([5, 7, 3], "tanh", "softmax-cross-entropy"),
    ],
)
def test_the_dense_engine_says_the_same(widths: list[int], activation: str, loss: str) -> None:
    """The same network, rows and step: every force of every layer, to rounding in double precision."""
    torch.manual_seed(5)
    unit = {"linear": torch.nn.Identity, "relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}[activation]
    modules: list[Any] = []
    for m, n in zip(widths, widths[1:], strict=False):
        modules += [torch.nn.Linear(m, n), unit()]
    model = torch.nn.Sequential(*modules[:-1]).double()
    x = torch.randn(40, widths[0], dtype=torch.float64)
    if loss == "squared":
        y, loss_of = torch.randn(40, widths[-1], dtype=torch.float64), half_squared
        targets: Any = y.numpy()
    else:
        y, loss_of = torch.randint(0, widths[-1], (40,)), F.cross_entropy
        targets = y.tolist()
    rate = 0.03
    found = rf.torch.forces(model, loss_of, [(x, y)], step_size=rate)
    spec = {
        "network": {"layers": widths, "activation": activation, "bias": True},
        "initialisation": {"kind": "gaussian", "scale": 1.0},
        "loss": loss,
        "step_size": rate,
        "steps": 1,
        "seed": 1,
        "precision": "f64",
    }
    linears = [module for module in model if isinstance(module, torch.nn.Linear)]
    parts = [part for one in linears for part in (one.weight.T.reshape(-1), one.bias)]
    parameters = torch.cat(parts).detach().numpy().copy()
    for number, one in enumerate(found.values(), start=1):
        dense = _rankfall.dense_drift(json.dumps(spec), parameters, x.numpy(), targets, number)
        names = ("gradient", "curvature", "own_noise", "repulsion", "growth")
        # Of a square layer growth is nothing but rounding.
        scale = max(np.max(np.abs(values)) for values in dense[1:])
        for name, values in zip(names, dense, strict=True):
            assert np.max(np.abs(getattr(one, name) - values)) < 1e-9 * scale, (number, name)


def realised(model: Any, name: str, x: Any, y: Any, loss_of: Any, rate: float, batch: int, draws: int) -> Any:
    """What one step of PyTorch's SGD does to each log σ, for many draws of its batch: whole changes, and what the step's
    own gradient does not explain at first order.
    """
    weights = model.get_parameter(name).detach().double().numpy()
    u, s, vt = np.linalg.svd(weights, full_matrices=False)
    whole, second = [], []
    work = copy.deepcopy(model)
    start = copy.deepcopy(work.state_dict())
    optimizer = torch.optim.SGD(work.parameters(), lr=rate)
    for _ in range(draws):
        work.load_state_dict(start)
        rows = torch.randint(0, len(x), (batch,))
        optimizer.zero_grad()
        loss_of(work(x[rows]), y[rows]).backward()
        gradient = work.get_parameter(name).grad.double().numpy()
        optimizer.step()
        after = np.linalg.svd(work.get_parameter(name).detach().double().numpy(), compute_uv=False)
        change = np.log(after) - np.log(s)
        whole.append(change)
        second.append(change + rate * np.einsum("ai,ab,ib->i", u, gradient, vt) / s)
    return np.array(whole), np.array(second)


#: How often a step is taken, of each network.
DRAWS = {"linear": 4000, "rectifiers": 4000, "digits": 1200}


def cases() -> list[tuple[str, Any, Any, Any, Any]]:
    """The three networks in double precision, some way into their training."""
    made = []
    for network in NETWORKS:
        model, x, y, loss_of = network()
        model, x = model.double(), x.double()
        y = y.double() if y.is_floating_point() else y
        train(model, x, y, loss_of, 100, rate=0.02)
        made.append((network.__name__, model, x, y, loss_of))
    return made


def slope(predicted: Any, changes: Any) -> tuple[float, float]:
    """Weighted least squares through the origin of mean changes on predicted ones, and its standard error over ten
    groups of draws.
    """
    weights = 1.0 / changes.var(axis=0, ddof=1)
    scale = (weights * predicted**2).sum()
    slopes = [(weights * predicted * part.mean(axis=0)).sum() / scale for part in np.array_split(changes, 10)]
    return float(np.mean(slopes)), float(np.std(slopes, ddof=1) / math.sqrt(10))


@pytest.mark.parametrize("case", cases(), ids=[network.__name__ for network in NETWORKS])
def test_predicted_drift_is_what_steps_do(case: Any) -> None:
    """Slope 1 within the interval that is left by chance once in a thousand, of the whole, of second order and of the
    repulsion alone; that of a prediction without repulsion, 0, is far outside.
    """
    name, model, x, y, loss_of = case
    draws = DRAWS[name]
    # Small: third order is nothing beside second order.
    rate, batch = 1e-3, 1 if name == "digits" else 4
    layers = [one for one, p in model.named_parameters() if p.ndim == 2]
    if name == "digits":
        layers = layers[1:]
    found = rf.torch.forces(model, loss_of, [(x, y)], step_size=rate, batch_size=batch, layers=layers)
    predicted, totals, second, whole = [], [], [], []
    repulsion, left = [], []
    for layer in layers:
        one = found[layer]
        torch.manual_seed(11)
        changes, rest = realised(model, layer, x, y, loss_of, rate, batch, draws)
        keep = one.separated
        assert keep.any()
        # Rows are drawn with replacement: the noise is that of the rows there are, (n − 1)/n of the estimate.
        share = (len(x) - 1) / len(x)
        noise = share * (one.own_noise + one.repulsion + one.growth)
        of_mean = one.curvature + (one.own_noise + one.repulsion + one.growth) * batch / len(x)
        predicted.append((of_mean + noise)[keep])
        totals.append((one.gradient + of_mean + noise)[keep])
        second.append(rest[:, keep])
        whole.append(changes[:, keep])
        if len(one.sigma) > 1:
            pushes = share * one.repulsion
            repulsion.append(pushes[keep])
            left.append((rest - (of_mean + noise - pushes))[:, keep])
    at_second = slope(np.concatenate(predicted), np.concatenate(second, axis=1))
    at_all = slope(np.concatenate(totals), np.concatenate(whole, axis=1))
    print(
        f"{name}: second order {at_second[0]:.4f} ± {at_second[1]:.4f}, whole {at_all[0]:.4f} ± {at_all[1]:.4f}"
    )
    # Student's t with nine degrees of freedom is within 4.78 with probability 0.999.
    for value, error in (at_second, at_all):
        assert abs(value - 1) < 4.78 * error
        assert error < 0.03
    alone = slope(np.concatenate(repulsion), np.concatenate(left, axis=1))
    print(f"  repulsion alone {alone[0]:.3f} ± {alone[1]:.3f}")
    assert abs(alone[0] - 1) < 4.78 * alone[1]
    assert alone[0] > 4.78 * alone[1], "a prediction without repulsion would do as well"


def test_errors_are_those_of_the_samples() -> None:
    """Over many sets of samples the spread of each part is its standard error."""
    model, x, y, loss_of = linear()
    model = model.double()
    torch.manual_seed(0)
    parts = ("gradient", "own_noise", "repulsion", "growth", "total")
    values: dict[str, list[Any]] = {part: [] for part in parts}
    errors: dict[str, list[Any]] = {part: [] for part in parts}
    for _ in range(60):
        rows = torch.randint(0, len(x), (160,))
        one = rf.torch.forces(
            model, loss_of, [(x[rows].double(), y[rows].double())], step_size=0.02, layers="0.weight"
        )["0.weight"]
        for part in parts:
            values[part].append(getattr(one, part))
            errors[part].append(one.errors[part])
    for part in parts:
        spread = np.std(values[part], axis=0, ddof=1)
        said = np.sqrt(np.mean(np.square(errors[part]), axis=0))
        # A standard deviation of 60 is known to 9 %, a mean of errors from 16 groups better.
        assert np.all(np.abs(said / spread - 1) < 0.45), (part, said / spread)


def test_the_outcome_is_held_against_the_prediction() -> None:
    """Over many trainings of twenty steps, realised less predicted over its spread has mean 0 and size 1."""
    model, x, y, loss_of = linear()
    model, x, y = model.double(), x.double(), y.double()
    train(model, x, y, loss_of, 200, rate=0.02)
    rate, batch, steps = 1e-3, 4, 20
    torch.manual_seed(3)
    found = rf.torch.forces(model, loss_of, [(x, y)] * 4, step_size=rate, batch_size=batch)
    z = []
    for _ in range(80):
        work = copy.deepcopy(model)
        optimizer = torch.optim.SGD(work.parameters(), lr=rate)
        for _ in range(steps):
            rows = torch.randint(0, len(x), (batch,))
            optimizer.zero_grad()
            loss_of(work(x[rows]), y[rows]).backward()
            optimizer.step()
        z.append([found[f"{i}.weight"].outcome(steps, work[i].weight).z[0] for i in (0, 1)])
    z = np.array(z)
    assert np.all(np.abs(z.mean(axis=0)) < 4 / math.sqrt(80))
    assert np.all(np.abs(z.std(axis=0, ddof=1) - 1) < 0.4), z.std(axis=0)


def test_no_more_than_a_group_of_gradients_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """However samples are grouped, the estimate is the same."""
    model, x, y, loss_of = rectifiers()
    whole = rf.torch.forces(model, loss_of, [(x, y)], step_size=0.1)
    monkeypatch.setattr("rankfall._layer_forces.MOST_BYTES", 1)
    by_two = rf.torch.forces(model, loss_of, [(x[:31], y[:31]), (x[31:], y[31:])], step_size=0.1)
    for name, one in whole.items():
        for part in ("gradient", "own_noise", "repulsion", "growth"):
            np.testing.assert_allclose(getattr(by_two[name], part), getattr(one, part), rtol=1e-4, atol=1e-12)


def test_forces_are_in_the_record() -> None:
    model, x, y, loss_of = linear()
    with rf.torch.Monitor(model, every=10) as monitor:
        train(model, x, y, loss_of, 10, monitor)
        before = {name: p.detach().clone() for name, p in model.named_parameters()}
        found = monitor.forces(
            loss_of, [(x, y)], step_size=0.05, batch_size=16, weight_decay=1e-3, samples=100
        )
        assert all(torch.equal(before[name], p) for name, p in model.named_parameters())
        assert all(p.grad is not None for p in model.parameters())
    one = found["0.weight"]
    assert one.samples == 100 and len(one.to_pandas()) == 5
    recorded = monitor.result["training"].observable("drift_total_w1")
    np.testing.assert_allclose(recorded.mean[-1], one.total)
    np.testing.assert_allclose(recorded.std_error[-1], one.errors["total"])
    # Weight decay alone takes ηλ from every log σ.
    plain = rf.torch.forces(model, loss_of, [(x, y)], step_size=0.05)["0.weight"]
    decayed = rf.torch.forces(model, loss_of, [(x, y)], step_size=0.05, weight_decay=0.1)["0.weight"]
    np.testing.assert_allclose(decayed.gradient, plain.gradient - 0.05 * 0.1, rtol=1e-5)


def test_what_has_no_forces_says_so() -> None:
    model, x, y, loss_of = linear()
    with pytest.raises(ValueError, match="batch normalisation"):
        rf.torch.forces(torch.nn.Sequential(model, torch.nn.BatchNorm1d(2)), loss_of, [(x, y)], step_size=0.1)
    with pytest.raises(ValueError, match="samples"):
        rf.torch.forces(model, loss_of, [(x[:2], y[:2])], step_size=0.1)
    with pytest.raises(ValueError, match="step_size"):
        rf.torch.forces(model, loss_of, [(x, y)], step_size=0.0)
    with pytest.raises(ValueError, match="no layer"):
        rf.torch.forces(model, loss_of, [(x, y)], step_size=0.1, layers="none")
    with pytest.raises(ValueError, match="NaN"):
        rf.torch.forces(model, loss_of, [(x * float("nan"), y)], step_size=0.1)
