"""What theory says, as functions of arrays. Leading dimensions broadcast, as in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from . import _rankfall
from ._arrays import Floats, floats
from ._data import Gram

__all__ = [
    "Forces",
    "SlowFlowResult",
    "Spectrum",
    "decay_rates",
    "determinant_law",
    "effective_rank",
    "forces",
    "noise_intensity",
    "slow_flow",
    "spectrum",
    "surviving_singular_values",
]


def noise_intensity(
    step_size: npt.ArrayLike, label_noise: npt.ArrayLike, batch_size: npt.ArrayLike = 1
) -> Any:
    """ν = ηδ/b, the intensity of label noise of variance δ in steps of size η on batches of b rows.

    Examples
    --------
    >>> import rankfall as rf
    >>> float(rf.noise_intensity(0.01, 2.0))
    0.02
    """
    return np.multiply(step_size, label_noise) / np.asarray(batch_size, dtype=float)


def determinant_law(
    log_det: npt.ArrayLike,
    nu: npt.ArrayLike,
    outputs: int,
    trace_sxx: npt.ArrayLike,
    times: npt.ArrayLike,
) -> Any:
    """log det M(t) = log det M(0) - 2νk tr(S_xx) t, for M = ΘΘᵀ and a width of p + k or more.

    Exact on every path of the stochastic gradient flow.

    Parameters
    ----------
    log_det : array_like
        log det M(0).
    nu : array_like
        ν = ηδ/b.
    outputs : int
        k.
    trace_sxx : array_like
        tr S_xx.
    times : array_like
        t.

    Returns
    -------
    ndarray or float
        Of the shape to which all broadcast.

    Examples
    --------
    >>> import rankfall as rf
    >>> rf.determinant_law(0.0, 0.02, 2, 5.0, [0.0, 10.0]).tolist()
    [0.0, -4.0]
    """
    rate = 2.0 * np.asarray(nu, dtype=float) * outputs * np.asarray(trace_sxx, dtype=float)
    return np.asarray(log_det, dtype=float) - rate * np.asarray(times, dtype=float)


def _stack(values: Any, what: str, core: int) -> Floats:
    array = floats(values, what)
    if array.ndim < core:
        raise ValueError(f"{what} has {array.ndim} dimensions, and {core} are needed")
    if not np.isfinite(array).all():
        raise ValueError(f"{what} has values that are NaN or infinite")
    return array


def _broadcast(
    arrays: Sequence[tuple[Floats, int]],
) -> tuple[list[Floats], tuple[int, ...]]:
    """Arrays with the same leading dimensions, flattened; each with how many dimensions are its own."""
    leading = [array.shape[: array.ndim - core] for array, core in arrays]
    try:
        shape = np.broadcast_shapes(*leading)
    except ValueError:
        raise ValueError(f"the leading dimensions {leading} do not broadcast") from None
    flat = [
        np.ascontiguousarray(np.broadcast_to(array, shape + array.shape[array.ndim - core :])).reshape(-1)
        for array, core in arrays
    ]
    return flat, shape


def _problem(sxx: Any, beta: Any, nu: Any) -> tuple[list[Floats], tuple[int, ...], list[int]]:
    sxx, beta, nu = _stack(sxx, "sxx", 2), _stack(beta, "beta", 2), _stack(nu, "nu", 0)
    p, k = beta.shape[-2:]
    if sxx.shape[-2:] != (p, p) or not p or not k:
        raise ValueError(f"sxx is {sxx.shape} and beta {beta.shape}: they are (…, p, p) and (…, p, k)")
    flat, shape = _broadcast([(sxx, 2), (beta, 2), (nu, 0)])
    return flat, shape, [p, k]


def decay_rates(sxx: Any, beta: Any, nu: Any) -> Floats:
    """Rates at which log σᵢ(Θ) of two linear layers changes in the end under label noise.

    Parameters
    ----------
    sxx : array_like, shape (..., p, p)
        Second moments of the inputs.
    beta : array_like, shape (..., p, k)
        The least-squares optimum.
    nu : array_like, shape (...)
        ν = ηδ/b.

    Returns
    -------
    ndarray, shape (..., p + k)
        Per unit of t, from the largest singular value: zero of those that survive, negative of those that fall.
        A network of width l < p + k has the first l of them.

    Examples
    --------
    >>> import numpy as np, rankfall as rf
    >>> rates = rf.decay_rates(np.eye(3), [[1.0], [0.0], [0.0]], [0.01, 0.02])
    >>> rates.shape
    (2, 4)
    >>> bool(np.allclose(rates[1], 2 * rates[0]))
    True
    """
    flat, shape, sizes = _problem(sxx, beta, nu)
    if 0 in shape:
        return np.empty((*shape, sum(sizes)))
    rates, _ = _rankfall.decay_rates(flat[0], flat[1], flat[2], sizes)
    return rates.reshape(*shape, rates.shape[1])


def surviving_singular_values(sxx: Any, beta: Any) -> Any:
    """How many singular values of Θ label noise leaves in the end: of each problem, as for :func:`decay_rates`.

    Examples
    --------
    >>> import numpy as np, rankfall as rf
    >>> int(rf.surviving_singular_values(np.eye(3), [[1.0], [0.0], [0.0]]))
    1
    """
    flat, shape, sizes = _problem(sxx, beta, 1.0)
    if 0 in shape:
        return np.empty(shape, dtype=int)
    _, survivors = _rankfall.decay_rates(flat[0], flat[1], flat[2], sizes)
    return np.array(survivors).reshape(shape)


def _moments(gram: Any) -> tuple[Floats, Floats, Floats]:
    if isinstance(gram, Gram):
        return gram.sxx, gram.sxy, gram.syy
    try:
        sxx, sxy, syy = gram
    except (TypeError, ValueError):
        raise TypeError("gram is rf.Gram.of(x, y), or a triple of sxx, sxy and syy") from None
    return _stack(sxx, "sxx", 2), _stack(sxy, "sxy", 2), _stack(syy, "syy", 2)


def _with_weights(w1: Any, w2: Any, gram: Any, nu: Any) -> tuple[list[Floats], tuple[int, ...], list[int]]:
    w1, w2, nu = _stack(w1, "w1", 2), _stack(w2, "w2", 2), _stack(nu, "nu", 0)
    sxx, sxy, syy = _moments(gram)
    (p, l), k = w1.shape[-2:], w2.shape[-1]
    fits = (
        w2.shape[-2] == l
        and sxx.shape[-2:] == (p, p)
        and sxy.shape[-2:] == (p, k)
        and syy.shape[-2:] == (k, k)
    )
    if not fits or 0 in (p, l, k):
        raise ValueError(
            f"w1 {w1.shape}, w2 {w2.shape}, sxx {sxx.shape}, sxy {sxy.shape} and syy {syy.shape} do not fit: "
            "they are (…, p, l), (…, l, k), (…, p, p), (…, p, k) and (…, k, k)"
        )
    flat, shape = _broadcast([(w1, 2), (w2, 2), (sxx, 2), (sxy, 2), (syy, 2), (nu, 0)])
    return flat, shape, [p, l, k]


@dataclass(frozen=True)
class SlowFlowResult:
    """The slow flow at its times.

    Attributes
    ----------
    times : ndarray, shape (T,)
        t.
    error_order : ndarray, shape (...)
        Of what order relative errors are: the fastest rate of the slow flow over the weakest pull to the minimum.
    values : mapping of str to ndarray
        What is followed, shape (..., T), or (..., T, m) of a spectrum: ``log_det``, ``loss``,
        ``log_singular_value_w1``, ``effective_rank_theta``, …
    """

    times: Floats
    error_order: Floats
    values: dict[str, Floats]

    def __getitem__(self, name: str) -> Floats:
        if name not in self.values:
            raise KeyError(f"{name!r} is not followed; there are {', '.join(self.values)}")
        return self.values[name]

    def singular_values(self, matrix: str) -> Floats:
        """Singular values of ``"theta"``, ``"w1"``, ``"w2"`` or ``"product"``, shape (..., T, m)."""
        return np.exp(self[f"log_singular_value_{matrix}"])


def slow_flow(
    w1: Any, w2: Any, gram: Any, nu: Any, times: npt.ArrayLike, *, rank_tolerance: float = 1e-3
) -> SlowFlowResult:
    """The small-noise limit of label noise: gradient flow to the minimum, and along the minima from there.

    Parameters
    ----------
    w1 : array_like, shape (..., p, l)
        W₁ at t = 0.
    w2 : array_like, shape (..., l, k)
        W₂ at t = 0.
    gram : Gram, or (sxx, sxy, syy)
        Second moments; leading dimensions broadcast with those of the weights.
    nu : array_like, shape (...)
        ν = ηδ/b, above zero.
    times : array_like, shape (T,)
        t, from 0 on, not falling.
    rank_tolerance : float
        Of the numerical rank.

    Returns
    -------
    SlowFlowResult
        What is followed, at the times.

    Raises
    ------
    ExperimentError
        Where there is no slow flow: no noise, or noise that is no small one.

    Examples
    --------
    >>> import numpy as np, rankfall as rf
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(100, 3))
    >>> gram = rf.Gram.of(x, x[:, :1])
    >>> flow = rf.slow_flow(rng.normal(size=(3, 4)), rng.normal(size=(4, 1)), gram, [1e-3, 2e-3], [0, 100])
    >>> flow.singular_values("w1").shape
    (2, 2, 3)
    """
    flat, shape, sizes = _with_weights(w1, w2, gram, nu)
    at = floats(times, "times").reshape(-1)
    if not np.isfinite(at).all() or (at < 0).any() or (np.diff(at) < 0).any():
        raise ValueError("times are finite, from 0 on, and do not fall")
    if not 0 < rank_tolerance < 1:
        raise ValueError(f"rank_tolerance is {rank_tolerance}, and lies between 0 and 1")
    if 0 in shape or not len(at):
        raise ValueError("there is nothing to follow: no setting, or no time")
    f1, f2, fxx, fxy, fyy, fnu = flat
    names, values, orders = _rankfall.slow_flow(
        f1, f2, fxx, fxy, fyy, fnu, at.tolist(), rank_tolerance, sizes
    )
    values = values.reshape(*shape, len(at), len(names))
    followed = {}
    for name in dict.fromkeys(name for name, _ in names):
        places = [i for i, one in enumerate(names) if one[0] == name]
        is_scalar = names[places[0]][1] == 0
        followed[name] = values[..., places[0]] if is_scalar else values[..., places]
    return SlowFlowResult(at, np.array(orders).reshape(shape), followed)


@dataclass(frozen=True)
class Forces:
    """The drift of each log λᵢ of M = ΘΘᵀ, largest eigenvalue first, shape (..., m) each; NaN beyond the rank.

    Attributes
    ----------
    log_eigenvalues : ndarray
        log λᵢ.
    gradient : ndarray
        4 aᵢᵀA bᵢ: the pull of the data.
    own_noise : ndarray
        -qᵢᵢ: Itô's term of its own noise.
    common : ndarray
        By the regular split Σ_{j≠i} qᵢⱼ, a growth; by the antisymmetric one a decay, its opposite.
    repulsion : ndarray
        By the regular split Σ_{j≠i} 4 qᵢⱼ λⱼ/(λᵢ - λⱼ); by the antisymmetric one
        Σ_{j≠i} 2 qᵢⱼ (λᵢ + λⱼ)/(λᵢ - λⱼ), which adds up to zero over the eigenvalues.
    """

    log_eigenvalues: Floats
    gradient: Floats
    own_noise: Floats
    common: Floats
    repulsion: Floats

    @property
    def total(self) -> Floats:
        """Their sum, whichever the split."""
        return self.gradient + self.own_noise + self.common + self.repulsion


def forces(
    w1: Any,
    w2: Any,
    gram: Any,
    nu: Any,
    *,
    split: Literal["regular", "antisymmetric"] = "regular",
) -> Forces:
    """The forces on the logarithms of the eigenvalues of M = ΘΘᵀ, Θ = [W₁; W₂ᵀ], under label noise.

    Parameters
    ----------
    w1, w2, gram, nu
        As of :func:`slow_flow`; ``nu`` may be zero.
    split : {"regular", "antisymmetric"}
        What is called repulsion, and what a growth or decay that all have in common.

    Returns
    -------
    Forces
        Each term; their sum is the drift.

    Examples
    --------
    The drifts add up to the determinant law, -2νk tr(S_xx):

    >>> import numpy as np, rankfall as rf
    >>> rng = np.random.default_rng(0)
    >>> gram = rf.Gram.of(rng.normal(size=(50, 3)), rng.normal(size=(50, 1)))
    >>> on = rf.forces(rng.normal(size=(3, 4)), rng.normal(size=(4, 1)), gram, 0.1)
    >>> bool(np.isclose(on.total.sum(), -0.2 * np.trace(gram.sxx)))
    True
    """
    if split not in ("regular", "antisymmetric"):
        raise ValueError(f'split is {split!r}: "regular" or "antisymmetric"')
    flat, shape, sizes = _with_weights(w1, w2, gram, nu)
    if (flat[5] < 0).any():
        raise ValueError("nu is not below zero")
    most = min(sizes[1], sizes[0] + sizes[2])
    if 0 in shape:
        return Forces(*(np.empty((*shape, most)) for _ in range(5)))
    f1, f2, fxx, fxy, fyy, fnu = flat
    values = _rankfall.forces(f1, f2, fxx, fxy, fyy, fnu, split == "antisymmetric", sizes)
    values = values.reshape(*shape, 5, most)
    return Forces(*(values[..., row, :] for row in range(5)))


@dataclass(frozen=True)
class Spectrum:
    """Singular values, largest first, and notions of rank. Leading dimensions are those of the matrices.

    Attributes
    ----------
    values : ndarray, shape (..., m)
        σᵢ.
    error_bound : ndarray, shape (...)
        Every σᵢ is within this of the truth: max(rows, columns) ε σ₁, as for the algorithm of LAPACK.
    """

    values: Floats
    error_bound: Floats

    @property
    def log_values(self) -> Floats:
        """log σᵢ; minus infinity for zero."""
        with np.errstate(divide="ignore"):
            return np.log(self.values)

    @property
    def effective_rank(self) -> Any:
        """exp of the entropy of σᵢ/Σσ (Roy and Vetterli 2007); NaN for a zero matrix."""
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = self.values / self.values.sum(axis=-1, keepdims=True)
            terms = np.where(shares > 0, -shares * np.log(shares), 0.0)
        total = self.values.sum(axis=-1)
        return np.where(total > 0, np.exp(terms.sum(axis=-1)), np.nan)[()]

    @property
    def stable_rank(self) -> Any:
        """Σσᵢ²/σ₁²; NaN for a zero matrix."""
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = self.values / self.values[..., :1]
            return (relative**2).sum(axis=-1)

    def numerical_rank(self, tolerance: float = 1e-3) -> Any:
        """#{σᵢ > tolerance · σ₁}."""
        return (self.values > tolerance * self.values[..., :1]).sum(axis=-1)


def spectrum(w: Any) -> Spectrum:
    """The singular values of a matrix, or of a stack of them, with a bound of their error.

    Parameters
    ----------
    w : array_like, shape (..., rows, columns)
        An array, or a tensor of PyTorch.

    Examples
    --------
    >>> import rankfall as rf
    >>> of = rf.spectrum([[3.0, 0.0], [0.0, 4.0], [0.0, 0.0]])
    >>> of.values.tolist(), int(of.numerical_rank(1e-6))
    ([4.0, 3.0], 2)
    """
    matrices = _stack(w, "w", 2)
    if 0 in matrices.shape[-2:]:
        raise ValueError(f"w has the shape {matrices.shape}: nothing is in it")
    values: Floats = np.asarray(np.linalg.svd(matrices, compute_uv=False), dtype=np.float64)
    bound = max(matrices.shape[-2:]) * np.finfo(float).eps * values[..., 0]
    return Spectrum(values, bound)


def effective_rank(w: Any) -> Any:
    """exp of the entropy of σᵢ/Σσ of a matrix, or of a stack of them.

    Examples
    --------
    >>> import numpy as np, rankfall as rf
    >>> round(float(rf.effective_rank(np.eye(4))), 12)
    4.0
    """
    return spectrum(w).effective_rank
