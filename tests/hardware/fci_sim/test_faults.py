"""What goes wrong on the wire, as pylibfranka meets it: each fault at a chosen millisecond."""

import json
import socket
import time

import pytest
from robot_rl_hardware.fci_sim.process import run_robot

from robot_rl.errors import ConfigError
from robot_rl.sim import franka
from tests.hardware.fci_sim.clients import ask, make_host

MOVE = "say(why=attempt(lambda: move(200, wave)))"


@pytest.fixture(scope="module")
def served():
    with run_robot(make_host()) as robot:
        yield robot


@pytest.fixture
def robot(served):
    """At its ready pose, with nothing in force."""
    served.order("place", joints=franka.HOME_JOINTS.tolist())
    ask(served, "robot.automatic_error_recovery(); say()")
    return served


def move_with(robot, do, code=MOVE, **arguments):
    """(what the client says, commands lost) of a motion with a fault in its 51st millisecond."""
    before = robot.order("look")
    robot.order(do, at_cycle=before["cycle_count"] + 50, **arguments)
    says = ask(robot, code)
    return says["why"], robot.order("look")["lost_count"] - before["lost_count"]


@pytest.mark.parametrize(
    ("do", "arguments", "lost"),
    [
        ("drop_commands", {"count": 19}, 19),
        ("drop_states", {"count": 19}, 19),
        ("swap_states", {"count": 5}, 5),  # the earlier one of a pair comes too late
        ("delay_states", {"count": 10, "delay_ms": 1}, 10),
        ("delay_states", {"count": 10, "delay_ms": 3}, 10 + 0),
    ],
)
def test_a_few_lost_packets_are_survived_and_counted(robot, do, arguments, lost):
    assert move_with(robot, do, **arguments) == ("", lost)


@pytest.mark.parametrize(
    ("do", "arguments"),
    [
        ("drop_commands", {"count": 20}),
        ("drop_states", {"count": 20}),
        ("delay_states", {"count": 30, "delay_ms": 2}),
    ],
)
def test_twenty_in_a_row_stop_the_robot(robot, do, arguments):
    why, lost = move_with(robot, do, **arguments)
    assert '["communication_constraints_violation"]' in why
    assert lost == 20
    says = ask(robot, "robot.automatic_error_recovery(); move(200, wave); say(why='')")
    assert says == {"why": ""}  # what was left of the order ended with the motion


def test_lost_packets_repeat_bit_for_bit():
    ends = []
    for _ in range(2):
        with run_robot(make_host()) as robot:
            for do, arguments in (("drop_states", {"count": 5}), ("swap_states", {"count": 3})):
                assert move_with(robot, do, **arguments)[0] == ""
            ends.append(robot.order("look"))
    for name in ("joint_positions", "joint_velocities", "lost_count"):
        assert ends[0][name] == ends[1][name]


@pytest.mark.parametrize("error", ["self_collision_avoidance", "joint_reflex"])
def test_any_reflex_can_be_ordered(robot, error):
    why, _ = move_with(robot, "reflex", error=error)
    assert "motion aborted by reflex!" in why
    assert robot.order("look")["errors"] == [error]


def test_a_short_silence_is_survived(robot):
    assert move_with(robot, "fall_silent", duration_s=0.5) == ("", 0)


def test_a_long_silence_is_a_broken_network(robot):
    why, _ = move_with(robot, "fall_silent", duration_s=1.6)
    assert why.startswith("NetworkException")
    assert "Timeout" in why
    while robot.order("look")["mode"] != "IDLE":
        pass
    ask(robot, "move(50, still); say()")


def test_a_state_that_is_lost_in_a_silence_stays_lost(robot):
    at_cycle = robot.order("look")["cycle_count"] + 50
    robot.order("drop_states", count=2, at_cycle=at_cycle)
    assert move_with(robot, "fall_silent", duration_s=0.3) == ("", 2)


STAMPED_MOVE = """
begun_s = time.monotonic()
control = robot.start_torque_control()
try:
    while True:
        control.readOnce()
        control.writeOnce(franka.Torques([0.0] * 7))
except Exception as error:
    why, waited_s = str(error), time.monotonic() - begun_s
say(why=why, waited_s=waited_s)
"""


def test_how_a_motion_ended_in_a_silence_is_told_after_it(robot):
    """The bound is from below: what is told earlier was sent in the silence."""
    at_cycle = robot.order("look")["cycle_count"] + 50
    robot.order("fall_silent", duration_s=0.6, at_cycle=at_cycle)
    robot.order("press_user_stop", at_cycle=at_cycle)
    says = ask(robot, STAMPED_MOVE)
    robot.order("release_user_stop")
    assert "User Stop" in says["why"]
    assert says["waited_s"] > 0.6


def test_a_silent_robot_does_not_answer_a_new_client():
    """The bound is from below: what is answered earlier was answered in the silence."""
    with run_robot(make_host()) as robot:
        begun_s = time.monotonic()
        robot.order("fall_silent", duration_s=0.8)
        assert connect(robot, CONNECT) == CONNECTED
        assert time.monotonic() - begun_s >= 0.8
        ask(robot, "robot.read_once(); say()")


def test_a_closed_connection_is_a_broken_network(robot):
    why, _ = move_with(robot, "hang_up")
    assert why.startswith("NetworkException")
    assert robot.order("look")["mode"] == "IDLE"
    ask(robot, "move(50, still); say()")


# ------------------------------------------------------------------------------------ orders


@pytest.mark.parametrize(
    ("do", "arguments", "message"),
    [
        ("explode", {}, "Unknown order 'explode'.*drop_states"),
        ("drop_states", {}, "missing a required argument: 'count'"),
        ("drop_states", {"count": 1, "soon": True}, "unexpected keyword argument 'soon'"),
        ("reflex", {"error": "bad_mood"}, "Unknown error of the robot 'bad_mood'"),
        ("place", {"joints": [0.0]}, "joints must be 7 angles"),
        ("place", {"joints": ["up"]}, "joints must be 7 angles"),
        ("place", {"joints": [10**400] * 7}, "joints must be 7 angles"),
    ],
)
def test_a_wrong_order_is_answered_with_what_is_right(robot, do, arguments, message):
    with pytest.raises(ConfigError, match=message):
        robot.order(do, **arguments)


WRONG_COUNTS = (-1, 1.5, "five", True, None, [3], float("inf"), float("nan"))
WRONG_DURATIONS = (0.0, -1.0, 1e300, "long", True, None, float("inf"), float("nan"))
WRONG_VALUES = [
    *(("drop_states", {"count": value}, "count must be a whole number") for value in WRONG_COUNTS),
    *(("swap_states", {"count": value}, "count must be a whole number") for value in WRONG_COUNTS),
    *(("drop_commands", {"count": value}, "count must be a whole number") for value in WRONG_COUNTS),
    *(("delay_states", {"count": value, "delay_ms": 1}, "count must be a whole number") for value in WRONG_COUNTS),
    *(("delay_states", {"count": 1, "delay_ms": value}, "delay_ms must be a whole number") for value in WRONG_COUNTS),
    *(("fall_silent", {"duration_s": value}, "duration_s must be above 0 and at") for value in WRONG_DURATIONS),
    *(
        ("reflex", {"error": value}, "Unknown error of the robot")
        for value in ("joint_reflx", None, 3, ["joint_reflex"])
    ),
]


def test_a_wrong_value_is_refused_before_the_motion_that_it_is_meant_for(robot):
    """Nothing is left of it: the client moves through that millisecond, the robot lives and is not silent."""
    look = robot.order("look")
    for do, arguments, message in WRONG_VALUES:
        for at_cycle in ({"at_cycle": look["cycle_count"] + 50}, {}):
            with pytest.raises(ConfigError, match=message):
                robot.order(do, **arguments, **at_cycle)
    for at_cycle in (-1, 0.5, "soon", True, float("inf"), float("nan")):
        with pytest.raises(ConfigError, match="at_cycle must be a whole number, not negative, got"):
            robot.order("hang_up", at_cycle=at_cycle)
    assert ask(robot, MOVE) == {"why": ""}
    after = robot.order("look")
    assert (after["mode"], after["lost_count"]) == ("IDLE", look["lost_count"])


@pytest.mark.parametrize(("do", "arguments"), [("place", {"joints": franka.HOME_JOINTS.tolist()}), ("look", {})])
def test_what_is_for_between_motions_cannot_wait_for_one(robot, do, arguments):
    at_cycle = robot.order("look")["cycle_count"] + 50
    with pytest.raises(ConfigError, match=f"{do} has no place in a motion: at_cycle must be left out, got {at_cycle}"):
        robot.order(do, at_cycle=at_cycle, **arguments)
    assert ask(robot, MOVE) == {"why": ""}


def test_who_leaves_before_the_answer_is_obeyed_and_harms_nobody(robot):
    with socket.socket(socket.AF_UNIX) as channel:
        channel.connect(str(robot.side_channel))
        channel.shutdown(socket.SHUT_RD)  # whoever answers finds a broken pipe
        channel.sendall(b'{"do": "press_user_stop"}\n')
    assert robot.order("look")["mode"] == "USER_STOPPED"
    robot.order("release_user_stop")


@pytest.mark.parametrize("line", [b"no json\n", b"[1]\n", b"\n", b"[" * 20_000 + b"\n", b'{"do": "look"\xff}\n'])
def test_a_line_that_is_no_order_harms_nobody(robot, line):
    with socket.socket(socket.AF_UNIX) as channel:
        channel.connect(str(robot.side_channel))
        channel.sendall(line)
        assert "error" in json.loads(channel.makefile().readline())
    assert robot.order("look")["mode"] == "IDLE"


# ------------------------------------------------------------------------------------ messages that are wrong


def open_connection(robot):
    """The robot needs a moment to notice that its last client has left; until then it refuses others."""
    deadline_s = time.monotonic() + 5.0
    while True:
        try:
            return socket.create_connection((robot.host, 1337), timeout=5.0)
        except ConnectionRefusedError:
            assert time.monotonic() < deadline_s


CONNECT = bytes([0, 0, 0, 0, 7, 0, 0, 0, 16, 0, 0, 0, 10, 0, 1, 2])
CONNECTED = bytes([0, 0, 0, 0, 7, 0, 0, 0, 15, 0, 0, 0, 0, 10, 0])


def connect(robot, message):
    with open_connection(robot) as client:
        client.sendall(message)
        return client.recv(4096)


def test_a_client_of_another_version_is_told_so(robot):
    reply = connect(robot, bytes([0, 0, 0, 0, 7, 0, 0, 0, 16, 0, 0, 0, 5, 0, 1, 2]))
    assert reply == bytes([0, 0, 0, 0, 7, 0, 0, 0, 15, 0, 0, 0, 1, 10, 0])


@pytest.mark.parametrize(
    "message",
    [
        bytes([99, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0]),  # no such request
        bytes([0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0]),  # shorter than its header
        bytes([0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255]),  # longer than anything
        bytes([0, 0, 0, 0, 0, 0, 0, 0, 13, 0, 0, 0, 10]),  # a payload that is cut off
    ],
)
def test_nonsense_is_sent_away_and_the_next_client_served(robot, message):
    assert connect(robot, message) == b""
    ask(robot, "robot.read_once(); say()")


def test_a_message_may_come_in_pieces(robot):
    with open_connection(robot) as client:
        for byte in CONNECT:
            client.sendall(bytes([byte]))
        assert client.recv(4096) == CONNECTED
