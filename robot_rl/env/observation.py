"""From a robot's reading to the policy's observation: relative to the reset pose, so that the base may stand anywhere.

The 19 proprioceptive values of SERL, with their frames done right:

| entry | size | what |
|---|---|---|
| gripper | 1 | opening, 0 closed to 1 open |
| tcp_force | 3 | force on the world [N], TCP axes |
| tcp_pose | 6 | pose relative to the reset pose: position [m], rotation vector [rad] |
| tcp_torque | 3 | torque on the world [Nm], TCP axes |
| tcp_twist | 6 | (v [m/s], omega [rad/s]), TCP axes: block-diag(R^T, R^T) of the base twist |

and the task's estimate, named `task`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from robot_rl.geometry import Array, Pose, block_diagonal
from robot_rl.robot.robot import RobotReading
from robot_rl.specs import ArraySpec, ObservationSpec
from robot_rl.types import Observation

PROPRIO_SIZES: Mapping[str, int] = {"gripper": 1, "tcp_force": 3, "tcp_pose": 6, "tcp_torque": 3, "tcp_twist": 6}


def make_observation_spec(estimate_size: int, image_shapes: Mapping[str, tuple[int, int]]) -> ObservationSpec:
    """Spec of the observations of a task whose images have the given (height, width)."""
    sizes = {**PROPRIO_SIZES, "task": estimate_size}
    return ObservationSpec(
        proprio={name: ArraySpec(f"proprio {name}", (size,), np.float32) for name, size in sizes.items()},
        images={
            name: ArraySpec(f"image {name}", (height, width, 3), np.uint8, 0, 255)
            for name, (height, width) in image_shapes.items()
        },
    )


def make_observation(reading: RobotReading, reset_pose: Pose, max_width_m: float, estimate: Array) -> Observation:
    """Observation of a reading.

    Args:
        reading: all devices at one moment.
        reset_pose: T_base_tcp at the start of the episode.
        max_width_m: opening that counts as 1; 0 without a gripper.
        estimate: the task's estimate, shape (n,).
    """
    state = reading.state
    twist_tcp = block_diagonal(state.tcp_pose.rotation.T) @ state.tcp_twist_base
    proprio = {
        "gripper": np.array([reading.width_m / max_width_m if max_width_m else 0.0]),
        "tcp_force": state.tcp_wrench[:3],
        "tcp_pose": (reset_pose.inverse() @ state.tcp_pose).to_vector(),
        "tcp_torque": state.tcp_wrench[3:],
        "tcp_twist": twist_tcp,
        "task": estimate,
    }
    return Observation({name: _to_float32(value) for name, value in proprio.items()}, reading.images, state.stamp_ns)


def _to_float32(value: Array) -> NDArray[np.float32]:
    return np.asarray(value, dtype=np.float32)
