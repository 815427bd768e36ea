"""Figures of a run with matplotlib, in the style of the report: theory beside measurement, readable in grey."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._progress import in_notebook

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ._results import Run

__all__ = ["draw", "names"]

INK, MUTED, GRID = "#17171a", "#5b5b63", "#e6e6e8"
#: Of dynamics without noise, and with it: those of the report.
COOL = ["#0b4f8a", "#4a9fd4", "#00795a", "#5b2a6e"]
WARM = ["#c8430a", "#f0a90a", "#cc79a7", "#8a8a3a"]
#: How lines without and with noise are broken, one after the other.
DASHES: list[Any] = ["-", (0, (7, 2)), (0, (6, 2, 1, 2)), (0, (1, 1.5))]
TIME = "time t = step size × step"
_STYLE: Any = {
    "axes.edgecolor": MUTED,
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlesize": 10,
    "axes.labelcolor": INK,
    "figure.facecolor": "white",
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
}


def names(run: Run) -> list[str]:
    """The figures that can be drawn of a run, and its observables."""
    found = []
    of_all = {name for label in run for name in run[label].observables()}
    if "log_det" in of_all:
        found += ["seed", "determinants"]
    if any(name.startswith("log_singular_value_") for name in of_all):
        found.append("singular-values")
    if any(name.startswith("numerical_rank_") for name in of_all):
        found.append("ranks")
    return [*found, "loss", *sorted(of_all - {"loss"})]


def draw(run: Run, name: str, **settings: Any) -> Figure:
    """A figure by its name."""
    try:
        import matplotlib
        import matplotlib.figure
    except ImportError:
        raise ImportError("figures need matplotlib: pip install 'rankfall[plot]'") from None
    if name not in names(run):
        raise ValueError(f"no figure {name!r}: there are {', '.join(names(run))}")
    matrix = settings.pop("matrix", "w1")
    figsize = settings.pop("figsize", None)
    if settings:
        raise TypeError(f"figures have no setting {next(iter(settings))!r}")
    with matplotlib.rc_context(_STYLE):
        figure = _drawn(run, name, matrix, figsize)
    if in_notebook():
        # The cell shows what it returns; a figure that pyplot holds too would be shown twice.
        import matplotlib.pyplot as plt

        plt.close(figure)
    return figure


def _drawn(run: Run, name: str, matrix: str, figsize: Any) -> Figure:
    if name == "seed":
        return _seed(run, matrix, figsize)
    if name == "determinants":
        return _one(run, "log_det", "log det M(t)", figsize)
    if name == "singular-values":
        return _spectra(run, matrix, figsize)
    if name == "ranks":
        return _one(run, f"numerical_rank_{matrix}", f"numerical rank of {_shown(matrix)}", figsize)
    return _one(run, name, name.replace("_", " "), figsize)


def _figure(columns: int, figsize: Any, sharey: bool = False) -> tuple[Figure, list[Axes]]:
    """A figure, shown by notebooks and by pyplot where that is in use."""
    import matplotlib.pyplot as plt

    size = figsize or (4.2 * columns + 0.4, 3.8)
    figure, axes = plt.subplots(1, columns, figsize=size, layout="constrained", squeeze=False, sharey=sharey)
    return figure, list(axes[0])


def _pens(run: Run) -> dict[str, dict[str, Any]]:
    """Colour and dash of each dynamics: cool without noise and warm with it; discs mark noise in grey."""
    pens = {}
    counts = {True: 0, False: 0}
    for one in run.summary["dynamics"]:
        noisy = one["noise_intensity"] > 0 or bool(one["noise"]) or one["kind"] == "sgd"
        family, number = (WARM if noisy else COOL), counts[noisy]
        counts[noisy] += 1
        pens[one["label"]] = {
            "color": family[number % len(family)],
            "linestyle": DASHES[number % len(DASHES)],
            "marker": "o" if noisy else None,
            "markevery": 0.22 + 0.02 * number,
            "markersize": 5,
            "linewidth": 2,
        }
    return pens


def _finite(values: Any) -> Any:
    """Values that a logarithmic axis can show."""
    return np.where(np.isfinite(values) & (values > 0), values, np.nan)


def _shown(matrix: str) -> str:
    if matrix == "theta":
        return "Θ"
    if matrix == "product":
        return "W₁W₂"
    return "W" + matrix[1:].translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def _subscript(number: int) -> str:
    return str(number).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def _curve(axis: Axes, run: Run, label: str, name: str, pen: dict[str, Any]) -> None:
    """Mean, band between the quartiles, and the law."""
    one = run[label].observable(name)
    low, high = one.quantile(0.25), one.quantile(0.75)
    if np.isfinite(low).any() and np.nanmax(high - low) > 0:
        axis.fill_between(one.times, low, high, color=pen["color"], alpha=0.2, linewidth=0)
    axis.plot(one.times, one.mean, label=label, **pen)
    if np.isfinite(one.law).any():
        axis.plot(
            one.times, one.law, color=INK, linestyle=(0, (4, 2)), linewidth=1.2, label=f"law of {label}"
        )


def _one(run: Run, name: str, words: str, figsize: Any) -> Figure:
    having = [label for label in run if name in run[label].observables()]
    shape = run[having[0]].observable(name).mean.shape
    if len(shape) == 2:
        return _panels(run, having, name, words, figsize)
    figure, (axis,) = _figure(1, figsize or (6.4, 4.2))
    pens = _pens(run)
    for label in having:
        _curve(axis, run, label, name, pens[label])
    lines = [np.asarray(line.get_ydata(), dtype=float) for line in axis.get_lines()]
    values = np.concatenate([line[np.isfinite(line)] for line in lines]) if lines else np.empty(0)
    if "loss" in name and len(values) and values.min() > 0 and values.max() > 20 * values.min():
        axis.set_yscale("log")
    axis.set_xlabel(TIME)
    axis.set_ylabel(words)
    _legend(figure, [axis])
    return figure


def _legend(figure: Figure, axes: Sequence[Axes]) -> None:
    """One legend below: each dynamics once, and the laws as one."""
    handles: dict[str, Any] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            name = "law" if label.startswith("law of ") else label
            handles.setdefault(name, handle)
    figure.legend(handles.values(), handles.keys(), loc="outside lower left", ncols=4)


def _spectrum(axis: Axes, run: Run, label: str, matrix: str, pen: dict[str, Any]) -> None:
    """Medians of singular values with the band between the quartiles, each with its number at the end."""
    sigma = run[label].singular_values(matrix)
    slow = np.isfinite(sigma.law).any()
    for index in range(sigma.mean.shape[1]):
        low, high = sigma.quantile(0.25)[:, index], sigma.quantile(0.75)[:, index]
        axis.fill_between(
            sigma.times, _finite(low), _finite(high), color=pen["color"], alpha=0.2, linewidth=0
        )
        name = f"σ{_subscript(index + 1)}"
        line = {**pen, "label": label if index == 0 else f"_{label} {name}"}
        median = _finite(sigma.median[:, index])
        axis.plot(sigma.times, median, **line)
        reached = np.flatnonzero(np.isfinite(median))
        if len(reached):
            at = (sigma.times[reached[-1]], median[reached[-1]])
            axis.annotate(name, at, (6, 0), textcoords="offset points", va="center", fontsize=8, color=INK)
        if slow:
            law = _finite(sigma.law[:, index])
            label_of_law = f"law of {label}" if index == 0 else f"_law of {label} {name}"
            axis.plot(sigma.times, law, color=INK, linestyle=(0, (4, 2)), linewidth=1.0, label=label_of_law)
    axis.set_yscale("log")
    axis.set_xlabel(TIME)
    axis.margins(x=0.01)


def _spectra(run: Run, matrix: str, figsize: Any) -> Figure:
    name = f"log_singular_value_{matrix}"
    having = [label for label in run if name in run[label].observables()]
    if not having:
        raise ValueError(f"no singular values of {matrix!r} were measured")
    figure, axes = _figure(len(having), figsize, sharey=True)
    pens = _pens(run)
    for axis, label in zip(axes, having, strict=True):
        _spectrum(axis, run, label, matrix, pens[label])
        axis.set_title(label)
    axes[0].set_ylabel(f"singular values of {_shown(matrix)}")
    _legend(figure, axes)
    return figure


def _panels(run: Run, having: list[str], name: str, words: str, figsize: Any) -> Figure:
    """A spectrum of any kind: a panel for each dynamics, a line for each index."""
    figure, axes = _figure(len(having), figsize, sharey=True)
    pens = _pens(run)
    for axis, label in zip(axes, having, strict=True):
        one = run[label].observable(name)
        for index in range(one.mean.shape[1]):
            line = label if index == 0 else f"_{label} {index + 1}"
            axis.plot(one.times, one.mean[:, index], **{**pens[label], "label": line})
        axis.set_title(label)
        axis.set_xlabel(TIME)
    axes[0].set_ylabel(words)
    _legend(figure, axes)
    return figure


def _seed(run: Run, matrix: str, figsize: Any) -> Figure:
    """The determinant beside its law, and singular values without noise and with it."""
    name = f"log_singular_value_{matrix}"
    pens = _pens(run)
    noisy = [label for label in run if pens[label]["marker"] and name in run[label].observables()]
    quiet = [label for label in run if not pens[label]["marker"] and name in run[label].observables()]
    shown = [group[0] for group in (quiet, noisy) if group]
    figure, axes = _figure(1 + len(shown), figsize)
    for axis in axes[2:]:
        axis.sharey(axes[1])
    for label in run:
        if "log_det" in run[label].observables():
            _curve(axes[0], run, label, "log_det", pens[label])
    axes[0].set_title("Determinant of M = ΘΘᵀ")
    axes[0].set_xlabel(TIME)
    axes[0].set_ylabel("log det M(t)")
    for axis, label in zip(axes[1:], shown, strict=True):
        _spectrum(axis, run, label, matrix, pens[label])
        words = "with noise" if label in noisy else "without noise"
        axis.set_title(f"Singular values of {_shown(matrix)}, {words}")
    if len(axes) > 1:
        axes[1].set_ylabel(f"singular values of {_shown(matrix)}")
    _legend(figure, axes)
    return figure
