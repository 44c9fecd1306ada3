"""What crosses the wire arrives as it was, to the last bit, through the serialisation that DDS uses."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from rclpy.serialization import deserialize_message, serialize_message
from robot_rl_msgs.msg import TeleopCommand
from robot_rl_ros import convert
from sensor_msgs.msg import Image, JointState

from robot_rl.errors import DeviceError, SpecError
from robot_rl.geometry import Pose
from robot_rl.runtime.reporting.evaluation import EpisodeResult
from robot_rl.types import ArmState, Button, Command, Outcome, Reason, StopRecord

stamps = st.integers(0, 2**31 * 10**9 - 1)  # ROS counts seconds in 32 bits, until 2038
numbers = st.floats(allow_nan=False, allow_infinity=False, width=64)
small = st.floats(-3.0, 3.0)


def vectors(size, elements=numbers):
    return npst.arrays(np.float64, size, elements=elements)


poses = st.builds(Pose.from_rotation_vector, vectors(3, small), vectors(3, numbers))
stops = st.none() | st.builds(
    StopRecord,
    st.sampled_from(Reason),
    st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=50),
    stamps,
)


def send(message):
    """As over the wire."""
    return deserialize_message(serialize_message(message), type(message))


@given(stamps)
def test_time(stamp_ns):
    assert convert.from_time(send(convert.to_time(stamp_ns))) == stamp_ns
    assert convert.from_time(send(convert.to_clock(stamp_ns)).clock) == stamp_ns


@given(poses, stamps)
def test_poses(pose, stamp_ns):
    stamp, received = convert.from_pose_stamped(send(convert.to_pose_stamped(pose, stamp_ns, "base")))
    assert stamp == stamp_ns
    np.testing.assert_array_equal(received.position, pose.position)
    np.testing.assert_array_equal(received.quaternion, pose.quaternion)


@given(stamps, vectors(7), vectors(7), vectors(7), poses, vectors(6), vectors(6), stops, st.integers(0, 2**63))
def test_arm_states(stamp_ns, positions, velocities, torques, pose, twist, wrench, stop, commands):
    state = ArmState(stamp_ns, positions, velocities, torques, pose, twist, wrench, stop)
    message = send(convert.to_arm_state_msg(state, "base", commands))
    received = convert.from_arm_state_msg(message)
    assert (received.stamp_ns, received.stop, message.commands) == (stamp_ns, stop, commands)
    for name in ("joint_positions", "joint_velocities", "joint_torques", "tcp_twist_base", "tcp_wrench"):
        np.testing.assert_array_equal(getattr(received, name), getattr(state, name), err_msg=name)
    np.testing.assert_array_equal(received.tcp_pose.to_vector(), pose.to_vector())


@given(npst.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))), stamps)
def test_images(image, stamp_ns):
    stamp, received = convert.from_image(send(convert.to_image(image, stamp_ns, "camera")))
    assert stamp == stamp_ns
    np.testing.assert_array_equal(received, image)


def test_an_image_of_realsense_may_be_bgr_with_padded_rows():
    message = Image(height=1, width=1, encoding="bgr8", step=4, data=[1, 2, 3, 99])
    np.testing.assert_array_equal(convert.from_image(message)[1], [[[3, 2, 1]]])


@pytest.mark.parametrize(
    ("message", "match"),
    [
        (Image(height=1, width=1, encoding="16UC1", step=2, data=[0, 0]), "rgb8 or bgr8, got '16UC1'"),
        (Image(height=2, width=1, encoding="rgb8", step=3, data=[0, 0, 0]), "6 bytes"),
        (Image(height=1, width=2, encoding="rgb8", step=3, data=[0, 0, 0]), "rows of at least 6"),
    ],
)
def test_an_image_that_makes_no_sense_is_refused(message, match):
    with pytest.raises(DeviceError, match=match):
        convert.from_image(message)


@given(vectors(6), st.sampled_from([-1.0, 0.0, 1.0]), st.frozensets(st.sampled_from(Button)), stamps)
def test_what_a_person_does(twist, gripper, buttons, stamp_ns):
    command = Command(twist, stamp_ns, gripper, buttons)
    received = convert.from_teleop_command(send(convert.to_teleop_command(command, 0, "base")))
    np.testing.assert_array_equal(received.twist_base, twist)
    assert (received.stamp_ns, received.gripper, received.buttons) == (stamp_ns, gripper, buttons)
    twist_message, joy = convert.to_teleop_msgs(command, 0, "base")
    np.testing.assert_array_equal(convert.from_twist(send(twist_message).twist), twist)
    pressed = {button for button, value in zip(convert.BUTTONS, send(joy).buttons, strict=True) if button and value}
    assert pressed == buttons
    assert list(joy.buttons[:2]) == [gripper < 0.0, gripper > 0.0]


def test_a_hand_off_the_device_is_stillness():
    command = convert.from_teleop_command(convert.to_teleop_command(None, 5, "base"))
    assert (command.stamp_ns, command.twist_base.any(), command.gripper, command.buttons) == (5, False, 0.0, set())
    twist, joy = convert.to_teleop_msgs(None, 5, "base")
    assert not convert.from_twist(twist.twist).any()
    assert not any(joy.buttons)


def test_a_person_who_speaks_in_riddles_is_an_error():
    with pytest.raises(SpecError, match="must be finite"):
        convert.from_teleop_command(TeleopCommand(twist=[math.nan] * 6))
    with pytest.raises(SpecError, match="'dance' is not a valid Button; buttons are"):
        convert.from_teleop_command(TeleopCommand(buttons=["dance"]))


@given(npst.arrays(np.float64, st.integers(0, 9), elements=numbers), stamps)
def test_estimates(values, stamp_ns):
    stamp, received = convert.from_estimate(send(convert.to_estimate(values, stamp_ns)))
    assert stamp == stamp_ns
    np.testing.assert_array_equal(received, values)


@given(numbers, st.booleans(), st.booleans(), stamps)
def test_rewards(reward, is_terminal, is_success, stamp_ns):
    outcome = Outcome(reward, is_terminal, is_success)
    assert convert.from_reward(send(convert.to_reward(outcome, stamp_ns))) == (stamp_ns, outcome)


@given(st.floats(0.0, 0.2, allow_subnormal=False), stamps)
def test_a_width_is_the_sum_of_two_fingers(width_m, stamp_ns):
    assert convert.from_finger_state(send(convert.to_finger_state(width_m, stamp_ns, ("a", "b")))) == (
        stamp_ns,
        width_m,
    )


def test_a_gripper_without_fingers_is_refused():
    with pytest.raises(DeviceError, match="two fingers"):
        convert.from_finger_state(JointState(name=["a"], position=[0.1]))


def test_a_reason_that_does_not_exist_is_answered_with_those_that_do():
    with pytest.raises(DeviceError, match=r"'wrench limit'.*got 'boredom'"):
        convert.to_reason("boredom")


def test_an_episode():
    message = send(convert.to_episode(EpisodeResult(3, True, 40, 7, 4.0, 2), 9))
    fields = (message.index, message.is_success, message.steps, message.human_steps, message.interventions)
    assert fields == (3, True, 40, 7, 2)
    assert message.duration_s == 4.0
