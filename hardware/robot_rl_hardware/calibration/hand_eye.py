"""Hand-eye calibration: the transform that makes all views of a board agree.

A camera on the tool, and a board that stands still: for views i and j, with A the tool's motion and B that of the
camera against the board, A X = X B holds for X = T_tcp_camera. A camera that stands still, and a board in the hand, are
the same with the tool's poses inverted: then X = T_base_camera.

Closed form: Park, Martin, "Robot sensor calibration: solving AX = XB on the Euclidean group", IEEE T-RA 10 (1994).
It is the start of a least-squares fit of what was measured, the pixels of the corners.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.optimize import least_squares

from robot_rl.errors import SpecError
from robot_rl.geometry import Array, Pose
from robot_rl_hardware.calibration.board import Lens, Sight

FEWEST_VIEWS = 5
SMALLEST_TILT_RAD = 0.15
"""Root mean square angle between views, about the second of the axes that they are turned about."""
LARGEST_ERROR_PX = 3.0
_OUTLIER_PX = 2.0  # Huber's loss: a view that is wrong does not spoil the others


@dataclass(frozen=True, eq=False)
class HandEye:
    """What a calibration came to.

    Attributes:
        camera: T_tcp_camera of a camera on the tool, T_base_camera of one that stands still.
        board: T_base_board of a board that stands still, T_tcp_board of one in the hand.
        errors_px: root mean square distance between the corners and where they should be, of each view.
        error_px: that of all of them together.
        spread_m, spread_rad: root mean square deviation of the board's pose, as each view alone has it.
    """

    camera: Pose
    board: Pose
    errors_px: tuple[float, ...]
    error_px: float
    spread_m: float
    spread_rad: float


def solve(poses: Sequence[Pose], boards: Sequence[Pose]) -> Pose:
    """X of A X = X B in closed form.

    Args:
        poses: T_base_tcp of each view for a camera on the tool, T_tcp_base for one that stands still.
        boards: T_camera_board of each view.

    Raises:
        SpecError: too few views, or the tool was turned about one axis only; the message says by how much.
    """
    _check_motions(poses)
    hands, eyes = [], []
    for i, j in combinations(range(len(poses)), 2):
        hands.append(poses[i].inverse() @ poses[j])
        eyes.append(boards[i] @ boards[j].inverse())
    alphas = np.array([hand.rotation_vector for hand in hands])
    betas = np.array([eye.rotation_vector for eye in eyes])
    # alpha = R beta: the rotation that fits best, by the singular values of the correlation
    u, _, vt = np.linalg.svd(alphas.T @ betas)
    rotation = u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt
    left = np.concatenate([hand.rotation - np.eye(3) for hand in hands])
    right = np.concatenate([rotation @ eye.position - hand.position for hand, eye in zip(hands, eyes, strict=True)])
    position, *_ = np.linalg.lstsq(left, right, rcond=None)
    return Pose.from_matrix(rotation, position)


def calibrate(
    poses: Sequence[Pose], sights: Sequence[Sight], lens: Lens, names: Sequence[str] | None = None
) -> HandEye:
    """The camera's pose that fits the pixels of all views best.

    Args:
        poses: T_base_tcp of each view for a camera on the tool, T_tcp_base for one that stands still.
        sights: the board in each view.
        lens: of the camera.
        names: of the views, for the error; by default they are counted from 0.

    Raises:
        SpecError: too few views, too little rotation, or views that do not agree.
    """
    start = solve(poses, [sight.pose for sight in sights])
    boards = [pose @ start @ sight.pose for pose, sight in zip(poses, sights, strict=True)]
    variables = np.concatenate([_to_vector(start), _to_vector(boards[0])])

    def residuals(values: Array) -> Array:
        return np.concatenate([each.ravel() for each in _deviations(values, poses, sights, lens)])

    fitted = least_squares(residuals, variables, loss="huber", f_scale=_OUTLIER_PX, x_scale="jac")
    squares = [np.sum(each**2, axis=1) for each in _deviations(fitted.x, poses, sights, lens)]
    errors_px = tuple(float(np.sqrt(np.mean(each))) for each in squares)
    error_px = float(np.sqrt(np.mean(np.concatenate(squares))))
    if not error_px <= LARGEST_ERROR_PX:
        worst = int(np.argmax(errors_px))
        name = worst if names is None else names[worst]
        raise SpecError(
            f"the views do not agree: {error_px:.2f} pixels on average, at most {LARGEST_ERROR_PX:g}; view {name} is "
            f"off by {errors_px[worst]:.2f}. Check the size of the squares, the lens, whether camera and board were at "
            "rest, and what the camera is mounted on."
        )
    camera, board = _to_pose(fitted.x[:6]), _to_pose(fitted.x[6:])
    alone = [board.inverse() @ pose @ camera @ sight.pose for pose, sight in zip(poses, sights, strict=True)]
    spread_m = float(np.sqrt(np.mean([each.position @ each.position for each in alone])))
    spread_rad = float(np.sqrt(np.mean([each.rotation_vector @ each.rotation_vector for each in alone])))
    return HandEye(camera, board, errors_px, error_px, spread_m, spread_rad)


def _deviations(values: Array, poses: Sequence[Pose], sights: Sequence[Sight], lens: Lens) -> list[Array]:
    """Pixels predicted minus pixels seen, (n, 2) for each view."""
    camera, board = _to_pose(values[:6]), _to_pose(values[6:])
    return [
        lens.project(sight.points, camera.inverse() @ pose.inverse() @ board) - sight.pixels
        for pose, sight in zip(poses, sights, strict=True)
    ]


def _check_motions(poses: Sequence[Pose]) -> None:
    """Rotations about two axes are needed: along a single one, nothing says where the camera is."""
    if len(poses) < FEWEST_VIEWS:
        raise SpecError(f"a calibration needs at least {FEWEST_VIEWS} views of the board, got {len(poses)}.")
    turns = np.array([(a.inverse() @ b).rotation_vector for a, b in combinations(poses, 2)])
    tilts = np.linalg.svd(turns, compute_uv=False) / np.sqrt(len(turns))
    if tilts[1] < SMALLEST_TILT_RAD:
        raise SpecError(
            f"the tool was turned by {np.degrees(tilts[0]):.1f} degrees about one axis, and by "
            f"{np.degrees(tilts[1]):.1f} about any other; it needs at least {np.degrees(SMALLEST_TILT_RAD):.1f} about "
            "two. Tilt it to all sides, by 20 degrees and more."
        )


def _to_vector(pose: Pose) -> Array:
    return np.concatenate([pose.rotation_vector, pose.position])


def _to_pose(values: Array) -> Pose:
    return Pose.from_rotation_vector(values[:3], values[3:])
