"""A folder of recorded views: pictures of a board, the tool's pose at each, the lens, and the board.

`views.yaml` in the folder:

    mount: hand                     what the camera is on: hand (the board stands still) or base (the board is held)
    lens: {width: 640, height: 480, fx: 610.2, fy: 610.4, cx: 321.0, cy: 239.1, distortion: [0, 0, 0, 0, 0]}
    board: {columns: 7, rows: 5, square_m: 0.03, marker_m: 0.022, dictionary: DICT_4X4_50}
    views:                          T_base_tcp: position [m], quaternion (x, y, z, w)
      - {image: 000.png, position: [0.5, 0.0, 0.3], quaternion: [1.0, 0.0, 0.0, 0.0]}
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from robot_rl.errors import DeviceError, ExchangeError, RobotRLError
from robot_rl.geometry import Pose
from robot_rl.robot.protocols import Arm, Camera
from robot_rl_hardware.calibration.board import Board, Lens
from robot_rl_hardware.calibration.fields import find, to_pose

FILE = "views.yaml"
Mount = Literal["hand", "base"]

_AT_REST_M_S, _AT_REST_RAD_S = 0.002, 0.01


@dataclass(frozen=True, eq=False)
class View:
    """One of them: T_base_tcp, and the picture (RGB) with its file's name."""

    tcp: Pose
    name: str
    image: NDArray[np.uint8]


@dataclass(eq=False)
class Views:
    """A folder's content."""

    mount: Mount
    lens: Lens
    board: Board
    views: list[View] = field(default_factory=list)


def capture(camera: Camera, arm: Arm, views: Views, folder: Path) -> View:
    """Take one more view, and write it into the folder. The arm must be at rest, so that picture and pose agree.

    Raises:
        DeviceError: the arm moves, or the camera shows nothing.
    """
    before = arm.state()
    _, image = camera.read()
    state = arm.state()
    for each in (before, state):
        speed, turning = np.linalg.norm(each.tcp_twist_base[:3]), np.linalg.norm(each.tcp_twist_base[3:])
        if speed > _AT_REST_M_S or turning > _AT_REST_RAD_S:
            raise DeviceError(
                f"the tool moves at {speed * 1e3:.1f} mm/s and {turning:.3f} rad/s; a view needs at most "
                f"{_AT_REST_M_S * 1e3:g} mm/s and {_AT_REST_RAD_S:g} rad/s."
            )
    view = View(state.tcp_pose, f"{len(views.views):03d}.png", image)
    views.views.append(view)
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / view.name), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    (folder / FILE).write_text(_to_yaml(views))
    return view


def load(folder: Path) -> Views:
    """Read a folder.

    Raises:
        ExchangeError: it is not one of views; the message names the file and what is wrong with it.
    """
    file = folder / FILE
    try:
        plain = yaml.safe_load(file.read_text())
        board, optics = Board(**find(plain, "board", dict)), find(plain, "lens", dict)
        if "distortion" in optics:
            optics = {**optics, "distortion": tuple(find(optics, "distortion", list))}
        lens = Lens(**optics)
        views = [_load_view(folder, entry) for entry in find(plain, "views", list)]
        mount = plain.get("mount", "hand")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ExchangeError(f"{error.filename} is missing: {folder} is no folder of views.") from error
    except KeyError as error:
        raise ExchangeError(f"{file} has no {error}.") from error
    except (RobotRLError, TypeError, ValueError, AttributeError, OSError, yaml.YAMLError) as error:
        raise ExchangeError(f"{file}: {' '.join(str(error).split())}") from error
    if mount not in ("hand", "base"):
        raise ExchangeError(f"{file}: mount must be hand or base, got {mount!r}.")
    return Views(mount, lens, board, views)


def _load_view(folder: Path, entry: dict[str, Any]) -> View:
    if not isinstance(entry["image"], str):
        raise ValueError(f"image must be a file's name, got {entry['image']}")
    file = folder / entry["image"]
    image = cv2.imread(str(file), cv2.IMREAD_COLOR) if file.is_file() else None
    if image is None:
        raise ValueError(f"{file} is no picture")
    tcp = to_pose(entry["position"], entry["quaternion"])
    return View(tcp, entry["image"], np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8))


def _to_yaml(views: Views) -> str:
    entries = [
        {"image": view.name, "position": view.tcp.position.tolist(), "quaternion": view.tcp.quaternion.tolist()}
        for view in views.views
    ]
    lens = {**asdict(views.lens), "distortion": list(views.lens.distortion)}
    plain = {"mount": views.mount, "lens": lens, "board": asdict(views.board), "views": entries}
    return yaml.safe_dump(plain, sort_keys=False)
