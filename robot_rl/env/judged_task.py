"""A task whose success is judged by someone else, such as a classifier of images."""

from __future__ import annotations

from typing import Protocol

from robot_rl.clock import Clock
from robot_rl.control.safety import SafetyFilter
from robot_rl.env.resets import Reset
from robot_rl.env.task import Task
from robot_rl.geometry import Array
from robot_rl.robot.robot import Robot, RobotReading
from robot_rl.types import Outcome


class Judge(Protocol):
    """Says what a reading is worth; `robot_rl.rewards.reward.ClassifierReward` is one."""

    def reset(self) -> None:
        """An episode starts."""
        ...

    def evaluate(self, reading: RobotReading) -> Outcome:
        """Judge the present situation."""
        ...


class PersonsJudge:
    """Finds nothing in any reading: only a person says what it is worth, by the buttons that `RobotEnv` reads."""

    def reset(self) -> None:
        """Nothing to forget."""

    def evaluate(self, reading: RobotReading) -> Outcome:
        """No reward, and no end."""
        del reading
        return Outcome()


class JudgedTask:
    """What its task is, but for the verdict; `JudgedReset` tells the judge where episodes begin.

    Attributes:
        task: whose own test is not asked.
        judge: who is asked instead.
    """

    def __init__(self, task: Task, judge: Judge) -> None:
        """Put a judge in front of a task."""
        self.task, self.judge = task, judge

    @property
    def name(self) -> str:
        """The task's."""
        return self.task.name

    @property
    def estimate_size(self) -> int:
        """The task's."""
        return self.task.estimate_size

    def estimate(self, reading: RobotReading) -> Array:
        """See Task."""
        return self.task.estimate(reading)

    def evaluate(self, reading: RobotReading) -> Outcome:
        """What the judge says."""
        return self.judge.evaluate(reading)


class JudgedReset:
    """A reset after which the judge has forgotten the episode before."""

    def __init__(self, procedure: Reset, judge: Judge) -> None:
        """Nothing moves yet."""
        self._procedure, self._judge = procedure, judge

    def run(self, robot: Robot, clock: Clock, safety: SafetyFilter, seed: int) -> None:
        """See Reset."""
        self._procedure.run(robot, clock, safety, seed)
        self._judge.reset()
