"""Claims about noise and rank: which there are, and what becomes of them on an experiment."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from . import _cluster, _rankfall, _threads
from ._errors import InterruptedWarning
from ._html import table
from ._progress import Progress, watcher

if TYPE_CHECKING:
    from ._experiment import Experiment

__all__ = ["Claim", "Verification", "claims", "verify"]

Suite = Literal["exact", "networks"]
Level = Literal["quick", "full"]


class Claim(NamedTuple):
    """What is claimed."""

    #: Its name.
    id: str
    #: ``"exact"``: about two linear layers; ``"networks"``: about networks of any depth.
    suite: str
    #: A heading.
    title: str
    #: The claim in words and symbols.
    statement: str
    #: What *holds* rejects.
    alternative: str
    #: Whose claim it is: the paper's, or derived here.
    source: str
    #: ``"exact identity"``, ``"asymptotic"`` or ``"qualitative"``.
    kind: str


def claims(suite: Suite | None = None) -> list[Claim]:
    """All claims, or those of a suite.

    Examples
    --------
    >>> import rankfall as rf
    >>> next(claim.source for claim in rf.claims() if claim.id == "determinant-law")
    'the paper'
    """
    every = (Claim(*one) for one in _rankfall.list_claims())
    return [claim for claim in every if suite is None or claim.suite == suite]


class Verification(Mapping[str, dict[str, Any]]):
    """What became of claims: a mapping from their names to verdict, prediction, measurement, interval and reason."""

    def __init__(self, record: dict[str, Any], interrupted: bool) -> None:
        #: The record of ``rankfall verify --json``.
        self.record = record
        #: Whether it was stopped early: then it has the claims that were measured before.
        self.interrupted = interrupted
        self._by_id: dict[str, dict[str, Any]] = {one["id"]: one for one in record["claims"]}

    def __getitem__(self, id: str) -> dict[str, Any]:
        try:
            return self._by_id[id]
        except KeyError:
            raise KeyError(f"{id!r} was not measured; there are {', '.join(self._by_id)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_id)

    def __len__(self) -> int:
        return len(self._by_id)

    def of(self, verdict: str) -> list[str]:
        """Names of the claims with a verdict: ``"holds"``, ``"fails"``, ``"cannot tell"``, ``"does not apply"``."""
        return [id for id, one in self.items() if one["verdict"] == verdict]

    @property
    def failed(self) -> list[str]:
        """Names of the claims that fail. The chance that a true one is among them is
        ``record["family_wise_rate"]`` at most, over all of its suite."""
        return self.of("fails")

    def to_dict(self) -> dict[str, list[Any]]:
        """A row for each claim, as columns; intervals are pairs."""
        columns = (
            "id",
            "verdict",
            "prediction",
            "measured",
            "interval",
            "p_value",
            "source",
            "kind",
            "title",
            "reason",
            "seconds",
        )
        return {column: [one[column] for one in self.values()] for column in columns}

    def to_pandas(self) -> Any:
        """The rows as a pandas frame."""
        import pandas

        return pandas.DataFrame(self.to_dict())

    def to_polars(self) -> Any:
        """The rows as a Polars frame."""
        import polars

        return polars.DataFrame(self.to_dict(), strict=False)

    def __repr__(self) -> str:
        counts = {verdict: len(self.of(verdict)) for verdict in ("holds", "fails", "cannot tell", "does not apply")}
        words = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
        return f"<Verification of {len(self)} claims: {words or 'none was measured'}>"

    def __str__(self) -> str:
        """The table of the command line."""
        return _rankfall.claims_text(json.dumps(self.record))

    def _repr_html_(self) -> str:
        headings = ["claim", "verdict", "predicted", "measured", "p", "whose", "title"]
        keys = ["id", "verdict", "prediction", "measured", "p_value", "source", "title"]
        return table(headings, [[one[key] for key in keys] for one in self.values()], repr(self))


def measure_claim(
    experiment: Experiment | None, id: str, full: bool, seed: int | None, threads: int | None = 1
) -> bytes:
    """Measures one claim: what a worker does."""
    made = None if experiment is None else experiment._made
    text, _ = _rankfall.verify(made, [id], None, full, seed, threads, None, False)
    return text.encode()


def verify(
    experiment: Experiment | None = None,
    *,
    only: str | Sequence[str] = (),
    suite: Suite | None = None,
    level: Level = "quick",
    seed: int | None = None,
    threads: int | None = None,
    executor: Any = None,
    progress: Progress = "auto",
    on_interrupt: Literal["return", "raise"] = "return",
    retries: int = 2,
) -> Verification:
    """Measures claims and gives their verdicts.

    Parameters
    ----------
    experiment : Experiment
        What they are tested on: the paper's setting by default.
    only : str or sequence of str
        Names of claims; by default all of the suite, or about networks all that apply.
    suite : {"exact", "networks"}
        Claims about two linear layers, or about networks.
    level : {"quick", "full"}
        How much is spent.
    seed : int
        Of everything that is drawn, instead of the experiment's.
    threads : int
        All cores by default, one in each worker of an executor; verdicts do not depend on it.
    executor : concurrent.futures.Executor
        Where claims are measured, one to a task. The verdicts are those of a run without one.
    progress, on_interrupt, retries
        As of :meth:`Experiment.run`.

    Returns
    -------
    Verification
        A row for each claim.

    Examples
    --------
    >>> import rankfall as rf
    >>> found = rf.verify(only=["determinant-law", "gradient-flow-determinant"])
    >>> found["determinant-law"]["verdict"], found.failed
    ('holds', [])
    """
    if level not in ("quick", "full"):
        raise ValueError(f'level is {level!r}: "quick" or "full"')
    if on_interrupt not in ("return", "raise"):
        raise ValueError(f'on_interrupt is {on_interrupt!r}: "return" or "raise"')
    threads = _threads.count(threads)
    names = [only] if isinstance(only, str) else list(only)
    full, tell = level == "full", watcher(progress)
    made = None if experiment is None else experiment._made
    if executor is not None:
        asked = _rankfall.asked_claims(made, names, suite, seed)
        work = [(experiment, name, full, seed, threads or 1) for name in asked]
        parts = [json.loads(one) for one in _cluster.gather(executor, measure_claim, work, tell, retries)]
        record = {**parts[0], "claims": [claim for part in parts for claim in part["claims"]]}
        record["seconds"] = sum(part["seconds"] for part in parts)
        return Verification(record, interrupted=False)
    text, stopped = _rankfall.verify(made, names, suite, full, seed, threads, tell, _threads.is_main())
    if stopped and on_interrupt == "raise":
        raise KeyboardInterrupt
    if stopped:
        warnings.warn(
            "interrupted: it has the claims that were measured before", InterruptedWarning, stacklevel=2
        )
    return Verification(json.loads(text), interrupted=stopped)
