"""The reset that a policy makes: one that was trained to undo the task, as in SERL's forward-backward runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from robot_rl.clock import Clock
from robot_rl.control.safety import SafetyFilter
from robot_rl.env.resets import Progress, Scene, stop_out_of_reach
from robot_rl.env.robot_env import RobotEnv
from robot_rl.env.scripted_reset import ScriptedReset
from robot_rl.robot.robot import Robot
from robot_rl.types import Observation


class Actor(Protocol):
    """Chooses the actions of one episode after the other."""

    def reset(self) -> None:
        """An episode starts."""
        ...

    def __call__(self, observation: Observation) -> NDArray[np.float32]:
        """Action for an observation, shape (A,)."""
        ...


class BackwardReset:
    """Lets a policy undo the task in an environment of its own, whose task says whether it has; then goes to the start.

    Where it has not within its step limit, the script lifts the tool as if no policy had been there. An arm that
    stops while the policy has it ends the reset.
    """

    def __init__(self, env: RobotEnv, policy: Actor, script: ScriptedReset) -> None:
        """Nothing moves yet.

        Args:
            env: of the backward task, on the same robot; its reset procedure leaves the robot where it is.
            policy: that acts in it.
            script: the way through free space, and the way out where the policy finds none.
        """
        self._env, self._policy, self._script = env, policy, script

    def steps(self, robot: Robot, clock: Clock, safety: SafetyFilter, seed: int) -> Iterator[Progress]:
        """See Procedure."""
        stop_out_of_reach(robot, safety)
        yield from self._undo(clock, seed)
        if not self._env.outcome.is_success:
            yield from self._script.retreat(robot, clock, safety)
        yield from self._script.go_to_start(robot, clock, safety, seed)

    def _undo(self, clock: Clock, seed: int) -> Iterator[Progress]:
        env, limit = self._env, self._env.config.step_limit
        self._policy.reset()
        time_step = env.reset(seed=seed)
        count = 0
        while not time_step.is_last:
            yield Progress(f"undoing the task by {env.task.name}", count / limit, clock.now_ns())
            time_step = env.step(self._policy(time_step.observation))
            count += 1


class StayingReset:
    """Has a scene arranged and leaves the robot where it is."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def run(self, robot: Robot, clock: Clock, safety: SafetyFilter, seed: int) -> None:
        """See Reset."""
        del robot, clock, safety
        self._scene.arrange(seed)
