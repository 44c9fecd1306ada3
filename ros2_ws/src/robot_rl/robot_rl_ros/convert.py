"""ROS messages and the values of robot_rl, in both directions: the only file that knows both.

Numbers cross without loss: what is float64 here is float64 there.
"""

from __future__ import annotations

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, PoseStamped, Quaternion, Twist, TwistStamped, Vector3, Wrench, WrenchStamped
from geometry_msgs.msg import Pose as PoseMsg
from numpy.typing import NDArray
from robot_rl_msgs.msg import ArmState as ArmStateMsg
from robot_rl_msgs.msg import Episode, Estimate, Reward, Takeover, TeleopCommand
from robot_rl_msgs.msg import Stop as StopMsg
from rosgraph_msgs.msg import Clock as ClockMsg
from sensor_msgs.msg import CameraInfo, Image, JointState, Joy
from std_msgs.msg import Header

from robot_rl.clock import NS_PER_S
from robot_rl.errors import DeviceError, SpecError
from robot_rl.geometry import Array, Pose
from robot_rl.runtime.reporting.evaluation import EpisodeResult
from robot_rl.types import ArmState, Button, Command, Outcome, Reason, StopRecord

BUTTONS = (None, None, Button.SUCCESS, Button.FAILURE, Button.ABORT, Button.PAUSE)
"""Meaning of the entries of `teleop/buttons`; the first two close and open the gripper."""
_CLOSE, _OPEN = 0, 1


# --- time -------------------------------------------------------------------------------------------------------


def to_time(stamp_ns: int) -> Time:
    """Nanoseconds, from 0 to the year 2038, as a message: ROS has 32 bits for the seconds."""
    return Time(sec=stamp_ns // NS_PER_S, nanosec=stamp_ns % NS_PER_S)


def from_time(time: Time) -> int:
    """Nanoseconds of a message."""
    return int(time.sec) * NS_PER_S + int(time.nanosec)


def to_header(stamp_ns: int, frame: str = "") -> Header:
    """Header of a message about a moment."""
    return Header(stamp=to_time(stamp_ns), frame_id=frame)


def to_clock(stamp_ns: int) -> ClockMsg:
    """A moment as a message of its own."""
    return ClockMsg(clock=to_time(stamp_ns))


# --- geometry ---------------------------------------------------------------------------------------------------


def to_pose_msg(pose: Pose) -> PoseMsg:
    """A rigid transform as a message."""
    x, y, z = pose.position.tolist()
    qx, qy, qz, qw = pose.quaternion.tolist()
    return PoseMsg(position=Point(x=x, y=y, z=z), orientation=Quaternion(x=qx, y=qy, z=qz, w=qw))


def from_pose_msg(message: PoseMsg) -> Pose:
    """A rigid transform of a message; its numbers need not be finite.

    Raises:
        SpecError: the quaternion is zero.
    """
    p, q = message.position, message.orientation
    return Pose(np.array([p.x, p.y, p.z]), np.array([q.x, q.y, q.z, q.w]))


def to_pose_stamped(pose: Pose, stamp_ns: int, frame: str) -> PoseStamped:
    """A pose in `frame` at a moment."""
    return PoseStamped(header=to_header(stamp_ns, frame), pose=to_pose_msg(pose))


def from_pose_stamped(message: PoseStamped) -> tuple[int, Pose]:
    """(stamp_ns, pose)."""
    return from_time(message.header.stamp), from_pose_msg(message.pose)


def _to_vector3(vector: Array) -> Vector3:
    x, y, z = vector.tolist()
    return Vector3(x=x, y=y, z=z)


def _from_vector3s(first: Vector3, second: Vector3) -> Array:
    return np.array([first.x, first.y, first.z, second.x, second.y, second.z])


def to_twist(twist: Array) -> Twist:
    """(v, omega), shape (6,), as a message."""
    return Twist(linear=_to_vector3(twist[:3]), angular=_to_vector3(twist[3:]))


def from_twist(message: Twist) -> Array:
    """(v, omega), shape (6,)."""
    return _from_vector3s(message.linear, message.angular)


def to_wrench(wrench: Array) -> Wrench:
    """(force, torque), shape (6,), as a message."""
    return Wrench(force=_to_vector3(wrench[:3]), torque=_to_vector3(wrench[3:]))


def from_wrench(message: Wrench) -> Array:
    """(force, torque), shape (6,)."""
    return _from_vector3s(message.force, message.torque)


def to_twist_stamped(twist: Array, stamp_ns: int, frame: str) -> TwistStamped:
    """(v, omega) in the axes of `frame` at a moment."""
    return TwistStamped(header=to_header(stamp_ns, frame), twist=to_twist(twist))


def to_wrench_stamped(wrench: Array, stamp_ns: int, frame: str) -> WrenchStamped:
    """(force, torque) in the axes of `frame` at a moment."""
    return WrenchStamped(header=to_header(stamp_ns, frame), wrench=to_wrench(wrench))


# --- arm and gripper --------------------------------------------------------------------------------------------


def to_stop_msg(stop: StopRecord | None) -> StopMsg:
    """A stop as a message; an empty one while the robot may move."""
    if stop is None:
        return StopMsg()
    return StopMsg(is_stopped=True, reason=stop.reason.value, detail=stop.detail, stamp=to_time(stop.stamp_ns))


def from_stop_msg(message: StopMsg) -> StopRecord | None:
    """The stop of a message, or None."""
    if not message.is_stopped:
        return None
    return StopRecord(to_reason(message.reason), message.detail, from_time(message.stamp))


def to_reason(text: str) -> Reason:
    """A reason of its words; DeviceError, which lists the valid ones, for others."""
    try:
        return Reason(text)
    except ValueError as error:
        valid = ", ".join(repr(reason.value) for reason in Reason)
        raise DeviceError(f"The reason of a stop must be one of {valid}, got {text!r}.") from error


def to_arm_state_msg(state: ArmState, frame: str, commands: int) -> ArmStateMsg:
    """State of an arm whose base is `frame`, after so many commands."""
    return ArmStateMsg(
        header=to_header(state.stamp_ns, frame),
        joint_positions=state.joint_positions,
        joint_velocities=state.joint_velocities,
        joint_torques=state.joint_torques,
        tcp_pose=to_pose_msg(state.tcp_pose),
        tcp_twist=to_twist(state.tcp_twist_base),
        tcp_wrench=to_wrench(state.tcp_wrench),
        stop=to_stop_msg(state.stop),
        commands=commands,
    )


def from_arm_state_msg(message: ArmStateMsg) -> ArmState:
    """State of an arm."""
    return ArmState(
        stamp_ns=from_time(message.header.stamp),
        joint_positions=np.array(message.joint_positions, np.float64),
        joint_velocities=np.array(message.joint_velocities, np.float64),
        joint_torques=np.array(message.joint_torques, np.float64),
        tcp_pose=from_pose_msg(message.tcp_pose),
        tcp_twist_base=from_twist(message.tcp_twist),
        tcp_wrench=from_wrench(message.tcp_wrench),
        stop=from_stop_msg(message.stop),
    )


def to_joint_state(state: ArmState, names: tuple[str, ...]) -> JointState:
    """The arm's joints, as visualisers read them."""
    return JointState(
        header=to_header(state.stamp_ns),
        name=list(names),
        position=state.joint_positions.tolist(),
        velocity=state.joint_velocities.tolist(),
        effort=state.joint_torques.tolist(),
    )


def to_finger_state(width_m: float, stamp_ns: int, names: tuple[str, str]) -> JointState:
    """A gripper's opening as the positions of its two fingers."""
    return JointState(header=to_header(stamp_ns), name=list(names), position=[0.5 * width_m, 0.5 * width_m])


def from_finger_state(message: JointState) -> tuple[int, float]:
    """(stamp_ns, opening [m]).

    Raises:
        DeviceError: there are not two fingers.
    """
    if len(message.position) != 2:
        raise DeviceError(f"The gripper's state must have two fingers, got {list(message.name)}.")
    return from_time(message.header.stamp), float(message.position[0] + message.position[1])


# --- cameras ----------------------------------------------------------------------------------------------------


def to_image(image: NDArray[np.uint8], stamp_ns: int, frame: str) -> Image:
    """An RGB image (H, W, 3) as a message."""
    height, width, _ = image.shape
    message = Image(header=to_header(stamp_ns, frame), height=height, width=width, encoding="rgb8", step=3 * width)
    message._data = image.tobytes()  # the setter would copy bytes one by one into an array
    return message


def from_image(message: Image) -> tuple[int, NDArray[np.uint8]]:
    """(stamp_ns, RGB image (H, W, 3)).

    Raises:
        DeviceError: the encoding is not rgb8 or bgr8, or the size is not that of its data.
    """
    if message.encoding not in ("rgb8", "bgr8"):
        raise DeviceError(f"The encoding of an image must be rgb8 or bgr8, got {message.encoding!r}.")
    data = np.frombuffer(message.data, np.uint8)
    if message.step < 3 * message.width or data.size != message.step * message.height:
        raise DeviceError(
            f"An image of {message.width} x {message.height} pixels in rows of {message.step} bytes must have "
            f"{message.step * message.height} bytes and rows of at least {3 * message.width}, got {data.size}."
        )
    rows = data.reshape(message.height, message.step)[:, : 3 * message.width]
    image = rows.reshape(message.height, message.width, 3)
    return from_time(message.header.stamp), np.ascontiguousarray(
        image[..., ::-1] if message.encoding == "bgr8" else image
    )


def to_camera_info(height: int, width: int, stamp_ns: int, frame: str) -> CameraInfo:
    """Size of a camera's images; its intrinsics are not known here."""
    return CameraInfo(header=to_header(stamp_ns, frame), height=height, width=width)


# --- person and task --------------------------------------------------------------------------------------------


def to_teleop_msgs(command: Command | None, stamp_ns: int, frame: str) -> tuple[TwistStamped, Joy]:
    """What a person does at a moment: the deflection in the axes of `frame`, and the buttons."""
    if command is None:
        return to_twist_stamped(np.zeros(6), stamp_ns, frame), Joy(
            header=to_header(stamp_ns), buttons=[0] * len(BUTTONS)
        )
    buttons = [int(button in command.buttons) for button in BUTTONS]
    buttons[_CLOSE], buttons[_OPEN] = int(command.gripper < 0.0), int(command.gripper > 0.0)
    joy = Joy(header=to_header(command.stamp_ns), buttons=buttons)
    return to_twist_stamped(command.twist_base, command.stamp_ns, frame), joy


def to_teleop_command(command: Command | None, stamp_ns: int, frame: str) -> TeleopCommand:
    """The same in one message."""
    if command is None:
        return TeleopCommand(header=to_header(stamp_ns, frame))
    return TeleopCommand(
        header=to_header(command.stamp_ns, frame),
        twist=command.twist_base.tolist(),
        gripper=command.gripper,
        buttons=[button.value for button in Button if button in command.buttons],
    )


def from_teleop_command(message: TeleopCommand) -> Command:
    """What a person says at a moment.

    Raises:
        SpecError: a number is not finite, or a button is unknown.
    """
    twist = np.array(message.twist, np.float64)
    if not np.isfinite([*twist, message.gripper]).all():
        raise SpecError(f"a deflection must be finite, got {twist} and {message.gripper} for the gripper.")
    try:
        buttons = frozenset(Button(name) for name in message.buttons)
    except ValueError as error:
        raise SpecError(f"{error}; buttons are {[button.value for button in Button]}.") from error
    return Command(twist, from_time(message.header.stamp), message.gripper, buttons)


def to_takeover(is_active: bool, stamp_ns: int) -> Takeover:
    """Whether a person has the robot."""
    return Takeover(header=to_header(stamp_ns), is_active=is_active)


def to_estimate(values: Array, stamp_ns: int) -> Estimate:
    """What is known of the target at a moment."""
    return Estimate(header=to_header(stamp_ns), values=values.tolist())


def from_estimate(message: Estimate) -> tuple[int, Array]:
    """(stamp_ns, what is known of the target)."""
    return from_time(message.header.stamp), np.array(message.values, np.float64)


def to_reward(outcome: Outcome, stamp_ns: int, probability: float = float("nan")) -> Reward:
    """What a task says of a moment."""
    return Reward(
        header=to_header(stamp_ns),
        reward=outcome.reward,
        is_terminal=outcome.is_terminal,
        is_success=outcome.is_success,
        probability=probability,
    )


def from_reward(message: Reward) -> tuple[int, Outcome]:
    """(stamp_ns, what was said of that moment)."""
    outcome = Outcome(message.reward, message.is_terminal, message.is_success)
    return from_time(message.header.stamp), outcome


def to_episode(episode: EpisodeResult, stamp_ns: int) -> Episode:
    """An episode that ended at a moment."""
    return Episode(
        header=to_header(stamp_ns),
        index=episode.index,
        is_success=episode.is_success,
        steps=episode.steps,
        human_steps=episode.human_steps,
        interventions=episode.interventions,
        duration_s=episode.duration_s,
    )
