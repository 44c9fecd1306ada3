"""A Franka and its surroundings in MuJoCo: owns model, data and the impedance law, and makes time pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import mujoco
import numpy as np

from robot_rl.control.law import ImpedanceLaw
from robot_rl.control.presets import ImpedanceParameters
from robot_rl.geometry import Array, Pose
from robot_rl.sim import franka, stepping
from robot_rl.sim.view import SceneView, without_visuals
from robot_rl.types import Reason, StopRecord

TICK_NS = 1_000_000
"""One tick of law and physics."""

WRENCH_FILTER_S = 0.01
"""Time constant of the wrench's low-pass: the real estimate is about as slow."""

_LARGEST_SPEED = 1e3
"""What no joint or body of a sound simulation reaches [m/s, rad/s]."""

CONTACT_SENSOR = "hand_contact"
"""Name of the sensor of the hand's contacts: net force [N], torque [Nm] and point [m], world axes."""


@dataclass(frozen=True)
class SimulationState:
    """Everything needed to continue bit for bit: an opaque value of `Simulation.save`."""

    physics: Array
    body_positions: Array
    body_quaternions: Array
    parameters: ImpedanceParameters
    law: bytes
    torque: Array
    wrench: Array
    tick_count: int
    stop: StopRecord | None


class Simulation:
    """Physics and impedance law at 1 kHz.

    Args:
        spec: a scene with the robot in it (`workcell.make_workcell_spec` and what a task added).
        preset: impedance preset at the start.
    """

    def __init__(self, spec: mujoco.MjSpec, preset: str = "insertion") -> None:
        _add_contact_sensor(spec)
        self._spec = spec
        self.model = without_visuals(spec).compile()
        # On an error MuJoCo would silently start again from the initial state; here it becomes a stop.
        self.model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET
        self.data = mujoco.MjData(self.model)
        self.law = ImpedanceLaw(preset)
        self.stop_record: StopRecord | None = None
        self.torque = np.zeros(7)
        self.wrench = np.zeros(6)
        self.peak_force = np.zeros(1)
        self.law_status = 0
        self._tick_count = 0
        self.start_ns = 0
        """Moment of the first tick: 0, or where on another clock the simulated time began."""
        self.controller: Callable[[int], None] | None = None
        """Whoever drives the physics for some milliseconds instead of this simulation's own law; None for that."""
        self._bind()
        self.place_robot(franka.HOME_JOINTS, franka.MAX_GRIPPER_WIDTH_M)

    def _bind(self) -> None:
        """Find mjData's arrays once; the views stay valid for the life of `data`."""
        model, data = self.model, self.data
        if franka.joint_dof_addresses(model).tolist() != list(range(stepping.ARM_DOFS)):
            raise ValueError("The arm's joints must come first in the scene: add objects after the robot.")
        tcp = model.site(franka.TCP_SITE_NAME).id
        sensor = model.sensor(CONTACT_SENSOR).adr[0]
        self._gripper = model.actuator(franka.GRIPPER_ACTUATOR_NAME).id
        self._width_tendon = model.tendon(franka.GRIPPER_TENDON_NAME).id
        dt_s = float(model.opt.timestep)
        self._plant = stepping.Plant(
            model._address,
            data._address,
            tcp,
            data.qpos,
            data.qvel,
            data.qfrc_bias,
            data.qfrc_gravcomp,
            data.site_xpos[tcp],
            data.site_xmat[tcp],
            data.sensordata[sensor : sensor + 9],
            data.ctrl,
            dt_s,
        )
        self._readings = stepping.Readings(self.torque, self.wrench, self.peak_force, dt_s / (dt_s + WRENCH_FILTER_S))

    # --- time ---------------------------------------------------------------------------------------------------

    def now_ns(self) -> int:
        """Simulated time [ns]."""
        return self.start_ns + self._tick_count * TICK_NS

    def advance_to_ns(self, stamp_ns: int) -> None:
        """Let time pass until `stamp_ns`."""
        ticks = -(-(stamp_ns - self.now_ns()) // TICK_NS)
        if ticks > 0:
            self.advance(ticks)

    def advance(self, ticks: int) -> None:
        """Let some milliseconds pass. Physics that left the finite numbers are undone, and the arm stops."""
        if self.controller is not None:
            self.controller(ticks)
            self._tick_count += ticks
            self.refresh()
            return
        before = self._physics_state()
        status = stepping.advance(ticks, self._plant, self.law.parameters_record, self.law.state_record, self._readings)
        self._tick_count += ticks
        # A body that flies off is as wrong as one that is nowhere, and would pass for a lifted one.
        if status < 0 or not np.abs(self.data.qvel).max() < _LARGEST_SPEED:
            self._undo(before)
            return
        self.law_status = status
        self.refresh()

    def _undo(self, physics: Array) -> None:
        mujoco.mj_setState(self.model, self.data, physics, mujoco.mjtState.mjSTATE_INTEGRATION)
        self.data.qvel[:] = 0.0
        self.torque[:] = 0.0
        self.wrench[:] = 0.0
        self.refresh()
        self.restart_law()
        self.stop(Reason.UNSTABLE, "the physics left the finite numbers; the last good state is restored")

    def advance_physics(self, ticks: int) -> None:
        """Let physics run without the law, and without counting as time: for measuring what it takes."""
        stepping.advance_physics(ticks, self._plant)
        self.refresh()

    @cached_property
    def view(self) -> SceneView:
        """The scene as a camera sees it, where it was when `follow` was called last."""
        return SceneView(self._spec)

    def refresh(self) -> None:
        """Bring kinematics up to the present positions, for readings."""
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_comPos(self.model, self.data)
        mujoco.mj_tendon(self.model, self.data)

    # --- the arm ------------------------------------------------------------------------------------------------

    def tcp_pose(self) -> Pose:
        """T_base_tcp; the base is the world."""
        return Pose.from_matrix(self._plant.tcp_rotation.reshape(3, 3), self._plant.tcp_position)

    @property
    def tcp_position(self) -> Array:
        """Of the TCP in the base frame [m], shape (3,); a view."""
        return self._plant.tcp_position

    def tcp_jacobian(self) -> Array:
        """Jacobian of the TCP for the arm's joints, (v, omega) in base axes. Shape (6, 7)."""
        jacobian = np.zeros((6, self.model.nv))
        mujoco.mj_jacSite(self.model, self.data, jacobian[:3], jacobian[3:], self._plant.tcp_site)
        return jacobian[:, :7]

    @property
    def joint_positions(self) -> Array:
        """[rad], shape (7,); a view."""
        return self._plant.joint_positions[: stepping.ARM_DOFS]

    @property
    def joint_velocities(self) -> Array:
        """[rad/s], shape (7,); a view."""
        return self._plant.joint_velocities[: stepping.ARM_DOFS]

    @property
    def width_m(self) -> float:
        """Opening of the gripper [m]."""
        return float(self.data.ten_length[self._width_tendon])

    def set_width(self, width_m: float) -> None:
        """Command the gripper's opening [m]."""
        self.data.ctrl[self._gripper] = width_m

    def stop(self, reason: Reason, detail: str) -> StopRecord:
        """Hold softly at the present pose; the first stop's record is kept."""
        if self.stop_record is None:
            self.stop_record = StopRecord(reason, detail, self.now_ns())
            self.law.rest_at(self.tcp_pose())
        return self.stop_record

    def recover(self) -> None:
        """End a stop: the present pose becomes the rest pose."""
        self.stop_record = None
        self.law.rest_at(self.tcp_pose())

    def place_robot(self, joint_positions: Array, width_m: float) -> None:
        """Put the robot there at rest, as if it had always stood there. A stop is not cleared by it."""
        self.data.qvel[:] = 0.0
        self.data.qacc_warmstart[:] = 0.0
        self.data.qpos[:7] = joint_positions
        for name in franka.FINGER_JOINT_NAMES:
            self.data.qpos[self.model.joint(name).qposadr[0]] = 0.5 * width_m
        self.set_width(width_m)
        self.torque[:] = 0.0
        self.wrench[:] = 0.0
        self.refresh()
        self.restart_law()

    def restart_law(self) -> None:
        """Start the law anew at the present pose, its gains fully on: nothing pulls, so nothing can jump."""
        self.law.start(self.joint_positions.copy(), self.tcp_pose())
        self.law.state_record["ramp"] = 1.0

    # --- the scene ----------------------------------------------------------------------------------------------

    def set_body_pose(self, name: str, pose: Pose) -> None:
        """Move a body that has no joint, relative to its parent; part of the saved state."""
        body = self.model.body(name).id
        self.model.body_pos[body] = pose.position
        self.model.body_quat[body] = pose.quaternion[[3, 0, 1, 2]]
        self.refresh()

    def body_pose(self, name: str) -> Pose:
        """T_base_body."""
        body = self.data.body(name)
        return Pose(body.xpos, body.xquat[[1, 2, 3, 0]])

    def set_free_body_pose(self, joint: str, pose: Pose) -> None:
        """Put a body with a free joint somewhere, at rest."""
        address, dof = self.model.joint(joint).qposadr[0], self.model.joint(joint).dofadr[0]
        self.data.qpos[address : address + 3] = pose.position
        self.data.qpos[address + 3 : address + 7] = pose.quaternion[[3, 0, 1, 2]]
        self.data.qvel[dof : dof + 6] = 0.0
        self.refresh()

    # --- save and restore ---------------------------------------------------------------------------------------

    def _physics_state(self) -> Array:
        state = np.empty(mujoco.mj_stateSize(self.model, mujoco.mjtState.mjSTATE_INTEGRATION))
        mujoco.mj_getState(self.model, self.data, state, mujoco.mjtState.mjSTATE_INTEGRATION)
        return state

    def save(self) -> SimulationState:
        """Take a snapshot from which `restore` continues bit for bit."""
        model = self.model
        return SimulationState(
            self._physics_state(),
            model.body_pos.copy(),
            model.body_quat.copy(),
            self.law.parameters,
            self.law.save(),
            self.torque.copy(),
            self.wrench.copy(),
            self._tick_count,
            self.stop_record,
        )

    def restore(self, state: SimulationState) -> None:
        """Return to a snapshot of this simulation, or of another one of the same scene."""
        mujoco.mj_setState(self.model, self.data, state.physics, mujoco.mjtState.mjSTATE_INTEGRATION)
        self.model.body_pos[:], self.model.body_quat[:] = state.body_positions, state.body_quaternions
        self.law.set_preset(state.parameters)
        self.law.restore(state.law)
        self.torque[:], self.wrench[:] = state.torque, state.wrench
        self._tick_count, self.stop_record = state.tick_count, state.stop
        self.refresh()


def _add_contact_sensor(spec: mujoco.MjSpec) -> None:
    """Measure the net contact wrench of the hand and what it holds, about the centre of the contacts, in world axes."""
    sensor = spec.add_sensor(
        name=CONTACT_SENSOR,
        type=mujoco.mjtSensor.mjSENS_CONTACT,
        objtype=mujoco.mjtObj.mjOBJ_XBODY,
        objname=franka.HAND_BODY_NAME,
    )
    # force, torque and position; reduced to the net force; one row (MuJoCo XML reference, sensor/contact)
    force, torque, position = 1, 2, 4
    net_force, rows = 3, 1
    sensor.intprm = [(1 << force) | (1 << torque) | (1 << position), net_force, rows]
