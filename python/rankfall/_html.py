"""What notebooks show of results."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._results import Run

__all__ = ["number", "of_run", "table"]


def number(value: Any) -> str:
    """A value as a cell shows it."""
    if value is None:
        return "—"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def table(headings: Sequence[str], rows: Sequence[Sequence[Any]], caption: str = "") -> str:
    """An HTML table; everything in it is escaped."""
    head = "".join(f"<th>{escape(one)}</th>" for one in headings)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(number(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def of_run(run: Run) -> str:
    """The dynamics of a run in a table, what to know of it, and its seed figure."""
    rows = []
    for one in run.summary["dynamics"]:
        log_det = one["log_det"] or {}
        rank = (one["numerical_rank"] or {}).get("theta") or {}
        rows.append(
            [
                one["label"],
                one["kind"],
                one["trajectories"] - one["diverged"],
                one["loss"]["final_mean"],
                log_det.get("final_mean"),
                log_det.get("law_final"),
                rank.get("final_mean"),
            ]
        )
    headings = ["dynamics", "kind", "trajectories", "loss", "log det", "law", "rank"]
    parts = [table(headings, rows, repr(run))]
    parts += [f"<p>⚠ {escape(words)}</p>" for words in run.warnings]
    if run.figures().get("seed", "") is None:
        parts.append(run.svg("seed"))
    return "".join(parts)
