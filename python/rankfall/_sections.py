"""The parts of an experiment: networks, dynamics, starts and what is saved, with the keys of experiment files."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Union

from ._arrays import matrix, memory_npz

__all__ = [
    "SGD",
    "Adam",
    "DiagonalLinear",
    "Dynamics",
    "GradientDescent",
    "GradientFlow",
    "LabelNoiseGradientDescent",
    "Layers",
    "Network",
    "Save",
    "SlowFlow",
    "StochasticGradientFlow",
    "TwoLayer",
    "Weights",
]


def plain(value: Any) -> Any:
    """A value as an experiment file has it."""
    if isinstance(value, Section):
        return value.table()
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "__array__") and getattr(value, "ndim", 0) > 0:
        return plain(value.__array__().tolist())
    if hasattr(value, "item") and not isinstance(value, (str, bytes)):
        return value.item()
    return value


class Section:
    """A part of an experiment: what is None is left out, and has the default of experiment files."""

    #: Keys that do not depend on what is asked for.
    fixed: ClassVar[Mapping[str, Any]] = {}

    def table(self) -> dict[str, Any]:
        """Its keys and values as an experiment file has them."""
        table = dict(self.fixed)
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if value is not None:
                table[field.name] = plain(value)
        return table

    def held(self) -> list[Any]:
        """What must be kept as long as the experiment is: data in memory."""
        of_fields = (getattr(self, field.name) for field in dataclasses.fields(self))  # type: ignore[arg-type]
        return [one for value in of_fields if isinstance(value, Section) for one in value.held()]


Table = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Adam(Section):
    """Adam in place of the plain gradient: running means of the gradient and of its square.

    Parameters
    ----------
    beta1, beta2 : float
        How much of its running means a step keeps, in [0, 1).
    epsilon : float
        Added to the root of the mean square.
    """

    beta1: float | None = None
    beta2: float | None = None
    epsilon: float | None = None


class Dynamics(Section):
    """What moves the weights. One step, or an infinitesimal one."""


@dataclass(frozen=True, kw_only=True)
class GradientFlow(Dynamics):
    """Gradient flow, dθ/dt = -∇L: no noise, integrated adaptively. Two linear layers alone.

    Parameters
    ----------
    step_size : float
        η of the dynamics it stands beside; it does not change the flow.
    time_step : float
        The grid of save times.
    """

    fixed: ClassVar[Table] = {"kind": "gradient-flow"}
    step_size: float | None = None
    time_step: float | None = None


@dataclass(frozen=True, kw_only=True)
class StochasticGradientFlow(Dynamics):
    """The stochastic gradient flow of label noise, with intensity ν = ηδ/b. Two linear layers alone.

    Parameters
    ----------
    step_size : float
        η, which enters through ν alone.
    label_noise : float
        δ, the variance of the noise on the labels.
    batch_size : int
        b.
    integrator : {"lie-euler", "lie-euler-unsplit", "lie-strang", "euler-maruyama"}
        How a time step is taken.
    time_step : float or "auto"
        h; ``step_size`` where it is not given.
    forces : mapping
        Factors on ``gradient``, ``own_noise``, ``common_growth`` (or ``common_decay``) and ``repulsion`` of a
        ``split``: counterfactuals.
    brownian_substeps : int
        Finer increments in each, so that paths of different time steps can be compared.
    noise : sequence of mappings
        Any noise on top, as ``[[dynamics.noise]]`` has it.
    """

    fixed: ClassVar[Table] = {"kind": "stochastic-gradient-flow"}
    step_size: float | None = None
    label_noise: float | None = None
    batch_size: int | None = None
    integrator: str | None = None
    time_step: float | str | None = None
    forces: Table | None = None
    brownian_substeps: int | None = None
    noise: Sequence[Table] | None = None


@dataclass(frozen=True, kw_only=True)
class SlowFlow(Dynamics):
    """The slow flow along the minima: the small-noise limit of label noise. Two linear layers alone.

    Parameters
    ----------
    step_size, label_noise, batch_size
        η, δ and b, which enter through ν = ηδ/b.
    time_step : float
        The grid of save times.
    """

    fixed: ClassVar[Table] = {"kind": "slow-flow"}
    step_size: float | None = None
    label_noise: float | None = None
    batch_size: int | None = None
    time_step: float | None = None


@dataclass(frozen=True, kw_only=True)
class GradientDescent(Dynamics):
    """Gradient descent on all rows at every step.

    Parameters
    ----------
    step_size : float
        η.
    momentum : float
        μ in [0, 1).
    nesterov : bool
        Look ahead by one step of momentum.
    weight_decay : float
        λ.
    adam : Adam
        Adam in place of the plain gradient.
    schedule : mapping
        How the step size changes.
    label_noise : float
        δ.
    noise : sequence of mappings
        Any noise, as ``[[dynamics.noise]]`` has it.
    """

    fixed: ClassVar[Table] = {"kind": "gradient-descent"}
    step_size: float | None = None
    label_noise: float | None = None
    momentum: float | None = None
    nesterov: bool | None = None
    weight_decay: float | None = None
    adam: Adam | Table | None = None
    schedule: Table | None = None
    noise: Sequence[Table] | None = None


@dataclass(frozen=True, kw_only=True)
class LabelNoiseGradientDescent(Dynamics):
    """Gradient descent on all rows with fresh noise on the labels at every step: ν = ηδ/n.

    Parameters
    ----------
    label_noise : float
        δ, the variance of the noise.
    label_noise_distribution : {"gaussian", "rademacher"}
        Its law.
    step_size, momentum, nesterov, weight_decay, adam, schedule, noise
        As of :class:`GradientDescent`.
    """

    fixed: ClassVar[Table] = {"kind": "label-noise-gradient-descent"}
    step_size: float | None = None
    label_noise: float | None = None
    label_noise_distribution: str | None = None
    momentum: float | None = None
    nesterov: bool | None = None
    weight_decay: float | None = None
    adam: Adam | Table | None = None
    schedule: Table | None = None
    noise: Sequence[Table] | None = None


@dataclass(frozen=True, kw_only=True)
class SGD(Dynamics):
    """Stochastic gradient descent on mini-batches: ν = ηδ/b.

    Parameters
    ----------
    batch_size : int
        b, rows of a mini-batch.
    sampling : {"with-replacement", "without-replacement", "epochs", "sequential"}
        How rows are drawn.
    label_noise, label_noise_distribution
        Of the labels of a batch.
    step_size, momentum, nesterov, weight_decay, adam, schedule, noise
        As of :class:`GradientDescent`.
    """

    fixed: ClassVar[Table] = {"kind": "sgd"}
    step_size: float | None = None
    label_noise: float | None = None
    batch_size: int | None = None
    label_noise_distribution: str | None = None
    sampling: str | None = None
    momentum: float | None = None
    nesterov: bool | None = None
    weight_decay: float | None = None
    adam: Adam | Table | None = None
    schedule: Table | None = None
    noise: Sequence[Table] | None = None


class Weights(Section):
    """Initial weights that are given: arrays, or the state of a PyTorch module.

    Parameters
    ----------
    weights : mapping of str to array_like, or (w1, w2)
        Two linear layers: W₁ (p × l) and W₂ (l × k), under ``w1`` and ``w2`` or as a pair. Others: as PyTorch has
        them, ``layers.0.weight`` (out × in), ``layers.0.bias``, which ``module.state_dict()`` gives.
    """

    def __init__(self, weights: Mapping[str, Any] | Sequence[Any]) -> None:
        if not isinstance(weights, Mapping):
            if len(weights) != 2:
                raise ValueError(f"w1 and w2 are two matrices, and {len(weights)} were given")
            weights = {"w1": weights[0], "w2": weights[1]}
        arrays = {name: matrix(value, name, any_shape=True) for name, value in weights.items()}
        self._file = memory_npz(arrays)

    def table(self) -> dict[str, Any]:
        """As an experiment file has it."""
        return {"kind": "file", "path": self._file.path}

    def held(self) -> list[Any]:
        """What must be kept."""
        return [self._file]


#: How weights start: the table of ``network.init``, the name of its kind, or weights.
Init = Union[Weights, Table, str, Sequence[Any]]


def start(init: Init | None) -> Weights | dict[str, Any] | None:
    """What is given for ``init`` as a section or a table."""
    if init is None or isinstance(init, Weights):
        return init
    if isinstance(init, str):
        return {"kind": init}
    if isinstance(init, Mapping):
        is_arrays = init and all(getattr(value, "ndim", 0) > 0 for value in init.values())
        return Weights(init) if is_arrays else dict(init)
    return Weights(init)


class Network(Section):
    """What learns the data, and how its weights start."""

    init: Any

    def __post_init__(self) -> None:
        object.__setattr__(self, "init", start(self.init))


@dataclass(frozen=True)
class TwoLayer(Network):
    """One hidden layer between the inputs and the outputs of the data; linear unless an activation is named.

    Parameters
    ----------
    width : int
        l, the width of the hidden layer.
    init : mapping, str, Weights or (w1, w2)
        How the weights start; N(0, 1) unless given.
    activation : {"linear", "relu", "leaky-relu", "gelu", "tanh", "sigmoid"}
        Of the hidden units.
    bias : bool
        Whether layers have biases.
    loss : {"squared", "softmax-cross-entropy", "logistic"}
        What is minimised.
    precision : {"f64", "f32"}
        Of weights and gradients.
    engine : {"auto", "dense"}
        ``"dense"``: the dense engine also where the exact one could.
    """

    width: int
    init: Any = None
    activation: str | None = None
    bias: bool | None = None
    loss: str | None = None
    precision: str | None = None
    engine: str | None = None


@dataclass(frozen=True)
class Layers(Network):
    """A network of any depth.

    Parameters
    ----------
    layers : sequence of int
        The widths of all layers, inputs first.
    init, activation, bias, loss, precision, engine
        As of :class:`TwoLayer`; weights start as PyTorch's do.
    """

    layers: Sequence[int]
    activation: str | None = None
    loss: str | None = None
    init: Any = None
    bias: bool | None = None
    precision: str | None = None
    engine: str | None = None


@dataclass(frozen=True)
class DiagonalLinear(Network):
    """A diagonal linear network: hidden layers multiply each input by a weight of its own.

    Parameters
    ----------
    layers : sequence of int
        ``[d, d, 1]``, with as many ``d`` as hidden layers and one more.
    init, loss, precision
        As of :class:`TwoLayer`.
    """

    fixed: ClassVar[Table] = {"kind": "diagonal-linear"}
    layers: Sequence[int]
    init: Any = None
    loss: str | None = None
    precision: str | None = None


@dataclass(frozen=True)
class Save(Section):
    """When to save, besides t = 0.

    Parameters
    ----------
    points : int
        How many times.
    spacing : {"linear", "log"}
        Their spacing.
    """

    points: int | None = None
    spacing: str | None = None
