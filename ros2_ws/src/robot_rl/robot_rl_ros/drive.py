"""Lets a person drive the robot of the graph, with the control and the safety of training.

An episode lasts until they end it with a button, the task finds itself solved, or a time limit that was asked for is
over; the robot then goes back to a start.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count

from rclpy.logging import get_logger

from robot_rl.env.robot_env import RobotEnv
from robot_rl.runtime.acting.episode import play_episode
from robot_rl.runtime.acting.policies import ZeroPolicy
from robot_rl.runtime.interruption import interruptible
from robot_rl.runtime.reporting.evaluation import EpisodeResult, EpisodeTally
from robot_rl.runtime.reporting.observers import Observer
from robot_rl.types import TimeStep
from robot_rl_ros import driver, process

NAME = "drive"


class _Lines(Observer):
    """A line an episode."""

    def on_episode_end(self, episode: EpisodeResult) -> None:
        result = "success" if episode.is_success else "no success"
        get_logger(NAME).info(f"episode {episode.index + 1}: {result} after {episode.duration_s:.1f} s")


def drive(env: RobotEnv, observers: Sequence[Observer], is_interrupted: Callable[[], bool]) -> None:
    """Have the person drive, episode after episode, until interrupted.

    Args:
        env: with the person.
        observers: told everything.
        is_interrupted: asked before every time step, since an episode lasts as long as the person likes.
    """
    policy = ZeroPolicy(env.spec)
    for index in count():
        tally = EpisodeTally()
        note = partial(_note, tally, observers)
        if not play_episode(env, policy, None if index else 0, note, is_interrupted):
            return
        result = tally.to_result(index, env)
        for observer in observers:
            observer.on_episode_end(result)


def _note(tally: EpisodeTally, observers: Sequence[Observer], time_step: TimeStep) -> None:
    tally.note(time_step)
    for observer in observers:
        observer.on_step(time_step)


def main(arguments: Sequence[str] | None = None) -> int:
    """Drive until told to end."""
    with (
        process.started(__doc__, arguments) as config,
        driver.joined(NAME, config) as here,
        interruptible() as interrupted,
    ):
        drive(here.cell.env, [here.observer, _Lines()], lambda: bool(interrupted))
    return 130


if __name__ == "__main__":
    sys.exit(main())
