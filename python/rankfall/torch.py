"""Watching models of PyTorch while they are trained.

>>> import rankfall as rf
>>> import torch                                                            # doctest: +SKIP
>>> model = torch.nn.Linear(5, 3)                                           # doctest: +SKIP
>>> with rf.torch.Monitor(model, every=10) as monitor:                      # doctest: +SKIP
...     monitor.step(loss=0.5)
"""

from ._layer_forces import LayerForces, Outcome, forces
from ._monitor import Monitor, Overhead
from ._sinks import csv, mlflow, scalars, tensorboard, wandb

__all__ = [
    "LayerForces",
    "Monitor",
    "Outcome",
    "Overhead",
    "csv",
    "forces",
    "mlflow",
    "scalars",
    "tensorboard",
    "wandb",
]
