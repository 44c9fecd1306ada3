"""The 1 kHz loop of law and physics, compiled as one: Python is entered once a policy tick, not once a millisecond.

MuJoCo's C functions are linked by name into the numba-compiled loop; the arrays of mjModel and mjData are reached
through MuJoCo's own Python views, so that no struct layout is assumed here.
"""

from __future__ import annotations

from pathlib import Path

import llvmlite.binding as llvm
import mujoco
import numpy as np
from numba import njit, types

from robot_rl.control.impedance import tick
from robot_rl.errors import SetupError
from robot_rl.geometry import Array


def _link_mujoco() -> None:
    """Make the symbols of the MuJoCo library that Python has loaded visible to compiled code."""
    libraries = sorted(Path(mujoco.__file__).parent.glob("libmujoco*"))
    if not libraries:
        raise SetupError(f"No libmujoco beside {mujoco.__file__}: is the mujoco package complete?")
    llvm.load_library_permanently(str(libraries[0]))


_link_mujoco()
_mj_step1 = types.ExternalFunction("mj_step1", types.void(types.intp, types.intp))
_mj_step2 = types.ExternalFunction("mj_step2", types.void(types.intp, types.intp))
_mj_full_mass = types.ExternalFunction("mj_fullM", types.void(types.intp, types.intp, types.intp))
_mj_site_jacobian = types.ExternalFunction(
    "mj_jacSite", types.void(types.intp, types.intp, types.intp, types.intp, types.intc)
)

ARM_DOFS = 7


@njit(cache=True)
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


@njit(cache=True)
def advance(
    model_address: int,
    data_address: int,
    tick_count: int,
    tcp_site: int,
    joint_positions: Array,
    joint_velocities: Array,
    bias: Array,
    gravity_compensation: Array,
    tcp_position: Array,
    tcp_rotation: Array,
    contact_sensor: Array,
    control: Array,
    parameters: np.void,
    law_state: np.void,
    torque: Array,
    wrench: Array,
    wrench_filter: float,
    peak_force: Array,
    dt_s: float,
) -> int:
    """Run `tick_count` milliseconds of law and physics.

    Args:
        model_address, data_address: of mjModel and mjData.
        tcp_site: id of the TCP's site.
        joint_positions ... control: views into mjData; the arm's seven joints come first.
        parameters, law_state: records of the impedance law.
        torque: last commanded torques [Nm], shape (7,), updated.
        wrench: low-passed wrench on the world at the TCP in TCP axes, shape (6,), updated.
        wrench_filter: share of a new sample in the wrench.
        peak_force: largest unfiltered force since it was last zeroed [N], shape (1,), updated.
        dt_s: time step [s].

    Returns:
        The law's status flags, of all ticks together; -1 when the physics left the finite numbers.
    """
    dof_count = bias.shape[0]
    jacobian_all = np.empty((6, dof_count))
    jacobian = np.empty((6, ARM_DOFS))
    mass_all = np.empty((dof_count, dof_count))
    mass = np.empty((ARM_DOFS, ARM_DOFS))
    coriolis = np.empty(ARM_DOFS)
    rotation = np.empty((3, 3))
    next_torque = np.empty(ARM_DOFS)
    sample = np.empty(6)
    status = 0
    for _ in range(tick_count):
        _mj_step1(model_address, data_address)
        _mj_full_mass(model_address, data_address, mass_all.ctypes.data)
        _mj_site_jacobian(
            model_address, data_address, jacobian_all[:3].ctypes.data, jacobian_all[3:].ctypes.data, tcp_site
        )
        for i in range(ARM_DOFS):
            coriolis[i] = bias[i] - gravity_compensation[i]
            for j in range(ARM_DOFS):
                mass[i, j] = mass_all[i, j]
            for j in range(6):
                jacobian[j, i] = jacobian_all[j, i]
        for i in range(3):
            for j in range(3):
                rotation[i, j] = tcp_rotation[3 * i + j]
        status |= tick(
            parameters,
            law_state,
            joint_positions[:ARM_DOFS],
            joint_velocities[:ARM_DOFS],
            tcp_position,
            rotation,
            jacobian,
            mass,
            coriolis,
            torque,
            dt_s,
            next_torque,
        )
        for i in range(ARM_DOFS):
            torque[i] = next_torque[i]
            control[i] = next_torque[i]
        _mj_step2(model_address, data_address)
        measure_wrench(contact_sensor, tcp_position, rotation, sample)
        force = np.sqrt(sample[0] ** 2 + sample[1] ** 2 + sample[2] ** 2)
        peak_force[0] = max(peak_force[0], force)
        for i in range(6):
            wrench[i] += wrench_filter * (sample[i] - wrench[i])
    if not (np.isfinite(joint_positions).all() and np.isfinite(joint_velocities).all()):
        return -1
    return status
