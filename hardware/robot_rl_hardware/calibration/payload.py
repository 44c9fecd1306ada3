"""What the hand holds: its mass and the centre of it, from the wrench at several orientations.

At rest the robot carries the load against gravity. What it does not know of, it takes for a wrench on the world at the
TCP: with u the acceleration that holds something up, in TCP axes, and c the centre of mass,

    force = m u + bias,    torque = m c x u + bias

The bias is the same in all readings, so that only what turns with gravity counts as a load.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from robot_rl.errors import SpecError
from robot_rl.geometry import Array, Pose, skew
from robot_rl_hardware.calibration.readings import Load, Reading

FEWEST_READINGS: Final = 6
SMALLEST_TILT: Final = 0.15
"""Root mean square deviation of the direction of gravity along the second of the axes that it varies along."""
LARGEST_ERROR_N, LARGEST_ERROR_NM = 2.0, 0.5
STANDARD_GRAVITY: Final = 9.80665
_LIGHTEST_KG: Final = 1e-3


@dataclass(frozen=True, eq=False)
class Payload:
    """What a calibration came to.

    Attributes:
        load: all that the hand holds, with what the robot knew of already.
        load_kg_deviation, load_com_m_deviation: standard deviations, from the residuals; of the centre along the axis
            where it is largest.
        bias: (force [N], torque [Nm]) at the TCP, in its axes, shape (6,).
        errors_n, errors_nm: what is left of each reading.
        error_n, error_nm: root mean square of these.
    """

    load: Load
    load_kg_deviation: float
    load_com_m_deviation: float
    bias: Array
    errors_n: tuple[float, ...]
    errors_nm: tuple[float, ...]
    error_n: float
    error_nm: float


def fit(readings: Sequence[Reading], tool: Pose, known: Load) -> Payload:
    """The load that explains the readings best.

    Args:
        readings: at rest, with nothing touching the tool; the base of the robot stands upright.
        tool: T_flange_tcp.
        known: what the robot was told to carry while they were taken.

    Raises:
        SpecError: too few readings, too similar orientations, readings that do not agree, or no load at all.
    """
    lifts = np.array([STANDARD_GRAVITY * reading.tcp.rotation[2] for reading in readings])  # R^T (0, 0, g)
    _check_orientations(lifts)
    wrenches = np.array([reading.wrench for reading in readings])
    # What the lever of a point does to the force it bears: m c x u = -[u] (m c)
    forces = _solve([np.column_stack([lift, np.eye(3)]) for lift in lifts], wrenches[:, :3])
    torques = _solve([np.column_stack([-skew(lift), np.eye(3)]) for lift in lifts], wrenches[:, 3:])
    _check_errors(forces, LARGEST_ERROR_N, "N")
    _check_errors(torques, LARGEST_ERROR_NM, "Nm")
    mass, moment = float(forces.unknowns[0]), torques.unknowns[:3]
    total = known.kg + mass
    if total < _LIGHTEST_KG:
        raise SpecError(
            f"the readings tell of {mass:.3f} kg, which is no load: the wrench must be what the robot exerts on the "
            "world (something that hangs pulls it up, in base axes), and load_kg what the robot was told then."
        )
    moment_flange = tool.rotation @ moment + mass * tool.position
    centre = (known.kg * np.asarray(known.com_m) + moment_flange) / total
    return Payload(
        Load(total, (float(centre[0]), float(centre[1]), float(centre[2]))),
        float(forces.deviations[0]),
        float(torques.deviations[:3].max() / total),
        np.concatenate([forces.unknowns[1:], torques.unknowns[3:]]),
        forces.errors,
        torques.errors,
        forces.error,
        torques.error,
    )


@dataclass(frozen=True, eq=False)
class _Solution:
    """Least squares: the unknowns with their standard deviations, what is left of each reading, and its mean."""

    unknowns: Array
    deviations: Array
    errors: tuple[float, ...]
    error: float


def _solve(rows: list[Array], values: Array) -> _Solution:
    matrix = np.concatenate(rows)
    unknowns = np.asarray(np.linalg.lstsq(matrix, values.ravel(), rcond=None)[0], np.float64)
    left = (matrix @ unknowns - values.ravel()).reshape(values.shape)
    errors = np.linalg.norm(left, axis=1)
    variance = float(np.sum(left**2)) / (left.size - unknowns.size)
    deviations = np.sqrt(variance * np.diag(np.linalg.inv(matrix.T @ matrix)))
    return _Solution(unknowns, deviations, tuple(errors.tolist()), float(np.sqrt(np.mean(errors**2))))


def _check_orientations(lifts: Array) -> None:
    """With a constant bias, gravity has to be seen from several sides."""
    if len(lifts) < FEWEST_READINGS:
        raise SpecError(f"a payload needs at least {FEWEST_READINGS} readings, got {len(lifts)}.")
    directions = lifts / STANDARD_GRAVITY
    spreads = np.linalg.svd(directions - directions.mean(axis=0), compute_uv=False) / np.sqrt(len(lifts))
    if spreads[1] < SMALLEST_TILT:
        raise SpecError(
            f"the orientations are too similar: the direction of gravity in the tool varies by {spreads[0]:.3f} along "
            f"one axis and {spreads[1]:.3f} along the next, at least {SMALLEST_TILT:g} needed along two. Tilt the tool "
            "to all sides, by 30 degrees and more; turns about the vertical do not count."
        )


def _check_errors(solution: _Solution, largest: float, unit: str) -> None:
    if not solution.error <= largest:
        worst = int(np.argmax(solution.errors))
        raise SpecError(
            f"the readings do not agree: {solution.error:.2f} {unit} on average, at most {largest:g}; reading {worst} "
            f"is off by {solution.errors[worst]:.2f}. Was everything at rest, and did nothing touch the tool?"
        )
