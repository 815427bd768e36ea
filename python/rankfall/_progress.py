"""Progress of a run: a bar on a terminal or in a notebook, lines now and then in a log, or nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, Literal, TextIO, Union

__all__ = ["Progress", "ProgressCallback", "in_notebook", "watcher"]

#: Called with the label of the dynamics, the steps done, and how many there are.
ProgressCallback = Callable[[str, int, int], Any]
#: Whether and how to show progress.
Progress = Union[bool, Literal["auto", "terminal", "notebook", "plain"], ProgressCallback, None]

#: Seconds between two lines of a plain log.
PLAIN = 10.0
#: Nothing is shown of what takes less.
PATIENCE = 0.5


def watcher(progress: Progress) -> ProgressCallback | None:
    """Who is told of progress; by default a bar where somebody sees it, and nobody otherwise."""
    if progress is None or progress is False:
        return None
    if callable(progress):
        return progress
    if progress is True or progress == "auto":
        if in_notebook():
            return _Notebook()
        if sys.stderr is not None and sys.stderr.isatty():
            return _Terminal(sys.stderr)
        progress = "plain" if progress is True else None
    if progress == "notebook":
        return _Notebook()
    if progress is None:
        return None
    if progress in ("terminal", "plain"):
        if sys.stderr is None:  # as without a console
            return None
        return _Terminal(sys.stderr) if progress == "terminal" else _Plain(sys.stderr)
    raise ValueError(
        f'progress is {progress!r}: give True, False, "auto", "terminal", "notebook", "plain" or a function'
    )


def in_notebook() -> bool:
    """Whether this is the kernel of a notebook."""
    shell = sys.modules.get("IPython")
    if shell is None:
        return False
    running = shell.get_ipython()
    return running is not None and "IPKernelApp" in getattr(running, "config", {})


class _Shown:
    """What is common: when a dynamics began, and how long the rest will take."""

    def __init__(self) -> None:
        self.label = ""
        self.began = 0.0

    def __call__(self, label: str, done: int, total: int) -> None:
        now = time.monotonic()
        if label != self.label:
            self.label, self.began = label, now
        if total > 0 and now - self.began >= PATIENCE:
            share = done / total
            left = (now - self.began) * (1.0 / share - 1.0) if share > 0 else float("inf")
            self.show(label, share, left)

    def show(self, label: str, share: float, left: float) -> None:
        raise NotImplementedError


def _duration(seconds: float) -> str:
    if seconds == float("inf"):
        return "?"
    whole = int(seconds + 0.5)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


class _Terminal(_Shown):
    """One line that is written again and again."""

    WIDTH = 30

    def __init__(self, out: TextIO) -> None:
        super().__init__()
        self.out = out

    def show(self, label: str, share: float, left: float) -> None:
        filled = int(self.WIDTH * share)
        bar = "█" * filled + "·" * (self.WIDTH - filled)
        end = "\n" if share >= 1.0 else ""
        self.out.write(f"\r{label[:30]}  {bar} {share:4.0%}, {_duration(left)} left\x1b[K{end}")
        self.out.flush()


class _Plain(_Shown):
    """A line now and then."""

    def __init__(self, out: TextIO) -> None:
        super().__init__()
        self.out = out
        self.said = -PLAIN

    def show(self, label: str, share: float, left: float) -> None:
        now = time.monotonic()
        if now - self.said >= PLAIN:
            self.said = now
            self.out.write(f"rankfall: {label}: {share:.0%}, {_duration(left)} left\n")
            self.out.flush()


class _Notebook(_Shown):
    """A bar in the output of a cell, which is emptied at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.handle: Any = None

    def show(self, label: str, share: float, left: float) -> None:
        from html import escape

        import IPython.display

        html: Any = IPython.display.HTML
        display: Any = IPython.display.display

        words = f"{escape(label)} {share:.0%}, {_duration(left)} left" if share < 1.0 else ""
        bar = f'<progress max="1" value="{share:.3f}"></progress> {words}' if share < 1.0 else ""
        if self.handle is None:
            self.handle = display(html(bar), display_id=True)
        else:
            self.handle.update(html(bar))
