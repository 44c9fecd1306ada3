"""Kinematics and dynamics of the Panda, which the robot offers only as a library of its own: computed here instead."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from robot_rl.control.kernels import compiled
from robot_rl.geometry import Array
from robot_rl_hardware.franka import dynamics
from robot_rl_hardware.franka.axes import JointAxes

_RIGHT: Final = math.pi / 2

CHAIN: Final = np.array(
    [
        (0.0, 0.333, 0.0),
        (0.0, 0.0, -_RIGHT),
        (0.0, 0.316, _RIGHT),
        (0.0825, 0.0, _RIGHT),
        (-0.0825, 0.384, -_RIGHT),
        (0.0, 0.0, _RIGHT),
        (0.088, 0.0, _RIGHT),
        (0.0, 0.107, 0.0),
    ]
)
"""Denavit-Hartenberg parameters (a, d, alpha) of the manufacturer's documentation; see `dynamics.place_links`."""

# mass, centre, inertia about it (xx, yy, zz, xy, xz, yz) of the links 1 to 7
_LINKS: Final = (
    (4.970684, (0.003875, 0.002081, -0.04762), (0.70337, 0.70661, 0.009117, -0.000139, 0.006772, 0.019169)),
    (0.646926, (-0.003141, -0.02872, 0.003495), (0.007962, 0.02811, 0.025995, -0.003925, 0.010254, 0.000704)),
    (3.228604, (0.027518, 0.039252, -0.066502), (0.037242, 0.036155, 0.01083, -0.004761, -0.011396, -0.012805)),
    (3.587895, (-0.05317, 0.104419, 0.027454), (0.025853, 0.019552, 0.028323, 0.007796, -0.001332, 0.008641)),
    (1.225946, (-0.011953, 0.041065, -0.038437), (0.035549, 0.029474, 0.008627, -0.002117, -0.004037, 0.000229)),
    (1.666555, (0.060149, -0.014117, -0.010517), (0.001964, 0.004354, 0.005433, 0.000109, -0.001158, 0.000341)),
    (0.735522, (0.010517, -0.004252, 0.061597), (0.012516, 0.010027, 0.004815, -0.000428, -0.001196, -0.000741)),
)


def make_bodies() -> Array:
    """The links' mass properties, (7, 13).

    Identified from what libfranka computes for the robot: Gaz, Cognetti, Oliva, Robuffo Giordano, De Luca, "Dynamic
    identification of the Franka Emika Panda robot with retrieval of feasible parameters using penalty-based
    optimization", RA-L 2019; the numbers are also in franka_description (Apache-2.0), for the robot `fer`.
    """
    bodies = np.zeros((7, dynamics.BODY_SIZE))
    for row, (mass, centre, (xx, yy, zz, xy, xz, yz)) in zip(bodies, _LINKS, strict=True):
        row[:] = (mass, *centre, xx, xy, xz, xy, yy, yz, xz, yz, zz)
    return bodies


class PandaModel:
    """The links, and what the state says of the hand and of what it carries; see `library.Model`."""

    def __init__(self) -> None:
        """Compile, on a machine that has never done so."""
        self._bodies = np.zeros((8, dynamics.BODY_SIZE))
        self._bodies[:7] = make_bodies()
        self._joints, self._speeds = np.zeros(7), np.zeros(7)
        self._axes = JointAxes()
        self._compute(np.zeros(56))
        _compute_jacobian(CHAIN, self._joints, np.zeros(3))

    def read(self, state: Any, numbers: Array) -> Array:
        """Write what belongs to a state."""
        self._joints[:], self._speeds[:] = state.q, state.dq
        load = self._bodies[7]
        load[0], load[1:4], load[4:] = state.m_total, state.F_x_Ctotal, state.I_total
        self._compute(numbers)
        return self._axes.read(state, self._compute_jacobian)

    def _compute(self, numbers: Array) -> None:
        _compute(CHAIN, self._bodies, self._joints, self._speeds, numbers[:49].reshape(7, 7), numbers[49:])

    def _compute_jacobian(self, state: Any) -> Array:
        return _compute_jacobian(CHAIN, np.array(state.q), np.array(state.F_T_EE[12:15]))


@compiled
def _compute_jacobian(chain: Array, joints: Array, tool: Array) -> Array:
    rotations, axes, origins = np.empty((8, 3, 3)), np.empty((8, 3)), np.empty((8, 3))
    jacobian = np.empty((7, 6))
    dynamics.place_links(chain, joints, rotations, axes, origins)
    dynamics.fill_jacobian(rotations, axes, origins, tool, jacobian)
    return jacobian


@compiled
def _compute(chain: Array, bodies: Array, joints: Array, speeds: Array, mass: Array, coriolis: Array) -> None:
    rotations, axes, origins = np.empty((8, 3, 3)), np.empty((8, 3)), np.empty((8, 3))
    centres, inertias = np.empty((8, 3)), np.empty((8, 3, 3))
    dynamics.place_links(chain, joints, rotations, axes, origins)
    dynamics.place_bodies(bodies, rotations, origins, centres, inertias)
    dynamics.fill_mass(bodies, axes, origins, centres, inertias, mass)
    dynamics.fill_coriolis(bodies, axes, origins, centres, inertias, speeds, coriolis)
