"""What `bench control` does with the arm: step, press, hit, rest. One `Rig` is one arm over one stiff plate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from robot_rl.control.presets import ImpedanceParameters
from robot_rl.geometry import Array, Pose
from robot_rl.sim.kinematics import solve_joints
from robot_rl.sim.probe import PLATE_TOP_M, PROBE_LENGTH_M, make_probe_spec
from robot_rl.sim.simulation import Simulation
from robot_rl.sim.tasks.task import TOOL_DOWN

PERIOD_TICKS = 100
"""A policy period; a command has this long to be reached."""
STEP_M = 0.02
SETTLED_PART = 0.02
IMPACT_SPEED_M_S = 0.1
IMPACT_TOLERANCE = 0.05

_PERIOD_S = 1e-3 * PERIOD_TICKS
_HOME_M = (0.5, 0.0, 0.2)
_GRASP_WIDTH_M = 0.016
_STEP_TICKS = 3000
_REST_TICKS = 2000
_PRESS_TICKS = 3000
_IMPACT_TICKS = 50
_APPROACH_M = 0.09
_MOVES_M = np.array(
    [
        [0.02, 0.0, 0.0], [0.02, 0.02, 0.0], [0.02, 0.02, 0.02], [-0.01, 0.02, 0.02], [-0.01, -0.02, 0.02],
        [-0.01, -0.02, -0.01], [0.0, 0.0, 0.0], [0.005, -0.003, 0.004], [0.03, 0.01, -0.02], [0.0, 0.01, 0.01],
        [-0.02, 0.01, 0.01], [0.0, 0.0, 0.0],
    ]
)  # fmt: skip


@dataclass(frozen=True)
class StepResponse:
    """Overshoot [% of the step] and settling time [ms] of one axis."""

    overshoot_pct: float
    settle_ms: float


class Rig:
    """The simulated FR3 with a ball-tipped probe over a stiff plate.

    Args:
        friction_scale: joint friction of the arm, as a part of what the law believes it to be.
    """

    def __init__(self, friction_scale: float = 1.0) -> None:
        self.simulation = Simulation(make_probe_spec())
        self.simulation.model.dof_frictionloss[:7] *= friction_scale
        self._joints: dict[tuple[float, float, float], Array] = {}

    def place(self, preset: str | ImpedanceParameters, position: Sequence[float] = _HOME_M) -> Pose:
        """Stand still with the TCP at a position [m], tool down, under a preset whose gains are all in force."""
        x, y, z = (float(value) for value in position)
        if (x, y, z) not in self._joints:
            pose = Pose(np.array([x, y, z]), TOOL_DOWN)
            self._joints[x, y, z] = solve_joints(self.simulation.model, pose)
        self.simulation.law.set_preset(preset)
        self.simulation.place_robot(self._joints[x, y, z], _GRASP_WIDTH_M)
        return self.simulation.tcp_pose()

    def _command(self, position: Array, quaternion: Array) -> None:
        self.simulation.law.set_target(Pose(position, quaternion), _PERIOD_S)

    # --- free space -----------------------------------------------------------------------------------------------

    def step_response(self, preset: str | ImpedanceParameters, axis: int) -> StepResponse:
        """Response to one command STEP_M along an axis, relative to where the axis comes to rest within 3 s.

        The settling time runs from the command until the axis stays within 2 % of the step of its place of rest;
        what that place lacks to the target is `rest_error`.
        """
        start = self.place(preset)
        offset = np.zeros(3)
        offset[axis] = STEP_M
        self._command(start.position + offset, start.quaternion)
        path = np.empty(_STEP_TICKS)
        for tick in range(_STEP_TICKS):
            self.simulation.advance(1)
            path[tick] = self.simulation.tcp_position[axis] - start.position[axis]
        outside = np.flatnonzero(np.abs(path - path[-1]) > SETTLED_PART * STEP_M)
        settle_ms = float(outside[-1] + 2) if outside.size else 0.0
        return StepResponse(100.0 * float(path.max() - path[-1]) / STEP_M, settle_ms)

    def rest_errors(self, preset: str | ImpedanceParameters, count: int) -> list[float]:
        """Distances to the target [mm], 2 s after each of `count` free motions in different directions."""
        start = self.place(preset)
        errors = []
        for offset in np.resize(_MOVES_M, (count, 3)):
            goal = start.position + offset
            self._command(goal, start.quaternion)
            self.simulation.advance(_REST_TICKS)
            errors.append(1e3 * float(np.linalg.norm(self.simulation.tcp_position - goal)))
        return errors

    def rest_motion_mm(self, preset: str | ImpedanceParameters) -> float:
        """How far the TCP still wanders within 0.5 s, 2 s after a free motion [mm]: a limit cycle would show."""
        start = self.place(preset)
        self._command(start.position + _MOVES_M[2], start.quaternion)
        self.simulation.advance(_REST_TICKS)
        return self._wander(500)[0]

    # --- contact --------------------------------------------------------------------------------------------------

    def press(self, preset: str | ImpedanceParameters) -> tuple[float, float]:
        """(Steady force, its ripple) [N] on the plate, the target 10 cm inside it; mean and range of 0.5 s after 3 s.

        The force is the low-passed one that the arm reports, along its own axis z.
        """
        self._press(preset)
        return self._wander(500)[1:]

    def _press(self, preset: str | ImpedanceParameters) -> None:
        start = self.place(preset, (0.5, 0.0, _over_plate(0.005)))
        for _ in range(10):
            goal = self.simulation.law.shaped_target.position - [0.0, 0.0, 0.01]
            self._command(goal, start.quaternion)
            self.simulation.advance(PERIOD_TICKS)
        self._command(start.position - [0.0, 0.0, 0.1], start.quaternion)
        self.simulation.advance(_PRESS_TICKS)

    def _wander(self, ticks: int) -> tuple[float, float, float]:
        """Range of the TCP's position [mm], mean and range of the force along the tool [N]."""
        positions, forces = np.empty((ticks, 3)), np.empty(ticks)
        for tick in range(ticks):
            self.simulation.advance(1)
            positions[tick] = self.simulation.tcp_position
            forces[tick] = self.simulation.wrench[2]
        return 1e3 * float(np.ptp(positions, axis=0).max()), float(forces.mean()), float(np.ptp(forces))

    def impact(self, preset: str | ImpedanceParameters, place: int, ramp_m_s: float) -> tuple[float, float, float]:
        """Hit the plate at IMPACT_SPEED_M_S; returns (peak of the unfiltered force [N], speed [m/s], ramp [m/s]).

        The command is a ramp downwards, one waypoint a policy period; its speed is searched for, from `ramp_m_s` on,
        until the TCP's own speed in the millisecond before the touch is right.

        Args:
            preset: of the law.
            place: number of the place and of the phase of the policy period in which the touch falls.
            ramp_m_s: first guess.

        Raises:
            ArithmeticError: the preset does not reach the speed.
        """
        x, y = 0.5 + 0.04 * (place % 3 - 1), 0.06 * (place // 3 % 3 - 1)
        height_m = _APPROACH_M + 0.1 * IMPACT_SPEED_M_S * (0.381966 * place % 1.0)
        speed = 0.0
        for _ in range(12):
            peak, speed = self._hit(preset, (x, y, _over_plate(height_m)), ramp_m_s)
            if abs(speed / IMPACT_SPEED_M_S - 1.0) <= 0.4 * IMPACT_TOLERANCE:
                return peak, speed, ramp_m_s
            ramp_m_s *= float(np.clip(IMPACT_SPEED_M_S / max(speed, 1e-3), 0.7, 1.4))
        raise ArithmeticError(f"this preset hit with {speed:.4f} m/s at a ramp of {ramp_m_s:.3g} m/s")

    def _hit(
        self, preset: str | ImpedanceParameters, position: tuple[float, float, float], ramp_m_s: float
    ) -> tuple[float, float]:
        """(Peak force of 50 ms [N], speed before the touch [m/s]) of one ramp; (0, speed) if it misses."""
        simulation = self.simulation
        start = self.place(preset, position)
        simulation.peak_force[0] = 0.0
        height, speed, ticks_left = position[2], 0.0, _IMPACT_TICKS
        for tick in range(40 * PERIOD_TICKS):
            if tick % PERIOD_TICKS == 0:
                depth_m = ramp_m_s * 1e-3 * (tick + PERIOD_TICKS)
                self._command(start.position - [0.0, 0.0, depth_m], start.quaternion)
            simulation.advance(1)
            if simulation.peak_force[0] > 0.0:  # the ramp goes on, as nobody knows of the touch yet
                ticks_left -= 1
                if ticks_left == 0:
                    break
                continue
            speed = (height - float(simulation.tcp_position[2])) / 1e-3
            height = float(simulation.tcp_position[2])
        return float(simulation.peak_force[0]), speed


def _over_plate(height_m: float) -> float:
    """Height of the TCP at which the probe's tip is that far above the plate [m]."""
    return PLATE_TOP_M + PROBE_LENGTH_M + height_m
