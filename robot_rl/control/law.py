"""The owner of one running impedance law, for callers in Python."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from robot_rl.control import impedance
from robot_rl.control.kernels import compiled
from robot_rl.control.presets import ImpedanceParameters, preset
from robot_rl.control.records import INPUT_DTYPE, PARAMETERS_DTYPE, STATE_DTYPE, Status
from robot_rl.errors import SpecError
from robot_rl.geometry import Array, Pose

Bytes = NDArray[np.uint8]


@compiled
def _tick_bytes(
    parameters: Bytes,
    state: Bytes,
    inputs: Bytes,
    dt_s: float,
    torque: Array,
) -> int:
    """`tick` with the records given as their bytes (uint8 views): 25 us cheaper to call from Python.

    Numba describes a structured type anew at every call from Python, field by field; plain arrays it knows.
    """
    given = inputs.view(INPUT_DTYPE)[0]
    return impedance.tick(
        parameters.view(PARAMETERS_DTYPE)[0], state.view(STATE_DTYPE)[0],
        given["joint_positions"], given["joint_velocities"], given["tcp_position"], given["tcp_rotation"],
        given["jacobian"], given["mass_matrix"], given["coriolis"], given["previous_torque"], dt_s, torque,
    )  # fmt: skip


class ImpedanceLaw:
    """Parameters and state of the law of `robot_rl.control.impedance`, and its verbs.

    Args:
        parameters: what to begin with; a preset's name or the parameters themselves.

    Attributes:
        inputs: an array of one record of INPUT_DTYPE: what `tick` computes with.
        flags: `status` as a number, for callers in a hurry.
    """

    def __init__(self, parameters: str | ImpedanceParameters = "insertion") -> None:
        self._state = np.zeros(1, STATE_DTYPE)
        self._state_bytes = self._state.view(np.uint8)
        self.inputs = np.zeros(1, INPUT_DTYPE)
        self._inputs_bytes = self.inputs.view(np.uint8)
        self._arrays = tuple(self.inputs[name][0] for name in INPUT_DTYPE.names or ())
        self._torque = np.zeros(7)
        self.flags = 0
        self.set_preset(parameters)

    @property
    def parameters(self) -> ImpedanceParameters:
        """The parameters that the gains move to."""
        return self._parameters

    @property
    def parameters_record(self) -> np.void:
        """The record of the parameters, for compiled loops. Replaced, not changed, by `set_preset`."""
        return self._record[0]  # type: ignore[no-any-return]

    @property
    def state_record(self) -> np.void:
        """The record of the state, shared with this object, for compiled loops."""
        return self._state[0]  # type: ignore[no-any-return]

    def start(self, joint_positions: Array, tcp_pose: Pose) -> None:
        """Begin from the present joint positions [rad] (7,) and pose T_base_tcp, with no force.

        Raises:
            SpecError: a value is not finite.
        """
        arguments = (np.array(joint_positions, np.float64), tcp_pose.position.copy(), tcp_pose.rotation)
        if not impedance.start(self.parameters_record, self.state_record, *arguments):
            raise SpecError(f"Cannot start at joints {joint_positions} and {tcp_pose}: not finite.")
        self.flags = 0

    def set_target(self, pose: Pose, duration_s: float) -> None:
        """Equilibrium pose T_base_tcp, reached `duration_s` from now.

        Raises:
            SpecError: the pose is not finite, or the duration negative or not finite; the law goes on as before.
        """
        if not impedance.set_target(self.state_record, pose.position.copy(), pose.quaternion.copy(), float(duration_s)):
            raise SpecError(f"Target must be finite and its duration >= 0, got {pose} in {duration_s} s.")

    def rest_at(self, pose: Pose) -> None:
        """Rest at T_base_tcp at once: what pulled elsewhere, and what had added up, is gone.

        Raises:
            SpecError: the pose is not finite; the law goes on as before.
        """
        if not impedance.rest_at(self.state_record, pose.position.copy(), pose.quaternion.copy()):
            raise SpecError(f"A pose to rest at must be finite, got {pose}.")

    def set_preset(self, parameters: str | ImpedanceParameters) -> None:
        """Change the parameters; gains and clips in force move there smoothly.

        Raises:
            UnknownNameError: no such preset.
        """
        self._parameters = preset(parameters) if isinstance(parameters, str) else parameters
        self._record = np.array([self._parameters.to_record()])
        self._record_bytes = self._record.view(np.uint8)

    def set_posture(self, joint_positions: Array) -> None:
        """Posture [rad] (7,) that the null space returns to, until the next `start`.

        Raises:
            SpecError: another shape, not finite, or beyond the joints' limits; the law goes on as before.
        """
        posture = np.asarray(joint_positions, np.float64)
        lower, upper = np.asarray(self._parameters.joint_lower_rad), np.asarray(self._parameters.joint_upper_rad)
        if posture.shape != (7,) or not (np.isfinite(posture) & (posture >= lower) & (posture <= upper)).all():
            raise SpecError(f"A posture must be 7 angles from {lower} to {upper} rad, got {posture}.")
        self._state["null_posture_rad"][0] = posture

    def torque(
        self,
        joint_positions: Array,
        joint_velocities: Array,
        tcp_position: Array,
        tcp_rotation: Array,
        jacobian: Array,
        mass_matrix: Array,
        coriolis: Array,
        previous_torque: Array,
        dt_s: float = 1e-3,
    ) -> Array:
        """Joint torques without gravity [Nm] (7,) of one tick, a new array; `status` tells what it took.

        Shapes and units as in `robot_rl.control.impedance.tick`.
        """
        given = (
            joint_positions, joint_velocities, tcp_position, tcp_rotation, jacobian, mass_matrix, coriolis,
            previous_torque,
        )  # fmt: skip
        for own, value in zip(self._arrays, given, strict=True):
            own[...] = value
        return self.tick(dt_s).copy()

    def tick(self, dt_s: float) -> Array:
        """`torque` for what stands in `inputs`, for a driver that writes its measurements there.

        Nothing is copied: the next tick writes into the same array.
        """
        self.flags = _tick_bytes(self._record_bytes, self._state_bytes, self._inputs_bytes, dt_s, self._torque)
        return self._torque

    @property
    def status(self) -> Status:
        """What the last tick took."""
        return Status(self.flags)

    @property
    def shaped_target(self) -> Pose:
        """Where the spring rests now, T_base_tcp: the target on its way to the goal."""
        return Pose(self._state["shaped_position_m"][0], self._state["shaped_quaternion"][0])

    def save(self) -> bytes:
        """The state; with the same parameters and inputs, `restore` continues bit for bit."""
        return self._state.tobytes()

    def restore(self, saved: bytes) -> None:
        """Take over a state that `save` returned.

        Raises:
            SpecError: the bytes have the wrong length.
        """
        if len(saved) != STATE_DTYPE.itemsize:
            raise SpecError(f"A saved state has {STATE_DTYPE.itemsize} bytes, got {len(saved)}.")
        self._state_bytes[:] = np.frombuffer(saved, np.uint8)
