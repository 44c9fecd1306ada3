"""The parts of the arm's driver that need no robot."""

import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pylibfranka
import pytest
from robot_rl_hardware.franka.controller import ArmController, RestingModel, make_resting
from robot_rl_hardware.franka.faults import is_of_fingers, is_of_network, to_connect_error, to_fault
from robot_rl_hardware.franka.library import load_library
from robot_rl_hardware.franka.presets import presets_of
from robot_rl_hardware.franka.records import ORDER_DTYPE, REPORT_DTYPE, TEXT_BYTES, get_stop, put_stop, to_bytes
from robot_rl_hardware.franka.sensing import split
from robot_rl_hardware.franka.settings import ROBOTS, ArmSettings, HandSettings
from robot_rl_hardware.franka.shared import SharedRecord

from robot_rl.control.presets import PRESETS
from robot_rl.errors import ConfigError, DeviceError, UnknownNameError
from robot_rl.geometry import Pose
from robot_rl.types import Reason, StopRecord

PYLIBFRANKA_ERRORS = (pylibfranka.NetworkException, pylibfranka.FrankaException)
NAN = float("nan")
PAIR = np.dtype([("count", "i8"), ("values", "f8", (50,))], align=True)

# ------------------------------------------------------------------------------------ records that are shared


def test_a_record_arrives_once_and_whole():
    writer = SharedRecord(PAIR)
    reader = SharedRecord(PAIR, writer.file)
    assert not reader.read()
    assert not reader.was_written
    writer.record["count"], writer.record["values"] = 7, np.arange(50.0)
    assert not reader.read(), "it was not shown yet"
    writer.write()
    assert reader.read()
    assert reader.was_written
    assert reader.record["count"][0] == 7
    np.testing.assert_array_equal(reader.record["values"][0], np.arange(50.0))
    assert not reader.read(), "nothing is new"
    assert reader.peek("count") == 7


def test_a_record_whose_writer_died_over_it_is_not_taken_but_the_next_one_is():
    writer = SharedRecord(PAIR)
    reader = SharedRecord(PAIR, writer.file)
    writer.record["count"] = 1
    writer.write()
    reader.read()
    writer._count[0] += 1  # as if killed in the middle
    writer._shared[:] = 255
    assert not reader.read()
    assert reader.record["count"][0] == 1
    writer.record["count"] = 2
    writer.write()
    assert reader.read()
    assert reader.record["count"][0] == 2


WRITER = """
import sys
import numpy as np
from robot_rl_hardware.franka.shared import SharedRecord

record = SharedRecord(np.dtype([("count", "i8"), ("values", "f8", (50,))], align=True), int(sys.argv[1]))
for number in range(1, 10**9):
    record.record["count"], record.record["values"] = number, number
    record.write()
"""


def test_a_reader_never_sees_half_a_record_of_another_process():
    reader = SharedRecord(PAIR)
    words = [sys.executable, "-c", WRITER, str(reader.file)]
    seen = 0
    with subprocess.Popen(words, pass_fds=(reader.file,)) as writer:
        try:
            deadline_s = time.monotonic() + 20.0
            while seen < 2000 and time.monotonic() < deadline_s:
                if reader.read():
                    seen += 1
                    assert (reader.record["values"][0] == reader.record["count"][0]).all()
        finally:
            writer.kill()
    assert seen >= 2000


@pytest.mark.parametrize("stop", [None, *(StopRecord(reason, "so and so", 12) for reason in Reason)])
def test_a_stop_survives_its_record(stop):
    record = np.zeros(1, REPORT_DTYPE)
    assert get_stop(record[0]) is None
    put_stop(record[0], StopRecord(Reason.STEP, "before", 1))
    put_stop(record[0], stop)
    assert get_stop(record[0]) == stop


def test_a_detail_that_is_too_long_is_cut_where_letters_end():
    record = np.zeros(1, REPORT_DTYPE)
    put_stop(record[0], StopRecord(Reason.STEP, "é" * TEXT_BYTES, 1))
    assert get_stop(record[0]).detail == "é" * (TEXT_BYTES // 2)
    assert len(to_bytes("x" * 1000)) == TEXT_BYTES


# ------------------------------------------------------------------------------------ words for what went wrong


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ("cartesian_reflex", Reason.WRENCH),
        ("self_collision_avoidance_violation", Reason.WORKSPACE),
        ("controller_torque_discontinuity", Reason.STEP),
        ("joint_position_limits_violation", Reason.WORKSPACE),
        ("joint_velocity_violation", Reason.SPEED),
        ("communication_constraints_violation", Reason.STALE_COMMAND),
        ("base_acceleration_invalid_reading", Reason.STOPPED),
    ],
)
def test_an_error_of_the_robot_keeps_its_name(names, reason):
    text = f'libfranka: Move command aborted: motion aborted by reflex! ["{names}"]\ncontrol_command_success_rate: 0.9'
    fault = to_fault(RuntimeError(text))
    assert fault.reason is reason
    assert fault.detail.startswith(f"{names}: ")
    assert "recover()" in fault.detail
    assert "\n" not in fault.detail


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("libfranka: Move command aborted: User Stop pressed!", Reason.REQUESTED),
        ("libfranka: UDP receive: Timeout", Reason.STALE_STATE),
        ("libfranka: TCP send bytes: I/O error", Reason.STALE_STATE),
        ("libfranka: Move command preempted!", Reason.REQUESTED),
        ("something new", Reason.STOPPED),
    ],
)
def test_every_exception_is_a_reason_and_an_advice(text, reason):
    fault = to_fault(RuntimeError(text))
    assert fault.reason is reason
    assert "recover()" in fault.detail


@pytest.mark.parametrize(
    ("robot", "text", "advice"),
    [
        (
            "fr3",
            "libfranka: Incompatible library version (server version: 5, library version: 10). Please check …",
            "speaks version 5 of its interface; version 10 is that of pylibfranka 0.21, which is for the FR3 with "
            "system 5.9 and later: set robot='panda' for the older Panda",
        ),
        (
            "panda",
            "The robot speaks protocol version 10, but this panda-py was built with a libfranka that speaks version 5.",
            "speaks version 10 of its interface; version 5 is that of this panda-python, which is for the Panda with "
            "system 4.2.1 and later: set robot='fr3' for a Franka Research 3",
        ),
    ],
)
def test_a_version_that_does_not_fit_is_told_apart_from_a_robot_that_is_not_there(robot, text, advice):
    library = load_library(robot)
    assert advice in str(to_connect_error(RuntimeError(text), "1.2.3.4", library))
    assert not is_of_network(RuntimeError(text)), "nothing to try again"
    refused = RuntimeError(
        "libfranka: Connection to FCI refused. Please install FCI feature or enable FCI mode in Desk."
    )
    assert "FCI active" in str(to_connect_error(refused, "1.2.3.4", library))
    assert is_of_network(refused)


def test_fingers_that_do_not_obey_are_no_lost_hand():
    assert is_of_fingers(RuntimeError("libfranka gripper: Command failed!"))
    assert is_of_fingers(RuntimeError("libfranka gripper: Command aborted!"))
    assert not is_of_fingers(RuntimeError("libfranka: server closed connection"))


# ------------------------------------------------------------------------------------ settings


@pytest.mark.parametrize(
    "wrong",
    [
        {"load_com_m": (0.0, 0.0)},
        {"torque_thresholds_nm": (0.0,) * 7},
        {"target_timeout_s": 0.0},
        {"load_kg": -0.1},
        {"load_kg": NAN},
        {"load_kg": float("inf")},
        {"force_limit_n": 60.0},
        {"success_limit": NAN},
        {"success_limit": 2.0},
        {"success_limit": -0.1},
        {"recoveries_per_minute": -1},
        {"period_s": NAN},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        ArmSettings(**wrong)


def test_a_name_that_does_not_exist_is_answered_with_those_that_do():
    with pytest.raises(UnknownNameError, match="insertion"):
        ArmSettings(preset="feather")
    for settings in (ArmSettings, HandSettings):
        with pytest.raises(UnknownNameError, match="fr3, panda"):
            settings(robot="fer")


@pytest.mark.parametrize(
    ("settings", "name", "end"),
    [
        (ArmSettings, "success_limit", 0.0),
        (ArmSettings, "success_limit", 1.0),
        (ArmSettings, "recoveries_per_minute", 0),
        (ArmSettings, "load_kg", 0.0),
        (HandSettings, "turn_s", 0.0),
    ],
)
def test_the_ends_of_a_range_are_valid(settings, name, end):
    assert getattr(settings(**{name: end}), name) == end


@pytest.mark.parametrize(
    "wrong", [{"force_n": 0.0}, {"force_n": NAN}, {"turn_s": NAN}, {"turn_s": -0.1}, {"grasp_width_m": NAN}]
)
def test_settings_of_a_hand_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        HandSettings(**wrong)


@pytest.mark.parametrize("robot", ROBOTS)
def test_all_presets_keep_to_what_the_robot_bears(robot):
    presets = presets_of(robot)
    assert list(presets) == list(PRESETS), "they are told by their number"
    for name, one in presets.items():
        assert one.torque_step_nm <= 0.9, name
        assert (np.array(one.torque_limit_nm) < [87.0] * 4 + [12.0] * 3).all(), name


# ------------------------------------------------------------------------------------ a millisecond


def test_a_transform_of_32_bits_becomes_a_rotation():
    pose = Pose.from_rotation_vector([2.0, -1.0, 0.5], [0.5, 0.1, 0.3])
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = pose.rotation, pose.position
    position, rotation, quaternion = np.zeros(3), np.zeros((3, 3)), np.zeros(4)
    split(matrix.T.ravel().astype(np.float32).astype(np.float64), position, rotation, quaternion)
    np.testing.assert_allclose(rotation.T @ rotation, np.eye(3), atol=1e-15)
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    np.testing.assert_allclose(rotation, pose.rotation, atol=2e-7)
    np.testing.assert_allclose(position, pose.position, atol=1e-7)
    np.testing.assert_allclose(Pose(position, quaternion).rotation, rotation, atol=1e-14)


@pytest.fixture
def controller():
    controller = ArmController(ArmSettings(), SharedRecord(ORDER_DTYPE), SharedRecord(REPORT_DTYPE))
    controller.begin()
    return controller


@pytest.fixture
def state():
    """Of an arm that rests."""
    state = make_resting()
    state.control_command_success_rate = 1.0
    return state


def run(controller, state: SimpleNamespace, ticks, elapsed_ms=1):
    for _ in range(ticks):
        now_ns = controller.tick_count * 1_000_000
        controller.sense(state, RestingModel(), now_ns)
        torque = controller.command(now_ns, elapsed_ms)
    return torque


def test_an_arm_at_rest_is_asked_for_nothing(controller, state):
    np.testing.assert_allclose(run(controller, state, 100), np.zeros(7), atol=1e-9)
    assert controller.stop is None


def test_a_tare_is_taken_off_what_is_told_and_off_what_the_soft_limit_sees(controller, state):
    tare = np.array([3.0, -2.0, 1.0, 0.1, 0.2, 0.3])
    state.K_F_ext_hat_K = tare.tolist()
    run(controller, state, 400)
    report = controller.reports.record[0]
    np.testing.assert_allclose(report["measured"]["wrench"], tare)
    np.testing.assert_allclose(report["measured"]["mean_wrench"], tare, rtol=1e-3)
    order = controller.orders.record[0]
    order["tare"], order["tare_count"] = tare, 1
    controller.orders.write()
    run(controller, state, 2)
    np.testing.assert_allclose(report["measured"]["wrench"], np.zeros(6), atol=1e-12)
    np.testing.assert_allclose(report["measured"]["mean_wrench"], tare, rtol=1e-3, err_msg="the next tare replaces it")
    state.K_F_ext_hat_K = [42.0, -2.0, 1.0, 0.1, 0.2, 0.3]
    run(controller, state, 40)
    assert controller.stop is None, "39 N of 40"
    state.K_F_ext_hat_K = [44.0, -2.0, 1.0, 0.1, 0.2, 0.3]
    run(controller, state, 30)
    assert controller.stop.reason is Reason.WRENCH
    assert "41 N" in controller.stop.detail


def test_rest_is_counted_from_the_last_motion_on(controller, state):
    run(controller, state, 30)
    report = controller.reports.record[0]
    assert report["rest_ticks"] == 30
    state.dq = [0.0, 0.0, -0.03, 0.0, 0.0, 0.0, 0.0]
    run(controller, state, 1)
    assert report["rest_ticks"] == 0
    state.dq = [0.0, 0.0, -0.01, 0.0, 0.0, 0.0, 0.0]
    run(controller, state, 3)
    assert report["rest_ticks"] == 3


@pytest.mark.parametrize(("elapsed_ms", "ticks", "is_stopped"), [(2, 9, False), (2, 10, True), (11, 1, True)])
def test_it_stops_when_too_many_states_are_missing_in_a_row(controller, state, elapsed_ms, ticks, is_stopped):
    run(controller, state, 5)
    run(controller, state, ticks, elapsed_ms)
    assert (controller.stop is not None) is is_stopped
    if controller.stop is not None:
        assert controller.stop.reason is Reason.STALE_STATE


def test_states_that_are_missing_now_and_then_are_borne(controller, state):
    for _ in range(20):
        run(controller, state, 1, elapsed_ms=9)
        run(controller, state, 1)
    assert controller.stop is None


def test_too_few_commands_in_time_stop_it_once_there_is_a_rate(controller, state):
    state.control_command_success_rate = 0.5
    run(controller, state, 150)
    assert controller.stop is None, "the robot counts up from zero"
    run(controller, state, 100)
    assert controller.stop.reason is Reason.STALE_COMMAND
    assert "50%" in controller.stop.detail


def test_a_force_beyond_the_limit_stops_it_and_the_first_reason_is_kept(controller, state):
    state.K_F_ext_hat_K = [0.0, 30.0, 30.0, 0.0, 0.0, 0.0]
    run(controller, state, 29)
    assert controller.stop is None, "it may be a touch"
    run(controller, state, 1)
    assert (controller.stop.reason, controller.stop.detail) == (Reason.WRENCH, "force 42.43 N exceeds 40 N for 30 ms")
    run(controller, state, 1, elapsed_ms=50)
    assert controller.stop.reason is Reason.WRENCH


def test_numbers_that_are_none_let_the_torques_fade(controller, state):
    run(controller, state, 5)
    state.q = [float("nan")] * 7
    state.tau_J_d = [3.0, -3.0, 0.5, 0.0, 0.0, 0.0, 0.0]
    torque = run(controller, state, 1)
    np.testing.assert_allclose(torque, [2.1, -2.1, 0.0, 0.0, 0.0, 0.0, 0.0], atol=1e-12)
    assert controller.stop.reason is Reason.NOT_FINITE


@pytest.mark.parametrize("robot", ROBOTS)
def test_an_error_of_the_program_is_no_fault_of_the_robot(robot):
    """It ends the driver's process with its traceback; the robot holds when commands fail to come."""
    errors = load_library(robot).errors
    for error in (TypeError, IndexError, ValueError):
        assert not issubclass(error, errors)
    for error in (RuntimeError, DeviceError, *([] if robot == "panda" else PYLIBFRANKA_ERRORS)):
        assert issubclass(error, errors)
