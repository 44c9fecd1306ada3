"""How heavy the arm is at its tool, and the damping that suits it."""

from __future__ import annotations

import math

import numpy as np

from robot_rl.control import kernels
from robot_rl.control.kernels import compiled
from robot_rl.control.records import Status
from robot_rl.geometry import Array

_NOT_FINITE = int(Status.NOT_FINITE)
_NEAR_SINGULAR = int(Status.NEAR_SINGULAR)
_FLOOR = 1e-9  # [1/kg, 1/(kg m^2)]: an axis that no joint moves


@compiled
def inverse_task_inertia(parameters: np.void, whitened: Array, inverse: Array, factor: Array) -> int:
    """J M^-1 J^T, damped near singularities, and its Cholesky factor; returns flags.

    Nearness is det(A) / prod(A_ii), Hadamard's ratio: in [0, 1], zero exactly when singular, and free of units, which
    a manipulability sqrt(det) of metres and radians is not. The damping grows smoothly as in Nakamura & Hanafusa
    1986, relative to the diagonal, and is exactly zero away from singularities.
    """
    for i in range(6):
        for j in range(i + 1):
            value = 0.0
            for k in range(7):
                value += whitened[i, k] * whitened[j, k]
            inverse[i, j] = value
            inverse[j, i] = value
    ratio = 0.0
    if kernels.cholesky(inverse, factor):
        ratio = 1.0
        for i in range(6):
            ratio *= factor[i, i] * factor[i, i] / inverse[i, i]
    threshold = parameters["singular_ratio"]
    if ratio >= threshold and ratio > 0.0:
        return 0
    weight = (1.0 - ratio / threshold) ** 2 if threshold > 0.0 else 1.0
    for i in range(6):
        inverse[i, i] += weight * parameters["singular_floor"] * inverse[i, i] + _FLOOR
    if not kernels.cholesky(inverse, factor):
        return _NOT_FINITE
    return _NEAR_SINGULAR


@compiled
def modal_damping(inverse_inertia: Array, stiffness: Array, damping_ratio: float, out: Array) -> None:
    """Damping matrix D (6, 6) with which every mode of Lambda x'' + D x' + K x = 0 has `damping_ratio`.

    Double diagonalisation: Albu-Schaeffer, Ott, Frese, Hirzinger, "Cartesian impedance control of redundant robots:
    recent results with the DLR-light-weight-arms", ICRA 2003, section on damping design. With S = K^(1/2) diagonal,
    D = 2 zeta S (S^-1 Lambda S^-1)^(1/2) S. The matrix under the root is the inverse of C = S Lambda^-1 S, so C is
    diagonalised and Lambda itself never formed.

    Args:
        inverse_inertia: Lambda^-1 = J M^-1 J^T, symmetric positive definite, (6, 6) [1/kg ...].
        stiffness: diagonal of K, > 0, (6,) [N/m, Nm/rad].
    """
    root = np.sqrt(stiffness)
    squared = np.empty((6, 6))
    for i in range(6):
        for j in range(6):
            squared[i, j] = root[i] * inverse_inertia[i, j] * root[j]
    modes = np.empty((6, 6))
    kernels.diagonalise(squared, modes)
    largest = 0.0
    for i in range(6):
        largest = max(largest, squared[i, i])
    scale = np.empty(6)
    for i in range(6):  # rounding may leave a tiny or negative eigenvalue in a singular posture
        scale[i] = 2.0 * damping_ratio / math.sqrt(max(squared[i, i], 1e-12 * largest))
    for i in range(6):
        for j in range(i + 1):
            value = 0.0
            for k in range(6):
                value += modes[k, i] * scale[k] * modes[k, j]
            value *= root[i] * root[j]
            out[i, j] = value
            out[j, i] = value
