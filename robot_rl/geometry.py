"""Rotations and rigid transforms.

Conventions, stated once for the whole project:

* Quaternions are (x, y, z, w), as in ROS and SciPy. MuJoCo's (w, x, y, z) exists only inside `robot_rl.sim`.
* A pose `T_ab` maps coordinates in frame b to coordinates in frame a: `p_a = T_ab @ p_b`.
* Twists are (v, omega), wrenches (force, torque); the frame is in the variable's name.
* Rotation vectors are axis times angle, angle in [0, pi].

Formulas: Sola, Deray, Atchuthan, "A micro Lie theory for state estimation in robotics" (arXiv 1812.01537).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robot_rl.errors import SpecError

Array = NDArray[np.float64]

_SMALL_ANGLE = 1e-8
_CONJUGATE = np.array([-1.0, -1.0, -1.0, 1.0])


def skew(vector: ArrayLike) -> Array:
    """Matrix of the cross product: `skew(a) @ b == a x b`. Shape (3, 3)."""
    x, y, z = np.asarray(vector, dtype=np.float64)
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])


def quaternion_multiply(a: Array, b: Array) -> Array:
    """Hamilton product of two (x, y, z, w) quaternions."""
    ax, ay, az, aw = a.tolist()  # arithmetic on Python's floats takes a third of the time of NumPy's
    bx, by, bz, bw = b.tolist()
    return np.array(
        [
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
            aw * bw - ax * bx - ay * by - az * bz,
        ]
    )


def quaternion_to_matrix(quaternion: ArrayLike) -> Array:
    """Rotation matrix of a unit (x, y, z, w) quaternion. Shape (3, 3)."""
    x, y, z, w = np.asarray(quaternion, dtype=np.float64).tolist()
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def matrix_to_quaternion(matrix: ArrayLike) -> Array:
    """Unit (x, y, z, w) quaternion with w >= 0 of a rotation matrix (Shepperd's method: largest pivot)."""
    m = np.asarray(matrix, dtype=np.float64)
    pivots = np.array([m[0, 0], m[1, 1], m[2, 2], m[0, 0] + m[1, 1] + m[2, 2]])
    largest = int(np.argmax(pivots))
    q = np.empty(4)
    if largest == 3:
        q[:] = (m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], 1.0 + pivots[3])
    else:
        i, j, k = largest, (largest + 1) % 3, (largest + 2) % 3
        q[i] = 1.0 + m[i, i] - m[j, j] - m[k, k]
        q[j] = m[j, i] + m[i, j]
        q[k] = m[k, i] + m[i, k]
        q[3] = m[k, j] - m[j, k]
    q /= math.sqrt(float(q @ q))
    return -q if q[3] < 0 else q


def quaternion_log(quaternion: ArrayLike) -> Array:
    """Rotation vector [rad] of a unit (x, y, z, w) quaternion, angle in [0, pi]. Shape (3,)."""
    q = np.asarray(quaternion, dtype=np.float64)
    if q[3] < 0:
        q = -q
    sine = float(np.sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2]))
    if sine < _SMALL_ANGLE:
        return 2.0 * q[:3]
    return q[:3] * (2.0 * math.atan2(sine, q[3]) / sine)


def quaternion_exp(rotation_vector: ArrayLike) -> Array:
    """Unit (x, y, z, w) quaternion of a rotation vector [rad]. Shape (4,)."""
    v = np.asarray(rotation_vector, dtype=np.float64)
    angle = float(np.sqrt(v @ v))
    scale = 0.5 if angle < _SMALL_ANGLE else np.sin(0.5 * angle) / angle
    return np.array([v[0] * scale, v[1] * scale, v[2] * scale, np.cos(0.5 * angle)])


def so3_exp(rotation_vector: ArrayLike) -> Array:
    """Rotation matrix of a rotation vector [rad] (Eqn. 132). Shape (3, 3)."""
    return quaternion_to_matrix(quaternion_exp(rotation_vector))


def so3_log(matrix: ArrayLike) -> Array:
    """Rotation vector [rad] of a rotation matrix, angle in [0, pi] (Eqn. 133). Shape (3,)."""
    return quaternion_log(matrix_to_quaternion(matrix))


def block_diagonal(rotation: Array) -> Array:
    """block-diag(R, R): maps a (v, omega) delta pose or twist *of one point* between two bases. Shape (6, 6).

    This, not the adjoint, is right for delta-pose actions: the point (the TCP) stays the same.
    """
    out = np.zeros((6, 6))
    out[:3, :3] = rotation
    out[3:, 3:] = rotation
    return out


def _freeze(value: ArrayLike, size: int, name: str) -> Array:
    array = np.array(value, dtype=np.float64)
    if array.shape != (size,):
        raise SpecError(f"{name} must have shape ({size},), got {array.shape}.")
    array.setflags(write=False)
    return array


@dataclass(frozen=True, eq=False)
class Pose:
    """A rigid transform: position [m] and unit quaternion (x, y, z, w). Its arrays are read-only copies."""

    position: Array = field(default_factory=lambda: np.zeros(3))
    quaternion: Array = field(default_factory=lambda: np.array([0.0, 0.0, 0.0, 1.0]))

    def __post_init__(self) -> None:
        object.__setattr__(self, "position", _freeze(self.position, 3, "position"))
        quaternion = np.asarray(self.quaternion, dtype=np.float64)
        norm = math.sqrt(float(np.vdot(quaternion, quaternion)))
        if norm < 1e-6:
            raise SpecError(f"quaternion must not be zero, got {quaternion}.")
        if abs(norm - 1.0) > 1e-12:  # a unit quaternion passes bit for bit
            quaternion = quaternion / norm
        object.__setattr__(self, "quaternion", _freeze(quaternion, 4, "quaternion"))

    @classmethod
    def from_matrix(cls, rotation: ArrayLike, position: ArrayLike = (0.0, 0.0, 0.0)) -> Pose:
        """Pose of a (3, 3) rotation matrix and a position [m]."""
        return cls(np.asarray(position, dtype=np.float64), matrix_to_quaternion(rotation))

    @classmethod
    def from_rotation_vector(cls, rotation_vector: ArrayLike, position: ArrayLike = (0.0, 0.0, 0.0)) -> Pose:
        """Pose of a rotation vector [rad] and a position [m]."""
        return cls(np.asarray(position, dtype=np.float64), quaternion_exp(rotation_vector))

    @classmethod
    def exp(cls, tangent: ArrayLike) -> Pose:
        """SE(3) exponential of (rho [m], theta [rad]) (Eqn. 172)."""
        tangent = np.asarray(tangent, dtype=np.float64)
        theta = tangent[3:]
        angle = float(np.linalg.norm(theta))
        hat = skew(theta)
        if angle < 1e-5:
            left_jacobian = np.eye(3) + 0.5 * hat + hat @ hat / 6.0
        else:
            left_jacobian = (
                np.eye(3)
                + 2.0 * np.sin(0.5 * angle) ** 2 / angle**2 * hat
                + (angle - np.sin(angle)) / angle**3 * hat @ hat
            )
        return cls(left_jacobian @ tangent[:3], quaternion_exp(theta))

    def log(self) -> Array:
        """SE(3) logarithm (rho [m], theta [rad]) (Eqn. 173). Shape (6,)."""
        theta = quaternion_log(self.quaternion)
        angle = float(np.linalg.norm(theta))
        hat = skew(theta)
        if angle < 1e-5:
            inverse_jacobian = np.eye(3) - 0.5 * hat + hat @ hat / 12.0
        else:
            half = 0.5 * angle
            inverse_jacobian = np.eye(3) - 0.5 * hat + (1.0 - half * np.cos(half) / np.sin(half)) / angle**2 * hat @ hat
        return np.concatenate([inverse_jacobian @ self.position, theta])

    @property
    def rotation(self) -> Array:
        """Rotation matrix. Shape (3, 3)."""
        return quaternion_to_matrix(self.quaternion)

    @property
    def rotation_vector(self) -> Array:
        """Rotation vector [rad]. Shape (3,)."""
        return quaternion_log(self.quaternion)

    def inverse(self) -> Pose:
        """T_ba of T_ab."""
        return Pose(-(self.rotation.T @ self.position), self.quaternion * _CONJUGATE)

    def __matmul__(self, other: Pose) -> Pose:
        """T_ac = T_ab @ T_bc."""
        return Pose(
            self.rotation @ other.position + self.position, quaternion_multiply(self.quaternion, other.quaternion)
        )

    def interpolate(self, other: Pose, share: float) -> Pose:
        """On the way to `other`: a straight line, turning about one axis; 0 is here, 1 is there."""
        turn = (self.inverse() @ other).rotation_vector
        return Pose(
            self.position + share * (other.position - self.position),
            quaternion_multiply(self.quaternion, quaternion_exp(share * turn)),
        )

    def transform_point(self, point: ArrayLike) -> Array:
        """p_a of p_b. Shape (3,)."""
        return self.rotation @ np.asarray(point, dtype=np.float64) + self.position

    def adjoint(self) -> Array:
        """6x6 adjoint for (v, omega): maps a twist seen in frame b, at b's origin, to frame a (Eqn. 171)."""
        rotation = self.rotation
        out = block_diagonal(rotation)
        out[:3, 3:] = skew(self.position) @ rotation
        return out

    def to_vector(self) -> Array:
        """(position, rotation vector). Shape (6,)."""
        return np.concatenate([self.position, self.rotation_vector])

    def is_close(self, other: Pose, position_m: float = 1e-9, angle_rad: float = 1e-9) -> bool:
        """Whether both poses agree within the tolerances."""
        error = self.inverse() @ other
        return bool(np.linalg.norm(error.position) <= position_m and np.linalg.norm(error.rotation_vector) <= angle_rad)
