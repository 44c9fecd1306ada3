"""Lets a person drive the robot of the graph, episode after episode, with the control and the safety of training."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rclpy.logging import get_logger

from robot_rl.runtime.acting.policies import ZeroPolicy
from robot_rl.runtime.interruption import interruptible
from robot_rl.runtime.reporting.evaluation import EpisodeResult, evaluate
from robot_rl.runtime.reporting.observers import Observer
from robot_rl_ros import driver, process

NAME = "drive"


class _Lines(Observer):
    """A line an episode."""

    def on_episode_end(self, episode: EpisodeResult) -> None:
        result = "success" if episode.is_success else "no success"
        get_logger(NAME).info(f"episode {episode.index + 1}: {result} after {episode.duration_s:.1f} s")


def main(arguments: Sequence[str] | None = None) -> int:
    """Drive until told to end."""
    with (
        process.started(__doc__, arguments) as config,
        driver.joined(NAME, config) as here,
        interruptible() as interrupted,
    ):
        env = here.cell.env
        observers = [here.observer, _Lines()]
        evaluate(env, ZeroPolicy(env.spec), sys.maxsize, 0, observers, lambda: bool(interrupted))
    return 130


if __name__ == "__main__":
    sys.exit(main())
