"""Claims from Python: the verdicts of the command line, wherever they are measured."""

from __future__ import annotations

import concurrent.futures
import json
import multiprocessing
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rankfall as rf
from support import small

ONLY = ["determinant-law", "gradient-flow-determinant", "decay-rates"]


def untimed(claims: Any) -> list[dict[str, Any]]:
    return [{key: value for key, value in one.items() if key != "seconds"} for one in claims]


def test_the_record_is_that_of_the_command_line(command_line: str, tmp_path: Path) -> None:
    found = rf.verify(only=ONLY, seed=5)
    options = [word for name in ONLY for word in ("--only", name)]
    ran = subprocess.run(
        [command_line, "verify", "--seed", "5", "--json", "--quiet", *options],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    record = json.loads(ran.stdout)
    assert untimed(found.values()) == untimed(record["claims"])
    for key in ("comparisons", "family_wise_rate", "level", "seed", "setting"):
        assert found.record[key] == record[key]
    assert found.failed == [] and not found.interrupted
    assert "determinant-law" in str(found) and "3 holds" in repr(found)


def test_a_pool_finds_what_a_run_finds() -> None:
    context = multiprocessing.get_context("spawn")
    experiment = small()
    with concurrent.futures.ProcessPoolExecutor(2, context) as pool:
        spread = experiment.verify(only=ONLY, executor=pool)
    here = experiment.verify(only=ONLY)
    assert untimed(spread.values()) == untimed(here.values())
    assert spread.record["comparisons"] == here.record["comparisons"]
    assert "as in \"SGF\"" in here.record["setting"]


def test_claims_apply_to_networks_and_to_data_of_ones_own() -> None:
    x = np.random.default_rng(2).normal(size=(60, 3))
    own = small(data=rf.Data(x, x[:, :2] ** 2)).verify(only="determinant-law")
    assert own["determinant-law"]["verdict"] == "holds"
    network = small(
        network=rf.Layers([3, 6, 3, 2]),
        dynamics={"SGD": rf.SGD(step_size=0.01, batch_size=10)},
        time=None,
        steps=20,
        trajectories=1,
    )
    found = network.verify(only=["network-step-determinant", "determinant-law"])
    verdicts = [one["verdict"] for one in found.values()]
    assert sorted(verdicts) == ["does not apply", "holds"]
    assert {claim.suite for claim in rf.claims() if claim.id in found} == {"exact", "networks"}


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(rf.ExperimentError, match="no claim"):
        rf.verify(only="determinant-lav")
    with pytest.raises(rf.ExperimentError, match="no suite"):
        rf.verify(suite="all")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="level"):
        rf.verify(level="some")  # type: ignore[arg-type]
    with pytest.raises(KeyError, match="was not measured"):
        rf.verify(only="determinant-law")["decay-rates"]


def test_what_a_progress_function_raises_stops_it() -> None:
    def refuse(label: str, done: int, total: int) -> None:
        raise RuntimeError(label)

    with pytest.raises(RuntimeError, match="gradient-flow-determinant"):
        rf.verify(only=ONLY, progress=refuse)
