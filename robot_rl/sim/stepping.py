"""The 1 kHz loop of law and physics, compiled as one: Python is entered once a policy tick, not once a millisecond.

MuJoCo's C functions are linked by name into the numba-compiled loop; the arrays of mjModel and mjData are reached
through MuJoCo's own Python views, so that no struct layout is assumed here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import llvmlite.binding as llvm
import mujoco
import numpy as np
from numba import types

from robot_rl.control.impedance import tick
from robot_rl.control.kernels import compiled
from robot_rl.errors import SetupError
from robot_rl.geometry import Array


def _link_mujoco() -> None:
    """Make the symbols of the MuJoCo library that Python has loaded visible to compiled code."""
    libraries = sorted(Path(mujoco.__file__).parent.glob("libmujoco*"))
    if not libraries:
        raise SetupError(f"No libmujoco beside {mujoco.__file__}: is the mujoco package complete?")
    llvm.load_library_permanently(str(libraries[0]))


_link_mujoco()


def _c_function(name: str, *arguments: types.Type) -> Any:
    """A function of the MuJoCo library, for compiled code; returns nothing. Pointers are passed as integers."""
    return types.ExternalFunction(name, types.void(*arguments))


_mj_step1 = _c_function("mj_step1", types.intp, types.intp)
_mj_step2 = _c_function("mj_step2", types.intp, types.intp)
_mj_full_mass = _c_function("mj_fullM", types.intp, types.intp, types.intp)
_mj_site_jacobian = _c_function("mj_jacSite", types.intp, types.intp, types.intp, types.intp, types.intc)

ARM_DOFS = 7


class Plant(NamedTuple):
    """What the loop reads and writes of mjData, as views; the arm's seven joints come first.

    Attributes:
        model_address, data_address: of mjModel and mjData.
        tcp_site: id of the TCP's site.
        joint_positions, joint_velocities: qpos and qvel.
        bias, gravity_compensation: their difference are the Coriolis torques.
        tcp_position, tcp_rotation: of the site, shapes (3,) and (9,).
        contact_sensor: net force, torque and point of the hand's contacts, world axes, shape (9,).
        control: of the actuators.
        dt_s: time step.
    """

    model_address: int
    data_address: int
    tcp_site: int
    joint_positions: Array
    joint_velocities: Array
    bias: Array
    gravity_compensation: Array
    tcp_position: Array
    tcp_rotation: Array
    contact_sensor: Array
    control: Array
    dt_s: float


class Readings(NamedTuple):
    """What the loop keeps up to date beside mjData.

    Attributes:
        torque: last commanded torques [Nm], shape (7,).
        wrench: low-passed wrench on the world at the TCP in TCP axes, shape (6,).
        peak_force: largest unfiltered force since it was last zeroed [N], shape (1,).
        wrench_filter: share of a new sample in the wrench.
    """

    torque: Array
    wrench: Array
    peak_force: Array
    wrench_filter: float


class Dynamics(NamedTuple):
    """The arm's part of the dynamics, computed each tick.

    Attributes:
        jacobian_all, mass_all: of all joints, shapes (6, nv) and (nv, nv).
        jacobian: of the TCP, (v, omega) in base axes, shape (6, 7).
        mass: shape (7, 7).
        coriolis: [Nm], shape (7,).
        rotation: R_base_tcp, shape (3, 3).
    """

    jacobian_all: Array
    mass_all: Array
    jacobian: Array
    mass: Array
    coriolis: Array
    rotation: Array


@compiled
def measure_wrench(contact_sensor: Array, tcp_position: Array, tcp_rotation: Array, wrench: Array) -> None:
    """Wrench of the hand on the world at the TCP, in TCP axes, from a net-force contact sensor (force, torque, point).

    MuJoCo's sensor reports what the named body does to the others, which is the sign that Franka uses too.
    """
    f = contact_sensor[0:3]
    lever = contact_sensor[6:9] - tcp_position
    torque = np.empty(3)
    torque[0] = contact_sensor[3] + lever[1] * f[2] - lever[2] * f[1]
    torque[1] = contact_sensor[4] + lever[2] * f[0] - lever[0] * f[2]
    torque[2] = contact_sensor[5] + lever[0] * f[1] - lever[1] * f[0]
    for i in range(3):
        wrench[i] = 0.0
        wrench[3 + i] = 0.0
        for j in range(3):
            wrench[i] += tcp_rotation[j, i] * f[j]
            wrench[3 + i] += tcp_rotation[j, i] * torque[j]


@compiled
def _compute_dynamics(plant: Plant, dynamics: Dynamics) -> None:
    """Fill `dynamics` with the present configuration, after mj_step1."""
    _mj_full_mass(plant.model_address, plant.data_address, dynamics.mass_all.ctypes.data)
    _mj_site_jacobian(
        plant.model_address,
        plant.data_address,
        dynamics.jacobian_all[:3].ctypes.data,
        dynamics.jacobian_all[3:].ctypes.data,
        plant.tcp_site,
    )
    for i in range(ARM_DOFS):
        dynamics.coriolis[i] = plant.bias[i] - plant.gravity_compensation[i]
        for j in range(ARM_DOFS):
            dynamics.mass[i, j] = dynamics.mass_all[i, j]
        for j in range(6):
            dynamics.jacobian[j, i] = dynamics.jacobian_all[j, i]
    for i in range(3):
        for j in range(3):
            dynamics.rotation[i, j] = plant.tcp_rotation[3 * i + j]


@compiled
def _update_readings(plant: Plant, readings: Readings, rotation: Array, sample: Array) -> None:
    """Filter the wrench, and remember the largest force."""
    measure_wrench(plant.contact_sensor, plant.tcp_position, rotation, sample)
    force = np.sqrt(sample[0] ** 2 + sample[1] ** 2 + sample[2] ** 2)
    readings.peak_force[0] = max(readings.peak_force[0], force)
    for i in range(6):
        readings.wrench[i] += readings.wrench_filter * (sample[i] - readings.wrench[i])


@compiled
def advance_physics(tick_count: int, plant: Plant) -> None:
    """Run `tick_count` milliseconds of physics alone, the motors held at their last torques: to be measured."""
    for _ in range(tick_count):
        _mj_step1(plant.model_address, plant.data_address)
        _mj_step2(plant.model_address, plant.data_address)


@compiled
def advance(tick_count: int, plant: Plant, parameters: np.void, law_state: np.void, readings: Readings) -> int:
    """Run `tick_count` milliseconds of law and physics.

    Args:
        tick_count: how many.
        plant: mjData.
        parameters, law_state: records of the impedance law; the state is updated.
        readings: updated.

    Returns:
        The law's status flags, of all ticks together; -1 when the physics left the finite numbers.
    """
    dof_count = plant.bias.shape[0]
    dynamics = Dynamics(
        np.empty((6, dof_count)),
        np.empty((dof_count, dof_count)),
        np.empty((6, ARM_DOFS)),
        np.empty((ARM_DOFS, ARM_DOFS)),
        np.empty(ARM_DOFS),
        np.empty((3, 3)),
    )
    torque = np.empty(ARM_DOFS)
    sample = np.empty(6)
    status = 0
    for _ in range(tick_count):
        _mj_step1(plant.model_address, plant.data_address)
        _compute_dynamics(plant, dynamics)
        status |= tick(
            parameters,
            law_state,
            plant.joint_positions[:ARM_DOFS],
            plant.joint_velocities[:ARM_DOFS],
            plant.tcp_position,
            dynamics.rotation,
            dynamics.jacobian,
            dynamics.mass,
            dynamics.coriolis,
            readings.torque,
            plant.dt_s,
            torque,
        )
        for i in range(ARM_DOFS):
            readings.torque[i] = torque[i]
            plant.control[i] = torque[i]
        _mj_step2(plant.model_address, plant.data_address)
        _update_readings(plant, readings, dynamics.rotation, sample)
        if not np.isfinite(plant.joint_positions.sum() + plant.joint_velocities.sum()):
            return -1  # at once: MuJoCo would spend the rest of the period on warnings
    return status
