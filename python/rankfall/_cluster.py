"""Shards of runs and sweeps on the engine that people have: any `concurrent.futures.Executor`, or Ray."""

from __future__ import annotations

import concurrent.futures
import pickle
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import _rankfall
from ._errors import RankfallError
from ._observables import wrapped
from ._progress import ProgressCallback

if TYPE_CHECKING:
    from ._experiment import Experiment

__all__ = ["RayExecutor", "gather", "ray", "shard_of_run", "shard_of_sweep"]


def shard_of_run(
    experiment: Experiment,
    index: int,
    count: int,
    threads: int | None = 1,
    observables: Mapping[str, Any] | None = None,
) -> bytes:
    """Runs one shard: what a worker does. ``index`` counts from 1.

    It is a function at the top level of a module, so that every engine can send it; what it returns is put
    together by :func:`rankfall.merge`.
    """
    return experiment._made.run_shard(index, count, threads, False, wrapped(observables))


def shard_of_sweep(
    experiment: Experiment, over: Sequence[str], index: int, count: int, threads: int | None = 1
) -> bytes:
    """Runs the points of one shard of a sweep: what a worker does."""
    made = _rankfall.Sweep(experiment._made, list(over), (index, count), threads, None, False)
    return made.to_bytes()


def gather(
    executor: Any,
    work: Callable[..., bytes],
    arguments: Sequence[tuple[Any, ...]],
    progress: ProgressCallback | None,
    retries: int = 0,
) -> list[bytes]:
    """Does ``work`` for all arguments on an executor; the results in order.

    One that fails is done again so often; on an exception the others are cancelled.
    """
    left = [retries] * len(arguments)
    waiting: dict[Any, int] = {executor.submit(work, *one): place for place, one in enumerate(arguments)}
    results: list[bytes | None] = [None] * len(arguments)
    try:
        while waiting:
            for future in _completed(waiting):
                place = waiting.pop(future)
                try:
                    results[place] = future.result()
                except (RankfallError, TypeError, ValueError, pickle.PicklingError):
                    raise  # it would fail again
                except Exception:
                    if not left[place]:
                        raise
                    left[place] -= 1
                    waiting[executor.submit(work, *arguments[place])] = place
                    continue
                if progress is not None:
                    ready = sum(one is not None for one in results)
                    progress("shards", ready, len(arguments))
    except BaseException:
        for future in waiting:
            future.cancel()
        raise
    return [one for one in results if one is not None]


def _completed(futures: Mapping[Any, int]) -> list[Any]:
    """Futures that are done, once there is one; those of engines with futures of their own are asked in turn."""
    if all(isinstance(one, concurrent.futures.Future) for one in futures):
        done, _ = concurrent.futures.wait(futures, return_when="FIRST_COMPLETED")
        return list(done)
    done_now = [one for one in futures if one.done()]
    if done_now:
        return done_now
    first = next(iter(futures))
    try:
        first.result()
    except Exception:
        pass
    return [first]


class RayExecutor(concurrent.futures.Executor):
    """Ray as an executor: :func:`ray` makes it. Arguments go to the object store once."""

    def __init__(self, **options: Any) -> None:
        import ray as engine

        self._ray = engine
        self._options = {"max_retries": 3, **options}
        self._kept: dict[int, tuple[Any, Any]] = {}
        if not engine.is_initialized():
            engine.init(log_to_driver=False, include_dashboard=False)

    def _stored(self, argument: Any) -> Any:
        """A reference to a large argument, which is stored once."""
        if isinstance(argument, (int, str, float, type(None))):
            return argument
        known = self._kept.get(id(argument))
        if known is None:
            known = (argument, self._ray.put(argument))
            self._kept[id(argument)] = known
        return known[1]

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
        """A task of Ray, with retries where a worker is lost."""
        remote = self._ray.remote(**self._options)(fn)
        stored = [self._stored(one) for one in args]
        future: concurrent.futures.Future[Any] = remote.remote(*stored, **kwargs).future()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Forgets what was stored; Ray itself stays as it is."""
        self._kept.clear()


def ray(**options: Any) -> RayExecutor:
    """Ray as an executor for :meth:`Experiment.run` and :func:`sweep`.

    Parameters
    ----------
    **options
        Of ``ray.remote``: ``num_cpus``, ``memory``, ``max_retries`` (3 unless given), ``resources``, …

    Examples
    --------
    >>> import rankfall as rf
    >>> executor = rf.ray(num_cpus=1)                    # doctest: +SKIP
    >>> run = exp.run(executor=executor, shards=32)      # doctest: +SKIP
    """
    return RayExecutor(**options)
