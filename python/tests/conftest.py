"""The command line where it was built, for tests that hold the package against it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from support import ROOT


@pytest.fixture(scope="session")
def command_line() -> str:
    """The program `rankfall`: RANKFALL_CLI names it, else a build of this checkout."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    places = [os.environ.get("RANKFALL_CLI"), target / "release/rankfall", target / "debug/rankfall"]
    for place in places:
        if place and Path(place).exists():
            return str(place)
    found = shutil.which("rankfall")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("the program rankfall is not built: cargo build --release")
        pytest.skip("the program rankfall is not built")
    return found
