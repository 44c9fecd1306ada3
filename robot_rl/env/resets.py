"""How the robot gets from the end of one episode to the start of the next.

A procedure is a generator of steps: it commands, says how far it is and until when it wants to wait, and is asked to
go on. Whoever asks lets time pass in its own way, may tell others, and may leave it at any step: the arm then rests
where it was told last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from robot_rl.clock import SET_BACK_NS, Clock, to_ns
from robot_rl.control.safety import SafetyFilter
from robot_rl.errors import StoppedError
from robot_rl.geometry import Array, Pose
from robot_rl.robot.protocols import Arm
from robot_rl.robot.robot import Robot
from robot_rl.types import Reason


@dataclass(frozen=True)
class Progress:
    """How far a procedure is.

    Attributes:
        phase: what is going on, in words.
        share: of the phase that is behind, 0 to 1.
        until_ns: when the procedure wants to go on.
    """

    phase: str
    share: float
    until_ns: int


class Scene(Protocol):
    """What is around the robot, which a person, a script or a simulator arranges."""

    def arrange(self, seed: int) -> Pose:
        """Arrange the scene of the next episode, the robot being clear of it; return the start pose T_base_tcp."""
        ...


class Procedure(Protocol):
    """A reset, step by step."""

    def steps(self, robot: Robot, clock: Clock, safety: SafetyFilter, seed: int) -> Iterator[Progress]:
        """Get clear of the scene, have it arranged from `seed`, and stand still where the episode starts.

        Every command passes through the safety filter.

        Raises:
            StoppedError: the arm stopped on the way.
        """
        ...


class Reset(Protocol):
    """Brings robot and scene to the start of an episode."""

    def run(self, robot: Robot, clock: Clock, safety: SafetyFilter, seed: int) -> None:
        """Return when they are there.

        Raises:
            StoppedError: the arm stopped on the way.
        """
        ...


class TimedReset:
    """A procedure that stops the arm when it takes too long; to be run, or to be asked step by step."""

    def __init__(self, procedure: Procedure, timeout_s: float) -> None:
        """Nothing moves yet."""
        self._procedure, self._timeout_s = procedure, timeout_s

    def run(self, robot: Robot, clock: Clock, safety: SafetyFilter, seed: int) -> None:
        """See Reset."""
        play(self.steps(robot, clock, safety, seed), clock)

    def steps(self, robot: Robot, clock: Clock, safety: SafetyFilter, seed: int) -> Iterator[Progress]:
        """See Procedure.

        Raises:
            StoppedError: the arm stopped on the way, or was stopped because the time is over.
        """
        left_ns, before_ns, asked_ns = to_ns(self._timeout_s), clock.now_ns(), 0
        for progress in self._procedure.steps(robot, clock, safety, seed):
            now_ns = clock.now_ns()
            # A clock that is set back gives no time back, and one that is set forward takes none.
            left_ns -= min(max(0, now_ns - before_ns), asked_ns + SET_BACK_NS)
            before_ns = now_ns
            if left_ns <= 0:
                detail = f"the reset was not over after {self._timeout_s:g} s, but still {progress.phase}"
                robot.stop(Reason.TIMEOUT, detail)
                raise StoppedError(f"The arm was stopped: {detail}.")
            asked_ns = max(0, progress.until_ns - now_ns)
            yield progress


class RandomStart:
    """A scene whose start lies anywhere in a box around where it would be, drawn from the episode's seed."""

    def __init__(self, scene: Scene, half_m: tuple[float, float, float], half_yaw_rad: float) -> None:
        """Use `scene`.

        Args:
            scene: says where the middle of the box is.
            half_m: half of the box's edges, base axes [m].
            half_yaw_rad: largest turn about the vertical, either way.
        """
        self._scene, self._half_m, self._half_yaw_rad = scene, np.asarray(half_m), half_yaw_rad

    def arrange(self, seed: int) -> Pose:
        """See Scene."""
        middle = self._scene.arrange(seed)
        draw = np.random.default_rng([seed, 1]).uniform(-1.0, 1.0, 4)  # the scene draws from [seed]
        turn = Pose.from_rotation_vector(np.array([0.0, 0.0, draw[3] * self._half_yaw_rad]))
        return Pose(middle.position + draw[:3] * self._half_m, (turn @ middle).quaternion)


def play(steps: Iterable[Progress], clock: Clock) -> None:
    """Ask for step after step, and let time pass on a clock."""
    for progress in steps:
        clock.sleep_until_ns(progress.until_ns)


def stop_out_of_reach(robot: Robot, safety: SafetyFilter) -> None:
    """Stop an arm that was left where no safe command leads back from, by hand or by another program.

    Raises:
        StoppedError: so it is; a person guides it back.
    """
    unreachable = safety.find_unreachable(robot.arm.state().tcp_pose)
    if unreachable is None:
        return
    detail = f"nothing leads back from where it is: {unreachable.detail}; guide it back by hand"
    robot.stop(unreachable.reason, detail)
    raise StoppedError(f"The arm was stopped: {detail}.")


def hold(arm: Arm, clock: Clock) -> None:
    """Rest where the arm is, free to move: what comes of a reset that is called off.

    Raises:
        StoppedError: the arm is stopped.
    """
    arm.set_equilibrium_pose(arm.state().tcp_pose, clock.now_ns())


def distance(one: Pose, other: Pose) -> tuple[float, float]:
    """(metres, radians) between two poses."""
    offset: Array = other.position - one.position
    return float(np.linalg.norm(offset)), float(np.linalg.norm((one.inverse() @ other).rotation_vector))
