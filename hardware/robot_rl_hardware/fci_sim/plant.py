"""The physical robot: the project's simulated arm, driven by joint torques, and what touches it."""

from __future__ import annotations

import math
from collections.abc import Callable

import mujoco
import numpy as np

from robot_rl.errors import ConfigError
from robot_rl.geometry import Array
from robot_rl.sim import franka
from robot_rl.sim.probe import make_probe_spec
from robot_rl.sim.simulation import CONTACT_SENSOR, Simulation
from robot_rl.sim.tasks import TASKS, make_task
from robot_rl.sim.tasks.scene import SceneConfig
from robot_rl.sim.workcell import make_workcell_spec
from robot_rl_hardware.fci_sim.panda_body import make_panda

PERIOD_S = 0.001
REST_SPEED = 1e-3
"""Speed of every joint and body below which everything counts as at rest [rad/s, m/s]."""

_FIRST_CONTACT = int(mujoco.mjtConstraint.mjCNSTR_CONTACT_FRICTIONLESS)
"""The kinds of constraints from this number on are contacts."""

_IDENTITY = np.eye(4)

PLAIN_SCENES = {"table": make_workcell_spec, "probe": make_probe_spec}
SCENES = (*PLAIN_SCENES, *TASKS)


class Plant:
    """Physics in steps of one millisecond. Positions, velocities and kinematics are always those of the present.

    Gravity of the robot and of a tool in its hand is compensated, as by the real controller; friction is not.
    """

    def __init__(self, simulation: Simulation) -> None:
        """Drive `simulation`, whose own law is not used."""
        self.simulation = simulation
        self.model, self.data = simulation.model, simulation.data
        self.positions, self.velocities = simulation.joint_positions, simulation.joint_velocities
        """Of the joints [rad], [rad/s]; views, shape (7,)."""
        self.gravity: Array = self.data.qfrc_gravcomp[:7]
        """Torques that hold the arm [Nm]; a view, shape (7,)."""
        self.contact_torque = np.zeros(7)
        """Joint torques by which the surroundings push the arm, in the last millisecond [Nm]."""
        self.is_touched = False
        """Whether anything in the scene was in contact in the last millisecond."""
        self.force_n = self.peak_force_n = 0.0
        """Between the hand, with what it holds, and its surroundings: in the last millisecond, and the most so far."""
        self.is_unstable = False
        """Whether the last millisecond left the finite numbers, and was undone."""
        self.before_step: list[Callable[[], None]] = []
        """Called before every millisecond: what else is driven by simulated time."""
        flange = self.model.site(franka.FLANGE_SITE_NAME).id
        self._flange_position: Array = self.data.site_xpos[flange]
        self._flange_rotation: Array = self.data.site_xmat[flange].reshape(3, 3)
        self._flange_body = int(self.model.site_bodyid[flange])
        self._contact_sensor: Array = self.data.sensor(CONTACT_SENSOR).data
        self._finger_dofs = [int(self.model.joint(name).dofadr[0]) for name in franka.FINGER_JOINT_NAMES]
        self._gripper = self.model.actuator(franka.GRIPPER_ACTUATOR_NAME).id
        self._finger_drive: tuple[float, float] | None = None
        self._jacobian_all = np.zeros((6, self.model.nv))
        self._torque_all = np.zeros(self.model.nv)
        self._mass_all = np.zeros((self.model.nv, self.model.nv))
        self._qpos, self._qvel = self.data.qpos, self.data.qvel
        self._last_positions = self._qpos.copy()
        mujoco.mj_step1(self.model, self.data)

    def advance(self, torque: Array) -> None:
        """Let one millisecond pass with these torques beside the compensation of gravity [Nm], shape (7,)."""
        model, data = self.model, self.data
        for each in self.before_step:
            each()
        self._last_positions[:] = self._qpos
        data.ctrl[:7] = torque
        mujoco.mj_step2(model, data)
        # squares: what is not finite stays so
        self.is_unstable = not math.isfinite(self._qvel @ self._qvel + self._qpos @ self._qpos)
        if self.is_unstable:
            data.qpos[:], data.qvel[:] = self._last_positions, 0.0
            data.qacc_warmstart[:] = 0.0
            self.contact_torque[:] = 0.0
        else:
            self._measure_contacts()
        mujoco.mj_step1(model, data)

    def _measure_contacts(self) -> None:
        """What contacts do to the joints, without joint friction and joint limits, which are constraints, too."""
        data = self.data
        self.is_touched = data.ncon > 0
        if not self.is_touched:
            self.contact_torque[:] = self.force_n = 0.0
            return
        x, y, z = self._contact_sensor[:3].tolist()
        self.force_n = math.sqrt(x * x + y * y + z * z)
        self.peak_force_n = max(self.peak_force_n, self.force_n)
        forces = np.where(data.efc_type >= _FIRST_CONTACT, data.efc_force, 0.0)
        mujoco.mj_mulJacTVec(self.model, data, self._torque_all, forces)
        self.contact_torque[:] = self._torque_all[:7]

    def flange(self) -> Array:
        """T_base_flange. Shape (4, 4)."""
        transform = _IDENTITY.copy()
        transform[:3, :3], transform[:3, 3] = self._flange_rotation, self._flange_position
        return transform

    def jacobian(self, point: Array) -> Array:
        """(v, omega) in base axes of a point [m] that moves with the flange, per joint velocity. Shape (6, 7)."""
        rows = self._jacobian_all
        mujoco.mj_jac(self.model, self.data, rows[:3], rows[3:], point, self._flange_body)
        return rows[:, :7]

    def mass_diagonal(self) -> Array:
        """Diagonal of the joint-space inertia with the rotors' [kg m^2]. Shape (7,)."""
        mujoco.mj_fullM(self.model, self.data, self._mass_all)
        return np.diag(self._mass_all)[:7].copy()

    def is_at_rest(self) -> bool:
        """Whether nothing in the scene moves."""
        return bool(np.abs(self._qvel).max() < REST_SPEED)

    def place(self, joint_positions: Array) -> None:
        """Put the arm somewhere at rest [rad], shape (7,); the gripper stays as it is.

        Raises:
            ConfigError: not seven angles within the joints' limits.
        """
        lower, upper = franka.JOINT_LOWER, franka.JOINT_UPPER
        joints = np.asarray(joint_positions, float)
        if joints.shape != (7,) or not ((joints >= lower) & (joints <= upper)).all():
            raise ConfigError(f"joints must be 7 angles from {lower} to {upper} rad, got {joint_positions}.")
        self.simulation.place_robot(joints, self.width_m)
        self._finger_drive = None
        self.contact_torque[:] = self.force_n = self.peak_force_n = 0.0
        mujoco.mj_step1(self.model, self.data)

    # --- the hand -----------------------------------------------------------------------------------------------

    @property
    def width_m(self) -> float:
        """Opening of the fingers [m]."""
        return self.simulation.width_m

    @property
    def finger_speed_m_s(self) -> float:
        """How fast the opening changes [m/s]."""
        return float(sum(self.data.qvel[dof] for dof in self._finger_dofs))

    def drive_fingers(self, width_m: float, force_n: float) -> None:
        """Pull the fingers to an opening with at most this force between them."""
        if (width_m, force_n) == self._finger_drive:
            return
        self._finger_drive = width_m, force_n
        self.simulation.set_width(width_m)
        # the tendon pulls each finger with the actuator's force
        self.model.actuator_forcerange[self._gripper] = (-0.5 * force_n, 0.5 * force_n)


def make_plant(scene: str, seed: int, robot: str = "fr3") -> Plant:
    """A robot, "fr3" or "panda", in a scene of `SCENES`: at its ready pose, the task's parts where `seed` puts them.

    Raises:
        ConfigError: no such scene.
    """
    if scene not in SCENES:
        raise ConfigError(f"scene must be one of {', '.join(SCENES)}, got {scene!r}.")
    spec = PLAIN_SCENES.get(scene, make_workcell_spec)()
    if robot == "panda":
        make_panda(spec)
    if scene in PLAIN_SCENES:
        return Plant(Simulation(spec))
    task = make_task(scene, SceneConfig())
    task.add_to(spec)
    simulation = Simulation(spec)
    task.attach(simulation)
    task.arrange(seed)
    simulation.place_robot(franka.HOME_JOINTS, task.grasp_width_m)
    return Plant(simulation)
