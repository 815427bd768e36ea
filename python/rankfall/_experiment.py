"""Experiments: what was asked for, checked by the one reader of experiment files."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Union

from . import _rankfall
from ._data import Source, source
from ._errors import ExperimentError, InterruptedWarning
from ._progress import Progress, watcher
from ._results import Run
from ._sections import Dynamics, Network, Save, Section, Table, plain
from ._toml import argument

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Experiment", "bundled"]

#: What is given for the dynamics of an experiment.
DynamicsGiven = Union[
    Mapping[str, Union[Dynamics, Table]], Sequence[Union[Dynamics, Table]], Dynamics
]


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
        if isinstance(save, int):
            save = Save(points=save)
        given = {
            "seed": seed,
            "time": time,
            "steps": steps,
            "epochs": epochs,
            "trajectories": trajectories,
            "save": save,
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
    def from_toml(
        cls, toml: str | os.PathLike[str], set: Mapping[str, Any] | None = None
    ) -> Self:
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
        keys.update({self._path(key): value for key, value in (values or {}).items()})
        sets = [argument(key, value) for key, value in keys.items()]
        made = _rankfall.Experiment.of_text(self._made.resolved(), "the experiment", "", sets)
        return self._of(made, self._held)

    def _path(self, key: str) -> str:
        """A dotted path with the label of a dynamics turned into its position."""
        for position, label in enumerate(self._made.labels):
            prefix = f"dynamics.{label}."
            if key.startswith(prefix):
                return f"dynamics.{position}.{key[len(prefix):]}"
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
        resume: Run | None = None,
        on_interrupt: Literal["return", "raise"] = "return",
    ) -> Run:
        """Runs it, with the interpreter free for other threads.

        Parameters
        ----------
        threads : int
            How many; all cores by default. Results do not depend on it.
        progress : bool, str or function
            ``"auto"`` shows a bar on a terminal and in a notebook and nothing elsewhere; ``True`` also writes a
            line now and then; a function is called with label, steps done, and steps in all.
        resume : Run
            A run of this experiment that was stopped, to go on from.
        on_interrupt : {"return", "raise"}
            What Ctrl-C does: return what there is, with a warning and ``interrupted``, or raise
            ``KeyboardInterrupt``.

        Returns
        -------
        Run
            Everything that was measured.
        """
        if on_interrupt not in ("return", "raise"):
            raise ValueError(f'on_interrupt is {on_interrupt!r}: "return" or "raise"')
        left = None
        if resume is not None:
            if not resume.interrupted:
                return resume
            left = resume._made
        is_main = threading.current_thread() is threading.main_thread()
        made = self._made.run(_threads(threads), watcher(progress), is_main, left)
        run = Run._of(made, self._held)
        if run.interrupted:
            if on_interrupt == "raise":
                raise KeyboardInterrupt
            words = "the run was stopped before its end; run(resume=...) goes on with it"
            warnings.warn(words, InterruptedWarning, stacklevel=2)
        run._check_survivors()
        return run

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


def _threads(threads: int | None) -> int | None:
    if threads is not None and threads < 1:
        raise ValueError(f"threads is {threads}, and one is needed at least")
    return threads


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
