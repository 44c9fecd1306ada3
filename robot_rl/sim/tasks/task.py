"""What all simulated tasks share: drawing a scene, what the policy is told, and what a person can see."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import mujoco
import numpy as np
from numpy.typing import ArrayLike

from robot_rl.geometry import Array, Pose, quaternion_exp
from robot_rl.robot.robot import RobotReading
from robot_rl.sim.simulation import Simulation
from robot_rl.sim.tasks.scene import SceneConfig
from robot_rl.types import Outcome

TOOL_DOWN = np.array([1.0, 0.0, 0.0, 0.0])
"""Orientation (x, y, z, w) of a tool, or of a target's frame, whose z axis points down."""


class View(enum.Enum):
    """Through whose eyes a script looks at the scene."""

    TRUTH = "truth"
    ESTIMATE = "estimate"


@dataclass(frozen=True)
class Goal:
    """Where a script wants the robot next.

    Attributes:
        tcp_pose: T_base_tcp.
        gripper: -1 close, 0 stay, +1 open.
        remaining_m: how far the task is from its end: path still to go, rotations weighed in.
    """

    tcp_pose: Pose
    gripper: float
    remaining_m: float


class SimTask(ABC):
    """A task in the simulator. Subclasses say what is in the scene, what success is, and how a person does it."""

    name: ClassVar[str]
    estimate_size: ClassVar[int] = 6
    tool_length_m: ClassVar[float] = 0.0
    """From the TCP to the tip of what is in the hand, along the tool's axis [m]."""
    grasp_width_m: ClassVar[float] = 0.0
    """Opening of the gripper when an episode starts [m]."""

    def __init__(self, config: SceneConfig) -> None:
        self.config = config
        self.target = Pose()
        """T_base_target, its z axis pointing down, into the target."""
        self._estimate_error = Pose()

    @property
    def simulation(self) -> Simulation:
        """The simulation that the task is attached to."""
        return self._simulation

    def attach(self, simulation: Simulation) -> None:
        """Use `simulation`, whose scene has this task's parts in it."""
        self._simulation = simulation

    @abstractmethod
    def add_to(self, spec: mujoco.MjSpec) -> None:
        """Add the task's parts to a scene that has the robot in it."""

    @abstractmethod
    def place_target(self) -> None:
        """Put what the task is about where `self.target` says."""

    def draw_parts(self, generator: np.random.Generator) -> None:
        """Draw what else differs from scene to scene; nothing, unless the task says so."""
        del generator

    @abstractmethod
    def is_success(self) -> bool:
        """Whether the task is solved now."""

    @abstractmethod
    def find_goal(self, view: View) -> Goal:
        """Next goal of the script that solves the task, as seen through `view`; depends on the present only."""

    @abstractmethod
    def nominal_target(self) -> Array:
        """Where the target is on average, base frame [m]. Shape (3,)."""

    def arrange(self, seed: int) -> Pose:
        """Draw a new scene, put everything in its place, and return where the tool shall start (T_base_tcp)."""
        config, generator = self.config, np.random.default_rng(seed)
        offset = np.append(generator.uniform(-1, 1, 2) * config.target_position_range_m, 0.0)
        yaw = generator.uniform(-1, 1) * config.target_yaw_range_rad
        # Yaw about the base's z is a turn of -yaw about the target's own z, which points down.
        down = Pose(self.nominal_target() + offset, TOOL_DOWN)
        self.target = down @ Pose(quaternion=quaternion_exp([0.0, 0.0, -yaw]))
        error = generator.uniform(-1, 1, 4)
        self._estimate_error = Pose(
            error[:3] * config.estimate_position_error_m,
            quaternion_exp([0.0, 0.0, error[3] * config.estimate_yaw_error_rad]),
        )
        self.draw_parts(generator)
        self.place_target()
        return self._draw_start(generator)

    def displace(self, offset_m: ArrayLike, yaw_rad: float) -> None:
        """Move what the task is about as if somebody had bumped into it; the policy is told.

        Args:
            offset_m: along the base's x and y. Shape (2,).
            yaw_rad: turn about the vertical through it.
        """
        target, _ = self.seen(View.TRUTH)
        moved = Pose(target.position + np.append(offset_m, 0.0), target.quaternion)
        self.target = moved @ Pose(quaternion=quaternion_exp([0.0, 0.0, -yaw_rad]))
        self.place_target()

    def _draw_start(self, generator: np.random.Generator) -> Pose:
        config = self.config
        lateral = generator.uniform(-1, 1, 2) * config.start_lateral_range_m
        height = generator.uniform(*config.start_height_range_m)
        tilt = generator.uniform(-1, 1, 3) * config.start_tilt_range_rad
        tip = self.target @ Pose(np.array([lateral[0], lateral[1], -height]), quaternion_exp(tilt))
        return tip @ self.nominal_tip().inverse()

    @property
    def estimated_target_pose(self) -> Pose:
        """T_base_target as the policy is told."""
        return self.target @ self._estimate_error

    def nominal_tip(self) -> Pose:
        """T_tcp_tip as it should be."""
        return Pose(np.array([0.0, 0.0, self.tool_length_m]))

    def true_tip(self) -> Pose:
        """T_tcp_tip as it is."""
        return self.nominal_tip()

    def seen(self, view: View) -> tuple[Pose, Pose]:
        """(T_base_target, T_tcp_tip) as seen through `view`."""
        if view is View.TRUTH:
            return self.target, self.true_tip()
        return self.estimated_target_pose, self.nominal_tip()

    def tip_in_target(self, view: View) -> Pose:
        """T_target_tip as seen through `view`: its z is the depth below the target's surface."""
        target, tip = self.seen(view)
        return target.inverse() @ self.simulation.tcp_pose() @ tip

    def evaluate(self, reading: RobotReading) -> Outcome:
        """Sparse: reward 1 and the end when the task is solved."""
        del reading  # the judge looks at the scene itself
        return Outcome(1.0, is_terminal=True, is_success=True) if self.is_success() else Outcome()

    def estimate(self, reading: RobotReading) -> Array:
        """Pose of the nominal tip in the estimated target's frame: position [m], rotation vector [rad]. Shape (6,)."""
        tip = reading.state.tcp_pose @ self.nominal_tip()
        return (self.estimated_target_pose.inverse() @ tip).to_vector()

    def to_tcp(self, tip_in_target: Pose, view: View) -> Pose:
        """T_base_tcp that brings the tip to a pose in the target's frame, as seen through `view`."""
        target, tip = self.seen(view)
        return target @ tip_in_target @ tip.inverse()
