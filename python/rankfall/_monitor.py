"""The monitor of a training run: spectra of weights on the way, analysed beside the training."""

from __future__ import annotations

import atexit
import json
import math
import os
import queue
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np

from . import _rankfall
from ._errors import RankfallError
from ._layer_forces import PARTS, LayerForces
from ._layers import Layer, device_copy, layers_of, unwrapped
from ._results import Run

__all__ = ["Monitor", "Overhead", "Sink"]

#: Called with what one measurement found, on the thread of the analysis.
Sink = Callable[[Mapping[str, Any]], Any]

#: A layer that costs less than this share of all is measured every time.
CHEAP = 0.05
#: Measurements that may wait for the analysis.
MOST_WAITING = 4
#: Bytes of weights that may wait, if all weights together are fewer.
MOST_BYTES = 1 << 26
#: Bytes of weights that are copied at once: layers beyond wait for their turn.
MOST_COPIED = 1 << 30
#: Processor seconds of a layer by rows · columns · the smaller of both, until it is known.
GUESS = 4e-10


@dataclass(frozen=True)
class Overhead:
    """What a monitor took.

    Attributes
    ----------
    training_thread_seconds : float
        Seconds of the thread that trains: copies of weights, the probe batch.
    analysis_seconds : float
        Processor seconds of the analysis, on a thread of its own.
    wall_seconds : float
        Since the monitor was made.
    processors : int
        How many there are.
    measurements : int
        How many there were.
    measured : dict of str to int
        How often each layer was among them.
    """

    training_thread_seconds: float
    analysis_seconds: float
    wall_seconds: float
    processors: int
    measurements: int
    measured: dict[str, int]

    @property
    def share(self) -> float:
        """Seconds of the training thread over all seconds, plus processor seconds over those of all processors."""
        wall = max(self.wall_seconds, 1e-9)
        return self.training_thread_seconds / wall + self.analysis_seconds / (wall * self.processors)

    def __str__(self) -> str:
        least = min(self.measured.values(), default=0)
        most = max(self.measured.values(), default=0)
        return (
            f"{self.share:.1%}: {self.training_thread_seconds:.2f} s of the training thread and "
            f"{self.analysis_seconds:.2f} s of processor time beside it in {self.wall_seconds:.1f} s on "
            f"{self.processors} processors; of {self.measurements} measurements layers have {least} to {most}"
        )


@dataclass
class _Job:
    """One measurement, from the training thread to that of the analysis."""

    line: dict[str, Any]
    #: Layers with copies of their weights, and what tells that a copy has arrived.
    weights: list[tuple[int, Any]]
    arrived: Any
    #: Features by place.
    features: list[tuple[int, Any]]


class Monitor:
    """Watches the weights of a model while it is trained.

    Parameters
    ----------
    model : torch.nn.Module
        Wrapped by ``torch.compile``, ``DistributedDataParallel`` or not. On other ranks than 0 the monitor does nothing.
    every : int
        Steps from a measurement to the next.
    out : path
        A run folder, which must be new: what is measured is in it at once, and survives the end of the process.
        Without it the record is in memory.
    layers : str or sequence of str
        Patterns of parameter names, with ``*`` and ``?``.
    singular_values : int or None
        So many singular values of a layer are recorded at most, spread over their order, the largest and the smallest
        among them; None for all. Ranks and norms are of all, whatever is recorded.
    budget : float or None
        Share of the time of all processors that the analysis may take: where all layers at every measurement take
        more, the expensive ones take turns. None measures every layer every time, and the training waits
        where the analysis does not keep up.
    probe : tensor, tuple or dict
        A batch of inputs on which features are measured: effective rank and dead units of what every layer
        gets as its input.
    sinks : sequence of callables
        Called with each measurement: see ``rf.torch.csv``, ``tensorboard``, ``wandb``, ``mlflow``.
    name : str
        Of the run; that of the folder by default.
    replace : bool
        Whether a run that is in the folder is deleted.
    niceness : int
        How far the thread of the analysis stands back for others, 0 to 19; only where the system has it by thread.

    Examples
    --------
    ::

        with rf.torch.Monitor(model, every=100, out="runs/mine") as monitor:
            for x, y in loader:
                ...
                monitor.step(loss=loss)
    """

    def __init__(
        self,
        model: Any,
        every: int = 100,
        out: str | os.PathLike[str] | None = None,
        layers: str | Sequence[str] = "*",
        *,
        singular_values: int | None = 64,
        budget: float | None = 0.02,
        probe: Any = None,
        sinks: Sequence[Sink] = (),
        name: str | None = None,
        replace: bool = False,
        niceness: int = 10,
    ) -> None:
        if every < 1:
            raise ValueError(f"every is {every}: it must be 1 or more")
        if budget is not None and not 0 < budget <= 1:
            raise ValueError(f"budget is {budget}: it is a share above 0, at most 1, or None")
        if singular_values is not None and singular_values < 2:
            raise ValueError(f"singular_values is {singular_values}: it must be 2 or more, or None for all")
        self.model = unwrapped(model)
        self.every, self.budget, self.probe = every, budget, probe
        self._began = time.perf_counter()
        self._inside = 0.0
        self._step = 0
        self._next = every
        self._lines: list[str] = []
        self._lock = threading.Lock()
        self._closed = False
        self._cut_short: BaseException | None = None
        self._ended: Overhead | None = None
        self._active = _is_first_rank()
        chosen = [layers] if isinstance(layers, str) else list(layers)
        self._layers, self._skipped = layers_of(self.model, chosen, singular_values)
        self._inputs = _inputs(self.model, self._layers) if probe is not None else []
        self._processors = (
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        )
        self._costs = [GUESS * layer.rows * layer.columns * layer.values for layer in self._layers]
        self._process = os.getpid()
        self._since = [-1] * len(self._layers)
        self._counts = [0] * len(self._layers)
        self._measurements = 0
        self._last = -1
        self._allowance, self._last_due = 0.0, self._began
        self._analysis = 0.0
        self._waiting = 0
        self._diverged: str | None = None
        self._sinks = list(sinks)
        self._folder: _rankfall.MonitorFolder | None = None
        if not self._active:
            return
        if not self._layers:
            reasons = "; ".join(f"{one['name']}: {one['reason']}" for one in self._skipped[:5])
            raise RankfallError(f"no layer is left to measure: {reasons or 'the model has no parameters'}")
        if out is not None:
            self._folder = _rankfall.MonitorFolder(os.fspath(out), replace)
        self._name = name or (
            os.path.basename(os.path.normpath(os.fspath(out))) if out is not None else "training"
        )
        self._write(self._head())
        self._jobs: queue.Queue[_Job | None] = queue.Queue()
        self._thread = threading.Thread(
            target=self._work, args=(niceness,), name="rankfall-monitor", daemon=True
        )
        self._thread.start()
        atexit.register(self.close)
        self._measure({}, self._within(range(len(self._layers))))
        self._inside += time.perf_counter() - self._began

    # What is measured

    @property
    def layers(self) -> dict[str, str]:
        """Names of the parameters that are measured, and what they are called in the result: ``w1``, ``w2``, …"""
        return {layer.name: f"w{place + 1}" for place, layer in enumerate(self._layers)}

    @property
    def skipped(self) -> dict[str, str]:
        """Parameters that are not measured, each with the reason."""
        return {one["name"]: one["reason"] for one in self._skipped}

    @property
    def steps(self) -> int:
        """Steps taken so far."""
        return self._step

    @property
    def diverged(self) -> str | None:
        """What was not finite, and at which measurement; None while everything is."""
        return self._diverged

    @property
    def failure(self) -> BaseException | None:
        """Why the analysis stopped before the training; None where it did not."""
        return self._cut_short

    @property
    def overhead(self) -> Overhead:
        """What it took so far, or in all where it is closed."""
        if self._ended is not None:
            return self._ended
        return Overhead(
            self._inside,
            self._analysis,
            time.perf_counter() - self._began,
            self._processors,
            self._measurements,
            {layer.name: count for layer, count in zip(self._layers, self._counts, strict=True)},
        )

    @property
    def result(self) -> Run:
        """What was measured so far, as a :class:`~rankfall.Run` of the one dynamics ``training`` with time in steps."""
        if not self._active:
            raise RankfallError("the record is with the monitor of rank 0")
        with self._lock:
            text = "".join(line + "\n" for line in self._lines)
        return Run._of(_rankfall.monitored(text))

    # The training thread

    def step(self, loss: Any = None, *, step: int | None = None, **scalars: Any) -> None:
        """Call it after every step of the optimiser.

        Parameters
        ----------
        loss : tensor or float
            Recorded at measurements; read there only, as on a GPU that waits.
        step : int
            How many steps there were, where this is not called once for each.
        **scalars
            Other numbers to record, such as ``accuracy``.
        """
        if not self._active:
            return
        if self._closed:
            raise RankfallError("the monitor is closed")
        self._step = self._step + 1 if step is None else step
        if self._step < self._next:
            return
        began = time.perf_counter()
        self._next = (self._step // self.every + 1) * self.every
        if self._cut_short is None:
            self._measure({"loss": loss, **scalars}, self._due(began))
        self._inside += time.perf_counter() - began

    def _due(self, now: float) -> Iterable[int]:
        """The layers whose turn it is: all, where that is within the budget."""
        if self.budget is None:
            if self._jobs.unfinished_tasks >= MOST_WAITING:
                self._jobs.join()
            return self._within(sorted(range(len(self._layers)), key=lambda i: (self._since[i], i)))
        total = sum(self._costs)
        self._allowance += self.budget * self._processors * (now - self._last_due)
        self._allowance = min(self._allowance, 1.001 * total) if total else self._allowance
        self._last_due = now
        weights = sum(layer.bytes for layer in self._layers)
        if self._jobs.unfinished_tasks >= MOST_WAITING or self._waiting + weights > max(weights, MOST_BYTES):
            return []
        due = []
        reserved = False
        for place in sorted(range(len(self._layers)), key=lambda i: (self._since[i], i)):
            cost = self._costs[place]
            cheap = cost <= CHEAP * total
            if cost <= self._allowance and (cheap or not reserved):
                self._allowance -= cost
                due.append(place)
            elif not cheap:
                # What comes later saves up for it.
                reserved = True
        return self._within(due)

    def _within(self, places: Iterable[int]) -> list[int]:
        """The first of these layers, as many as may be copied at once; one at least."""
        taken: list[int] = []
        size = 0
        for place in places:
            size += self._layers[place].bytes
            if taken and size > MOST_COPIED:
                break
            taken.append(place)
        return sorted(taken)

    def _measure(self, numbers: Mapping[str, Any], due: Iterable[int]) -> None:
        if self._diverged is not None:
            due = []
        line = {"line": "measurement", "step": self._step}
        wrong = []
        values = {key: _number(value) for key, value in numbers.items() if value is not None}
        loss = values.pop("loss", None)
        if loss is not None and not math.isfinite(loss):
            wrong.append(f"the loss is {loss}")
        line["loss"] = loss if loss is not None and math.isfinite(loss) else None
        line["scalars"] = {key: value if math.isfinite(value) else None for key, value in values.items()}
        if wrong and self._diverged is None:
            line["diverged"] = wrong[0]
        due = list(due)
        for place in due:
            self._since[place] = self._step
        weights, arrived = device_copy([self._layers[place] for place in due])
        features = self._features() if self._inputs and self._diverged is None else []
        with self._lock:
            self._waiting += sum(self._layers[place].bytes for place in due)
        self._jobs.put(_Job(line, list(zip(due, weights, strict=True)), arrived, features))

    def _features(self) -> list[tuple[int, Any]]:
        """Inputs of the layers on the probe batch; hooks are gone and modes are as before when this returns."""
        import torch

        caught: dict[int, Any] = {}

        def catch(place: int) -> Callable[..., None]:
            def hook(module: Any, args: Any) -> None:
                if args and isinstance(args[0], torch.Tensor):
                    caught[place] = args[0].detach()

            return hook

        modes = [(module, module.training) for module in self.model.modules()]
        hooks = []
        try:
            hooks = [module.register_forward_pre_hook(catch(i)) for i, (_, module) in enumerate(self._inputs)]
            self.model.eval()
            with torch.no_grad():
                if isinstance(self.probe, Mapping):
                    self.model(**self.probe)
                elif isinstance(self.probe, (tuple, list)):
                    self.model(*self.probe)
                else:
                    self.model(self.probe)
        finally:
            for hook in hooks:
                hook.remove()
            for module, mode in modes:
                module.training = mode
        return [(place, _rows(values)) for place, values in sorted(caught.items())]

    def close(self, end: str = "closed") -> None:
        """Measures every layer once more, waits for the analysis, and finishes the folder. A second time it does nothing."""
        # A process that was forked has no thread, and the record is not its own.
        if self._closed or not self._active or os.getpid() != self._process:
            self._closed = True
            return
        began = time.perf_counter()
        wall = began - self._began
        left = [place for place, since in enumerate(self._since) if since != self._step]
        while left and self._cut_short is None:
            part = self._within(left)
            self._measure({}, part)
            left = [place for place in left if place not in part]
            if left:
                self._jobs.join()
        self._closed = True
        atexit.unregister(self.close)
        analysis = self._analysis
        self._jobs.put(None)
        self._thread.join()
        # What the last measurement took is after the training.
        self._ended = Overhead(
            self._inside,
            analysis,
            wall,
            self._processors,
            self._measurements,
            {layer.name: count for layer, count in zip(self._layers, self._counts, strict=True)},
        )
        self._write(
            {
                "line": "end",
                "end": end,
                "step": self._step,
                "training_thread_seconds": self._inside,
                "analysis_seconds": analysis,
                "wall_seconds": wall,
            }
        )
        if self._folder is not None and self._cut_short is None:
            self._folder.finish()

    def __enter__(self) -> Monitor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close("closed" if kind is None else kind.__name__)

    # The thread of the analysis

    def _work(self, niceness: int) -> None:
        _stand_back(niceness)
        while True:
            job = self._jobs.get()
            try:
                if job is None:
                    return
                if self._cut_short is None:
                    self._analyse(job)
            except BaseException as error:  # the training goes on, whatever happens here
                self._cut_short = error
                warnings.warn(
                    f"the monitor stopped at step {job.line['step'] if job else self._step}: {error}",
                    RuntimeWarning,
                    stacklevel=2,
                )
            finally:
                if job is not None:
                    with self._lock:
                        self._waiting -= sum(self._layers[place].bytes for place, _ in job.weights)
                self._jobs.task_done()

    def _analyse(self, job: _Job) -> None:
        job.arrived()
        lines, shown = [], {}
        for place, weights in job.weights:
            layer = self._layers[place]
            began = time.thread_time()
            found, wrong = _rankfall.measure(_flat(weights), layer.rows, layer.columns, layer.epsilon)
            self._costs[place] = time.thread_time() - began
            self._analysis += self._costs[place]
            if found is None:
                job.line.setdefault("diverged", f"{wrong} of the numbers of {layer.name} are NaN or infinite")
                continue
            self._counts[place] += 1
            lines.append({"layer": place + 1, **_line(found, layer.kept)})
            shown[layer.name] = found
        features = []
        for place, values in job.features:
            one = _feature(values)
            if one is not None:
                features.append({"layer": place + 1, **one})
        job.line["layers"], job.line["features"] = lines, features
        # At the end those are measured of a step whose turn it was not.
        self._measurements += job.line["step"] != self._last
        self._last = job.line["step"]
        if job.line.get("diverged") and self._diverged is None:
            self._diverged = f"{job.line['diverged']} at step {job.line['step']}"
            warnings.warn(f"the training diverged: {self._diverged}", RuntimeWarning, stacklevel=2)
        self._write(job.line)
        self._tell(job.line, shown)

    def _tell(self, line: Mapping[str, Any], shown: Mapping[str, Any]) -> None:
        """Hands a measurement to the sinks; one that fails is dropped with a warning."""
        if not self._sinks:
            return
        features = {self._inputs[one["layer"] - 1][0]: one for one in line["features"]}
        record = {
            "step": line["step"],
            "loss": line["loss"],
            **line["scalars"],
            "layers": shown,
            "features": features,
        }
        for sink in list(self._sinks):
            try:
                sink(record)
            except Exception as error:
                self._sinks.remove(sink)
                warnings.warn(
                    f"a sink of the monitor failed at step {line['step']} and is not called any more: {error}",
                    RuntimeWarning,
                    stacklevel=2,
                )

    def _write(self, line: Mapping[str, Any]) -> None:
        text = json.dumps(line, allow_nan=False)
        if self._folder is not None:
            self._folder.append(text)
        with self._lock:
            self._lines.append(text)

    def _head(self) -> dict[str, Any]:
        parameters = list(self.model.parameters())
        kinds: dict[str, int] = {}
        for one in parameters:
            kind = str(one.dtype).removeprefix("torch.")
            kinds[kind] = kinds.get(kind, 0) + one.numel()
        return {
            "line": "head",
            "schema": 1,
            "version": _rankfall.__version__,
            "name": self._name,
            "model": type(self.model).__name__,
            "parameters": sum(kinds.values()),
            "precision": max(kinds, key=lambda kind: kinds[kind]) if kinds else "",
            "every": self.every,
            "layers": [layer.head() for layer in self._layers],
            "skipped": self._skipped,
            "features": [name for name, _ in self._inputs],
        }

    # Of other modules

    def lightning(self) -> Any:
        """A callback of Lightning: ``Trainer(callbacks=[monitor.lightning()])``. It closes the monitor when ``fit`` ends."""
        from ._callbacks import lightning

        return lightning(self)

    def transformers(self) -> Any:
        """A callback of Transformers: ``Trainer(..., callbacks=[monitor.transformers()])``. It closes the monitor when
        training ends.
        """
        from ._callbacks import transformers

        return transformers(self)

    def forces(
        self, loss: Callable[[Any, Any], Any], batches: Iterable[Any], **settings: Any
    ) -> dict[str, LayerForces]:
        """What moves each singular value of each layer: gradient, curvature, own noise, repulsion and growth.

        See :func:`rankfall.torch.forces`, which this calls with its model and its layers.
        """
        from ._layer_forces import forces

        settings.setdefault("layers", [layer.name for layer in self._layers])
        found = forces(self.model, loss, batches, **settings)
        if self._active and not self._closed:
            self._write({"line": "forces", "step": self._step, "layers": list(self._drifts(found))})
        return found

    def _drifts(self, found: Mapping[str, LayerForces]) -> Iterator[dict[str, Any]]:
        """Forces as the log has them, of the singular values that are recorded."""
        for place, layer in enumerate(self._layers):
            of = found.get(layer.name)
            if of is None:
                continue
            columns = of.to_dict()
            kept = [i - 1 for i in layer.kept]
            parts = {}
            for part in (*PARTS, "total"):
                both = zip(columns[part][kept], columns[f"{part}_error"][kept], strict=True)
                parts[part] = [[float(x) if np.isfinite(x) else None for x in pair] for pair in both]
            yield {"layer": place + 1, "indices": list(layer.kept), "parts": parts}

    def __repr__(self) -> str:
        state = "closed" if self._closed else "not on rank 0" if not self._active else "watching"
        return f"<Monitor of {type(self.model).__name__}: {len(self._layers)} layers, {self._step} steps, {state}>"


def _is_first_rank() -> bool:
    import torch

    there = torch.distributed.is_available() and torch.distributed.is_initialized()
    return not there or torch.distributed.get_rank() == 0


def _stand_back(niceness: int) -> None:
    """Where priorities are of threads, as on Linux."""
    if niceness and hasattr(os, "setpriority") and os.uname().sysname == "Linux":
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)
        except OSError:
            pass


def _number(value: Any) -> float:
    """A number of a tensor or another one."""
    if hasattr(value, "detach"):
        value = value.detach()
    return float(value)


def _flat(weights: Any) -> Any:
    """A tensor of the CPU as a vector of NumPy."""
    return weights.reshape(-1).numpy()


def _rows(values: Any) -> Any:
    """Activations as rows × units, copied: of images every place is a row, of sequences every position; at most 2048."""
    import torch

    values = values.float() if values.dtype != torch.float64 else values
    if values.ndim == 4:
        values = values.permute(0, 2, 3, 1)
    values = values.reshape(-1, values.shape[-1]) if values.ndim != 1 else values[:, None]
    every = -(-values.shape[0] // 2048)
    return values[::every].to("cpu", copy=True).contiguous()


def _feature(values: Any) -> dict[str, Any] | None:
    """Rank and dead units of rows × units; None where they are not finite."""
    array = values.numpy()
    rows, columns = array.shape
    found, _ = _rankfall.measure(array.reshape(-1), rows, columns, float(np.finfo(array.dtype).eps))
    if found is None:
        return None
    alive = array != 0
    return {
        "numerical_rank": found["numerical_rank"],
        "effective_rank": found["effective_rank"],
        "stable_rank": found["stable_rank"],
        "dead_units": int((~alive.any(axis=0)).sum()),
        "active_share": float(alive.mean()),
    }


def _line(found: Mapping[str, Any], kept: Sequence[int]) -> dict[str, Any]:
    """A layer as the log has it."""
    sigma, bound = found["singular_values"], found["error_bound"]
    logs = [math.log(sigma[i - 1]) if sigma[i - 1] > bound else None for i in kept]
    rest = (
        "numerical_rank",
        "effective_rank",
        "stable_rank",
        "nuclear_norm",
        "log_abs_det",
        "error_bound",
        "method",
    )
    return {"log_singular_values": logs, **{key: found[key] for key in rest}}


def _inputs(model: Any, layers: Sequence[Layer]) -> list[tuple[str, Any]]:
    """Modules that own a measured layer, by name: their inputs are features."""
    modules = dict(model.named_modules())
    found: dict[str, Any] = {}
    for layer in layers:
        owner = layer.name.rpartition(".")[0]
        module = modules.get(owner)
        # What looks up rows of its weights has no features as input.
        if module is not None and "Embedding" not in type(module).__name__:
            found.setdefault(owner or type(model).__name__, module)
    return list(found.items())
