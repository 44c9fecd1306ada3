"""Jacobian, mass matrix and Coriolis torques of an arm of seven revolute joints, compiled.

Everything is written in base axes with moments about the base's origin: bodies are added without transforms. Nothing
is allocated that outlives a call, and nothing raises.
"""

from __future__ import annotations

import math

import numpy as np

from robot_rl.control.kernels import compiled
from robot_rl.geometry import Array

BODY_SIZE = 13
"""Numbers of a body: mass [kg], centre [m] x3, inertia about it [kg m^2] x9, in the frame that the body moves with."""


@compiled
def place_links(chain: Array, joints: Array, rotations: Array, axes: Array, origins: Array) -> None:
    """Where the links' frames are.

    Args:
        chain: Denavit-Hartenberg parameters (a [m], d [m], alpha [rad]) as of Craig, "Introduction to Robotics", ch. 3:
            T = Rot_x(alpha) Trans_x(a) Rot_z(q) Trans_z(d), shape (8, 3). The last one is the flange.
        joints: positions [rad], shape (7,).
        rotations: R_base_link, shape (8, 3, 3), written. axes: their last columns, shape (8, 3), written.
        origins: of the links [m], shape (8, 3), written.
    """
    rotation, origin = np.eye(3), np.zeros(3)
    for link in range(8):
        a, d, alpha = chain[link, 0], chain[link, 1], chain[link, 2]
        angle = joints[link] if link < 7 else 0.0
        ca, sa, cq, sq = math.cos(alpha), math.sin(alpha), math.cos(angle), math.sin(angle)
        for i in range(3):
            x, y, z = rotation[i, 0], rotation[i, 1], rotation[i, 2]
            turned_y, turned_z = ca * y + sa * z, ca * z - sa * y
            origin[i] += a * x + d * turned_z
            rotation[i, 0] = cq * x + sq * turned_y
            rotation[i, 1] = cq * turned_y - sq * x
            rotation[i, 2] = turned_z
        for i in range(3):
            for j in range(3):
                rotations[link, i, j] = rotation[i, j]
            axes[link, i], origins[link, i] = rotation[i, 2], origin[i]


@compiled
def fill_jacobian(rotations: Array, axes: Array, origins: Array, tool: Array, jacobian: Array) -> None:
    """(v, omega) of a point at the flange [m] in its axes, per velocity of each joint, (7, 6): a row a joint."""
    point, arm = np.zeros(3), np.zeros(3)
    for i in range(3):
        point[i] = origins[7, i]
        for j in range(3):
            point[i] += rotations[7, i, j] * tool[j]
    for joint in range(7):
        for i in range(3):
            arm[i] = point[i] - origins[joint, i]
            jacobian[joint, 3 + i] = axes[joint, i]
        cross(axes[joint], arm, jacobian[joint])


@compiled
def place_bodies(bodies: Array, rotations: Array, origins: Array, centres: Array, inertias: Array) -> None:
    """Centres of mass [m] (8, 3), and inertias about them [kg m^2] (8, 3, 3), in base axes."""
    for body in range(8):
        rotation, own = rotations[body], bodies[body]
        for i in range(3):
            centres[body, i] = origins[body, i]
            for j in range(3):
                centres[body, i] += rotation[i, j] * own[1 + j]
        for i in range(3):
            for j in range(i + 1):
                value = 0.0
                for k in range(3):
                    for m in range(3):
                        value += rotation[i, k] * own[4 + 3 * k + m] * rotation[j, m]
                inertias[body, i, j] = value
                inertias[body, j, i] = value


@compiled
def fill_mass(bodies: Array, axes: Array, origins: Array, centres: Array, inertias: Array, mass_matrix: Array) -> None:
    """Joint-space inertia [kg m^2] (7, 7), by composite bodies: Featherstone 2008, section 6.2.

    From the flange inwards, the bodies that a joint moves are one; turning the joint gives them a linear and an
    angular momentum, whose parts along each joint before it are a column.
    """
    mass, moment, inertia = 0.0, np.zeros(3), np.zeros((3, 3))
    velocity, linear, angular, lever = np.zeros(3), np.zeros(3), np.zeros(3), np.zeros(3)
    for body in range(7, -1, -1):
        own, centre = bodies[body, 0], centres[body]
        square = centre[0] ** 2 + centre[1] ** 2 + centre[2] ** 2
        mass += own
        for i in range(3):
            moment[i] += own * centre[i]
            inertia[i, i] += own * square
            for j in range(3):
                inertia[i, j] += inertias[body, i, j] - own * centre[i] * centre[j]
        if body == 7:  # what the flange carries moves with the seventh joint
            continue
        axis = axes[body]
        cross(origins[body], axis, velocity)
        cross(axis, moment, linear)
        cross(moment, velocity, angular)
        for i in range(3):
            linear[i] += mass * velocity[i]
            for j in range(3):
                angular[i] += inertia[i, j] * axis[j]
        for other in range(body + 1):
            cross(origins[other], linear, lever)
            value = 0.0
            for i in range(3):
                value += axes[other, i] * (angular[i] - lever[i])
            mass_matrix[other, body] = value
            mass_matrix[body, other] = value


@compiled
def fill_coriolis(
    bodies: Array, axes: Array, origins: Array, centres: Array, inertias: Array, speeds: Array, torques: Array
) -> None:
    """Torques [Nm] (7,) that joint velocities [rad/s] (7,) ask for without acceleration and gravity.

    Newton-Euler (Featherstone 2008, section 5.3): outwards the motion of each body, inwards the forces on it.
    """
    forces, moments = np.zeros((8, 3)), np.zeros((8, 3))
    turn, turn_rate, origin_rate = np.zeros(3), np.zeros(3), np.zeros(3)
    arm, product, rate = np.zeros(3), np.zeros(3), np.zeros(3)
    for body in range(8):
        for i in range(3):
            arm[i] = origins[body, i] - (origins[body - 1, i] if body else 0.0)
        add_centripetal(turn, turn_rate, arm, product, origin_rate)
        if body < 7:
            axis = axes[body]
            cross(turn, axis, product)
            for i in range(3):
                turn_rate[i] += product[i] * speeds[body]
                turn[i] += axis[i] * speeds[body]
        for i in range(3):
            arm[i] = centres[body, i] - origins[body, i]
            rate[i] = origin_rate[i]
        add_centripetal(turn, turn_rate, arm, product, rate)
        for i in range(3):
            forces[body, i] = bodies[body, 0] * rate[i]
            arm[i], rate[i] = 0.0, 0.0
            for j in range(3):
                arm[i] += inertias[body, i, j] * turn[j]
                rate[i] += inertias[body, i, j] * turn_rate[j]
        cross(centres[body], forces[body], moments[body])
        cross(turn, arm, product)
        for i in range(3):
            moments[body, i] += rate[i] + product[i]
    for body in range(6, -1, -1):
        for i in range(3):
            forces[body, i] += forces[body + 1, i]
            moments[body, i] += moments[body + 1, i]
        cross(origins[body], forces[body], product)
        torques[body] = 0.0
        for i in range(3):
            torques[body] += axes[body, i] * (moments[body, i] - product[i])


@compiled
def add_centripetal(turn: Array, turn_rate: Array, arm: Array, product: Array, out: Array) -> None:
    """Add the acceleration turn_rate x arm + turn x (turn x arm); `product` is overwritten. All of shape (3,)."""
    cross(turn_rate, arm, product)
    for i in range(3):
        out[i] += product[i]
    x, y, z = arm[0], arm[1], arm[2]
    along = turn[0] * x + turn[1] * y + turn[2] * z
    square = turn[0] ** 2 + turn[1] ** 2 + turn[2] ** 2
    for i in range(3):
        out[i] += turn[i] * along - square * arm[i]


@compiled
def cross(a: Array, b: Array, out: Array) -> None:
    """The first three numbers of `out`, another array, become a x b."""
    out[0] = a[1] * b[2] - a[2] * b[1]
    out[1] = a[2] * b[0] - a[0] * b[2]
    out[2] = a[0] * b[1] - a[1] * b[0]
