"""What moves the singular values of real layers: forces from per-sample gradients, held against what happened next."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ._arrays import Floats
from ._layers import Layer, layers_of, unwrapped

__all__ = ["LayerForces", "Outcome", "forces"]

#: Bytes of gradients that are there at once.
MOST_BYTES = 1 << 27
#: Samples are divided into about so many groups, whose spread gives the errors.
GROUPS = 16
#: A singular value is separated where the next one is farther than so many root-mean-square moves of a step.
SEPARATED = 10.0

PARTS = ("gradient", "curvature", "own_noise", "repulsion", "growth")


@dataclass(frozen=True)
class Outcome:
    """What happened to log σᵢ beside what was predicted.

    Attributes
    ----------
    realised, predicted : ndarray, shape (r,)
        The change of log σᵢ over the steps.
    error : ndarray, shape (r,)
        Standard error of the prediction, from the samples that it was made of.
    spread : ndarray, shape (r,)
        Standard deviation of the change: the noise itself, which no prediction knows.
    steps : int
        How many steps.
    """

    realised: Floats
    predicted: Floats
    error: Floats
    spread: Floats
    steps: int

    @property
    def z(self) -> Floats:
        """Realised less predicted over both kinds of uncertainty: of size 1 where the prediction holds."""
        return (self.realised - self.predicted) / np.sqrt(self.error**2 + self.spread**2)


@dataclass(frozen=True, repr=False)
class LayerForces:
    """The expected change of each log σᵢ of a layer in one step, in nats, by what causes it. Largest σ first.

    Attributes
    ----------
    sigma : ndarray, shape (r,)
        Singular values.
    gradient : ndarray, shape (r,)
        −η uᵢᵀḡvᵢ/σᵢ, ḡ the mean gradient.
    curvature : ndarray, shape (r,)
        What finite steps along ḡ do at second order.
    own_noise : ndarray, shape (r,)
        −½ of the variance of the noise along uᵢvᵢᵀ, over σᵢ².
    repulsion : ndarray, shape (r,)
        What the other singular values add: it pushes small ones down and large ones up.
    growth : ndarray, shape (r,)
        Out of directions that have no singular value; never negative, and nothing for square layers.
    errors : dict of str to ndarray
        The standard error of each part, and of ``total``.
    spread : ndarray, shape (r,)
        Standard deviation of what a step does to log σᵢ.
    separated : ndarray of bool, shape (r,)
        Where the next singular value is far enough for second order to be right: farther than ten moves of a step.
    samples : int
        Gradients that this was estimated from.
    """

    name: str
    sigma: Floats
    gradient: Floats
    curvature: Floats
    own_noise: Floats
    repulsion: Floats
    growth: Floats
    errors: dict[str, Floats]
    spread: Floats
    separated: npt.NDArray[np.bool_]
    samples: int
    step_size: float
    batch_size: int
    _layer: Layer = field(compare=False)

    @property
    def second_order(self) -> Floats:
        """All second-order parts."""
        return self.curvature + self.own_noise + self.repulsion + self.growth

    @property
    def total(self) -> Floats:
        """The predicted drift of log σᵢ in one step."""
        return self.gradient + self.second_order

    def outcome(self, steps: int, weights: Any = None) -> Outcome:
        """Holds the prediction against the weights after so many more steps: those of the model now, or others."""
        if steps < 1:
            raise ValueError(f"steps is {steps}: it must be 1 or more")
        now = _matrix(self._layer, self._layer.parameter if weights is None else weights)
        after = np.linalg.svd(now, compute_uv=False)
        with np.errstate(divide="ignore"):
            realised = np.log(after) - np.log(self.sigma)
        return Outcome(
            realised,
            steps * self.total,
            steps * self.errors["total"],
            math.sqrt(steps) * self.spread,
            steps,
        )

    def to_dict(self) -> dict[str, Any]:
        """Columns: sigma, every part with its error, total, spread and whether it is separated."""
        columns: dict[str, Any] = {"sigma": self.sigma}
        for part in (*PARTS, "total"):
            columns[part] = getattr(self, part)
            columns[f"{part}_error"] = self.errors[part]
        return {**columns, "spread": self.spread, "separated": self.separated}

    def to_pandas(self) -> Any:
        """A row for each singular value."""
        import pandas

        return pandas.DataFrame(self.to_dict())

    def __repr__(self) -> str:
        return f"<LayerForces of {self.name!r}: {len(self.sigma)} singular values, {self.samples} samples>"


def forces(
    model: Any,
    loss: Callable[[Any, Any], Any],
    batches: Iterable[Any],
    *,
    step_size: float,
    batch_size: int = 1,
    samples: int | None = None,
    layers: str | Sequence[str] = "*",
    weight_decay: float = 0.0,
    population: int | None = None,
) -> dict[str, LayerForces]:
    """What moves each singular value of each layer in a step of plain SGD from the weights as they are.

    Gradients of single samples (``torch.func``) are projected on singular vectors, a few at a time; no more of
    them is ever there. Nothing of the model is changed.

    Parameters
    ----------
    model : torch.nn.Module
        Without batch normalisation in training mode: there no sample has a gradient of its own.
    loss : callable
        Of outputs and targets, the mean over the rows of a batch, such as ``torch.nn.functional.cross_entropy``.
    batches : iterable of (inputs, targets)
        Samples as the training draws them, noise of labels and inputs included: a ``DataLoader``.
    step_size : float
        η.
    batch_size : int
        Samples of a step of the training: the noise of a step is that of one sample over this.
    samples : int
        How many are looked at, of those there are.
    layers : str or sequence of str
        Patterns of parameter names.
    weight_decay : float
        λ, as of ``torch.optim.SGD``.
    population : int
        Where the training draws its batches without replacement out of so many samples, their noise is
        smaller by 1 − batch_size/population.

    Returns
    -------
    dict of str to LayerForces
        By the name of the parameter.
    """
    import torch

    model = unwrapped(model)
    norms = (torch.nn.modules.batchnorm._BatchNorm,)
    if any(isinstance(module, norms) and module.training for module in model.modules()):
        raise ValueError(
            "with batch normalisation no sample has a gradient of its own: call model.eval() before"
        )
    if step_size <= 0 or batch_size < 1:
        raise ValueError(f"step_size is {step_size} and batch_size {batch_size}: they must be above 0")
    chosen, skipped = layers_of(model, [layers] if isinstance(layers, str) else list(layers), None)
    if not chosen:
        raise ValueError(f"no layer is chosen: {skipped}")
    moments = [_Moments(layer, weight_decay) for layer in chosen]
    bytes_of_one = 24 * sum(layer.rows * layer.columns for layer in chosen)
    largest = max(2, MOST_BYTES // bytes_of_one)
    of_samples = _gradients(model, loss, [layer.name for layer in chosen])
    for inputs, targets in _groups(batches, samples, largest):
        gradients = of_samples(inputs, targets)
        for one in moments:
            one.add(gradients[one.layer.name].detach().cpu())
    if moments[0].count < 4 or len(moments[0].groups) < 2:
        raise ValueError(
            f"{moments[0].count} samples tell nothing of the noise: 4 are needed, and two groups of them"
        )
    share = 1.0 / batch_size if population is None else 1.0 / batch_size - 1.0 / population
    return {one.layer.name: one.forces(step_size, batch_size, share) for one in moments}


def _groups(batches: Iterable[Any], samples: int | None, largest: int) -> Iterator[tuple[Any, Any]]:
    """Samples in groups of at most so many, two at least."""
    left = math.inf if samples is None else samples
    for inputs, targets in batches:
        count = int(min(len(targets), left))
        left -= count
        most = max(2, min(largest, max(4, -(-count // GROUPS))))
        first = 0
        while first < count:
            size = min(most, count - first)
            if count - first - size == 1:
                size += 1 if size < 3 else -1
            yield inputs[first : first + size], targets[first : first + size]
            first += size
        if left <= 0:
            return


def _gradients(
    model: Any, loss: Callable[[Any, Any], Any], names: Sequence[str]
) -> Callable[..., Mapping[str, Any]]:
    """A function of inputs and targets: gradients of the chosen parameters, samples first."""
    import torch
    from torch.func import functional_call, grad, vmap

    state = {
        name: value.detach()
        for name, value in itertools.chain(model.named_parameters(), model.named_buffers())
    }
    watched = {name: state.pop(name) for name in names}

    def of_one(weights: Any, x: Any, y: Any) -> Any:
        outputs = functional_call(model, {**state, **weights}, (x.unsqueeze(0),))
        return loss(outputs, y.unsqueeze(0))

    one_by_one = vmap(grad(of_one), in_dims=(None, 0, 0), randomness="different")
    device = next(iter(watched.values())).device

    def of_samples(inputs: Any, targets: Any) -> Mapping[str, Any]:
        with torch.enable_grad():
            found: Mapping[str, Any] = one_by_one(watched, inputs.to(device), targets.to(device))
        return found

    return of_samples


def _matrix(layer: Layer, weights: Any) -> Floats:
    import torch

    values = weights.detach().to("cpu", torch.float64).numpy() if hasattr(weights, "detach") else weights
    return np.array(values, dtype=np.float64).reshape(layer.rows, layer.columns)


class _Moments:
    """Second moments of gradients between the singular vectors of a layer; one group of samples is there at a time.

    With αᵢⱼ = uᵢᵀgvⱼ a step E = −η g moves log σᵢ by second-order perturbation of a simple singular value, see
    ``docs/networks.md``; all terms are linear in the second moments.
    """

    def __init__(self, layer: Layer, decay: float) -> None:
        self.layer = layer
        weights = _matrix(layer, layer.parameter)
        self.u, self.sigma, vt = np.linalg.svd(weights, full_matrices=False)
        self.v = np.ascontiguousarray(vt.T)
        self.decay = decay
        r = len(self.sigma)
        self.count = 0
        self.gv, self.gu = np.zeros((layer.rows, r)), np.zeros((layer.columns, r))
        self.squares, self.products = np.zeros((r, r)), np.zeros((r, r))
        self.left, self.right = np.zeros(r), np.zeros(r)
        #: Of each group: mean αᵢᵢ, and the terms of its covariance and of its mean.
        self.groups: list[tuple[int, Floats, Floats, Floats]] = []

    def add(self, gradients: Any) -> None:
        """Gradients of a group, samples first."""
        n = gradients.shape[0]
        g = gradients.double().numpy().reshape(n, self.layer.rows, self.layer.columns)
        if not np.isfinite(g).all():
            raise ValueError(f"gradients of {self.layer.name} are NaN or infinite")
        gv, gu = g @ self.v, np.swapaxes(g, 1, 2) @ self.u
        if self.decay:
            # W v = σ u, Wᵀu = σ v.
            gv = gv + self.decay * self.u * self.sigma
            gu = gu + self.decay * self.v * self.sigma
        alpha = self.u.T @ gv
        sums = _Sums(
            n,
            gv.sum(axis=0),
            gu.sum(axis=0),
            np.einsum("sij,sij->ij", alpha, alpha),
            np.einsum("sij,sji->ij", alpha, alpha),
            np.einsum("sai,sai->i", gv, gv),
            np.einsum("sai,sai->i", gu, gu),
        )
        if n > 1:
            mean, noise, of_mean = self._terms(sums)
            self.groups.append((n, mean, noise, of_mean))
        self.count += n
        self.gv += sums.gv
        self.gu += sums.gu
        self.squares += sums.squares
        self.products += sums.products
        self.left += sums.left
        self.right += sums.right

    def _terms(self, sums: _Sums) -> tuple[Floats, Floats, Floats]:
        """Mean αᵢᵢ; own, others and growth of the noise of one sample, 3 × r; and the sum of these of the mean."""
        n = sums.count
        gv, gu = sums.gv / n, sums.gu / n
        alpha = self.u.T @ gv
        of_mean = (alpha**2, alpha * alpha.T, (gv**2).sum(axis=0), (gu**2).sum(axis=0))
        of_all = (sums.squares, sums.products, sums.left, sums.right)
        of_noise = [(total - n * mean) / (n - 1) for total, mean in zip(of_all, of_mean, strict=True)]
        noise = self._second_order(*of_noise)
        # The square of a mean of n draws holds 1/n of the noise.
        mean_terms = self._second_order(*of_mean).sum(axis=0) - noise.sum(axis=0) / n
        return np.diag(alpha).copy(), noise, mean_terms

    def _second_order(self, squares: Floats, products: Floats, left: Floats, right: Floats) -> Floats:
        """Own, others and growth of log σᵢ, for steps of size 1."""
        s = self.sigma
        with np.errstate(divide="ignore", invalid="ignore"):
            own = -0.5 * np.diag(squares) / s**2
            gap = (s[:, None] - s[None, :]) * (s[:, None] + s[None, :])
            np.fill_diagonal(gap, np.inf)
            ratio = s[None, :] / s[:, None]
            others = (0.5 * (squares + squares.T + 2.0 * ratio * products) / gap).sum(axis=1)
            growth = np.maximum(left - squares.sum(axis=0), 0.0) + np.maximum(
                right - squares.sum(axis=1), 0.0
            )
            # Of a square layer nothing is left but rounding.
            rows, columns = self.layer.rows, self.layer.columns
            if rows == columns:
                growth = np.zeros_like(growth)
            return np.stack([own, others, 0.5 * growth / s**2])

    def forces(self, step_size: float, batch_size: int, share: float) -> LayerForces:
        """For steps of this size, the noise of a step being this share of that of one sample."""
        everything = _Sums(self.count, self.gv, self.gu, self.squares, self.products, self.left, self.right)
        mean, noise, of_mean = self._terms(everything)
        eta, square = step_size, step_size**2
        s = self.sigma
        variance = np.maximum(np.diag(self.squares) - self.count * mean**2, 0.0) / (self.count - 1)
        weights = np.array([n for n, *_ in self.groups], dtype=float)
        weights /= weights.sum()

        def error(values: Any) -> Floats:
            """Of a mean over groups, weighted by their sizes."""
            stack = np.stack(values)
            centre = (weights[:, None] * stack).sum(axis=0)
            deviations = (weights[:, None] ** 2) * (stack - centre) ** 2
            return np.asarray(np.sqrt(deviations.sum(axis=0) * len(stack) / (len(stack) - 1)))

        parts = {
            "gradient": [-eta * m / s for _, m, _, _ in self.groups],
            "curvature": [square * c for _, _, _, c in self.groups],
            "own_noise": [square * share * n[0] for _, _, n, _ in self.groups],
            "repulsion": [square * share * n[1] for _, _, n, _ in self.groups],
            "growth": [square * share * n[2] for _, _, n, _ in self.groups],
        }
        errors = {name: error(values) for name, values in parts.items()}
        errors["total"] = error([sum(all_parts) for all_parts in zip(*parts.values(), strict=True)])
        gaps = np.minimum(np.append(s[:-1] - s[1:], np.inf), np.append(np.inf, s[:-1] - s[1:]))
        moves = eta * np.sqrt((self.squares / self.count).max(axis=1) * share + (mean**2))
        resolved = s > max(self.layer.rows, self.layer.columns) * self.layer.epsilon * s[0]
        # What is not told from zero has no logarithm that a prediction could be made of.
        undefined = np.where(resolved, 0.0, np.nan)
        return LayerForces(
            self.layer.name,
            s,
            -eta * mean / s + undefined,
            square * of_mean + undefined,
            square * share * noise[0] + undefined,
            square * share * noise[1] + undefined,
            square * share * noise[2] + undefined,
            errors,
            eta * np.sqrt(variance * share) / s,
            resolved & (gaps > SEPARATED * moves) & (s > SEPARATED * moves),
            self.count,
            step_size,
            batch_size,
            self.layer,
        )


@dataclass(frozen=True)
class _Sums:
    """Over samples: g V, gᵀU, αᵢⱼ², αᵢⱼαⱼᵢ, |g vᵢ|² and |gᵀuᵢ|²."""

    count: int
    gv: Floats
    gu: Floats
    squares: Floats
    products: Floats
    left: Floats
    right: Floats
