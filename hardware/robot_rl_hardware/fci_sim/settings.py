"""What a client sets before it moves the robot: frames, load, impedance, and when a contact is a collision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import mujoco
import numpy as np

from robot_rl.geometry import Array
from robot_rl.sim import franka, urdf
from robot_rl_hardware.fci_sim.vocabulary import Request

_JOINT_STIFFNESS: Final = (3000.0, 3000.0, 3000.0, 2500.0, 2500.0, 2000.0, 2000.0)
_TORQUE_LOWER: Final = (25.0, 25.0, 22.0, 20.0, 19.0, 17.0, 14.0)
_TORQUE_UPPER: Final = (35.0, 35.0, 32.0, 30.0, 29.0, 27.0, 24.0)
_FORCE_LOWER: Final = (30.0, 30.0, 30.0, 25.0, 25.0, 25.0)
_FORCE_UPPER: Final = (40.0, 40.0, 40.0, 35.0, 35.0, 35.0)


@dataclass(frozen=True, eq=False)
class Thresholds:
    """From the lower values on it is a contact, above the upper ones a collision, which stops the robot.

    Attributes:
        lower_torque, upper_torque: of the joints [Nm]. Shape (7,).
        lower_force, upper_force: of the external wrench, (force [N], torque [Nm]). Shape (6,).
    """

    lower_torque: Array = field(default_factory=lambda: np.array(_TORQUE_LOWER))
    upper_torque: Array = field(default_factory=lambda: np.array(_TORQUE_UPPER))
    lower_force: Array = field(default_factory=lambda: np.array(_FORCE_LOWER))
    upper_force: Array = field(default_factory=lambda: np.array(_FORCE_UPPER))

    def are_valid(self) -> bool:
        """Whether they are positive, and the lower ones not above the upper ones."""
        pairs = ((self.lower_torque, self.upper_torque), (self.lower_force, self.upper_force))
        return all(bool((low > 0).all() and (low <= high).all()) and np.isfinite(high).all() for low, high in pairs)


class Settings:
    """What is set, from the robot's defaults on. Matrices are 4 x 4 transforms T_a_b."""

    def __init__(self, model: mujoco.MjModel) -> None:
        """Begin with the hand of `model` as the end effector."""
        self.flange_to_nominal: Array = np.eye(4)
        self.nominal_to_tool: Array = np.eye(4)
        self.tool_to_stiffness: Array = np.eye(4)
        self.hand = hand_inertial(model)
        """Mass properties of the hand in the flange's frame."""
        self.load_mass = 0.0
        self.load_com, self.load_inertia = np.zeros(3), np.zeros((3, 3))
        self.joint_stiffness = np.array(_JOINT_STIFFNESS)
        self.cartesian_stiffness = np.array([3000.0, 3000.0, 3000.0, 300.0, 300.0, 300.0])
        self.nominal = Thresholds()
        self.accelerating = Thresholds()
        self.version = 0
        """Counts the changes."""
        flange, tool = (model.site(name) for name in (franka.FLANGE_SITE_NAME, franka.TCP_SITE_NAME))
        hand = model.body(franka.HAND_BODY_NAME)
        flange_to_hand = np.linalg.inv(to_transform(flange.pos, flange.quat)) @ to_transform(hand.pos, hand.quat)
        self.flange_to_nominal = flange_to_hand @ to_transform(tool.pos, tool.quat)
        self.flange_to_tool = self.flange_to_nominal @ self.nominal_to_tool
        self.flange_to_stiffness = self.flange_to_tool @ self.tool_to_stiffness

    def apply(self, request: Request, payload: Mapping[str, Array]) -> bool:
        """Take over what a request sets, unless it is invalid; returns whether it was valid."""
        setters: dict[Request, Callable[[Mapping[str, Array]], bool]] = {
            Request.SET_COLLISION_BEHAVIOR: self._set_thresholds,
            Request.SET_JOINT_IMPEDANCE: self._set_joint_stiffness,
            Request.SET_CARTESIAN_IMPEDANCE: self._set_cartesian_stiffness,
            Request.SET_EE_TO_K: self._set_stiffness_frame,
            Request.SET_NE_TO_EE: self._set_tool,
            Request.SET_LOAD: self._set_load,
        }
        is_valid = setters[request](payload)
        self.version += is_valid
        self.flange_to_tool = self.flange_to_nominal @ self.nominal_to_tool
        self.flange_to_stiffness = self.flange_to_tool @ self.tool_to_stiffness
        return is_valid

    def _set_thresholds(self, payload: Mapping[str, Array]) -> bool:
        sets = [
            Thresholds(
                *(np.array(payload[f"{side}_{kind}_{phase}"]) for kind in ("torque", "force") for side in _SIDES)
            )
            for phase in ("acceleration", "nominal")
        ]
        if not all(each.are_valid() for each in sets):
            return False
        self.accelerating, self.nominal = sets
        return True

    def _set_joint_stiffness(self, payload: Mapping[str, Array]) -> bool:
        stiffness = np.array(payload["K_theta"])
        if not ((stiffness >= 0.0) & (stiffness <= 14250.0)).all():
            return False
        self.joint_stiffness = stiffness
        return True

    def _set_cartesian_stiffness(self, payload: Mapping[str, Array]) -> bool:
        stiffness, largest = np.array(payload["K_x"]), np.array([3000.0] * 3 + [300.0] * 3)
        if not ((stiffness > 0.0) & (stiffness <= largest)).all():
            return False
        self.cartesian_stiffness = stiffness
        return True

    def _set_stiffness_frame(self, payload: Mapping[str, Array]) -> bool:
        transform = from_columns(payload["EE_T_K"])
        if not is_transform(transform):
            return False
        self.tool_to_stiffness = transform
        return True

    def _set_tool(self, payload: Mapping[str, Array]) -> bool:
        transform = from_columns(payload["NE_T_EE"])
        if not is_transform(transform):
            return False
        self.nominal_to_tool = transform
        return True

    def _set_load(self, payload: Mapping[str, Array]) -> bool:
        mass, com = float(payload["m_load"]), np.array(payload["F_x_Cload"])
        inertia = np.array(payload["I_load"]).reshape(3, 3).T
        if not (0.0 <= mass < np.inf and np.isfinite(com).all() and np.isfinite(inertia).all()):
            return False
        self.load_mass, self.load_com, self.load_inertia = mass, com, inertia
        return True


_SIDES: Final = ("lower", "upper")


def hand_inertial(model: mujoco.MjModel) -> urdf.Inertial:
    """Hand and fingers (closed) as one rigid body, in the flange's frame."""
    site, hand = model.site(franka.FLANGE_SITE_NAME), model.body(franka.HAND_BODY_NAME)
    flange_to_hand = np.linalg.inv(to_transform(site.pos, site.quat)) @ to_transform(hand.pos, hand.quat)
    parts = [(urdf.body_inertial(model, franka.HAND_BODY_NAME), flange_to_hand)]
    for name in franka.FINGER_BODY_NAMES:
        body = model.body(name)
        parts.append((urdf.body_inertial(model, name), flange_to_hand @ to_transform(body.pos, body.quat)))
    return urdf.lump([(inertial, transform[:3, :3], transform[:3, 3]) for inertial, transform in parts])


def to_transform(position: Array, quaternion_wxyz: Array) -> Array:
    """The 4 x 4 transform of a position [m] and one of MuJoCo's quaternions."""
    rotation, transform = np.empty(9), np.eye(4)
    mujoco.mju_quat2Mat(rotation, quaternion_wxyz)
    transform[:3, :3], transform[:3, 3] = rotation.reshape(3, 3), position
    return transform


def from_columns(values: Array) -> Array:
    """A 4 x 4 matrix out of 16 numbers, column by column."""
    return np.array(values, float).reshape(4, 4).T


def is_transform(matrix: Array) -> bool:
    """Whether a 4 x 4 matrix is a rotation and a translation, as exactly as the wire's clients check it."""
    rotation, last = matrix[:3, :3], matrix[3]
    is_rotation = np.abs(rotation.T @ rotation - np.eye(3)).max() < 1e-4 and np.linalg.det(rotation) > 0.0
    return bool(np.isfinite(matrix).all() and is_rotation and (last == [0.0, 0.0, 0.0, 1.0]).all())
