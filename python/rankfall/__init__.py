"""What gradient noise does to the rank of a network.

An :class:`Experiment` says what is learned from what, by which dynamics; ``run`` simulates it, and a
:class:`Run` has what was measured as arrays, frames and figures.

>>> import rankfall as rf
>>> exp = rf.Experiment(
...     data=rf.Gaussian(samples=1000, inputs=5, outputs=2),
...     network=rf.TwoLayer(width=10),
...     dynamics={"SGF": rf.StochasticGradientFlow(step_size=0.01, label_noise=2.0)},
...     time=20, trajectories=16, save=20, seed=1)
>>> run = exp.run()
>>> run["SGF"].singular_values("w1").quantile(0.25).shape
(21, 5)
"""

from . import torch
from ._cluster import RayExecutor, ray, shard_of_run
from ._data import Data, Dataset, File, Gaussian, Gram, Source, Teacher, read
from ._errors import (
    CheckpointError,
    DataError,
    DivergedError,
    ExperimentError,
    FolderError,
    InterruptedWarning,
    RankfallError,
)
from ._experiment import Experiment, bundled
from ._inspect import Inspection, inspect
from ._jobs import Job, JobProgress, Stepper
from ._observables import Batch
from ._predict import Forecast, ForecastOfDynamics
from ._rankfall import __version__
from ._results import DynamicsResult, Observable, Run, load, merge
from ._sections import (
    SGD,
    Adam,
    DiagonalLinear,
    Dynamics,
    GradientDescent,
    GradientFlow,
    LabelNoiseGradientDescent,
    Layers,
    Network,
    Save,
    SlowFlow,
    StochasticGradientFlow,
    TwoLayer,
    Weights,
)
from ._sweep import SweepResult, linear, log, sweep
from ._theory import (
    Forces,
    SlowFlowResult,
    Spectrum,
    decay_rates,
    determinant_law,
    effective_rank,
    forces,
    noise_intensity,
    slow_flow,
    spectrum,
    surviving_singular_values,
)
from ._verify import Claim, Verification, claims, verify

__all__ = [
    "SGD",
    "Adam",
    "Batch",
    "CheckpointError",
    "Claim",
    "Data",
    "DataError",
    "Dataset",
    "DiagonalLinear",
    "DivergedError",
    "Dynamics",
    "DynamicsResult",
    "Experiment",
    "ExperimentError",
    "File",
    "FolderError",
    "Forces",
    "Forecast",
    "ForecastOfDynamics",
    "Gaussian",
    "GradientDescent",
    "GradientFlow",
    "Gram",
    "Inspection",
    "InterruptedWarning",
    "Job",
    "JobProgress",
    "LabelNoiseGradientDescent",
    "Layers",
    "Network",
    "Observable",
    "RankfallError",
    "RayExecutor",
    "Run",
    "Save",
    "SlowFlow",
    "SlowFlowResult",
    "Source",
    "Spectrum",
    "Stepper",
    "StochasticGradientFlow",
    "SweepResult",
    "Teacher",
    "TwoLayer",
    "Verification",
    "Weights",
    "__version__",
    "bundled",
    "claims",
    "decay_rates",
    "determinant_law",
    "effective_rank",
    "forces",
    "inspect",
    "linear",
    "load",
    "log",
    "merge",
    "noise_intensity",
    "ray",
    "read",
    "shard_of_run",
    "slow_flow",
    "spectrum",
    "surviving_singular_values",
    "sweep",
    "torch",
    "verify",
]
