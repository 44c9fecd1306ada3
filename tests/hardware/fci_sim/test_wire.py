"""The bytes of the interface, against sizes and offsets that were counted by hand."""

import numpy as np
import pytest
from robot_rl_hardware.fci_sim import hand_server, wire
from robot_rl_hardware.fci_sim.settings import from_columns
from robot_rl_hardware.fci_sim.vocabulary import ROBOT_ERRORS, Request, Status

from robot_rl.errors import WireError

# 320 numbers of 4 bytes and the message's id, then modes, two lists of 41 errors, mode, and a last number
FR3_STATE_SIZE = 8 + 320 * 4 + 2 + 2 * 41 + 1 + 4
# the same without 36 numbers of accelerometers, at 8 bytes
PANDA_STATE_SIZE = 8 + 284 * 8 + 2 + 2 * 41 + 1 + 8


def test_a_datagram_has_the_size_that_clients_expect():
    assert wire.FR3.state.itemsize == FR3_STATE_SIZE == 1377
    assert wire.PANDA.state.itemsize == PANDA_STATE_SIZE == 2373
    assert wire.FR3.command.itemsize == 371
    assert wire.PANDA.command.itemsize == 370
    assert hand_server.HAND_STATE.itemsize == 23


@pytest.mark.parametrize(
    ("name", "offset"),
    [
        ("message_id", 0),
        ("O_T_EE", 8),
        ("m_ee", 392),
        ("m_load", 444),
        ("elbow", 496),
        ("tau_J", 512),
        ("tau_J_d", 540),
        ("q", 596),
        ("dq", 652),
        ("joint_collision", 788),
        ("tau_ext_hat_filtered", 840),
        ("O_F_ext_hat_K", 868),
        ("O_ddP_O", 940),
        ("O_T_EE_c", 976),
        ("dtheta", 1116),
        ("accelerometer_bottom", 1216),
        ("motion_generator_mode", 1288),
        ("errors", 1290),
        ("reflex_reason", 1331),
        ("robot_mode", 1372),
        ("control_command_success_rate", 1373),
    ],
)
def test_a_field_of_the_state_is_where_clients_look(name, offset):
    assert wire.FR3.state.fields[name][1] == offset


@pytest.mark.parametrize(
    ("name", "offset"),
    [("q_c", 8), ("dq_c", 64), ("O_T_EE_c", 120), ("O_dP_EE_c", 248), ("elbow_c", 296), ("valid_elbow", 312)]
    + [("motion_generation_finished", 313), ("tau_J_d", 314), ("torque_command_finished", 370)],
)
def test_a_field_of_the_command_is_where_clients_put_it(name, offset):
    assert wire.FR3.command.fields[name][1] == offset


@pytest.mark.parametrize(
    ("request_", "number", "size"),
    [
        (Request.SET_COLLISION_BEHAVIOR, 3, 428),
        (Request.SET_JOINT_IMPEDANCE, 4, 68),
        (Request.SET_CARTESIAN_IMPEDANCE, 5, 60),
        (Request.SET_EE_TO_K, 7, 140),
        (Request.SET_NE_TO_EE, 8, 140),
        (Request.SET_LOAD, 9, 116),
    ],
)
def test_a_setter_has_its_number_and_size(request_, number, size):
    assert wire.FR3.requests.index(request_) == number
    assert wire.HEADER.itemsize + wire.SETTERS[request_].itemsize == size


def test_other_requests_have_their_numbers_and_sizes():
    assert wire.HEADER.itemsize + wire.CONNECT_REQUEST.itemsize == 16
    assert wire.HEADER.itemsize + wire.FR3.move.itemsize == 125
    assert wire.PANDA.move.itemsize == 56
    numbers = [wire.FR3.requests.index(one) for one in (Request.AUTOMATIC_ERROR_RECOVERY, Request.GET_ROBOT_MODEL)]
    assert numbers == [10, 11]
    older = (Request.SET_COLLISION_BEHAVIOR, Request.AUTOMATIC_ERROR_RECOVERY, Request.LOAD_MODEL_LIBRARY)
    assert [wire.PANDA.requests.index(one) for one in older] == [4, 12, 13]


@pytest.mark.parametrize(
    ("status", "fr3", "panda"),
    [
        (Status.SUCCESS, 0, 0),
        (Status.STARTED, 1, 1),
        (Status.PREEMPTED, 2, 2),
        (Status.NOT_POSSIBLE, 5, 3),
        (Status.INVALID, 7, 5),
        (Status.REFLEX, 8, 6),
        (Status.USER_STOP, 9, 7),
        (Status.INPUT_ERROR, 10, 8),
        (Status.ABORTED, 11, 9),
    ],
)
def test_the_end_of_a_motion_has_its_number_in_each_dialect(status, fr3, panda):
    assert wire.FR3.status_number(Request.MOVE, status) == fr3
    assert wire.PANDA.status_number(Request.MOVE, status) == panda


def test_statuses_of_recovery_and_stop():
    recovery = [wire.FR3.status_number(Request.AUTOMATIC_ERROR_RECOVERY, one) for one in wire.FR3.recovery_statuses]
    assert recovery == list(range(7))
    assert wire.FR3.status_number(Request.AUTOMATIC_ERROR_RECOVERY, Status.NEEDS_MANUAL_RECOVERY) == 3
    assert wire.FR3.status_number(Request.AUTOMATIC_ERROR_RECOVERY, Status.USER_STOP) == 5
    assert wire.FR3.status_number(Request.STOP_MOVE, Status.ABORTED) == 5


def test_a_reply_in_bytes():
    reply = wire.FR3.to_reply(Request.MOVE, 258, Status.REFLEX)
    assert reply == bytes([1, 0, 0, 0, 2, 1, 0, 0, 13, 0, 0, 0, 8])
    model = wire.FR3.to_reply(Request.GET_ROBOT_MODEL, 3, Status.SUCCESS, b"<robot/>")
    assert model == bytes([11, 0, 0, 0, 3, 0, 0, 0, 21, 0, 0, 0, 0]) + b"<robot/>"


def test_errors_have_their_numbers():
    assert len(ROBOT_ERRORS) == 41
    numbered = {3: "joint_velocity", 6: "joint_reflex", 7: "cartesian_reflex", 32: "controller_torque_discontinuity"}
    numbered |= {25: "communication_constraints_violation", 34: "tau_j_range_violation", 35: "instability_detected"}
    assert {number: ROBOT_ERRORS[number] for number in numbered} == numbered


def test_a_payload_that_is_too_short_is_an_error():
    with pytest.raises(WireError, match="has 3 bytes of payload; it must have 4"):
        wire.to_record(b"abc", wire.CONNECT_REQUEST)
    assert int(wire.to_record(bytes([10, 0, 57, 5]), wire.CONNECT_REQUEST)["udp_port"]) == 1337


def test_matrices_are_column_major():
    """The translation of a transform is the last column: numbers 12 to 14."""
    assert from_columns(np.arange(16.0))[:3, 3].tolist() == [12.0, 13.0, 14.0]
