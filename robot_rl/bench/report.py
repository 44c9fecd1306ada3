"""What every benchmark prints: a table for people, and last one JSON object for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from robot_rl.errors import ConfigError, UnknownNameError


def read_options(options: Sequence[str], defaults: Mapping[str, str | int]) -> dict[str, Any]:
    """The defaults, overridden by words of the form KEY=VALUE; a value has the type of its default.

    Raises:
        UnknownNameError: no such key; the message lists the valid ones.
        ConfigError: a word is not of that form, or its value not of the default's type.
    """
    values = dict(defaults)
    for word in options:
        key, separator, value = word.partition("=")
        if not separator:
            raise ConfigError(f"{word!r} is not of the form KEY=VALUE; keys are {', '.join(sorted(defaults))}.")
        if key not in defaults:
            raise UnknownNameError("option", key, defaults)
        if isinstance(defaults[key], int):
            if not value.isdecimal() or int(value) < 1:
                raise ConfigError(f"{key} must be a positive whole number, got {value!r}.")
            values[key] = int(value)
        else:
            values[key] = value
    return values


def make_progress() -> Progress:
    """A progress bar on stderr, so that stdout holds the result alone; gone when the work is over."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


Targets: TypeAlias = Mapping[str, tuple[str, float]]
"""Key of a result -> (">=" or "<=", what should be reached)."""


def judge(result: Mapping[str, Any], targets: Targets) -> list[list[str]]:
    """A row for each key of a result: its value, and whether its target, where it has one, is met."""
    rows = []
    for key, value in result.items():
        sign, target = targets.get(key, ("", 0.0))
        verdict = ""
        if sign and value is not None:
            is_met = value >= target if sign == ">=" else value <= target
            verdict = f"{sign} {target:g}: {'met' if is_met else 'MISSED'}"
        rows.append([key, "null" if value is None else str(value), verdict])
    return rows


def print_report(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    notes: Sequence[str],
    result: Mapping[str, Any],
) -> None:
    """Print table and notes, then the result as the last line: one JSON object without line breaks."""
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console = Console()
    width = console.measure(table, options=console.options.update(max_width=200)).maximum
    console = Console(width=max(console.width, width))  # into a file the table goes whole
    console.print(table)
    for note in notes:
        console.print(note, markup=False, highlight=False)
    print(json.dumps(result), flush=True)
