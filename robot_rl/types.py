"""The values that cross borders. All are immutable; arrays are (v, omega) or (force, torque) ordered.

Those that hold arrays are equal only to themselves: the truth of `array == array` is ambiguous.

`restart`, `running`, `termination` and `truncation` build time steps, so that the end of the task and the end
of the time cannot be confused: termination has discount 0, truncation keeps 1 and therefore bootstraps.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from robot_rl.errors import StoppedError
from robot_rl.geometry import Array, Pose


class StepType(enum.IntEnum):
    """Position of a time step in its episode."""

    FIRST = 0
    MID = 1
    LAST = 2


class Source(enum.IntEnum):
    """Who chose the action that the robot executed."""

    POLICY = 0
    BASE = 1
    HUMAN = 2
    DEMO = 3


class Button(enum.Enum):
    """What a person can say beside moving the robot."""

    SUCCESS = "success"
    FAILURE = "failure"
    ABORT = "abort"
    PAUSE = "pause"


class Reason(enum.Enum):
    """Why a command was changed, or the robot stopped or held."""

    NOT_FINITE = "not finite"
    OUT_OF_RANGE = "action outside [-1, 1]"
    WORKSPACE = "outside the workspace box"
    ORIENTATION = "outside the orientation cone"
    STEP = "step too large"
    SPEED = "speed limit"
    WRENCH = "wrench limit"
    STALE_COMMAND = "stale command"
    STALE_STATE = "stale robot state"
    STALE_IMAGE = "stale picture"
    STOPPED = "robot is stopped"
    WATCHDOG = "watchdog: no command"
    REQUESTED = "stop requested"
    UNSTABLE = "simulation became unstable"
    TIMEOUT = "took too long"
    RIVAL = "somebody else commands, too"


@dataclass(frozen=True)
class Correction:
    """One change that the safety filter (or the action map) made to a command.

    Attributes:
        reason: why.
        amount: how much was taken away, in the reason's own unit (m, rad, N, s, 1).
        detail: the culprit in words, with its value and the limit.
    """

    reason: Reason
    amount: float
    detail: str


@dataclass(frozen=True)
class StopRecord:
    """A stop of the robot, recorded where it arose."""

    reason: Reason
    detail: str
    stamp_ns: int


def check_not_stopped(stop: StopRecord | None) -> None:
    """Refuse what only an arm may do that is free to move.

    Raises:
        StoppedError: there is a stop; the message says which.
    """
    if stop is not None:
        raise StoppedError(f"The arm is stopped ({stop.reason.value}: {stop.detail}); call recover() first.")


@dataclass(frozen=True, eq=False)
class Observation:
    """What the policy sees.

    Attributes:
        proprio: name -> float32 (n,).
        images: name -> uint8 (H, W, 3), RGB.
        stamp_ns: the moment that it describes.
        base_action: action of the frozen base policy for this step, shape (A,), or None without one.
    """

    proprio: Mapping[str, NDArray[np.float32]]
    images: Mapping[str, NDArray[np.uint8]]
    stamp_ns: int
    base_action: NDArray[np.float32] | None = None


@dataclass(frozen=True, eq=False)
class TimeStep:
    """What one step of the environment returns.

    Attributes:
        reward: of the step that ended here; 0 on the first.
        discount: 0 after termination, else 1 (also after truncation).
        applied_action: what the robot executed, normalised, shape (A,); zeros on the first.
        source: who chose it.
        is_resumed: whether a person paused before the observation was made: what happened since the time step before
            is not what the robot did, so the two are no transition.
    """

    step_type: StepType
    observation: Observation
    reward: float
    discount: float
    applied_action: NDArray[np.float32]
    source: Source
    is_resumed: bool = False

    @property
    def is_first(self) -> bool:
        """Whether the episode starts here."""
        return self.step_type is StepType.FIRST

    @property
    def is_last(self) -> bool:
        """Whether the episode ends here."""
        return self.step_type is StepType.LAST

    @property
    def is_terminal(self) -> bool:
        """Whether the task ended (no bootstrap), as opposed to the time."""
        return self.is_last and self.discount == 0.0


def restart(observation: Observation, action_size: int) -> TimeStep:
    """First time step of an episode."""
    return TimeStep(StepType.FIRST, observation, 0.0, 1.0, np.zeros(action_size, np.float32), Source.POLICY)


def running(observation: Observation, reward: float, applied_action: NDArray[np.float32], source: Source) -> TimeStep:
    """A time step inside an episode: discount 1."""
    return TimeStep(StepType.MID, observation, reward, 1.0, applied_action, source)


def termination(
    observation: Observation, reward: float, applied_action: NDArray[np.float32], source: Source
) -> TimeStep:
    """The task ended (success, failure): discount 0, the value beyond is zero."""
    return TimeStep(StepType.LAST, observation, reward, 0.0, applied_action, source)


def truncation(
    observation: Observation, reward: float, applied_action: NDArray[np.float32], source: Source
) -> TimeStep:
    """The time ended: discount 1, the value beyond is bootstrapped."""
    return TimeStep(StepType.LAST, observation, reward, 1.0, applied_action, source)


@dataclass(frozen=True, eq=False)
class StepRecord:
    """A time step with its place in a run: what an actor sends, and what is stored.

    Attributes:
        episode: number of the episode, unique in the run: the actor's number in the upper 32 bits, its count of
            episodes in the lower.
        step: index of the time step in its episode, 0 for the first. One that follows a pause leaves an index out,
            like one whose predecessor got lost: that is how a gap is told from a transition.
        policy_version: version of the weights that were acting, -1 where none were.
        is_success: whether the task was solved here; only on the last time step.
    """

    time_step: TimeStep
    episode: int
    step: int
    policy_version: int = -1
    is_success: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a task says of the present situation.

    Attributes:
        reward: of the step that ended.
        is_terminal: whether the task ended (success or failure), as opposed to the time.
        is_success: whether it ended well.
    """

    reward: float = 0.0
    is_terminal: bool = False
    is_success: bool = False


@dataclass(frozen=True, eq=False)
class ArmState:
    """State of an arm at one moment.

    Attributes:
        stamp_ns: the moment that it describes.
        joint_positions: [rad], shape (7,).
        joint_velocities: [rad/s], shape (7,).
        joint_torques: last commanded torques without gravity [Nm], shape (7,).
        tcp_pose: T_base_tcp.
        tcp_twist_base: (v [m/s], omega [rad/s]) of the TCP in base axes, shape (6,).
        tcp_wrench: (force [N], torque [Nm]) that the robot exerts on the world at the TCP, in TCP axes, shape (6,).
        stop: why the arm is stopped, or None while it may move.
    """

    stamp_ns: int
    joint_positions: Array
    joint_velocities: Array
    joint_torques: Array
    tcp_pose: Pose
    tcp_twist_base: Array
    tcp_wrench: Array
    stop: StopRecord | None = None


@dataclass(frozen=True, eq=False)
class Command:
    """What a person's device says at one moment.

    Attributes:
        twist_base: normalised deflection (v, omega) in base axes, each in [-1, 1], shape (6,).
        gripper: -1 close, 0 stay, +1 open.
        buttons: pressed since the last read.
        stamp_ns: the moment of the reading.
    """

    twist_base: Array
    stamp_ns: int
    gripper: float = 0.0
    buttons: frozenset[Button] = field(default_factory=frozenset)


@dataclass(frozen=True)
class RobotCommand:
    """What is sent to the robot: where the tool shall rest, and how wide the gripper.

    Attributes:
        pose: equilibrium pose T_base_tcp.
        stamp_ns: start of the policy period that the command belongs to.
        width_m: gripper width, or None to leave the gripper alone.
    """

    pose: Pose
    stamp_ns: int
    width_m: float | None = None
