"""`robot-rl eval`: evaluates a policy, with a progress bar, pictures and a line of JSON at the end."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from robot_rl import config as configuration
from robot_rl.errors import ConfigError, StoppedError
from robot_rl.runtime.assembly import SimWorkcell, make_sim_workcell
from robot_rl.runtime.config import EvalConfig, TeleopConfig
from robot_rl.runtime.evaluation import EpisodeResult, Evaluation, evaluate
from robot_rl.runtime.interruption import interruptible
from robot_rl.runtime.observers import Observer
from robot_rl.runtime.policies import SCRIPTED, Policy, make_policy
from robot_rl.runtime.recording import ContactSheet, VideoRecorder
from robot_rl.runtime.run_folder import RunFolder
from robot_rl.runtime.trained_policy import load_policy
from robot_rl.sim.devices import SimCamera
from robot_rl.types import TimeStep

_VIEW_HEIGHT, _VIEW_WIDTH = 240, 320


def run(overrides: list[str]) -> int:
    """Evaluate as the overrides say; the last line printed is a JSON object."""
    config = configuration.load(EvalConfig, "eval", overrides)
    if config.episodes < 1:
        raise ConfigError(f"episodes must be at least 1, got {config.episodes}.")
    if config.policy in SCRIPTED:
        # A script acts through the person's device, like a person.
        config = dataclasses.replace(
            config, teleop=TeleopConfig(kind="expert" if config.policy == "expert" else "blind")
        )
    run = RunFolder(Path(config.policy)) if Path(config.policy).is_dir() else None
    if run is None and "/" in config.policy:
        raise ConfigError(f"policy={config.policy}: there is no such folder of a training run.")
    if run is not None:
        trained = run.load_config()
        config = dataclasses.replace(config, robot=trained.robot)  # it sees what it saw in training
        if not any(word.startswith(("task=", "task.")) for word in overrides):
            config = dataclasses.replace(config, task=trained.task)
    console = Console()
    with console.status("preparing (the first run compiles the 1 kHz loop, about a minute)"):
        workcell = make_sim_workcell(config)
        workcell.simulation.advance(0)
    policy: Policy
    if run is None:
        policy = make_policy(config.policy, workcell.env.spec, config.seed)
    else:
        policy = load_policy(run, workcell.env.spec)
    stopped: StoppedError | None = None
    with _pictures(config, workcell) as observers, _progress(config, console) as bar, interruptible() as interrupted:
        try:
            evaluate(workcell.env, policy, config.episodes, config.seed, [*observers, bar], lambda: bool(interrupted))
        except StoppedError as error:
            stopped = error  # the episodes before it are still a result
    evaluation = bar.evaluation
    if interrupted or stopped:
        count = f"after {len(evaluation.episodes)} of {config.episodes} episodes"
        console.print(f"Stopped {count}: {stopped}" if stopped else f"Interrupted {count}.")
    console.print(_table(config, evaluation))
    for path in _paths(config):
        console.print(f"wrote {path}")
    names = {"policy": config.policy, "task": config.task.name, "level": config.task.level, "seed": config.seed}
    print(json.dumps({**evaluation.to_json(), **names}))
    return 130 if interrupted else 2 if stopped else 0


def _paths(config: EvalConfig) -> list[Path]:
    video = [Path(config.video)] if config.video else []
    sheet = _sheet_path(config)
    return [*video, *([sheet] if sheet else [])]


def _sheet_path(config: EvalConfig) -> Path | None:
    if config.sheet:
        return Path(config.sheet)
    return Path(config.video).parent / f"{Path(config.video).stem}.png" if config.video else None


@contextmanager
def _pictures(config: EvalConfig, workcell: SimWorkcell) -> Iterator[list[Observer]]:
    """Recorders for what was asked for; their files are finished whatever happens."""
    recorders: list[VideoRecorder | ContactSheet] = []
    sheet = _sheet_path(config)
    if sheet is None:
        yield []
        return
    cameras = [workcell.make_camera(name, _VIEW_HEIGHT, _VIEW_WIDTH) for name in ("side", "wrist")]
    view = _View(cameras)
    recorders.append(ContactSheet(sheet, view.capture))
    if config.video:
        recorders.append(VideoRecorder(Path(config.video), view.capture, config.task.episode.rate_hz))
    try:
        yield [view, *recorders]
    finally:
        for recorder in recorders:
            recorder.close()
        for camera in cameras:
            camera.close()


class _View(Observer):
    """Both views beside each other; all recorders of a step share one rendering.

    A step is counted as told, not by its time: a reset may take none.
    """

    def __init__(self, cameras: list[SimCamera]) -> None:
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
