"""The limits that stop the arm as parameters of a node: to be read, and to be tightened while the robot runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from robot_rl.control.guard import Guard
from robot_rl.control.safety import SafetyLimits

ADJUSTABLE = {
    "max_step_m": "distance of a command from the measured pose, m",
    "max_step_rad": "angle of a command from the measured orientation, rad",
    "max_speed_m_s": "speed of the TCP, m/s",
    "max_speed_rad_s": "angular speed of the TCP, rad/s",
    "max_force_n": "measured force at the TCP, N",
    "max_torque_nm": "measured torque at the TCP, Nm",
    "max_tilt_rad": "angle of the tool to its direction, rad",
}
FIXED = {
    "box_lower_m": "lower corner of the workspace of the TCP, base axes, m",
    "box_upper_m": "upper corner of the workspace of the TCP, base axes, m",
}
_SMALLEST_SHARE = 0.05


def declare_limits(node: Node, guard: Guard) -> None:
    """Declare the limits of `guard` on `node`. Each may be set to any value up to the configured one, never above."""
    configured = guard.limits
    for name, what in FIXED.items():
        about = ParameterDescriptor(description=what, read_only=True)
        node.declare_parameter(name, list(getattr(configured, name)), about)
    for name, what in ADJUSTABLE.items():
        value = float(getattr(configured, name))
        allowed = FloatingPointRange(from_value=_SMALLEST_SHARE * value, to_value=value)
        about = ParameterDescriptor(description=f"beyond this the arm stops: {what}", floating_point_range=[allowed])
        node.declare_parameter(name, value, about)

    def change(parameters: Sequence[Parameter[float]]) -> SetParametersResult:
        guard.limits = _changed(guard.limits, parameters)
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(change)


def _changed(limits: SafetyLimits, parameters: Sequence[Parameter[float]]) -> SafetyLimits:
    """The limits with the parameters, whose ranges ROS has checked, in their places."""
    changes: dict[str, Any] = {each.name: each.value for each in parameters if each.name in ADJUSTABLE}
    return replace(limits, **changes)
