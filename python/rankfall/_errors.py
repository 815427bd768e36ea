"""Exceptions: one above all, the messages and hints of the command line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._results import Run

__all__ = [
    "CheckpointError",
    "DataError",
    "DivergedError",
    "ExperimentError",
    "FolderError",
    "InterruptedWarning",
    "RankfallError",
]


class RankfallError(Exception):
    """What rankfall cannot do, and why.

    Attributes
    ----------
    message : str
        What is wrong, and where.
    excerpt : str or None
        The line of the experiment in which it is, with the place marked.
    hints : tuple of str
        What to do about it.
    """

    def __init__(self, message: str, excerpt: str | None = None, hints: Sequence[str] = ()) -> None:
        super().__init__(message, excerpt, tuple(hints))
        self.message = message
        self.excerpt = excerpt
        self.hints = tuple(hints)

    @property
    def hint(self) -> str | None:
        """The first of the hints, or None."""
        return self.hints[0] if self.hints else None

    def __str__(self) -> str:
        lines = [self.message]
        if self.excerpt:
            lines.append(self.excerpt)
        lines += [f"  {hint}" for hint in self.hints]
        return "\n".join(lines)


class ExperimentError(RankfallError, ValueError):
    """An experiment that cannot be run as it is: a key, a value, or what it costs."""

    @property
    def file(self) -> str | None:
        """The file in which it is wrong, or None where it was made of objects."""
        place = _PLACE.match(self.message)
        return place.group(1) if place and place.group(1) != "the experiment" else None

    @property
    def line(self) -> int | None:
        """The line, from 1, or None."""
        place = _PLACE.match(self.message)
        return int(place.group(2)) if place else None


_PLACE = re.compile(r"([^\n]*?):(\d+):(\d+): ")


class DataError(ExperimentError):
    """Data that cannot be used."""


class FolderError(RankfallError, OSError):
    """A folder that cannot be read or written."""

    # OSError has a __str__ of its own that wins over RankfallError's in no Python, but says so here.
    __str__ = RankfallError.__str__


class CheckpointError(RankfallError, ValueError):
    """Checkpoints that cannot be inspected."""


class DivergedError(RankfallError):
    """Every trajectory of a dynamics diverged.

    Attributes
    ----------
    run : Run
        What there is all the same.
    """

    def __init__(self, message: str, run: Run | None = None, hints: Sequence[str] = ()) -> None:
        super().__init__(message, None, hints)
        self.run = run

    def __reduce__(self) -> tuple[type[DivergedError], tuple[str, Run | None, tuple[str, ...]]]:
        return DivergedError, (self.message, self.run, self.hints)


class InterruptedWarning(UserWarning):
    """A run was stopped before its end: its results are those of what there was."""


def of_failure(
    kind: str, doing: str, message: str, excerpt: str | None, hints: Sequence[str]
) -> RankfallError:
    """The exception for a failure of the library."""
    made: type[RankfallError] = RankfallError
    if doing == "folder":
        made = FolderError
    elif doing == "checkpoint":
        made = CheckpointError
    elif kind == "input":
        made = DataError if _is_of_data(message) else ExperimentError
    return made(message, excerpt, hints)


def _is_of_data(message: str) -> bool:
    """Whether a message begins with the name of a file of data, as those of readers do."""
    name = re.match(r"(memory:)?[^\n:`]*\.(csv|tsv|txt|npy|npz|parquet|gz)\b", message)
    return name is not None and ".toml:" not in message
