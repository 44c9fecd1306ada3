"""Parts that tasks are built of: blocks with holes, and tools in the hand."""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import ArrayLike

from robot_rl.geometry import Pose
from robot_rl.sim import franka

PART_FRICTION = (0.4, 0.005, 0.0001)
"""Sliding, torsional, rolling: plastic on aluminium."""
PART_SOLREF = (0.004, 1.0)
"""Contact time constant [s] and damping ratio: stiff, and still four time steps wide."""

RGBA = tuple[float, float, float, float]
FIXTURE_RGBA: RGBA = (0.30, 0.42, 0.58, 1.0)
BEVEL_RGBA: RGBA = (0.45, 0.57, 0.73, 1.0)
TOOL_RGBA: RGBA = (0.93, 0.48, 0.13, 1.0)
TIP_RGBA: RGBA = (0.98, 0.72, 0.25, 1.0)


def add_tool(spec: mujoco.MjSpec, name: str) -> mujoco.MjsBody:
    """A body that is rigidly held by the hand: its frame is the TCP's, and `Simulation.set_body_pose` may shift it."""
    hand = spec.body(franka.HAND_BODY_NAME)
    return hand.add_body(name=name, pos=[0.0, 0.0, franka.TCP_OFFSET_M], gravcomp=1.0)


def tool_pose_in_hand(error: Pose) -> Pose:
    """T_hand_tool of a tool whose frame is off from the TCP's by T_tcp_tool."""
    return Pose(np.array([0.0, 0.0, franka.TCP_OFFSET_M])) @ error


def add_fixture(spec: mujoco.MjSpec, name: str) -> mujoco.MjsBody:
    """A body fixed to the table, with z up; `Simulation.set_body_pose` moves it."""
    return spec.worldbody.add_body(name=name)


def add_box(
    body: mujoco.MjsBody,
    lower: ArrayLike,
    upper: ArrayLike,
    bits: franka.CollisionBits,
    rgba: RGBA,
    mass: float = 0.0,
) -> mujoco.MjsGeom:
    """A box between two corners in the body's frame [m]."""
    low, high = np.asarray(lower, dtype=float), np.asarray(upper, dtype=float)
    geom = body.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, pos=(low + high) / 2, size=(high - low) / 2)
    _finish(geom, bits, rgba, mass)
    return geom


def _finish(geom: mujoco.MjsGeom, bits: franka.CollisionBits, rgba: RGBA, mass: float) -> None:
    franka.set_collision(geom, bits)
    geom.rgba = rgba
    geom.mass = mass
    geom.friction = PART_FRICTION
    geom.solref = PART_SOLREF
    geom.priority = 1  # the parts decide about friction, not the table or the hand
    geom.condim = 4


def add_wall(
    body: mujoco.MjsBody,
    inner: tuple[float, float],
    direction: tuple[float, float],
    span: tuple[float, float],
    thickness_m: float,
    bottom_m: float,
    chamfer_m: float,
    rim_span: tuple[float, float] | None = None,
) -> None:
    """One wall of a hole whose rim is at z = 0, with a 45 degree bevel of `chamfer_m` on the rim's inside.

    Args:
        body: has z up.
        inner: a point of the wall's inner face, in the plane z = 0 [m]. Shape (2,).
        direction: unit vector from the hole outwards, along x or y. Shape (2,).
        span: extent along the wall, measured from `inner` along z x direction [m].
        thickness_m: outwards.
        bottom_m: z of the wall's lower edge, negative.
        chamfer_m: 0 for a sharp rim.
        rim_span: extent of the bevelled part, if it is another one.
    """
    out = np.array([direction[0], direction[1], 0.0])
    along = np.array([-direction[1], direction[0], 0.0])
    start = np.array([inner[0], inner[1], 0.0])

    def box(near_m: float, low_m: float, high_m: float, extent: tuple[float, float]) -> None:
        corners = np.array([start + near_m * out + extent[0] * along, start + thickness_m * out + extent[1] * along])
        corners[:, 2] = low_m, high_m
        add_box(body, corners.min(axis=0), corners.max(axis=0), franka.ENVIRONMENT, FIXTURE_RGBA)

    box(0.0, bottom_m, -chamfer_m, span)
    if chamfer_m == 0.0:
        return
    rim = rim_span or span
    box(chamfer_m, -chamfer_m, 0.0, rim)
    # The bevel is a thin slab behind the slope from (0, -chamfer) to (chamfer, 0).
    half_depth_m = 0.5 * chamfer_m / np.sqrt(2.0)
    normal = (np.array([0.0, 0.0, 1.0]) - out) / np.sqrt(2.0)
    slope = np.cross(along, normal)
    middle = start + 0.5 * chamfer_m * out - np.array([0.0, 0.0, 0.5 * chamfer_m])
    centre = middle - half_depth_m * normal + 0.5 * (rim[0] + rim[1]) * along
    pose = Pose.from_matrix(np.column_stack([slope, along, normal]), centre)
    slab = body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_BOX,
        pos=pose.position,
        quat=pose.quaternion[[3, 0, 1, 2]],
        size=[chamfer_m / np.sqrt(2.0), 0.5 * (rim[1] - rim[0]), half_depth_m],
    )
    _finish(slab, franka.ENVIRONMENT, BEVEL_RGBA, 0.0)
