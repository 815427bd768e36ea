"""Threads: how many compute, and which one hears Ctrl-C."""

from __future__ import annotations

import threading

__all__ = ["count", "is_main"]


def count(threads: int | None) -> int | None:
    """As many as were asked for; None, all cores, where nobody asked."""
    if threads is not None and threads < 1:
        raise ValueError(f"threads is {threads}, and one is needed at least")
    return threads


def is_main() -> bool:
    """Whether this is the thread that hears signals."""
    return threading.current_thread() is threading.main_thread()
