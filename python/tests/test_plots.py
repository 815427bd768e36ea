"""Figures: what lines they have, and that the numbers in them are those of the run."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import rankfall as rf
from support import needed, small

matplotlib = needed("matplotlib")
matplotlib.use("Agg")


@pytest.fixture(scope="module")
def run() -> rf.Run:
    return small().run()


def test_the_seed_figure_has_the_determinant_its_law_and_spectra(run: rf.Run) -> None:
    figure = run.plot("seed")
    determinant, quiet, noisy = figure.axes
    lines = {line.get_label(): line for line in determinant.get_lines()}
    np.testing.assert_array_equal(lines["SGF"].get_ydata(), run["SGF"].log_det.mean)
    np.testing.assert_array_equal(lines["law of SGF"].get_ydata(), run["SGF"].log_det.law)
    assert noisy.get_yscale() == quiet.get_yscale() == "log"
    median = run["SGF"].singular_values("w1").median
    drawn = [line for line in noisy.get_lines() if line.get_marker() == "o"]
    for index, line in enumerate(drawn):
        np.testing.assert_array_equal(line.get_ydata(), median[:, index])
    assert len(drawn) == 3 and len(noisy.collections) >= 3, "a band for each"
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["GF", "law", "SGF"]
    matplotlib.pyplot.close(figure)


def test_every_name_is_drawn_and_others_are_refused(run: rf.Run) -> None:
    names = run.plot()
    assert {"seed", "determinants", "singular-values", "ranks", "loss", "effective_rank_theta"} <= set(names)
    for name in names:
        matplotlib.pyplot.close(run.plot(name))
    matplotlib.pyplot.close(run.plot("singular-values", matrix="theta", figsize=(8, 3)))
    with pytest.raises(ValueError, match="seed"):
        run.plot("sed")
    with pytest.raises(TypeError, match="colour"):
        run.plot("seed", colour="red")


def test_figures_of_deep_networks_are_drawn() -> None:
    network = rf.Layers([3, 6, 6, 2], activation="relu")
    run = small(network=network, dynamics={"SGD": rf.SGD(batch_size=5)}, trajectories=4).run()
    for name in run.plot():
        matplotlib.pyplot.close(run.plot(name))


def test_rankfall_is_imported_without_matplotlib_and_frames() -> None:
    import subprocess

    script = (
        "import sys, rankfall\n"
        "print([m for m in ('matplotlib', 'pandas', 'polars', 'pyarrow', 'torch', 'ray', 'distributed')"
        " if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
