"""Compiled small linear algebra and rotations of the 1 kHz law.

Every function writes into arrays that the caller owns and never raises: a failure is a returned False. Quaternions
are (x, y, z, w); matrices are C-ordered float64. With `NUMBA_DISABLE_JIT=1` all of them run as plain Python.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit

from robot_rl.control.cache_folder import caching
from robot_rl.geometry import Array

_Function = TypeVar("_Function", bound=Callable[..., Any])

_SMALL_ANGLE = 1e-8
_PIVOT_RATIO = 1e-13  # a Cholesky pivot below this part of its diagonal element is rounding noise
_JACOBI_SWEEPS = 12
_OFF_DIAGONAL = 1e-24  # (off-diagonal / diagonal scale)^2 at which a matrix counts as diagonal
_ORTHONORMAL = 1e-2


def compiled(function: _Function) -> _Function:
    """Compile a function of the law: cached on disk, IEEE arithmetic, no division that raises.

    It lets other Python threads run meanwhile: a learner beside a simulated robot, for example.
    """
    with caching(Path(inspect.getfile(function)).parent):
        return cast("_Function", njit(cache=True, fastmath=False, error_model="numpy", nogil=True)(function))


@compiled
def is_bounded(values: Array, largest: float) -> bool:
    """Whether every element is finite and at most `largest` in magnitude. Any contiguous shape."""
    flat = values.ravel()
    is_inside = True
    for i in range(flat.size):
        if not abs(flat[i]) <= largest:  # written so that nan fails
            is_inside = False
    return is_inside


@compiled
def is_rotation(matrix: Array) -> bool:
    """Whether a finite (3, 3) matrix is orthonormal within 1e-2 and right-handed."""
    for i in range(3):
        for j in range(i + 1):
            product = matrix[i, 0] * matrix[j, 0] + matrix[i, 1] * matrix[j, 1] + matrix[i, 2] * matrix[j, 2]
            if abs(product - (1.0 if i == j else 0.0)) > _ORTHONORMAL:
                return False
    x = matrix[1, 1] * matrix[2, 2] - matrix[1, 2] * matrix[2, 1]
    y = matrix[1, 2] * matrix[2, 0] - matrix[1, 0] * matrix[2, 2]
    z = matrix[1, 0] * matrix[2, 1] - matrix[1, 1] * matrix[2, 0]
    return bool(matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] * z > 0.0)


@compiled
def rotate_back(rotation: Array, vector: Array) -> None:
    """vector <- R^T vector for both halves of a six-vector, in place: from base to TCP axes for R_base_tcp."""
    for half in (0, 3):
        x, y, z = vector[half], vector[half + 1], vector[half + 2]
        for i in range(3):
            vector[half + i] = rotation[0, i] * x + rotation[1, i] * y + rotation[2, i] * z


@compiled
def quaternion_product(a: Array, b: Array, out: Array) -> None:
    """out = a * b (Hamilton). `out` may be `a` or `b`."""
    x = a[3] * b[0] + a[0] * b[3] + a[1] * b[2] - a[2] * b[1]
    y = a[3] * b[1] - a[0] * b[2] + a[1] * b[3] + a[2] * b[0]
    z = a[3] * b[2] + a[0] * b[1] - a[1] * b[0] + a[2] * b[3]
    w = a[3] * b[3] - a[0] * b[0] - a[1] * b[1] - a[2] * b[2]
    norm = math.sqrt(x * x + y * y + z * z + w * w)  # removes drift in products of thousands of ticks
    out[0], out[1], out[2], out[3] = x / norm, y / norm, z / norm, w / norm


@compiled
def quaternion_difference(a: Array, b: Array, out: Array) -> None:
    """out = a * conj(b) with w >= 0: the rotation, in base axes, that takes b to a by the shorter way."""
    x = -a[3] * b[0] + a[0] * b[3] - a[1] * b[2] + a[2] * b[1]
    y = -a[3] * b[1] + a[0] * b[2] + a[1] * b[3] - a[2] * b[0]
    z = -a[3] * b[2] - a[0] * b[1] + a[1] * b[0] + a[2] * b[3]
    w = a[3] * b[3] + a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
    sign = -1.0 if w < 0.0 else 1.0
    out[0], out[1], out[2], out[3] = sign * x, sign * y, sign * z, sign * w


@compiled
def rotation_vector(quaternion: Array, out: Array) -> float:
    """Rotation vector [rad] of a unit quaternion with w >= 0 into `out` (3,); returns the angle."""
    x, y, z = quaternion[0], quaternion[1], quaternion[2]
    sine = math.sqrt(x * x + y * y + z * z)
    angle = 2.0 * math.atan2(sine, quaternion[3])
    scale = 2.0 if sine < _SMALL_ANGLE else angle / sine
    out[0], out[1], out[2] = scale * x, scale * y, scale * z
    return angle


@compiled
def rotate_quaternion(quaternion: Array, vector: Array, fraction: float, out: Array) -> None:
    """out = exp(fraction * vector) * quaternion: turns by a rotation vector [rad] in base axes."""
    angle = math.sqrt(vector[0] * vector[0] + vector[1] * vector[1] + vector[2] * vector[2])
    half = 0.5 * fraction * angle
    scale = 0.5 * fraction if angle < _SMALL_ANGLE else math.sin(half) / angle
    turn = np.empty(4)
    turn[0], turn[1], turn[2] = vector[0] * scale, vector[1] * scale, vector[2] * scale
    turn[3] = math.cos(half)
    quaternion_product(turn, quaternion, out)


@compiled
def matrix_quaternion(matrix: Array, out: Array) -> None:
    """Unit quaternion of a rotation matrix (3, 3) into `out` (4,); Shepperd's method: largest pivot."""
    trace = matrix[0, 0] + matrix[1, 1] + matrix[2, 2]
    i = 0
    if matrix[1, 1] > matrix[0, 0]:
        i = 1
    if matrix[2, 2] > matrix[i, i]:
        i = 2
    if trace >= matrix[i, i]:
        out[0] = matrix[2, 1] - matrix[1, 2]
        out[1] = matrix[0, 2] - matrix[2, 0]
        out[2] = matrix[1, 0] - matrix[0, 1]
        out[3] = 1.0 + trace
    else:
        j, k = (i + 1) % 3, (i + 2) % 3
        out[i] = 1.0 + matrix[i, i] - matrix[j, j] - matrix[k, k]
        out[j] = matrix[j, i] + matrix[i, j]
        out[k] = matrix[k, i] + matrix[i, k]
        out[3] = matrix[k, j] - matrix[j, k]
    norm = math.sqrt(out[0] * out[0] + out[1] * out[1] + out[2] * out[2] + out[3] * out[3])
    for i in range(4):
        out[i] /= norm


@compiled
def cholesky(matrix: Array, lower: Array) -> bool:
    """Lower triangle L of L L^T = matrix, (n, n), only its lower triangle read; False if not positive definite."""
    for j in range(matrix.shape[0]):
        pivot = matrix[j, j]
        for k in range(j):
            pivot -= lower[j, k] * lower[j, k]
        if not pivot > _PIVOT_RATIO * abs(matrix[j, j]):
            return False
        root = math.sqrt(pivot)
        lower[j, j] = root
        for i in range(j + 1, matrix.shape[0]):
            value = matrix[i, j]
            for k in range(j):
                value -= lower[i, k] * lower[j, k]
            lower[i, j] = value / root
    return True


@compiled
def forward_solve(lower: Array, vector: Array) -> None:
    """vector <- L^-1 vector, in place."""
    for i in range(lower.shape[0]):
        value = vector[i]
        for k in range(i):
            value -= lower[i, k] * vector[k]
        vector[i] = value / lower[i, i]


@compiled
def backward_solve(lower: Array, vector: Array) -> None:
    """vector <- L^-T vector, in place."""
    size = lower.shape[0]
    for i in range(size - 1, -1, -1):
        value = vector[i]
        for k in range(i + 1, size):
            value -= lower[k, i] * vector[k]
        vector[i] = value / lower[i, i]


@compiled
def diagonalise(matrix: Array, vectors: Array) -> None:
    """Cyclic Jacobi eigen-decomposition of a symmetric (n, n) matrix, in place.

    Afterwards the diagonal of `matrix` holds the eigenvalues and the ROWS of `vectors` the eigenvectors
    (rows, because a rotation of two rows is contiguous). Golub & Van Loan, Matrix Computations, section 8.5.
    """
    size = matrix.shape[0]
    for i in range(size):
        for j in range(size):
            vectors[i, j] = 1.0 if i == j else 0.0
    for _ in range(_JACOBI_SWEEPS):
        is_diagonal = True
        for p in range(size - 1):
            for q in range(p + 1, size):
                off = matrix[p, q]
                if off * off <= _OFF_DIAGONAL * abs(matrix[p, p] * matrix[q, q]):
                    continue
                is_diagonal = False
                _rotate_plane(matrix, vectors, p, q)
        if is_diagonal:
            return


@compiled
def _rotate_plane(matrix: Array, vectors: Array, p: int, q: int) -> None:
    """One Jacobi rotation that zeroes matrix[p, q]; only the upper triangle is kept."""
    off = matrix[p, q]
    theta = 0.5 * (matrix[q, q] - matrix[p, p]) / off
    tangent = (1.0 if theta >= 0.0 else -1.0) / (abs(theta) + math.sqrt(theta * theta + 1.0))
    cosine = 1.0 / math.sqrt(tangent * tangent + 1.0)
    sine = tangent * cosine
    matrix[p, p] -= tangent * off
    matrix[q, q] += tangent * off
    matrix[p, q] = 0.0
    size = matrix.shape[0]
    for k in range(p):
        a, b = matrix[k, p], matrix[k, q]
        matrix[k, p], matrix[k, q] = cosine * a - sine * b, sine * a + cosine * b
    for k in range(p + 1, q):
        a, b = matrix[p, k], matrix[k, q]
        matrix[p, k], matrix[k, q] = cosine * a - sine * b, sine * a + cosine * b
    for k in range(q + 1, size):
        a, b = matrix[p, k], matrix[q, k]
        matrix[p, k], matrix[q, k] = cosine * a - sine * b, sine * a + cosine * b
    for k in range(size):
        a, b = vectors[p, k], vectors[q, k]
        vectors[p, k], vectors[q, k] = cosine * a - sine * b, sine * a + cosine * b
