"""A ChArUco board, and where it is in a picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from robot_rl.errors import ConfigError, SpecError, UnknownNameError
from robot_rl.geometry import Array, Pose

_FEWEST_CORNERS = 6
_DICTIONARIES = sorted(name for name in dir(cv2.aruco) if name.startswith("DICT_") and name == name.upper())
_DISTORTIONS = (4, 5, 8, 12, 14)


def _check_whole(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or value < least:
        raise ConfigError(f"{name} must be a whole number from {least}, got {value!r}.")


def _check_finite(name: str, value: object) -> None:
    if not isinstance(value, float | int) or not math.isfinite(value):
        raise ConfigError(f"{name} must be a finite number, got {value!r}.")


@dataclass(frozen=True)
class Lens:
    """A pinhole camera with OpenCV's distortion.

    Attributes:
        width, height: of the pictures [pixels].
        fx, fy, cx, cy: focal lengths and principal point [pixels].
        distortion: (k1, k2, p1, p2, k3), or as many of OpenCV's numbers as it takes: 4, 5, 8, 12 or 14.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    distortion: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        _check_whole("width of a lens", self.width, 1)
        _check_whole("height of a lens", self.height, 1)
        for name in ("fx", "fy", "cx", "cy"):
            _check_finite(f"{name} of a lens", getattr(self, name))
        if not min(self.fx, self.fy) > 0.0:
            raise ConfigError(f"fx and fy of a lens must be positive, got {self.fx} and {self.fy}.")
        if len(self.distortion) not in _DISTORTIONS:
            raise ConfigError(f"distortion of a lens must be 4, 5, 8, 12 or 14 numbers, got {list(self.distortion)}.")
        for value in self.distortion:
            _check_finite("distortion of a lens", value)

    @property
    def matrix(self) -> Array:
        """Shape (3, 3)."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    def project(self, points: Array, pose: Pose) -> Array:
        """Pixels, shape (n, 2), of points in frame b, shape (n, 3), for the pose T_camera_b."""
        distortion = np.array(self.distortion)
        pixels, _ = cv2.projectPoints(points, pose.rotation_vector, pose.position, self.matrix, distortion)
        return np.asarray(pixels, np.float64).reshape(-1, 2)


@dataclass(frozen=True)
class Board:
    """A chessboard with markers in its white squares.

    Its frame: origin in the corner of the printed board, x along the columns, y along the rows, z into the board.

    Attributes:
        columns, rows: number of squares.
        square_m: side of a square, as measured on the print [m].
        marker_m: side of a marker [m].
        dictionary: OpenCV's name of the markers.
    """

    columns: int = 7
    rows: int = 5
    square_m: float = 0.03
    marker_m: float = 0.022
    dictionary: str = "DICT_4X4_50"

    def __post_init__(self) -> None:
        if self.dictionary not in _DICTIONARIES:
            raise UnknownNameError("marker dictionary", self.dictionary, _DICTIONARIES)
        _check_whole("columns of a board", self.columns, 3)
        _check_whole("rows of a board", self.rows, 3)
        _check_finite("square_m of a board", self.square_m)
        _check_finite("marker_m of a board", self.marker_m)
        if not 0.0 < self.marker_m < self.square_m:
            raise ConfigError(
                f"a marker must be smaller than its square, got {self.marker_m} m in squares of {self.square_m} m."
            )
        needed, there = self.columns * self.rows // 2, len(self._markers().bytesList)
        if needed > there:
            raise ConfigError(
                f"a board of {self.columns} x {self.rows} needs {needed} markers, and {self.dictionary} has {there}."
            )

    def _markers(self) -> cv2.aruco.Dictionary:
        return cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, self.dictionary))

    def to_opencv(self) -> cv2.aruco.CharucoBoard:
        """The board as OpenCV has it."""
        return cv2.aruco.CharucoBoard((self.columns, self.rows), self.square_m, self.marker_m, self._markers())


@dataclass(frozen=True, eq=False)
class Sight:
    """What was seen of a board in one picture.

    Attributes:
        points: corners of its squares in the board's frame [m], shape (n, 3).
        pixels: where they are, shape (n, 2).
        pose: T_camera_board that fits them best. The camera's frame is OpenCV's: x right, y down, z into the scene.
        error_px: root mean square distance between the pixels and those that the pose predicts.
    """

    points: Array
    pixels: Array
    pose: Pose
    error_px: float


def look(image: NDArray[np.uint8], board: Board, lens: Lens) -> Sight | None:
    """Find a board in a picture; None where too little of it is seen.

    Args:
        image: RGB, (H, W, 3).
        board: what is looked for.
        lens: of the camera.

    Raises:
        SpecError: the picture has not the size that the lens is for.
    """
    if image.shape != (lens.height, lens.width, 3):
        raise SpecError(f"the picture must have shape ({lens.height}, {lens.width}, 3), got {image.shape}.")
    charuco = board.to_opencv()
    found, numbers, _, _ = cv2.aruco.CharucoDetector(charuco).detectBoard(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
    if np.size(numbers) < _FEWEST_CORNERS:  # of none there is None, which has the size 1
        return None
    points = np.asarray(charuco.getChessboardCorners(), np.float64)[np.ravel(numbers)]
    pixels = np.asarray(found, np.float64).reshape(-1, 2)
    if np.linalg.matrix_rank(points - points.mean(axis=0), tol=1e-6) < 2:
        return None  # corners of one row have no pose
    distortion = np.array(lens.distortion)
    is_solved, rotation, position = cv2.solvePnP(points, pixels, lens.matrix, distortion, flags=cv2.SOLVEPNP_IPPE)
    if not is_solved:
        return None
    rotation, position = cv2.solvePnPRefineLM(points, pixels, lens.matrix, distortion, rotation, position)
    pose = Pose.from_rotation_vector(np.ravel(rotation), np.ravel(position))
    error_px = float(np.sqrt(np.mean(np.sum((lens.project(points, pose) - pixels) ** 2, axis=1))))
    return Sight(points, pixels, pose, error_px)
