"""A file that holds one JSON object."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_json_object(file: Path) -> dict[str, Any]:
    """What the file holds.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not JSON, or another value than an object.
    """
    values = json.loads(file.read_bytes())
    if not isinstance(values, dict):
        raise ValueError(f"a JSON object was expected, got {type(values).__name__}")
    return values
