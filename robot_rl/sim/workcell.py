"""The scene around the robot: a table, light, a calm background, a camera on the wrist and one beside the table.

The world frame is the robot's base frame: x forward, z up, the table's top at z = 0. Tasks add their objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import mujoco
import numpy as np
from numpy.typing import NDArray

from robot_rl.sim import franka

Array = NDArray[np.float64]
Vector = tuple[float, float, float]

WRIST_CAMERA_NAME: Final = "wrist"
SIDE_CAMERA_NAME: Final = "side"
TABLE_GEOM_NAME: Final = "table"

_FLOOR_Z_M: Final = -0.76
_TABLE_HALF_M: Final = (0.625, 0.6, 0.02)
_TABLE_X_M: Final = 0.375
_STEEL: Final = (0.32, 0.33, 0.35, 1.0)
_CAMERA_BLACK: Final = (0.08, 0.08, 0.09, 1.0)


@dataclass(frozen=True)
class CameraPose:
    """Where a camera is and looks, in the frame of what it is mounted on.

    Attributes:
        position: of the lens [m].
        target: the point in the picture's middle [m].
        up: direction that points up in the picture.
        fovy_deg: vertical angle of view [deg].
    """

    position: Vector
    target: Vector
    up: Vector
    fovy_deg: float


WRIST_CAMERA: Final = CameraPose((0.085, 0.0, 0.04), (0.0, 0.0, 0.125), (0.0, 0.0, -1.0), 58.0)
"""In the hand's frame: a RealSense D405 (58 degrees) on a bracket at the hand's front, looking at the fingertips.

The fingertips end at z = 0.1114; the hand's lower edge stays in the picture's upper margin."""
SIDE_CAMERA: Final = CameraPose((0.79, -0.38, 0.29), (0.5, 0.0, 0.07), (0.0, 0.0, 1.0), 42.0)
"""In the base frame: a RealSense D435 (42 degrees) before the table's right front corner."""


def make_workcell_spec(wrist_camera: CameraPose = WRIST_CAMERA, side_camera: CameraPose = SIDE_CAMERA) -> mujoco.MjSpec:
    """The robot with its table and cameras `wrist` and `side`, for a task to add its objects to.

    Shadows and reflections are off: they would multiply the time of software rendering.
    """
    spec = franka.make_franka_spec()
    spec.modelname = "workcell"
    _add_surroundings(spec)
    _add_light(spec)
    _add_wrist_camera(spec, wrist_camera)
    _add_camera(spec.worldbody, SIDE_CAMERA_NAME, side_camera)
    return spec


def _add_surroundings(spec: mujoco.MjSpec) -> None:
    """A table with four legs, the robot's mounting plate, a floor, and a plain grey behind it all."""
    spec.add_texture(
        name="background",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=[0.66, 0.69, 0.72],
        rgb2=[0.46, 0.48, 0.51],
        width=64,
        height=384,
    )
    world, box = spec.worldbody, mujoco.mjtGeom.mjGEOM_BOX
    half_x, half_y, half_z = _TABLE_HALF_M
    solid = [
        world.add_geom(
            name="floor",
            type=mujoco.mjtGeom.mjGEOM_PLANE,
            size=[4.0, 4.0, 0.1],
            pos=[0.0, 0.0, _FLOOR_Z_M],
            rgba=[0.42, 0.44, 0.46, 1.0],
        ),
        world.add_geom(
            name=TABLE_GEOM_NAME,
            type=box,
            size=list(_TABLE_HALF_M),
            pos=[_TABLE_X_M, 0.0, -half_z],
            rgba=[0.66, 0.60, 0.52, 1.0],
        ),
    ]
    for geom in solid:
        franka.set_collision(geom, franka.ENVIRONMENT)
    leg_half_z = 0.5 * (-_FLOOR_Z_M) - half_z
    decoration = [
        world.add_geom(
            type=box,
            size=[0.03, 0.03, leg_half_z],
            pos=[_TABLE_X_M + sx * (half_x - 0.05), sy * (half_y - 0.05), -2 * half_z - leg_half_z],
            rgba=_STEEL,
        )
        for sx in (-1, 1)
        for sy in (-1, 1)
    ]
    decoration.append(world.add_geom(type=box, size=[0.14, 0.12, 0.001], pos=[-0.04, 0.0, 0.0005], rgba=_STEEL))
    for geom in decoration:
        franka.set_collision(geom, franka.NO_COLLISION)


def _add_light(spec: mujoco.MjSpec) -> None:
    """Two directional lights besides the weak headlight: from the camera's side, and a soft one from behind."""
    for position, direction, strength in (
        ((1.0, -1.0, 2.0), (-0.4, 0.45, -0.8), 0.5),
        ((-0.5, 1.0, 2.0), (0.3, -0.5, -0.8), 0.2),
    ):
        spec.worldbody.add_light(
            type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
            pos=list(position),
            dir=list(direction),
            diffuse=[strength] * 3,
            specular=[0.15] * 3,
            castshadow=False,
        )


def _add_wrist_camera(spec: mujoco.MjSpec, pose: CameraPose) -> None:
    """The camera on the hand, with its 42 x 42 x 23 mm housing behind the lens and the bracket that holds it."""
    hand = spec.body(franka.HAND_BODY_NAME)
    _add_camera(hand, WRIST_CAMERA_NAME, pose)
    lens = np.array(pose.position)
    backward = lens - np.array(pose.target)
    backward /= np.linalg.norm(backward)
    # 14 mm behind the lens, so that the camera's near plane never cuts its own housing.
    centre = lens + 0.014 * backward
    housing = hand.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, size=[0.021, 0.021, 0.0115], pos=centre, rgba=_CAMERA_BLACK)
    housing.alt.type = mujoco.mjtOrientation.mjORIENTATION_ZAXIS
    housing.alt.zaxis = backward
    bracket = hand.add_geom(
        type=mujoco.mjtGeom.mjGEOM_CAPSULE,
        size=[0.007, 0.0, 0.0],
        fromto=[0.015, 0.0, 0.03, *(centre + 0.005 * backward)],
        rgba=_STEEL,
    )
    for geom in (housing, bracket):
        geom.group, geom.mass = franka.VISUAL_GROUP, 0.0
        franka.set_collision(geom, franka.NO_COLLISION)


def _add_camera(body: mujoco.MjsBody, name: str, pose: CameraPose) -> None:
    """MuJoCo's cameras look along their -z, with y up in the picture."""
    camera = body.add_camera(name=name, pos=list(pose.position), fovy=pose.fovy_deg)
    backward = np.array(pose.position) - np.array(pose.target)
    right = np.cross(pose.up, backward)
    camera.alt.type = mujoco.mjtOrientation.mjORIENTATION_XYAXES
    camera.alt.xyaxes = [*right, *np.cross(backward, right)]
