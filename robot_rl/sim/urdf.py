"""The robot description (URDF) that belongs to a compiled MuJoCo model.

libfranka asks the robot for its URDF and computes mass matrix, Coriolis torques and Jacobian from it, so a simulated
robot must send one that describes exactly what is simulated. What libfranka wants of it:

* the root element is `<robot>`, and its name does not start with "tmr" (a mobile base);
* exactly seven joints can move, named `…joint1` to `…joint7`, each with `<limit lower upper velocity effort>` and
  `<position_based_velocity_limits velocity_offset deceleration_limit>`;
* a link is named exactly `link8`: the flange.

Rotor inertia (MuJoCo's armature) has no place in a URDF, nor in libfranka's mass matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree

import mujoco
import numpy as np
from numpy.typing import NDArray

from robot_rl.errors import UnknownNameError
from robot_rl.sim import franka

Array = NDArray[np.float64]
Element = ElementTree.Element

ROBOT_NAME: Final = "fr3"
FLANGE_LINK_NAME: Final = "link8"
HAND_LINK_NAME: Final = "fr3_hand"
TCP_LINK_NAME: Final = "fr3_hand_tcp"


@dataclass(frozen=True, eq=False)
class Inertial:
    """Mass properties in the frame of a body.

    Attributes:
        mass: [kg].
        com: centre of mass [m]. Shape (3,).
        inertia: about the centre of mass [kg m^2]. Shape (3, 3).
    """

    mass: float
    com: Array
    inertia: Array


def to_urdf(model: mujoco.MjModel, has_hand: bool = True, finger_joint_m: float = 0.0) -> str:
    """URDF of the arm in a compiled model; everything else in the model is left out.

    Args:
        model: a model made from `make_franka_spec`, with or without a scene.
        has_hand: whether hand and fingers are part of it, as one rigid body. Switch it off where their mass is told
            to libfranka as the end effector's load (`m_ee`): otherwise it would count twice.
        finger_joint_m: position of each finger [m] at which the hand is taken as rigid; half of the opening.

    Raises:
        UnknownNameError: the model lacks a body, joint or site of the robot.
    """
    robot = Element("robot", name=ROBOT_NAME)
    for index, name in enumerate(franka.LINK_NAMES):
        _add_link(robot, name, body_inertial(model, name))
        if index:
            _add_revolute_joint(robot, model, index)
    _add_link(robot, FLANGE_LINK_NAME, None)
    flange = _id(model, "site", franka.FLANGE_SITE_NAME)
    _add_fixed_joint(
        robot,
        "fr3_joint8",
        (franka.LINK_NAMES[-1], FLANGE_LINK_NAME),
        model.site_pos[flange],
        _matrix(model.site_quat[flange]),
    )
    if has_hand:
        _add_hand(robot, model, finger_joint_m)
    ElementTree.indent(robot)
    return '<?xml version="1.0"?>\n' + ElementTree.tostring(robot, encoding="unicode") + "\n"


def body_inertial(model: mujoco.MjModel, name: str) -> Inertial:
    """Mass properties of one body in its own frame.

    MuJoCo keeps principal moments and the rotation of their axes; a URDF wants the tensor along the body's axes.

    Raises:
        UnknownNameError: the model has no such body.
    """
    body = _id(model, "body", name)
    axes = _matrix(model.body_iquat[body])
    inertia = axes @ np.diag(model.body_inertia[body]) @ axes.T
    return Inertial(float(model.body_mass[body]), np.array(model.body_ipos[body]), inertia)


def lump(parts: list[tuple[Inertial, Array, Array]]) -> Inertial:
    """One rigid body out of parts (inertial, rotation (3, 3), position (3,) [m] of its frame in the common one).

    Parallel axis theorem: I = sum R I_i R^T + m_i (|r|^2 E - r r^T), r from the common centre of mass.
    """
    mass = sum(part.mass for part, _, _ in parts)
    centres = [position + rotation @ part.com for part, rotation, position in parts]
    com = sum((part.mass * centre for (part, _, _), centre in zip(parts, centres, strict=True)), np.zeros(3)) / mass
    inertia = np.zeros((3, 3))
    for (part, rotation, _), centre in zip(parts, centres, strict=True):
        arm = centre - com
        inertia += rotation @ part.inertia @ rotation.T
        inertia += part.mass * (arm @ arm * np.eye(3) - np.outer(arm, arm))
    return Inertial(mass, com, inertia)


def _add_hand(robot: Element, model: mujoco.MjModel, finger_joint_m: float) -> None:
    """Hand with its fingers as one fixed link on the flange, and the TCP as a link without mass."""
    hand, flange = _id(model, "body", franka.HAND_BODY_NAME), _id(model, "site", franka.FLANGE_SITE_NAME)
    parts = [(body_inertial(model, franka.HAND_BODY_NAME), np.eye(3), np.zeros(3))]
    for body_name, joint_name in zip(franka.FINGER_BODY_NAMES, franka.FINGER_JOINT_NAMES, strict=True):
        body, joint = _id(model, "body", body_name), _id(model, "joint", joint_name)
        rotation = _matrix(model.body_quat[body])
        position = model.body_pos[body] + rotation @ model.jnt_axis[joint] * finger_joint_m
        parts.append((body_inertial(model, body_name), rotation, position))
    _add_link(robot, HAND_LINK_NAME, lump(parts))
    flange_rotation = _matrix(model.site_quat[flange])
    _add_fixed_joint(
        robot,
        "fr3_hand_mount",
        (FLANGE_LINK_NAME, HAND_LINK_NAME),
        flange_rotation.T @ (model.body_pos[hand] - model.site_pos[flange]),
        flange_rotation.T @ _matrix(model.body_quat[hand]),
    )
    tcp = _id(model, "site", franka.TCP_SITE_NAME)
    _add_link(robot, TCP_LINK_NAME, None)
    _add_fixed_joint(
        robot,
        "fr3_hand_tcp_mount",
        (HAND_LINK_NAME, TCP_LINK_NAME),
        model.site_pos[tcp],
        _matrix(model.site_quat[tcp]),
    )


def _add_link(robot: Element, name: str, inertial: Inertial | None) -> None:
    link = ElementTree.SubElement(robot, "link", name=name)
    if inertial is None:
        return
    element = ElementTree.SubElement(link, "inertial")
    ElementTree.SubElement(element, "origin", xyz=_numbers(inertial.com), rpy="0 0 0")
    ElementTree.SubElement(element, "mass", value=repr(inertial.mass))
    axes = "xyz"
    tensor = {f"i{axes[i]}{axes[j]}": repr(float(inertial.inertia[i, j])) for i in range(3) for j in range(i, 3)}
    ElementTree.SubElement(element, "inertia", tensor)


def _add_revolute_joint(robot: Element, model: mujoco.MjModel, index: int) -> None:
    """Joint `index` in 1..7. Limits are the model's; what MuJoCo has no field for is the robot's data sheet."""
    name, child = franka.JOINT_NAMES[index - 1], franka.LINK_NAMES[index]
    joint, body = _id(model, "joint", name), _id(model, "body", child)
    lower, upper = model.jnt_range[joint]
    element = _add_joint(
        robot,
        name,
        "revolute",
        (franka.LINK_NAMES[index - 1], child),
        model.body_pos[body],
        _matrix(model.body_quat[body]),
    )
    ElementTree.SubElement(element, "axis", xyz=_numbers(model.jnt_axis[joint]))
    ElementTree.SubElement(
        element,
        "limit",
        lower=repr(float(lower)),
        upper=repr(float(upper)),
        velocity=repr(float(franka.VELOCITY_LIMITS[index - 1])),
        effort=repr(float(model.jnt_actfrcrange[joint, 1])),
    )
    ElementTree.SubElement(
        element,
        "position_based_velocity_limits",
        velocity_offset=repr(float(franka.VELOCITY_OFFSETS[index - 1])),
        deceleration_limit=repr(float(franka.DECELERATION_LIMITS[index - 1])),
    )


def _add_fixed_joint(
    robot: Element, name: str, parent_child: tuple[str, str], position: Array, rotation: Array
) -> None:
    _add_joint(robot, name, "fixed", parent_child, position, rotation)


def _add_joint(
    robot: Element, name: str, kind: str, parent_child: tuple[str, str], position: Array, rotation: Array
) -> Element:
    joint = ElementTree.SubElement(robot, "joint", name=name, type=kind)
    parent, child = parent_child
    ElementTree.SubElement(joint, "parent", link=parent)
    ElementTree.SubElement(joint, "child", link=child)
    ElementTree.SubElement(joint, "origin", xyz=_numbers(position), rpy=_numbers(roll_pitch_yaw(rotation)))
    return joint


def roll_pitch_yaw(rotation: Array) -> Array:
    """URDF's fixed-axis angles [rad]: R = Rz(yaw) Ry(pitch) Rx(roll). Shape (3,).

    At pitch = +-90 degrees roll and yaw are not unique; the robot's frames are never there.
    """
    cosine = np.hypot(rotation[2, 1], rotation[2, 2])
    roll = np.arctan2(rotation[2, 1], rotation[2, 2])
    pitch = np.arctan2(-rotation[2, 0], cosine)
    yaw = np.arctan2(rotation[1, 0], rotation[0, 0])
    return np.array([roll, pitch, yaw])


def _matrix(quaternion_wxyz: Array) -> Array:
    out = np.empty(9)
    mujoco.mju_quat2Mat(out, quaternion_wxyz)
    return out.reshape(3, 3)


def _numbers(values: Array) -> str:
    # repr keeps all digits: client and simulator shall agree to machine precision.
    return " ".join(repr(float(value)) for value in values)


def _id(model: mujoco.MjModel, kind: str, name: str) -> int:
    types = {"body": mujoco.mjtObj.mjOBJ_BODY, "joint": mujoco.mjtObj.mjOBJ_JOINT, "site": mujoco.mjtObj.mjOBJ_SITE}
    number = int(mujoco.mj_name2id(model, types[kind], name))
    if number < 0:
        count = {"body": model.nbody, "joint": model.njnt, "site": model.nsite}[kind]
        raise UnknownNameError(kind, name, (mujoco.mj_id2name(model, types[kind], i) or "" for i in range(count)))
    return number
