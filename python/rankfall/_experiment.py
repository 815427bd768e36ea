"""Experiments: what was asked for, checked by the one reader of experiment files."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Union

from . import _cluster, _rankfall, _threads
from ._data import Source, source
from ._errors import ExperimentError, InterruptedWarning
from ._jobs import Job, Stepper
from ._observables import ObservableFunction, wrapped
from ._predict import Forecast
from ._progress import Progress, watcher
from ._results import Run, load
from ._sections import Dynamics, Network, Save, Section, Table, plain
from ._toml import argument
from ._verify import Verification, verify

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Experiment", "bundled"]

#: What is given for the dynamics of an experiment.
DynamicsGiven = Union[Mapping[str, Dynamics | Table], Sequence[Dynamics | Table], Dynamics]


class Experiment:
    """Data, a network, and the dynamics that move its weights, over time and many trajectories.

    It is checked when it is made, by the reader of experiment files and with its messages.

    Parameters
    ----------
    name : str
        A label; also that of a folder.
    data : Source or mapping or (x, y)
        What there is to learn from: :class:`Gaussian`, :class:`Data`, :class:`Gram`, :func:`read`, …
    network : Network or mapping
        What learns it: :class:`TwoLayer`, :class:`Layers`, :class:`DiagonalLinear`.
    dynamics : mapping of str to Dynamics, or sequence of Dynamics
        What moves the weights, by the label that tables and figures call it.
    time : float
        The end of the time axis, t = step size × step.
    steps, epochs : int
        Instead of it: so many steps, or passes through the rows.
    trajectories : int
        How many of each dynamics.
    seed : int
        All that is drawn depends on it; results do not depend on threads.
    save : Save or mapping or int
        When to save; a number is that many times.
    rank_tolerance : float
        Numerical rank counts singular values above this share of the largest.
    keep_trajectories : bool
        Keep every trajectory, not only statistics over them.
    common_noise : bool
        All dynamics see the same noise.
    **run
        Any other key of ``[run]``: ``measure``, ``force_balance``, ``save_weights``, ``reductions``.

    Raises
    ------
    ExperimentError
        What is wrong, where, and what to do.

    Examples
    --------
    >>> import rankfall as rf
    >>> exp = rf.Experiment(
    ...     data=rf.Gaussian(samples=100, inputs=3, outputs=2),
    ...     network=rf.TwoLayer(width=5),
    ...     dynamics={"GF": rf.GradientFlow(), "SGF": rf.StochasticGradientFlow(label_noise=1.0)},
    ...     time=10, trajectories=8, save=5)
    >>> run = exp.run()
    >>> run["SGF"].log_det.mean.shape
    (6,)
    >>> bool(abs(run["SGF"].log_det.mean - run["SGF"].log_det.law).max() < 1e-9)
    True
    """

    _made: _rankfall.Experiment
    _held: tuple[Any, ...]

    def __init__(
        self,
        name: str = "experiment",
        *,
        data: Source | Table | Sequence[Any],
        network: Network | Table,
        dynamics: DynamicsGiven,
        time: float | None = None,
        steps: int | None = None,
        epochs: int | None = None,
        trajectories: int | None = None,
        seed: int | None = None,
        save: Save | Table | int | None = None,
        rank_tolerance: float | None = None,
        keep_trajectories: bool | None = None,
        common_noise: bool | None = None,
        **run: Any,
    ) -> None:
        given = {
            "seed": seed,
            "time": time,
            "steps": steps,
            "epochs": epochs,
            "trajectories": trajectories,
            "save": _save(save),
            "rank_tolerance": rank_tolerance,
            "keep_trajectories": keep_trajectories,
            "common_noise": common_noise,
            **run,
        }
        data = source(data)
        table = {
            "name": name,
            "data": plain(data),
            "network": plain(network),
            "dynamics": _listed(dynamics),
            "run": {key: plain(value) for key, value in given.items() if value is not None},
        }
        sections = [part for part in (data, network) if isinstance(part, Section)]
        self._held = tuple(file for part in sections for file in part.held())
        self._made = _rankfall.Experiment.of_table(table)

    @classmethod
    def _of(cls, made: _rankfall.Experiment, held: Sequence[Any] = ()) -> Self:
        experiment = cls.__new__(cls)
        experiment._made, experiment._held = made, tuple(held)
        return experiment

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> Self:
        """Of a table with the sections and keys of an experiment file."""
        return cls._of(_rankfall.Experiment.of_table(plain(dict(table))))

    @classmethod
    def from_toml(cls, toml: str | os.PathLike[str], set: Mapping[str, Any] | None = None) -> Self:
        """Of an experiment file, or of its text.

        Parameters
        ----------
        toml : path or str
            The file; text with an end of line in it is the experiment itself.
        set : mapping
            Values for keys by their dotted path, such as ``{"dynamics.0.step_size": 0.02}``.
        """
        sets = [argument(key, value) for key, value in (set or {}).items()]
        if isinstance(toml, str) and ("\n" in toml or "=" in toml):
            return cls._of(_rankfall.Experiment.of_text(toml, "the experiment", "", sets))
        return cls._of(_rankfall.Experiment.of_file(os.fspath(toml), sets))

    def to_toml(self, path: str | os.PathLike[str] | None = None) -> str:
        """The experiment as a file has it, every default written out.

        Parameters
        ----------
        path : path
            Where to write it. Data in memory are written beside it, and named by it.

        Returns
        -------
        str
            The text. Data in memory have a name in it that means nothing elsewhere, unless a path was given.
        """
        text = self._made.resolved()
        if path is None:
            return text
        target = Path(path)
        for number, file in enumerate(self._held):
            beside = target.with_name(f"{target.stem}-data{number or ''}.npz")
            beside.write_bytes(file.bytes)
            text = text.replace(file.path, beside.name)
        target.write_text(text, encoding="utf-8")
        return text

    def replace(self, values: Mapping[str, Any] | None = None, **run: Any) -> Self:
        """The same experiment with other values.

        Parameters
        ----------
        values : mapping
            By dotted path; a dynamics by its label or position: ``{"dynamics.SGF.label_noise": 1.0}``.
        **run
            Keys of ``[run]``, and ``name``.
        """
        keys = {key if key == "name" else f"run.{key}": value for key, value in run.items()}
        if "run.save" in keys:
            keys["run.save"] = _save(keys["run.save"])
        keys.update({self._path(key): value for key, value in (values or {}).items()})
        sets = [argument(key, value) for key, value in keys.items()]
        made = _rankfall.Experiment.of_text(self._made.resolved(), "the experiment", "", sets)
        return self._of(made, self._held)

    def _path(self, key: str) -> str:
        """A dotted path with the label of a dynamics turned into its position."""
        for position, label in enumerate(self._made.labels):
            prefix = f"dynamics.{label}."
            if key.startswith(prefix):
                return f"dynamics.{position}.{key[len(prefix) :]}"
        return key

    @property
    def name(self) -> str:
        """Its name."""
        return self._made.name

    @property
    def labels(self) -> list[str]:
        """The labels of its dynamics."""
        return self._made.labels

    @property
    def seed(self) -> int:
        """What all that is drawn depends on."""
        return self._made.seed

    @property
    def engine(self) -> str:
        """``"exact"`` for two linear layers, ``"dense"`` for any other network."""
        return self._made.engine()[0]

    def run(
        self,
        *,
        threads: int | None = None,
        progress: Progress = "auto",
        observables: Mapping[str, ObservableFunction] | None = None,
        out: str | os.PathLike[str] | None = None,
        resume: Run | bool | None = None,
        on_interrupt: Literal["return", "raise"] = "return",
        executor: Any = None,
        shards: int | None = None,
        retries: int = 2,
    ) -> Run:
        """Runs it, with the interpreter free for other threads.

        Parameters
        ----------
        threads : int
            How many; all cores by default, and one in each worker of an executor. Results do not depend on it.
        progress : bool, str or function
            ``"auto"`` shows a bar on a terminal and in a notebook and nothing elsewhere; ``True`` also writes a
            line now and then; a function is called with label, steps done, and steps in all.
        observables : mapping of str to function
            Quantities of one's own, of two linear layers: each takes a :class:`Batch` of trajectories at a save
            time and returns a number for each.
        out : path
            A run folder to write into, with checkpoints on the way. In memory by default.
        resume : Run or bool
            A run of this experiment that was stopped, to go on from; or ``True`` to go on in ``out``.
        on_interrupt : {"return", "raise"}
            What Ctrl-C does: return what there is, with a warning and ``interrupted``, or raise
            ``KeyboardInterrupt``. With ``out`` it is always raised: what there is, is in the folder.
        executor : concurrent.futures.Executor
            Where shards are run: a process pool, ``client.get_executor()`` of Dask, ``mpi4py.futures``,
            :func:`ray`. The result has the bits of a run without one.
        shards : int
            Into how many parts its trajectories are divided for the executor; 16 unless given.
        retries : int
            How often a shard whose worker was lost is run again.

        Returns
        -------
        Run
            Everything that was measured.

        Raises
        ------
        DivergedError
            All trajectories of a dynamics diverged; it holds the run.
        """
        if on_interrupt not in ("return", "raise"):
            raise ValueError(f'on_interrupt is {on_interrupt!r}: "return" or "raise"')
        threads = _threads.count(threads)
        if executor is not None:
            if resume is not None or out is not None:
                raise ValueError("with an executor, out and resume mean nothing: run.save(folder) writes it")
            return self._run_shards(executor, shards or 16, threads or 1, observables, progress, retries)
        if out is not None:
            if observables:
                raise ValueError("observables are measured in memory: leave out, and run.save(folder)")
            return self._run_into(out, resume is True, threads, progress)
        left = None
        if isinstance(resume, Run):
            if not resume.interrupted:
                return resume
            left = resume._made
        elif resume:
            raise ValueError("resume=True goes on in a folder: name it with out")
        made = self._made.run(
            threads, watcher(progress), _threads.is_main(), left, wrapped(observables), None
        )
        run = Run._of(made, self._held)
        if run.interrupted:
            _interrupted("run(resume=...) goes on with it", on_interrupt)
        run._check_survivors()
        return run

    def _run_shards(
        self,
        executor: Any,
        shards: int,
        threads: int,
        observables: Mapping[str, ObservableFunction] | None,
        progress: Progress,
        retries: int,
    ) -> Run:
        if shards < 1:
            raise ValueError(f"shards is {shards}, and there is one at least")
        wrapped(observables)
        work = [(self, i, shards, threads, observables) for i in range(1, shards + 1)]
        parts = _cluster.gather(executor, _cluster.shard_of_run, work, watcher(progress), retries)
        run = Run._of(_rankfall.merge_shards(parts), self._held)
        run._check_survivors()
        return run

    def _run_into(
        self,
        out: str | os.PathLike[str],
        resume: bool,
        threads: int | None,
        progress: Progress,
    ) -> Run:
        if self._held:
            raise ValueError(
                "data in memory have no place that a checkpoint could name: write them to a file and use rf.read, or "
                "run in memory and run.save(folder)"
            )
        folder = os.fspath(out)
        stopped = self._made.run_into(folder, resume, threads, watcher(progress), _threads.is_main())
        if stopped:
            raise KeyboardInterrupt(
                f"everything so far is in {folder}; run(out=..., resume=True) goes on with it"
            )
        run = load(folder)
        run._check_survivors()
        return run

    def start(
        self,
        *,
        threads: int | None = None,
        observables: Mapping[str, ObservableFunction] | None = None,
        resume: Run | None = None,
    ) -> Job:
        """Runs it in the background: :class:`Job` has its progress, what there is so far, and a way to stop it.

        Parameters
        ----------
        threads, observables, resume
            As of :meth:`run`.
        """
        own, threads = wrapped(observables), _threads.count(threads)
        left = resume._made if resume is not None and resume.interrupted else None

        def work(handle: _rankfall.Handle) -> Run:
            return Run._of(self._made.run(threads, None, False, left, own, handle), self._held)

        return Job(work, self._held)

    def stepper(self, label: str | None = None) -> Stepper:
        """The trajectories of a dynamics of two linear layers, to be moved step by step.

        Parameters
        ----------
        label : str
            Of the dynamics; the last one by default.
        """
        return Stepper(self, self.labels[-1] if label is None else label)

    def predict(self) -> Forecast:
        """What theory says will happen: which singular values survive, when the others fall, and at what rates.

        Examples
        --------
        >>> import rankfall as rf
        >>> forecast = rf.bundled("paper").predict()
        >>> forecast["stochastic gradient flow"].survivors("w1")
        2
        """
        return Forecast(json.loads(self._made.predict()))

    def verify(self, **options: Any) -> Verification:
        """Measures claims on it: :func:`rankfall.verify` with this experiment."""
        return verify(self, **options)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Experiment):
            return NotImplemented
        return self._made.resolved() == other._made.resolved()

    def __hash__(self) -> int:
        return hash(self._made.resolved())

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (self._made.resolved(), [file.bytes for file in self._held])

    def __repr__(self) -> str:
        return f"<Experiment {self.name!r}: {', '.join(self.labels)} by the {self.engine} engine>"

    def _repr_html_(self) -> str:
        from html import escape

        text = escape(self._made.resolved())
        return f"<details><summary>{escape(repr(self))}</summary><pre>{text}</pre></details>"


def _interrupted(how: str, on_interrupt: str) -> None:
    if on_interrupt == "raise":
        raise KeyboardInterrupt
    warnings.warn(f"the run was stopped before its end; {how}", InterruptedWarning, stacklevel=3)


def _save(save: Any) -> Any:
    """A number stands for so many save times."""
    return Save(points=save) if isinstance(save, int) else save


def _unpickled(text: str, files: Sequence[bytes]) -> Experiment:
    held = [_rankfall.MemoryFile(data) for data in files]
    return Experiment._of(_rankfall.Experiment.of_text(text, "the experiment", "", []), held)


def _listed(dynamics: DynamicsGiven) -> list[Any]:
    """The list of ``[[dynamics]]``."""
    if isinstance(dynamics, Dynamics):
        return [plain(dynamics)]
    if isinstance(dynamics, Mapping):
        if "kind" in dynamics and isinstance(dynamics["kind"], str):
            return [plain(dynamics)]
        return [{"label": label, **_table(one, label)} for label, one in dynamics.items()]
    return [_table(one, str(position)) for position, one in enumerate(dynamics)]


def _table(one: Any, label: str) -> dict[str, Any]:
    table = plain(one)
    if not isinstance(table, dict):
        raise ExperimentError(
            f"the dynamics {label!r} is of type {type(one).__name__}",
            hints=["give one of rf.GradientFlow(), rf.StochasticGradientFlow(), rf.SGD(), …"],
        )
    return table


def bundled(name: str | None = None) -> Experiment | dict[str, str]:
    """An experiment that comes with rankfall, or all their names with what they show.

    Examples
    --------
    >>> import rankfall as rf
    >>> rf.bundled("paper")
    <Experiment 'paper': ...>
    >>> "paper" in rf.bundled()
    True
    """
    if name is None:
        return dict(_rankfall.bundled_names())
    return Experiment._of(_rankfall.Experiment.bundled(name))
