"""A picture of recorded episodes: where the tool was, how hard it pushed, and who had the robot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from robot_rl.clock import NS_PER_S
from robot_rl.data.episode import Episode
from robot_rl.runtime.reporting.output_file import save_figure, to_plain
from robot_rl.types import Source

Rows = NDArray[np.float32]
Values = NDArray[np.float64]

_SUCCESS, _FAILURE, _UNFINISHED, _PERSON = "tab:green", "tab:red", "tab:gray", "tab:orange"
_ARM_SIZE = 6
_GRIPPER = "gripper's opening"
_PANELS: dict[str, tuple[str, Callable[[Rows], Rows]]] = {
    "x from the\nbegin [m]": ("tcp_pose", lambda pose: pose[:, 0]),
    "y from the\nbegin [m]": ("tcp_pose", lambda pose: pose[:, 1]),
    "z from the\nbegin [m]": ("tcp_pose", lambda pose: pose[:, 2]),
    "force [N]": ("tcp_force", lambda force: np.linalg.norm(force, axis=1)),
    "torque [Nm]": ("tcp_torque", lambda torque: np.linalg.norm(torque, axis=1)),
    _GRIPPER: ("gripper", lambda opening: opening[:, 0]),
}
"""What is drawn of a robot -> the part of the observation, and how it is read."""


def plot_episodes(episodes: Sequence[Episode], target: Path, title: str) -> None:
    """Draw episodes over each other, each against the time since its begin.

    Args:
        episodes: at least one, all of one environment.
        target: PNG file to write; its folder is made.
        title: of the picture.

    Raises:
        ConfigError: the file cannot be written.
    """
    panels = _find_panels(episodes[0])
    figure = Figure(figsize=(9.0, 1.0 + 1.6 * len(panels)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axis, (name, read) in zip(axes, panels.items(), strict=True):
        for episode in episodes:
            _draw(axis, episode, read(episode), is_alone=len(episodes) == 1)
        axis.set_ylabel(name)
        if name == _GRIPPER:
            axis.set_ylim(-0.05, 1.05)
        axis.grid(alpha=0.3)
    axes[-1].set_xlabel("time [s]")
    figure.legend(handles=_make_legend(episodes), loc="outside lower center", ncols=4)
    figure.suptitle(to_plain(title))
    save_figure(figure, target, "picture", 120)


def _find_panels(episode: Episode) -> dict[str, Callable[[Episode], Values]]:
    """Label of each panel -> its values; of an environment that is no arm every element of every part."""

    def reading(part: str, read: Callable[[Rows], Rows]) -> Callable[[Episode], Values]:
        return lambda one: read(one.proprio[part]).astype(np.float64)

    def column(number: int) -> Callable[[Rows], Rows]:
        return lambda rows: rows.reshape(len(rows), -1)[:, number]

    known = {label: reading(*panel) for label, panel in _PANELS.items() if panel[0] in episode.proprio}
    if known and episode.actions.shape[1] == _ARM_SIZE:  # the gripper is never told anything
        known.pop(_GRIPPER, None)
    return known or {
        f"{part}[{number}]": reading(part, column(number))
        for part, rows in episode.proprio.items()
        for number in range(int(np.prod(rows.shape[1:])))
    }


def _draw(axis: Axes, episode: Episode, values: Values, *, is_alone: bool) -> None:
    times_s = (episode.stamps_ns - episode.stamps_ns[0]) / NS_PER_S
    axis.plot(times_s, values, color=_to_colour(episode), linewidth=1.6 if is_alone else 0.8, alpha=0.8)
    by_person = np.where(np.append(episode.sources == Source.HUMAN, False), values, np.nan)
    axis.plot(times_s, by_person, color=_PERSON, linewidth=2.4 if is_alone else 1.2, marker=".", markersize=3.0)


def _to_colour(episode: Episode) -> str:
    if not episode.is_complete:
        return _UNFINISHED
    return _SUCCESS if episode.is_success else _FAILURE


def _make_legend(episodes: Sequence[Episode]) -> list[Line2D]:
    """Of what is in the picture."""
    drawn = {_to_colour(episode) for episode in episodes}
    if any((episode.sources == Source.HUMAN).any() for episode in episodes):
        drawn.add(_PERSON)
    meanings = {_SUCCESS: "success", _FAILURE: "failure", _UNFINISHED: "without an end", _PERSON: "a person acts"}
    return [Line2D([], [], color=colour, label=text) for colour, text in meanings.items() if colour in drawn]
