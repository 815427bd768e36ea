"""The layers of a model of PyTorch: which parameters are matrices, how, and copies of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from . import _rankfall

__all__ = ["Layer", "device_copy", "layers_of", "unwrapped"]


@dataclass(frozen=True)
class Layer:
    """A parameter that is measured."""

    name: str
    parameter: Any
    matrix: str
    rows: int
    columns: int
    epsilon: float
    #: Which of its singular values are recorded, from 1.
    kept: tuple[int, ...]

    @property
    def values(self) -> int:
        """How many singular values it has."""
        return min(self.rows, self.columns)

    @property
    def bytes(self) -> int:
        """Of a copy of it."""
        return self.rows * self.columns * (8 if self.epsilon < 1e-10 else 4)

    def head(self) -> dict[str, Any]:
        """What the log says of it."""
        return {
            "name": self.name,
            "shape": list(self.parameter.shape),
            "dtype": str(self.parameter.dtype).removeprefix("torch."),
            "matrix": self.matrix,
            "tolerance": max(self.rows, self.columns) * self.epsilon,
            "kept": list(self.kept),
            "values": self.values,
        }


def unwrapped(model: Any) -> Any:
    """The module inside of ``torch.compile``, DistributedDataParallel and DataParallel."""
    import torch

    wrappers = (torch.nn.parallel.DistributedDataParallel, torch.nn.DataParallel)
    while True:
        if isinstance(model, wrappers):
            model = model.module
        elif hasattr(model, "_orig_mod"):
            model = model._orig_mod
        else:
            return model


def layers_of(
    model: Any, patterns: Sequence[str], most: int | None
) -> tuple[list[Layer], list[dict[str, str]]]:
    """What is measured of a model, and what is not, with the reason."""
    layers: list[Layer] = []
    skipped: list[dict[str, str]] = []
    seen: dict[int, str] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        reason = _why_not(name, parameter, patterns, seen)
        seen.setdefault(id(parameter), name)
        if reason is not None:
            skipped.append({"name": name, "reason": reason})
            continue
        try:
            words, rows, columns = _rankfall.matrix_of(name, list(parameter.shape))
        except ValueError as error:
            skipped.append({"name": name, "reason": str(error)})
            continue
        epsilon = _epsilon(parameter.dtype)
        layers.append(Layer(name, parameter, words, rows, columns, epsilon, kept(min(rows, columns), most)))
    return layers, skipped


def _why_not(name: str, parameter: Any, patterns: Sequence[str], seen: dict[int, str]) -> str | None:
    import torch

    if not any(_rankfall.matches(pattern, name) for pattern in patterns):
        return "not chosen by layers"
    if id(parameter) in seen:
        return f"it is the same tensor as {seen[id(parameter)]}"
    if isinstance(parameter, torch.nn.parameter.UninitializedParameter):
        return "it has no numbers yet: make the monitor after the first batch"
    if parameter.is_meta:
        return "its numbers are not on this machine"
    if type(parameter.data).__name__ == "DTensor":
        return "it is spread over several processes"
    if parameter.dtype not in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        return f"numbers of type {str(parameter.dtype).removeprefix('torch.')} are not analysed"
    return None


def _epsilon(dtype: Any) -> float:
    import torch

    return float(torch.finfo(dtype).eps)


def kept(count: int, most: int | None) -> tuple[int, ...]:
    """At most so many places of 1 … count, evenly spread, both ends among them."""
    if most is None or count <= most:
        return tuple(range(1, count + 1))
    return tuple(dict.fromkeys(1 + round(i * (count - 1) / (most - 1)) for i in range(most)))


def device_copy(layers: Sequence[Layer]) -> tuple[list[Any], Callable[[], None]]:
    """Copies of weights on the CPU, of single precision or as they are, and what waits until they are there.

    From a GPU they travel while the training goes on: later steps come after the copy in its queue.
    """
    import torch

    copies = []
    devices = set()
    with torch.no_grad():
        for layer in layers:
            weights = layer.parameter.detach()
            kind = torch.float64 if weights.dtype == torch.float64 else torch.float32
            if weights.device.type == "cuda":
                weights = weights.to(kind)
                copy = torch.empty(weights.shape, dtype=kind, pin_memory=True)
                copies.append(copy.copy_(weights, non_blocking=True))
                devices.add(weights.device)
            else:
                copies.append(weights.to(device="cpu", dtype=kind, copy=True).contiguous())
    events = []
    for device in devices:
        event = torch.cuda.Event()
        event.record(torch.cuda.current_stream(device))
        events.append(event)

    def arrived() -> None:
        for event in events:
            event.synchronize()

    return copies, arrived
