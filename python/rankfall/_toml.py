"""Values as TOML writes them: for keys that are set by their dotted path."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ._sections import plain

__all__ = ["argument"]


def argument(key: str, value: Any) -> str:
    """``key=value``, as ``--set`` of the command line takes it."""
    return f"{key}={_value(plain(value))}"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, Mapping):
        inside = ", ".join(f"{json.dumps(str(key))} = {_value(item)}" for key, item in value.items())
        return "{" + inside + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    raise TypeError(f"a value of type {type(value).__name__} has no place in an experiment")
