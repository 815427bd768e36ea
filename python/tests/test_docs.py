"""Examples of the documentation, types and notebooks: all of them are run."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import rankfall as rf
from support import ROOT, needed

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
MODULES = ["rankfall", *(f"rankfall.{one.name}" for one in pkgutil.iter_modules(rf.__path__))]


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("_rankfall")])
def test_examples_of_docstrings(name: str) -> None:
    results = doctest.testmod(importlib.import_module(name), optionflags=FLAGS)
    assert results.failed == 0


@pytest.mark.parametrize("page", ["docs/python.md", "README.md", "docs/monitor.md"])
def test_python_on_pages(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of Python of a page are run one after the other, in an empty folder."""
    if page == "docs/monitor.md":
        needed("torch")
    blocks = re.findall(r"^```python\n(.*?)^```$", (ROOT / page).read_text(), re.S | re.M)
    assert blocks, "there are none"
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__page__"}
    for block in blocks:
        exec(compile(block, page, "exec"), names)


def test_everything_public_is_documented() -> None:
    for name in rf.__all__:
        one = getattr(rf, name)
        if name == "__version__":
            continue
        assert inspect.getdoc(one), name
        if inspect.isclass(one):
            for key, member in vars(one).items():
                if key.startswith("_") or not (callable(member) or isinstance(member, property)):
                    continue
                assert inspect.getdoc(member), f"{name}.{key}"


def test_every_public_name_is_on_the_page() -> None:
    page = (ROOT / "docs/python.md").read_text()
    for name in rf.__all__:
        assert re.search(rf"\b{name}\b", page), f"docs/python.md does not mention {name}"


def test_the_reference_is_made_without_a_warning(tmp_path: Path) -> None:
    """pdoc warns of annotations and names that it cannot resolve."""
    needed("pdoc")
    command = [sys.executable, "-m", "pdoc", "--docformat", "numpy", "-o", tmp_path, "rankfall"]
    made = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert made.returncode == 0 and "Warn" not in made.stderr, made.stderr
    assert 'id="Experiment.run"' in (tmp_path / "rankfall.html").read_text(encoding="utf-8")


def test_types_are_strict() -> None:
    needed("mypy")
    command = [sys.executable, "-m", "mypy", "--config-file", ROOT / "pyproject.toml"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


def test_pyright_agrees() -> None:
    needed("pyright")
    command = [sys.executable, "-m", "pyright", "--project", "pyproject.toml", "--pythonpath", sys.executable]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def test_stubs_are_those_of_the_module() -> None:
    needed("mypy")
    command = [sys.executable, "-m", "mypy.stubtest", "rankfall._rankfall", "--ignore-missing-stub"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("name", sorted(one.name for one in (ROOT / "notebooks").glob("*.ipynb")))
def test_notebooks_run(name: str, tmp_path: Path) -> None:
    nbformat = needed("nbformat")
    nbclient = needed("nbclient")
    notebook = nbformat.read(ROOT / "notebooks" / name, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    pictures = [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {}) or "<svg" in output.get("data", {}).get("text/html", "")
    ]
    assert pictures, "a notebook shows figures"
