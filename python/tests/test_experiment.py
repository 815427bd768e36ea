"""Experiments from objects, tables and TOML: one and the same, with the messages of the command line."""

from __future__ import annotations

import pickle
import subprocess
from pathlib import Path

import numpy as np
import pytest

import rankfall as rf
from rankfall import _rankfall
from support import ROOT, small


def test_objects_tables_and_toml_are_equal() -> None:
    table = {
        "name": "experiment",
        "data": {"kind": "gaussian", "samples": 100, "inputs": 3, "outputs": 2},
        "network": {"width": 5},
        "dynamics": [
            {"label": "GF", "kind": "gradient-flow"},
            {
                "label": "SGF",
                "kind": "stochastic-gradient-flow",
                "step_size": 0.01,
                "label_noise": 2.0,
            },
        ],
        "run": {"time": 5, "trajectories": 20, "save": {"points": 10}, "seed": 3},
    }
    from_objects = small()
    assert rf.Experiment.from_dict(table) == from_objects
    keywords = {key: table[key] for key in ("name", "data", "network", "dynamics")}
    assert rf.Experiment(**keywords, **table["run"]) == from_objects  # type: ignore[arg-type]
    assert rf.Experiment.from_toml(from_objects.to_toml()) == from_objects
    assert hash(rf.Experiment.from_dict(table)) == hash(from_objects)
    assert small(seed=4) != from_objects


def test_an_experiment_file_is_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    small().to_toml(path)
    assert rf.Experiment.from_toml(path) == small()
    changed = rf.Experiment.from_toml(path, {"run.seed": 9, "dynamics.1.label_noise": 1.5})
    assert changed == small().replace({"dynamics.SGF.label_noise": 1.5}, seed=9)
    assert small(save=7) == small().replace(save=7)


def test_messages_are_those_of_the_command_line(tmp_path: Path, command_line: str) -> None:
    text = small().to_toml().replace("label_noise", "label_noize")
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(rf.ExperimentError) as caught:
        rf.Experiment.from_toml(path)
    error = caught.value
    assert isinstance(error, ValueError) and isinstance(error, rf.RankfallError)
    assert error.file == str(path) and error.line is not None
    assert text.splitlines()[error.line - 1].startswith("label_noize")
    said = subprocess.run([command_line, "run", path], capture_output=True, text=True, check=False)
    assert said.stderr.strip() == f"rankfall: {error}"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"time": -1}, "greater than 0"),
        ({"time": float("nan")}, "finite"),
        ({"trajectories": 0}, "trajectories"),
        ({"network": rf.TwoLayer(width=0)}, "width"),
        ({"dynamics": {}}, "dynamics"),
        ({"network": {"width": 5, "wdth": 3}}, "wdth"),
        ({"seed": 2**70}, "seed"),
        ({"time": object()}, "object"),
        ({"data": rf.Gaussian(samples=10**15, inputs=3, outputs=2)}, "samples"),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, object], words: str) -> None:
    with pytest.raises((rf.ExperimentError, TypeError), match=words):
        small(**changes)


def test_what_does_not_fit_is_refused_with_its_estimate() -> None:
    huge = small(keep_trajectories=True, trajectories=10**9, save=10**6)
    with pytest.raises(rf.ExperimentError, match="memory|GiB|disk"):
        huge.run()


def test_every_key_of_an_experiment_file_has_a_parameter() -> None:
    """A new key of keys.rs needs a parameter, or a reason to have none."""
    import dataclasses

    of_kind = {
        cls.fixed["kind"]: cls
        for cls in (
            rf.GradientFlow,
            rf.StochasticGradientFlow,
            rf.SlowFlow,
            rf.GradientDescent,
            rf.LabelNoiseGradientDescent,
            rf.SGD,
        )
    }
    tables = {path: (kinds, keys) for path, kinds, keys in _rankfall.sections()}
    kinds, keys = tables["dynamics.0"]
    for name, _, _, only in keys:
        if name in ("kind", "label"):
            continue
        for kind in only or kinds:
            fields = {field.name for field in dataclasses.fields(of_kind[kind])}
            assert name in fields or (name, kind) in _IMPLIED, f"{name} of {kind}"
    two = {field.name for field in dataclasses.fields(rf.TwoLayer)}
    two |= {field.name for field in dataclasses.fields(rf.Layers)}
    assert {key[0] for key in tables["network"][1]} <= two | {"kind"}
    gaussian = {field.name for field in dataclasses.fields(rf.Gaussian)}
    assert {k[0] for k in tables["data"][1] if "gaussian" in k[3]} <= gaussian


#: Keys that flows have without a meaning, or that a section says otherwise.
_IMPLIED = {
    ("label_noise", "gradient-flow"),
    ("label_noise", "gradient-descent"),
}


def test_pickles_carry_data_in_memory() -> None:
    x = np.linspace(-1, 1, 12).reshape(6, 2)
    experiment = small(data=rf.Data(x, x[:, 0]))
    again = pickle.loads(pickle.dumps(experiment))
    assert again == experiment and again.run()["GF"].loss.mean[-1] == experiment.run()["GF"].loss.mean[-1]
    for error in (rf.ExperimentError("a", "b", ["c"]), rf.DivergedError("a", None, ["c"])):
        back = pickle.loads(pickle.dumps(error))
        assert type(back) is type(error) and str(back) == str(error)


def test_bundled_experiments_are_there() -> None:
    names = rf.bundled()
    assert isinstance(names, dict) and "paper" in names
    paper = rf.bundled("paper")
    assert paper == rf.Experiment.from_toml(ROOT / "experiments/paper.toml")
    with pytest.raises(rf.ExperimentError, match="paper"):
        rf.bundled("papper")


def test_reprs_are_worth_reading() -> None:
    assert "GF, SGF by the exact engine" in repr(small())
    assert "label_noise = 2" in small()._repr_html_()
