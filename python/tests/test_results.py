"""Results as arrays, frames, figures and folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rankfall as rf
from support import needed, small


@pytest.fixture(scope="module")
def run() -> rf.Run:
    return small(keep_trajectories=True).run()


def test_log_det_follows_its_law_and_spectra_have_shapes(run: rf.Run) -> None:
    log_det = run["SGF"].log_det
    assert log_det.mean.shape == log_det.law.shape == run.times.shape == (11,)
    np.testing.assert_allclose(log_det.mean, log_det.law, atol=1e-10)
    sigma = run["SGF"].singular_values("w1")
    assert sigma.quantile(0.25).shape == sigma.mean.shape == (11, 3)
    logs = run["SGF"].log_singular_values("w1")
    np.testing.assert_array_equal(sigma.median, np.exp(logs.median))
    assert (np.diff(sigma.median, axis=1) < 0).all()
    assert run["SGF"].numerical_rank("theta").mean[0] == 5
    assert np.isnan(run["GF"].loss.std_error).all(), "one trajectory has no spread"
    assert run["SGF"].loss is run["SGF"].loss
    with pytest.raises(ValueError, match="0.95"):
        sigma.quantile(0.3)
    with pytest.raises(ValueError, match="read-only"):
        log_det.mean[0] = 1


def test_names_are_found_and_missed(run: rf.Run) -> None:
    assert list(run) == run.labels == ["GF", "SGF"] and "GF" in run and len(run) == 2
    assert "log_det" in dir(run["GF"])
    with pytest.raises(KeyError, match="SGF"):
        run["SDG"]
    with pytest.raises(AttributeError, match="log_det"):
        run["GF"].log_dett
    with pytest.raises(KeyError, match="loss"):
        run["GF"].observable("los")


def test_trajectories_are_what_the_statistics_are_of(run: rf.Run) -> None:
    all_of = run["SGF"].trajectories("log_singular_value_w1")
    assert all_of.shape == (20, 11, 3)
    log_sigma = run["SGF"].log_singular_values("w1")
    np.testing.assert_allclose(all_of.mean(axis=0), log_sigma.mean, atol=1e-13)
    np.testing.assert_allclose(np.quantile(all_of, 0.25, axis=0), log_sigma.quantile(0.25), atol=1e-13)
    error = all_of.std(axis=0, ddof=1) / np.sqrt(20)
    np.testing.assert_allclose(error[1:], log_sigma.std_error[1:], rtol=1e-9)
    with pytest.raises(ValueError, match="keep_trajectories"):
        small().run()["SGF"].trajectories("loss")


def test_frames_are_the_file(run: rf.Run, tmp_path: Path) -> None:
    pyarrow = needed("pyarrow")
    parquet = needed("pyarrow.parquet")
    run.save(tmp_path / "run")
    written = parquet.read_table(tmp_path / "run/series.parquet")
    table = pyarrow.table(run)
    assert table.schema.names == written.schema.names
    assert [str(t) for t in table.schema.types] == [str(t) for t in written.schema.types]
    assert table.equals(written.cast(table.schema))
    assert table["std_error"].null_count > 0, "undefined is null"
    polars = needed("polars")
    assert polars.DataFrame(run).equals(polars.read_parquet(tmp_path / "run/series.parquet"))
    assert run.to_polars().height == len(run.to_pandas()) == table.num_rows
    duckdb = needed("duckdb")
    assert duckdb.sql("select count(*) from run").df().iloc[0, 0] == table.num_rows


def test_xarray_has_every_observable(run: rf.Run) -> None:
    needed("xarray")
    data = run.to_xarray()
    found = data["log_singular_value_w1"].sel(dynamics="SGF", statistic="q25")
    np.testing.assert_array_equal(found, run["SGF"].log_singular_values("w1").quantile(0.25))


def test_a_saved_run_is_loaded_as_it_was(run: rf.Run, tmp_path: Path) -> None:
    run.save(tmp_path / "run")
    loaded = rf.load(tmp_path / "run")
    assert loaded.summary["dynamics"] == run.summary["dynamics"]
    for column, values in run.to_dict().items():
        np.testing.assert_array_equal(loaded.to_dict()[column], values)
    for name, values in run["SGF"].weights.items():
        np.testing.assert_array_equal(loaded["SGF"].weights[name], values)
    assert run["SGF"].weights["w1"].shape == (3, 5)
    loaded.save(tmp_path / "copy")
    assert rf.load(tmp_path / "copy").experiment == run.experiment
    assert loaded.svg("seed") == run.svg("seed")
    for again in (run, loaded):
        with pytest.raises(rf.FolderError):
            again.save(tmp_path / "run")
    with pytest.raises(rf.FolderError):
        rf.load(tmp_path / "nothing")


def test_a_run_of_the_command_line_is_loaded(tmp_path: Path, command_line: str) -> None:
    import subprocess

    small().to_toml(tmp_path / "mine.toml")
    command = [command_line, "run", tmp_path / "mine.toml", "--out", tmp_path / "run"]
    subprocess.run(command, check=True, capture_output=True)
    loaded, here = rf.load(tmp_path / "run"), small().run()
    for column, values in here.to_dict().items():
        np.testing.assert_array_equal(loaded.to_dict()[column], values)


def test_notebooks_show_a_table_and_our_figure(run: rf.Run) -> None:
    html = run._repr_html_()
    assert "<table>" in html and "<svg" in html and "SGF" in html
    label = '<script>alert("x")</script>'
    hostile = small(dynamics={label: rf.GradientFlow()}).run()
    assert "<script>" not in hostile._repr_html_()
    assert "SGF" in repr(run) and "20 of 20" in repr(run["SGF"])
