"""Files that somebody has named: whether they can be written, and how figures are."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryFile

from matplotlib.figure import Figure

from robot_rl.errors import ConfigError


def check_path(path: Path, kind: str, suffix: str) -> None:
    """Raise ConfigError unless a file of that name can be written; its folder is made, and what is there stays."""
    if path.suffix != suffix:
        raise ConfigError(f"Cannot write the {kind} {path}: its name must end in {suffix}.")
    if path.is_dir():
        raise ConfigError(f"Cannot write the {kind} {path}: it is a folder.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise ConfigError(f"Cannot write the {kind} {path}: {error.strerror}.") from error


def save_figure(figure: Figure, path: Path, kind: str, dpi: int) -> None:
    """Write a PNG; its folder is made.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=dpi, format="png")
    except OSError as error:
        raise ConfigError(f"Cannot write the {kind} {path}: {error.strerror}.") from error


def to_plain(text: str) -> str:
    """What a figure shows as this text: a $ in the name of a run begins no formula."""
    return text.replace("$", r"\$")
