"""What libfranka says when something went wrong, as a reason and one line that says what to do."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from robot_rl.errors import DeviceError
from robot_rl.types import Reason
from robot_rl_hardware.franka.library import Library

USER_STOP: Final = "the user stop is pressed: release it, then recover()"
REFLEX: Final = "the robot is still in an error from before: see that its way is clear, then recover()"

_ADVICE: Final[tuple[tuple[str, Reason, str], ...]] = (
    ("reflex", Reason.WRENCH, "it touched something harder than its thresholds allow: clear its way, then recover()"),
    ("self_collision", Reason.WORKSPACE, "it came too close to itself: move it by hand, then recover()"),
    ("torque_discontinuity", Reason.STEP, "a torque jumped: recover(), and report it if it happens again"),
    ("tau_j_range", Reason.WRENCH, "a torque was beyond the motors' range: recover()"),
    ("power_limit", Reason.WRENCH, "it needed more power than it has: recover(), and move slower"),
    ("force_control", Reason.WRENCH, "a force was beyond its safe range: clear its way, then recover()"),
    ("communication_constraints", Reason.STALE_COMMAND, "commands came late: free the computer, then recover()"),
    ("position_limits", Reason.WORKSPACE, "a joint is beyond its limit: move the arm by hand in Desk, then recover()"),
    ("velocity", Reason.SPEED, "it was too fast: recover(), and command smaller steps"),
    ("instability", Reason.UNSTABLE, "the simulated physics left the finite numbers: recover()"),
)  # fmt: skip
_NAME: Final = re.compile(r'"(\w+)"')
_NETWORK_WORDS: Final = ("network", "connection", "tcp", "udp")
_VERSIONS: Final = re.compile(r"version:? (\d+)")


class Fault(NamedTuple):
    """Why the robot stopped: the reason, and the names of the errors with what to do."""

    reason: Reason
    detail: str


def to_fault(error: BaseException) -> Fault:
    """The fault that an exception of a library tells of."""
    text = _one_line(error)
    if text == REFLEX:
        return Fault(Reason.STOPPED, REFLEX)
    names = _NAME.findall(text.partition("[")[2])
    for name in names:
        for part, reason, advice in _ADVICE:
            if part in name:
                return Fault(reason, f"{', '.join(names)}: {advice}")
    lower = text.lower()
    if "user stop" in lower:
        return Fault(Reason.REQUESTED, USER_STOP)
    if is_of_network(error):
        advice = "the connection to the robot is lost: check cable and robot, then recover()"
        return Fault(Reason.STALE_STATE, f"{text}: {advice}")
    if "preempted" in lower:
        return Fault(Reason.REQUESTED, f"{text}: another program stopped it; recover()")
    return Fault(Reason.STOPPED, f"{', '.join(names) or text}: see Desk, then recover()")


def is_of_network(error: BaseException) -> bool:
    """Whether it tells of the connection: panda-python has one kind of error for everything, so its words count."""
    text = str(error).lower()
    return type(error).__name__ == "NetworkException" or any(word in text for word in _NETWORK_WORDS)


def is_of_fingers(error: BaseException) -> bool:
    """Whether a hand has not done what it was told, while its connection is well."""
    return "gripper: command" in str(error).lower()


def to_connect_error(error: BaseException, host: str, library: Library) -> DeviceError:
    """Why no connection was made, and what to do."""
    text = _one_line(error)
    versions = _VERSIONS.findall(text)
    if len(versions) > 1:  # the robot's first
        return DeviceError(
            f"The robot at {host} speaks version {versions[0]} of its interface; version {versions[1]} is that of "
            f"{library.purpose}: {library.advice}."
        )
    return DeviceError(
        f"No connection to the robot at {host} ({text}): is the address right, the robot on, its joints unlocked and "
        "FCI active in Desk, and no other program connected?"
    )


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).removeprefix("libfranka: ").split())
