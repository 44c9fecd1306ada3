"""`robot-rl eval`: evaluates a policy, with a progress bar, pictures and a line of JSON at the end."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from robot_rl import config as configuration
from robot_rl.env.robot_env import RobotEnv
from robot_rl.errors import ConfigError, DeviceError, StoppedError
from robot_rl.robot.protocols import Camera
from robot_rl.runtime.acting import named_policy
from robot_rl.runtime.assembly import make_sim_workcell
from robot_rl.runtime.interruption import interruptible
from robot_rl.runtime.policy_config import EvalConfig
from robot_rl.runtime.reporting.evaluation import EpisodeResult, Evaluation, evaluate
from robot_rl.runtime.reporting.observers import Observer
from robot_rl.runtime.reporting.recording import ContactSheet, VideoRecorder
from robot_rl.types import TimeStep

_VIEW_HEIGHT, _VIEW_WIDTH = 240, 320


def run(overrides: list[str]) -> int:
    """Evaluate as the overrides say; the last line printed is a JSON object."""
    config = named_policy.resolve(configuration.load(EvalConfig, "eval", overrides), "eval", overrides)
    console = Console()
    with console.status("preparing (the first run compiles the 1 kHz loop, about a minute)"):
        workcell = make_sim_workcell(config)
        workcell.simulation.advance(0)
    cameras = []
    if config.has_pictures:
        cameras = [workcell.make_camera(name, _VIEW_HEIGHT, _VIEW_WIDTH) for name in ("side", "wrist")]
    try:
        return run_on(workcell.env, config, console, cameras)
    finally:
        for camera in cameras:
            camera.close()


def run_on(
    env: RobotEnv, config: EvalConfig, console: Console, cameras: Sequence[Camera], observers: Sequence[Observer] = ()
) -> int:
    """Evaluate in an environment; the last line printed is a JSON object.

    Args:
        env: without a person, unless the policy is a script.
        config: from `named_policy.resolve`.
        console: for people.
        cameras: their pictures are recorded side by side, where any are to be.
        observers: told everything.

    Returns:
        0; the error's where the robot was stopped or a device was lost, and 130 where interrupted.
    """
    failure: StoppedError | DeviceError | None = None
    with (
        named_policy.opened(env, config) as policy,
        _pictures(config, cameras) as recorders,
        _progress(config, console) as bar,
        interruptible() as interrupted,
    ):
        try:
            everybody = [*recorders, *observers, bar]
            evaluate(env, policy, config.episodes, config.seed, everybody, lambda: bool(interrupted))
        except (StoppedError, DeviceError) as error:
            failure = error  # the episodes before it are still a result
    evaluation = bar.evaluation
    if interrupted or failure:
        count = f"after {len(evaluation.episodes)} of {config.episodes} episodes"
        console.print(f"Stopped {count}: {failure}" if failure else f"Interrupted {count}.")
    console.print(_table(config, evaluation))
    for path in _paths(config):
        console.print(f"wrote {path}")
    names = {"policy": config.policy, "task": config.task.name, "level": config.task.level, "seed": config.seed}
    print(json.dumps({**evaluation.to_json(), **names}))
    return 130 if interrupted else failure.exit_status if failure else 0


def _paths(config: EvalConfig) -> list[Path]:
    video = [Path(config.video)] if config.video else []
    sheet = _sheet_path(config)
    return [*video, *([sheet] if sheet else [])]


def _sheet_path(config: EvalConfig) -> Path | None:
    if config.sheet:
        return Path(config.sheet)
    return Path(config.video).parent / f"{Path(config.video).stem}.png" if config.video else None


@contextmanager
def _pictures(config: EvalConfig, cameras: Sequence[Camera]) -> Iterator[list[Observer]]:
    """Recorders for what was asked for; their files are finished whatever happens."""
    recorders: list[VideoRecorder | ContactSheet] = []
    sheet = _sheet_path(config)
    if sheet is None:
        yield []
        return
    if not cameras:
        raise ConfigError("pictures need cameras; choose a robot that has some, for example robot=sim_pixels.")
    view = _View(cameras)
    recorders.append(ContactSheet(sheet, view.capture))
    if config.video:
        recorders.append(VideoRecorder(Path(config.video), view.capture, config.task.episode.rate_hz))
    try:
        yield [view, *recorders]
    finally:
        for recorder in recorders:
            recorder.close()


class _View(Observer):
    """Both views beside each other; all recorders of a step share one rendering.

    A step is counted as told, not by its time: a reset may take none.
    """

    def __init__(self, cameras: Sequence[Camera]) -> None:
        self._cameras = cameras
        self._latest: NDArray[np.uint8] | None = None

    def on_step(self, time_step: TimeStep) -> None:
        del time_step
        self._latest = None

    def capture(self) -> NDArray[np.uint8]:
        if self._latest is None:
            self._latest = np.hstack([camera.read()[1] for camera in self._cameras])
        return self._latest


class _Bar(Observer):
    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task("success -", total=total)
        self.evaluation = Evaluation()

    def on_episode_end(self, episode: EpisodeResult) -> None:
        self.evaluation.episodes.append(episode)
        text = f"success {self.evaluation.successes}/{len(self.evaluation.episodes)}"
        self._progress.update(self._task, advance=1, description=text)


@contextmanager
def _progress(config: EvalConfig, console: Console) -> Iterator[_Bar]:
    columns = (
        TextColumn(f"{config.policy} on {config.task.name}: {{task.description}}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield _Bar(progress, config.episodes)


def _table(config: EvalConfig, evaluation: Evaluation) -> Table:
    low, high = evaluation.interval
    cycle = evaluation.cycle_time_s
    table = Table(title=f"{config.policy} on {config.task.name} ({config.task.level})", show_header=False)
    table.add_row("success", f"{evaluation.success_rate:.1%} ({evaluation.successes} of {len(evaluation.episodes)})")
    table.add_row("95 % interval", f"{low:.1%} to {high:.1%} (Wilson)")
    table.add_row("cycle time", "-" if cycle is None else f"{cycle:.2f} s (mean of successes)")
    return table
