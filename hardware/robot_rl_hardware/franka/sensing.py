"""What libfranka reports in a millisecond, in the arrays and axes of the law."""

from __future__ import annotations

import math
import struct
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from robot_rl.control.kernels import compiled, is_bounded, matrix_quaternion
from robot_rl.control.records import INPUT_DTYPE
from robot_rl.geometry import Array, Pose
from robot_rl_hardware.franka.axes import turn_jacobian
from robot_rl_hardware.franka.library import Model
from robot_rl_hardware.franka.records import MEASURED_DTYPE

Bytes = NDArray[np.uint8]

RAW_DTYPE: Final = np.dtype(
    [
        ("q", "f8", (7,)),
        ("dq", "f8", (7,)),
        ("tau_J_d", "f8", (7,)),
        ("K_F_ext_hat_K", "f8", (6,)),
        ("O_T_EE", "f8", (16,)),
        ("mass", "f8", (7, 7)),
        ("coriolis", "f8", (7,)),
    ],
    align=True,
)
"""libfranka's numbers, matrices by columns."""
_NEW_SHARE: Final = 0.02  # of the mean, in a millisecond: a time constant of 50 ms
_AT_REST_RAD_S: Final = 0.02
_LARGEST_WRENCH: Final = 1e6  # [N, Nm]: with more, or what is no number, nothing is felt
_NUMBERS: Final = struct.Struct(f"={7 + 7 + 7 + 6 + 16}d")


class Sensing:
    """The present state of the arm. The arrays are views of what the law is given, and of what is told to others.

    Attributes:
        joint_positions, joint_velocities: [rad], [rad/s], (7,).
        torque: commanded last, without gravity, as the robot has it [Nm], (7,).
        position, quaternion: T_base_tcp.
        tare: what is felt although nothing touches the tool, (6,).
        force_n: length of the force on the world at the TCP, without the tare; nan where the wrench is none.
        rest_ticks: milliseconds since the arm has moved.
    """

    def __init__(
        self, rotor_inertia_kg_m2: tuple[float, ...], inputs: NDArray[np.void], measured: NDArray[np.void]
    ) -> None:
        """Store the rotors' inertia, and where to write to: `ImpedanceLaw.inputs`, and a record of MEASURED_DTYPE."""
        self.joint_positions, self.joint_velocities = inputs["joint_positions"][0], inputs["joint_velocities"][0]
        self.torque = inputs["previous_torque"][0]
        self.position, self.quaternion = measured["position_m"][0], measured["quaternion"][0]
        self.quaternion[3] = 1.0
        self.tare, self.force_n, self.rest_ticks = np.zeros(6), 0.0, 0
        self._rotors = np.array(rotor_inertia_kg_m2, np.float64)
        self._raw = np.zeros(RAW_DTYPE.itemsize, np.uint8)
        self._numbers = self._raw.data
        self._of_model = self._raw[_NUMBERS.size :].view(np.float64)
        self._records = self._raw, self._rotors, self.tare, inputs.view(np.uint8), measured.view(np.uint8)

    def read(self, state: Any, model: Model) -> None:
        """Take over a `RobotState`, and what a model says of it."""
        _NUMBERS.pack_into(  # one call: numpy takes as long for each of these lists
            self._numbers, 0, *state.q, *state.dq, *state.tau_J_d, *state.K_F_ext_hat_K, *state.O_T_EE
        )
        axes = model.read(state, self._of_model)
        self.force_n, is_at_rest = _sort(axes, *self._records)
        self.rest_ticks = self.rest_ticks + 1 if is_at_rest else 0

    @property
    def pose(self) -> Pose:
        """T_base_tcp."""
        return Pose(self.position, self.quaternion)


@compiled
def _sort(
    axes: Array, raw_bytes: Bytes, rotors: Array, tare: Array, input_bytes: Bytes, measured_bytes: Bytes
) -> tuple[float, bool]:
    """Fill the two records from libfranka's; returns the length of the force [N], or nan, and whether joints rest."""
    raw, inputs = raw_bytes.view(RAW_DTYPE)[0], input_bytes.view(INPUT_DTYPE)[0]
    measured = measured_bytes.view(MEASURED_DTYPE)[0]
    jacobian = np.empty((7, 6))
    turn_jacobian(axes, raw["q"], jacobian)
    for j in range(7):
        inputs["joint_positions"][j] = measured["joint_positions"][j] = raw["q"][j]
        inputs["joint_velocities"][j] = measured["joint_velocities"][j] = raw["dq"][j]
        inputs["previous_torque"][j] = measured["joint_torques"][j] = raw["tau_J_d"][j]
        inputs["coriolis"][j] = raw["coriolis"][j]
        for k in range(7):
            inputs["mass_matrix"][j, k] = raw["mass"][j, k]
        inputs["mass_matrix"][j, j] += rotors[j]
    for i in range(6):
        measured["wrench"][i] = raw["K_F_ext_hat_K"][i]
        measured["twist"][i] = 0.0
        for j in range(7):
            inputs["jacobian"][i, j] = jacobian[j, i]
            measured["twist"][i] += jacobian[j, i] * raw["dq"][j]
    split(raw["O_T_EE"], inputs["tcp_position"], inputs["tcp_rotation"], measured["quaternion"])
    for i in range(3):
        measured["position_m"][i] = inputs["tcp_position"][i]
    wrench = measured["wrench"]
    is_felt, is_at_rest = feel(wrench, tare, measured["mean_wrench"], raw["dq"])
    force_n = math.sqrt(wrench[0] ** 2 + wrench[1] ** 2 + wrench[2] ** 2)
    return force_n if is_felt else math.nan, is_at_rest


@compiled
def feel(wrench: Array, tare: Array, mean: Array, velocities: Array) -> tuple[bool, bool]:
    """Average the wrench felt, then take the tare off it; whether there is one, and whether the joints are at rest.

    A wrench that is none is left out of the mean, which it would spoil for good, and is no rest either.
    """
    is_felt = is_at_rest = is_bounded(wrench, _LARGEST_WRENCH)
    for i in range(6):
        if is_felt:
            mean[i] += _NEW_SHARE * (wrench[i] - mean[i])
        wrench[i] -= tare[i]
    for velocity in velocities:
        if not abs(velocity) <= _AT_REST_RAD_S:  # written so that nan is no rest
            is_at_rest = False
    return is_felt, is_at_rest


@compiled
def split(transform: Array, position: Array, rotation: Array, quaternion: Array) -> None:
    """A homogeneous transform by columns (16,) as position, rotation and quaternion.

    The robot sends 32 bits; the columns of the rotation are made orthonormal again, the third one first.
    """
    for i in range(3):
        position[i] = transform[12 + i]
        rotation[i, 2] = transform[8 + i]
        rotation[i, 0] = transform[i]
    along = norm = 0.0
    for i in range(3):
        norm += rotation[i, 2] ** 2
    for i in range(3):
        rotation[i, 2] /= np.sqrt(norm)
        along += rotation[i, 2] * rotation[i, 0]
    norm = 0.0
    for i in range(3):
        rotation[i, 0] -= along * rotation[i, 2]
        norm += rotation[i, 0] ** 2
    for i in range(3):
        rotation[i, 0] /= np.sqrt(norm)
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        rotation[i, 1] = rotation[j, 2] * rotation[k, 0] - rotation[k, 2] * rotation[j, 0]
    matrix_quaternion(rotation, quaternion)
