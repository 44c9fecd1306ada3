"""`robot-rl compare`: training runs beside each other, as a table and a picture."""

from __future__ import annotations

import glob
from pathlib import Path

from robot_rl.errors import ConfigError
from robot_rl.runtime.reporting.learning_curve import plot_runs, summarise


def run(words: list[str], picture: Path | None, title: str, at_steps: list[int]) -> int:
    """Print a Markdown table of groups of runs, and draw their learning curves.

    Args:
        words: GROUP=RUN,RUN... where a RUN may have the wildcards of a shell; a group may be named again. A run that
            is named twice in a group counts once: it is no other seed.
        picture: PNG to write, or None.
        title: of the picture.
        at_steps: environment steps at which the table shows success rates.

    Raises:
        ConfigError: a word of another form, no such run, a run without metrics, or a step below 0.
    """
    if any(step < 0 for step in at_steps):
        raise ConfigError(f"--at takes environment steps, which are not negative, got {at_steps}.")
    groups: dict[str, list[Path]] = {}
    for word in words:
        name, runs = _parse(word)
        groups[name] = _drop_repeated(groups.get(name, []) + runs)
    print(summarise(groups, at_steps), end="")
    if picture is not None:
        plot_runs(groups, picture, title)
        print(f"wrote {picture}")
    return 0


def _parse(word: str) -> tuple[str, list[Path]]:
    name, sign, runs = word.partition("=")
    if not (name and sign and runs) or name.startswith("_"):  # which the legend of the picture would leave out
        raise ConfigError(
            f"{word!r} is not of the form GROUP=RUN,RUN, where GROUP does not begin with _, for example "
            "ours=runs/peg-rlpd-*."
        )
    found = {pattern: sorted(glob.glob(pattern)) for pattern in runs.split(",")}
    for pattern, paths in found.items():
        if not paths:
            raise ConfigError(f"{word!r}: there is no such run as {pattern!r}.")
    return name, [Path(path) for paths in found.values() for path in paths]


def _drop_repeated(runs: list[Path]) -> list[Path]:
    """The same runs, each once, where and as it was named first."""
    unique: dict[Path, Path] = {}
    for path in runs:
        unique.setdefault(path.resolve(), path)
    return list(unique.values())
