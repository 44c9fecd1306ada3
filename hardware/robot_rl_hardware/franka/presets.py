"""The presets of the law as each robot bears them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np

from robot_rl.control.presets import PRESETS, ImpedanceParameters
from robot_rl.errors import SpecError
from robot_rl.geometry import Array

TORQUE_STEP_NM: Final = 0.9
"""Largest change in a millisecond: the robot stops at 1 Nm, and its states are numbers of 32 bits."""
TORQUE_LIMITS_NM: Final = (78.3, 78.3, 78.3, 78.3, 10.8, 10.8, 10.8)
"""Nine tenths of what the motors can, of either robot."""

_OWN: Final[dict[str, dict[str, Any]]] = {
    "fr3": {},  # what the law's own defaults are
    "panda": {
        "joint_lower_rad": (-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973),
        "joint_upper_rad": (2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973),
        # The smaller one, joint by joint, of two published identifications, which differ: half of the step of the
        # sigmoids of Gaz et al. (RA-L 2019, see panda_model), and the friction in the model of dm_robotics_panda
        # (Apache-2.0). What is compensated too little costs a millimetre; too much would drive the arm.
        "friction_coulomb_nm": (0.245, 0.152, 0.183, 0.359, 0.267, 0.152, 0.282),
        "friction_viscous_nm_s_rad": (0.0,) * 7,
    },
}


def check_posture(robot: str, preset: str, joint_positions: Array) -> None:
    """Refuse joint positions [rad] that a robot with this preset does not have.

    Raises:
        SpecError: another shape than (7,), not finite, or beyond the joints' limits.
    """
    limits = presets_of(robot)[preset]
    lower, upper = np.asarray(limits.joint_lower_rad), np.asarray(limits.joint_upper_rad)
    if joint_positions.shape != (7,) or not ((joint_positions >= lower) & (joint_positions <= upper)).all():
        raise SpecError(f"A posture must be 7 angles from {lower} to {upper} rad, got {joint_positions}.")


def presets_of(robot: str) -> dict[str, ImpedanceParameters]:
    """The presets with a robot's joints, in the order of `PRESETS`.

    Also those that imitate another controller keep to what the robot bears.
    """
    return {
        name: replace(
            one,
            torque_step_nm=min(one.torque_step_nm, TORQUE_STEP_NM),
            torque_limit_nm=tuple(np.minimum(one.torque_limit_nm, TORQUE_LIMITS_NM).tolist()),
            **_OWN[robot],
        )
        for name, one in PRESETS.items()
    }
