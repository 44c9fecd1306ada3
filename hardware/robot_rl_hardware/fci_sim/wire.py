"""Bytes of the Franka Control Interface: what a robot's controller and a client of libfranka tell each other.

Requests and replies go over TCP: a header (command, the client's number of the request, bytes in all; three u32) and
a payload. Once a millisecond the robot sends its state as a UDP datagram, and the client answers with a command.
Everything is little-endian and packed. 4 x 4 and 3 x 3 matrices are column-major.

Two dialects differ in the width of the state's numbers, in the numbers of commands and statuses, and in details:
FR3 (server version 10, libfranka 0.18 and later) and PANDA (version 5, libfranka 0.9).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from robot_rl.errors import WireError
from robot_rl_hardware.fci_sim.vocabulary import ROBOT_ERRORS, Generator, Request, Status

ARM_PORT: Final = 1337
HEADER: Final = np.dtype([("command", "<u4"), ("number", "<u4"), ("size", "<u4")])
CONNECT_REQUEST: Final = np.dtype([("version", "<u2"), ("udp_port", "<u2")])


_MATRICES = ("O_T_EE", "O_T_EE_d", "F_T_EE", "EE_T_K", "F_T_NE", "NE_T_EE")
_SEVENS = (
    ("tau_J", "tau_J_d", "dtau_J", "q", "q_d", "dq", "dq_d", "ddq_d", "joint_contact"),
    ("theta", "dtheta"),
)


def _make_state(real: str, has_accelerometers: bool) -> np.dtype[np.void]:
    """The state datagram, its numbers of type `real`."""
    fields: list[tuple[str, str] | tuple[str, str, tuple[int, ...]]] = [("message_id", "<u8")]
    fields += [(name, real, (16,)) for name in _MATRICES]
    fields += [("m_ee", real), ("I_ee", real, (9,)), ("F_x_Cee", real, (3,))]
    fields += [("m_load", real), ("I_load", real, (9,)), ("F_x_Cload", real, (3,))]
    fields += [("elbow", real, (2,)), ("elbow_d", real, (2,))]
    fields += [(name, real, (7,)) for name in _SEVENS[0]]
    fields += [("cartesian_contact", real, (6,)), ("joint_collision", real, (7,)), ("cartesian_collision", real, (6,))]
    fields += [("tau_ext_hat_filtered", real, (7,)), ("O_F_ext_hat_K", real, (6,)), ("K_F_ext_hat_K", real, (6,))]
    fields += [("O_dP_EE_d", real, (6,)), ("O_ddP_O", real, (3,))]
    fields += [(name, real, (2,)) for name in ("elbow_c", "delbow_c", "ddelbow_c")]
    fields += [("O_T_EE_c", real, (16,)), ("O_dP_EE_c", real, (6,)), ("O_ddP_EE_c", real, (6,))]
    fields += [(name, real, (7,)) for name in _SEVENS[1]]
    if has_accelerometers:
        fields += [("accelerometer_top", real, (6, 3)), ("accelerometer_bottom", real, (6, 3))]
    fields += [("motion_generator_mode", "u1"), ("controller_mode", "u1")]
    fields += [("errors", "?", (len(ROBOT_ERRORS),)), ("reflex_reason", "?", (len(ROBOT_ERRORS),))]
    fields += [("robot_mode", "u1"), ("control_command_success_rate", real)]
    return np.dtype(fields)


def _make_command(has_torque_finished: bool) -> np.dtype[np.void]:
    """The command datagram."""
    fields: list[tuple[str, str] | tuple[str, str, tuple[int, ...]]] = [
        ("message_id", "<u8"),
        ("q_c", "<f8", (7,)),
        ("dq_c", "<f8", (7,)),
        ("O_T_EE_c", "<f8", (16,)),
        ("O_dP_EE_c", "<f8", (6,)),
        ("elbow_c", "<f8", (2,)),
        ("valid_elbow", "?"),
        ("motion_generation_finished", "?"),
        ("tau_J_d", "<f8", (7,)),
    ]
    return np.dtype(fields + ([("torque_command_finished", "?")] if has_torque_finished else []))


_MOVE_FIELDS: Final = [
    ("controller_mode", "<u4"),
    ("motion_generator_mode", "<u4"),
    ("maximum_path_deviation", "<f8", (3,)),
    ("maximum_goal_pose_deviation", "<f8", (3,)),
]

SETTERS: Final = {
    Request.SET_COLLISION_BEHAVIOR: np.dtype(
        [
            ("lower_torque_acceleration", "<f8", (7,)),
            ("upper_torque_acceleration", "<f8", (7,)),
            ("lower_torque_nominal", "<f8", (7,)),
            ("upper_torque_nominal", "<f8", (7,)),
            ("lower_force_acceleration", "<f8", (6,)),
            ("upper_force_acceleration", "<f8", (6,)),
            ("lower_force_nominal", "<f8", (6,)),
            ("upper_force_nominal", "<f8", (6,)),
        ]
    ),
    Request.SET_JOINT_IMPEDANCE: np.dtype([("K_theta", "<f8", (7,))]),
    Request.SET_CARTESIAN_IMPEDANCE: np.dtype([("K_x", "<f8", (6,))]),
    Request.SET_EE_TO_K: np.dtype([("EE_T_K", "<f8", (16,))]),
    Request.SET_NE_TO_EE: np.dtype([("NE_T_EE", "<f8", (16,))]),
    Request.SET_LOAD: np.dtype([("m_load", "<f8"), ("F_x_Cload", "<f8", (3,)), ("I_load", "<f8", (9,))]),
}
"""Payloads of the requests that set something; the same in both dialects."""


@dataclass(frozen=True)
class Dialect:
    """One version of the interface.

    Attributes:
        name: of the robot that speaks it.
        version: of the server.
        state, command: the datagrams.
        move: payload of a Move request.
        requests: in the order of their numbers.
        move_statuses, stop_statuses, recovery_statuses, other_statuses: in the order of their numbers.
        torque_generator: motion generator of a Move that means torque control.
        has_torque_finished: whether the end of a torque motion has a flag of its own in the command.
    """

    name: str
    version: int
    state: np.dtype[np.void]
    command: np.dtype[np.void]
    move: np.dtype[np.void]
    requests: tuple[Request, ...]
    move_statuses: tuple[Status, ...]
    stop_statuses: tuple[Status, ...]
    recovery_statuses: tuple[Status, ...]
    other_statuses: tuple[Status, ...]
    torque_generator: Generator
    has_torque_finished: bool

    def status_number(self, request: Request, status: Status) -> int:
        """Number of a status in the reply to a request."""
        tables = {
            Request.MOVE: self.move_statuses,
            Request.STOP_MOVE: self.stop_statuses,
            Request.AUTOMATIC_ERROR_RECOVERY: self.recovery_statuses,
        }
        return tables.get(request, self.other_statuses).index(status)

    def to_reply(self, request: Request, number: int, status: Status, payload: bytes = b"") -> bytes:
        """The bytes that answer request `number`."""
        return self.to_message(request, number, bytes([self.status_number(request, status)]) + payload)

    def to_message(self, request: Request, number: int, payload: bytes) -> bytes:
        """A message with its header."""
        header = np.array([(self.requests.index(request), number, HEADER.itemsize + len(payload))], HEADER)
        return header.tobytes() + payload


def _without_safety(statuses: tuple[Status, ...]) -> tuple[Status, ...]:
    """The older interface has the same lists, without what safety functions do."""
    return tuple(one for one in statuses if one not in (Status.PREEMPTED_BY_SAFETY, Status.REJECTED_BY_SAFETY))


_MOVE_STATUSES = (
    Status.SUCCESS,
    Status.STARTED,
    Status.PREEMPTED,
    Status.PREEMPTED_BY_SAFETY,
    Status.REJECTED_BY_SAFETY,
    Status.NOT_POSSIBLE,
    Status.SINGULAR,
    Status.INVALID,
    Status.REFLEX,
    Status.USER_STOP,
    Status.INPUT_ERROR,
    Status.ABORTED,
)
_STOP_STATUSES = (
    Status.SUCCESS,
    Status.NOT_POSSIBLE,
    Status.REJECTED_BY_SAFETY,
    Status.USER_STOP,
    Status.REFLEX,
    Status.ABORTED,
)
_RECOVERY_STATUSES = (
    Status.SUCCESS,
    Status.NOT_POSSIBLE,
    Status.REJECTED_BY_SAFETY,
    Status.NEEDS_MANUAL_RECOVERY,
    Status.REFLEX,
    Status.USER_STOP,
    Status.ABORTED,
)
_OTHER_STATUSES = (Status.SUCCESS, Status.NOT_POSSIBLE, Status.INVALID, Status.REJECTED_BY_SAFETY)

FR3: Final = Dialect(
    name="fr3",
    version=10,
    state=_make_state("<f4", has_accelerometers=True),
    command=_make_command(has_torque_finished=True),
    move=np.dtype([*_MOVE_FIELDS, ("use_async_motion_generator", "?"), ("maximum_velocity", "<f8", (7,))]),
    requests=(
        Request.CONNECT,
        Request.MOVE,
        Request.STOP_MOVE,
        Request.SET_COLLISION_BEHAVIOR,
        Request.SET_JOINT_IMPEDANCE,
        Request.SET_CARTESIAN_IMPEDANCE,
        Request.SET_GUIDING_MODE,
        Request.SET_EE_TO_K,
        Request.SET_NE_TO_EE,
        Request.SET_LOAD,
        Request.AUTOMATIC_ERROR_RECOVERY,
        Request.GET_ROBOT_MODEL,
    ),
    move_statuses=_MOVE_STATUSES,
    stop_statuses=_STOP_STATUSES,
    recovery_statuses=_RECOVERY_STATUSES,
    other_statuses=_OTHER_STATUSES,
    torque_generator=Generator.NONE,
    has_torque_finished=True,
)

PANDA: Final = Dialect(
    name="panda",
    version=5,
    state=_make_state("<f8", has_accelerometers=False),
    command=_make_command(has_torque_finished=False),
    move=np.dtype(_MOVE_FIELDS),
    requests=(
        Request.CONNECT,
        Request.MOVE,
        Request.STOP_MOVE,
        Request.GET_CARTESIAN_LIMIT,
        Request.SET_COLLISION_BEHAVIOR,
        Request.SET_JOINT_IMPEDANCE,
        Request.SET_CARTESIAN_IMPEDANCE,
        Request.SET_GUIDING_MODE,
        Request.SET_EE_TO_K,
        Request.SET_NE_TO_EE,
        Request.SET_LOAD,
        Request.SET_FILTERS,
        Request.AUTOMATIC_ERROR_RECOVERY,
        Request.LOAD_MODEL_LIBRARY,
    ),
    move_statuses=_without_safety(_MOVE_STATUSES),
    stop_statuses=_without_safety(_STOP_STATUSES),
    recovery_statuses=_without_safety(_RECOVERY_STATUSES),
    other_statuses=_without_safety(_OTHER_STATUSES),
    torque_generator=Generator.JOINT_VELOCITY,
    has_torque_finished=False,
)

DIALECTS: Final = {dialect.name: dialect for dialect in (FR3, PANDA)}


def to_record(payload: bytes, layout: np.dtype[np.void]) -> np.void:
    """The record that a payload holds.

    Raises:
        WireError: it is too short.
    """
    if len(payload) < layout.itemsize:
        raise WireError(f"a request has {len(payload)} bytes of payload; it must have {layout.itemsize}.")
    record: np.void = np.frombuffer(payload[: layout.itemsize], layout)[0]
    return record
