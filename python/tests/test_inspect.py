"""Inspecting checkpoints from Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rankfall as rf
from support import small


def test_layers_of_an_archive_are_inspected(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weights = {
        "a.weight": rng.normal(size=(20, 30)),
        "b.weight": np.outer(np.ones(8), np.ones(9)),
        "bias": np.ones(3),
    }
    np.savez(tmp_path / "model.npz", **weights)
    found = rf.inspect(tmp_path / "model.npz")
    assert {row["name"] for row in found} == set(weights)
    row = found["a.weight"]
    sigma = np.linalg.svd(weights["a.weight"], compute_uv=False)
    assert row["sigma_max"] == pytest.approx(sigma[0], abs=row["error_bound"])
    assert row["effective_rank"] == pytest.approx(rf.effective_rank(weights["a.weight"]), rel=1e-9)
    assert found["b.weight"]["numerical_rank"] == 1
    assert not found["bias"]["analysed"] and found["bias"]["reason"]
    assert len(found.to_pandas()) == len(found) == 3
    assert "2 of 3" in repr(found) and "a.weight" in found._repr_html_()
    chosen = rf.inspect(tmp_path / "model.npz", layers="b.*")
    assert [row["name"] for row in chosen if row["analysed"]] == ["b.weight"]


def test_a_run_folder_is_inspected(tmp_path: Path) -> None:
    run = small().run()
    run.save(tmp_path / "run")
    found = rf.inspect(tmp_path / "run/final.safetensors")
    sigma = np.linalg.svd(run["SGF"].weights["w1"], compute_uv=False)
    assert found["dynamics.1.w1"]["sigma_max"] == pytest.approx(sigma[0])


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(rf.CheckpointError):
        rf.inspect(tmp_path / "nothing.safetensors")
    (tmp_path / "bad.pt").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(rf.CheckpointError):
        rf.inspect(tmp_path / "bad.pt")
    with pytest.raises(TypeError, match="path"):
        rf.inspect()
