"""Hand-eye calibration: a transform that is known is found again, from poses, from pixels and from pictures."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import yaml
from robot_rl_hardware.calibration.board import Board, Lens, Sight, look
from robot_rl_hardware.calibration.hand_eye import calibrate, solve
from robot_rl_hardware.calibration.views import View, Views, capture, load

from robot_rl import cli
from robot_rl.clock import FakeClock
from robot_rl.errors import ConfigError, DeviceError, ExchangeError, SpecError, UnknownNameError
from robot_rl.geometry import Pose
from robot_rl.robot.fake import FakeArm, FakeCamera
from tests.contracts import assert_near, distance

LENS = Lens(640, 480, 610.0, 612.0, 325.0, 236.0, (0.05, -0.08, 0.001, -0.0005, 0.0))
BOARD = Board()
T_TCP_CAMERA = Pose.from_rotation_vector([0.05, -0.1, 1.5], [0.06, -0.02, -0.08])
T_BASE_BOARD = Pose.from_rotation_vector([0.02, 0.03, -0.4], [0.45, 0.1, 0.01]) @ Pose.from_rotation_vector(
    [np.pi, 0, 0]
)


def make_poses(count=12, seed=0, tilt_rad=0.4):
    """T_base_tcp from which the camera looks at the board from all sides."""
    draw = np.random.default_rng(seed)
    middle = Pose(np.array([0.5 * (BOARD.columns) * BOARD.square_m, 0.5 * BOARD.rows * BOARD.square_m, 0.0]))
    poses = []
    for _ in range(count):
        turn = np.array([*draw.uniform(-tilt_rad, tilt_rad, 2), draw.uniform(-0.5, 0.5)])
        away = Pose(np.array([*draw.uniform(-0.02, 0.02, 2), -draw.uniform(0.3, 0.4)]))
        T_board_camera = middle @ Pose.from_rotation_vector(turn) @ away
        poses.append(T_BASE_BOARD @ T_board_camera @ T_TCP_CAMERA.inverse())
    return poses


def to_sight(T_camera_board, noise_px=0.0, draw=None):
    """The corners of a board as the lens shows them."""
    points = np.asarray(BOARD.to_opencv().getChessboardCorners(), float)
    pixels = LENS.project(points, T_camera_board)
    if noise_px:
        pixels = pixels + draw.normal(0.0, noise_px, pixels.shape)
    distortion = np.array(LENS.distortion)
    _, rotation, position = cv2.solvePnP(points, pixels, LENS.matrix, distortion, flags=cv2.SOLVEPNP_IPPE)
    return Sight(points, pixels, Pose.from_rotation_vector(rotation.ravel(), position.ravel()), 0.0)


def to_camera_board(T_base_tcp):
    return (T_base_tcp @ T_TCP_CAMERA).inverse() @ T_BASE_BOARD


def paint(T_camera_board, noise=2.0, seed=0, finer=2, per_m=5000):
    """A picture of the board, RGB, each pixel the mean over its area."""
    size = (round(BOARD.columns * BOARD.square_m * per_m), round(BOARD.rows * BOARD.square_m * per_m))
    printed = BOARD.to_opencv().generateImage(size, marginSize=0)
    rim = round(0.01 * per_m)  # white paper around it
    printed = cv2.copyMakeBorder(printed, rim, rim, rim, rim, cv2.BORDER_CONSTANT, value=255)
    v, u = np.mgrid[0 : LENS.height * finer, 0 : LENS.width * finer].astype(float)
    pixels = np.stack([(u.ravel() + 0.5) / finer - 0.5, (v.ravel() + 0.5) / finer - 0.5], axis=1)
    rays = cv2.undistortPoints(pixels[:, None], LENS.matrix, np.array(LENS.distortion))[:, 0]
    inverse = T_camera_board.inverse()
    directions = np.column_stack([rays, np.ones(len(rays))]) @ inverse.rotation.T
    reach = -inverse.position[2] / directions[:, 2]
    hits = inverse.position + reach[:, None] * directions
    places = (hits[:, :2] * per_m - 0.5 + rim).astype(np.float32).reshape(v.shape[0], v.shape[1], 2)
    fine = cv2.remap(printed, places[..., 0], places[..., 1], cv2.INTER_LINEAR, borderValue=120)
    grey = cv2.resize(fine, (LENS.width, LENS.height), interpolation=cv2.INTER_AREA).astype(float)
    grey = 20.0 + 0.8 * grey + np.random.default_rng(seed).normal(0.0, noise, grey.shape)
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


# ------------------------------------------------------------------------------------ closed form


def test_two_quarter_turns_by_hand():
    """The camera is 0.1 m before the tool and looks as it does; the board lies in the base's origin."""
    x = Pose(np.array([0.1, 0.0, 0.0]))
    turns = [[0, 0, 0], [0, 0, np.pi / 2], [np.pi / 2, 0, 0], [0, 0, -np.pi / 2], [0, np.pi / 2, 0]]
    poses = [Pose.from_rotation_vector(turn) for turn in turns]
    boards = [
        Pose(np.array([-0.1, 0.0, 0.0])),
        Pose.from_rotation_vector([0, 0, -np.pi / 2], [-0.1, 0.0, 0.0]),
        Pose.from_rotation_vector([-np.pi / 2, 0, 0], [-0.1, 0.0, 0.0]),
        Pose.from_rotation_vector([0, 0, np.pi / 2], [-0.1, 0.0, 0.0]),
        Pose.from_rotation_vector([0, -np.pi / 2, 0], [-0.1, 0.0, 0.0]),
    ]
    assert_near(solve(poses, boards), x, 1e-12, 1e-7)


@pytest.mark.parametrize("seed", range(5))
def test_without_noise_any_transform_is_found_exactly(seed):
    draw = np.random.default_rng(seed)
    x = Pose.from_rotation_vector(draw.uniform(-1.5, 1.5, 3), draw.uniform(-0.2, 0.2, 3))
    board = Pose.from_rotation_vector(draw.uniform(-1, 1, 3), draw.uniform(-1, 1, 3))
    poses = [Pose.from_rotation_vector(draw.uniform(-1, 1, 3), draw.uniform(-1, 1, 3)) for _ in range(6)]
    assert_near(solve(poses, [(pose @ x).inverse() @ board for pose in poses]), x, 1e-9, 1e-6)


def test_too_few_views_are_refused():
    poses = make_poses(4)
    with pytest.raises(SpecError, match="at least 5 views of the board, got 4"):
        solve(poses, [to_camera_board(pose) for pose in poses])


@pytest.mark.parametrize(
    "turns",
    [np.zeros((8, 3)), np.outer(np.linspace(-1, 1, 8), [0, 0, 1]), np.outer(np.linspace(-1, 1, 8), [1, 2, -1])],
    ids=["none", "about z", "about one oblique axis"],
)
def test_motions_that_do_not_tell_the_transform_are_refused(turns):
    draw = np.random.default_rng(0)
    poses = [Pose.from_rotation_vector(turn, draw.uniform(-0.1, 0.1, 3)) for turn in turns]
    with pytest.raises(SpecError, match=r"about any other; it needs at least 8\.6 about two"):
        solve(poses, [to_camera_board(pose) for pose in poses])


# ------------------------------------------------------------------------------------ pixels


def test_pixels_without_noise_are_explained_completely():
    poses = make_poses()
    result = calibrate(poses, [to_sight(to_camera_board(pose)) for pose in poses], LENS)
    assert_near(result.camera, T_TCP_CAMERA, 1e-6, 1e-6)
    assert_near(result.board, T_BASE_BOARD, 1e-6, 1e-6)
    assert result.error_px < 1e-3
    assert result.spread_m < 1e-5


def test_noise_of_the_pixels_is_reported_and_hardly_moves_the_result():
    draw = np.random.default_rng(1)
    poses = make_poses(20)
    sights = [to_sight(to_camera_board(pose), 0.3, draw) for pose in poses]
    result = calibrate(poses, sights, LENS)
    assert_near(result.camera, T_TCP_CAMERA, 1e-3, 3e-3)
    assert result.error_px == pytest.approx(0.3 * np.sqrt(2.0), rel=0.1)
    closed = solve(poses, [sight.pose for sight in sights])
    assert distance(result.camera, T_TCP_CAMERA)[0] < distance(closed, T_TCP_CAMERA)[0], "pixels tell more than poses"


def test_a_view_with_a_wrong_pose_is_named():
    poses = make_poses(12)
    sights = [to_sight(to_camera_board(pose)) for pose in poses]
    poses[7] = poses[7] @ Pose(np.array([0.03, 0.0, 0.0]))
    with pytest.raises(SpecError, match=r"do not agree: .*; view 7 is off by"):
        calibrate(poses, sights, LENS)


# ------------------------------------------------------------------------------------ pictures


def test_the_board_is_found_where_it_is():
    T_camera_board = to_camera_board(make_poses()[0])
    sight = look(paint(T_camera_board), BOARD, LENS)
    assert len(sight.points) == (BOARD.columns - 1) * (BOARD.rows - 1)
    assert_near(sight.pose, T_camera_board, 1e-3, 5e-3)
    assert sight.error_px < 0.2


def test_where_there_is_no_board_nothing_is_found():
    draw = np.random.default_rng(0)
    assert look(draw.integers(0, 255, (480, 640, 3), np.uint8), BOARD, LENS) is None
    assert look(np.full((480, 640, 3), 200, np.uint8), BOARD, LENS) is None
    with pytest.raises(SpecError, match=r"must have shape \(480, 640, 3\), got \(48, 64, 3\)"):
        look(np.zeros((48, 64, 3), np.uint8), BOARD, LENS)


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        ({"dictionary": "DICT_4X4_5"}, UnknownNameError, "Did you mean 'DICT_4X4_50'"),
        ({"columns": 2}, ConfigError, "columns of a board must be a whole number from 3, got 2"),
        ({"marker_m": 0.04}, ConfigError, "smaller than its square"),
    ],
)
def test_a_board_that_cannot_be_is_refused(more, error, message):
    with pytest.raises(error, match=message):
        Board(**more)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Views as they are captured: ten of the board, one of nothing."""
    folder = tmp_path_factory.mktemp("views")
    views = Views("hand", LENS, BOARD)
    for k, pose in enumerate([*make_poses(10), Pose()]):
        image = paint(to_camera_board(pose), seed=k) if k < 10 else np.zeros((480, 640, 3), np.uint8)
        capture(Showing(image), Standing(pose), views, folder)
    return folder


class Showing:
    def __init__(self, image):
        self.image = image

    def read(self):
        return 0, self.image


class Standing:
    """An arm at rest, or not."""

    def __init__(self, pose, twist=(0.0,) * 6):
        self._state = replace(FakeArm(FakeClock(), pose).state(), tcp_twist_base=np.array(twist))

    def state(self):
        return self._state


def test_from_pictures_to_the_camera_on_the_tool(folder, capsys):
    assert cli.main(["calibrate", "hand-eye", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split() == ["010.png", "no", "board"] for line in lines)
    assert json.loads(lines[-1])["views"] == 10
    written = yaml.safe_load((folder / "hand_eye.yaml").read_text())
    found = Pose(np.array(written["T_tcp_camera"]["position"]), np.array(written["T_tcp_camera"]["quaternion"]))
    assert_near(found, T_TCP_CAMERA, 1e-3, 3e-3)
    assert written["error_px"] < 0.2
    assert written["date"].endswith("+00:00")
    assert (written["mount"], written["views"]) == ("hand", 10)


def test_from_pictures_to_a_camera_that_stands_still(folder, tmp_path, capsys):
    """The same pictures are those of a board in the hand, where the tool's motion is the inverse."""
    plain = yaml.safe_load((folder / "views.yaml").read_text())
    plain["mount"] = "base"
    for entry in plain["views"]:
        inverse = Pose(np.array(entry["position"]), np.array(entry["quaternion"])).inverse()
        entry |= {"position": inverse.position.tolist(), "quaternion": inverse.quaternion.tolist()}
        entry["image"] = str(folder / entry["image"])
    (tmp_path / "views.yaml").write_text(yaml.safe_dump(plain))
    out = tmp_path / "side.yaml"
    assert cli.main(["calibrate", "hand-eye", str(tmp_path), "--out", str(out)]) == 0
    written = yaml.safe_load(out.read_text())
    found = Pose(np.array(written["T_base_camera"]["position"]), np.array(written["T_base_camera"]["quaternion"]))
    assert_near(found, T_TCP_CAMERA, 1e-3, 3e-3)
    assert "T_tcp_board" in written


def test_what_was_captured_is_read_back(folder):
    views = load(folder)
    assert (views.mount, views.lens, views.board) == ("hand", LENS, BOARD)
    assert isinstance(views.views[0], View)
    for view, pose in zip(views.views, make_poses(10), strict=False):
        assert_near(view.tcp, pose, 1e-12, 1e-9)
    np.testing.assert_array_equal(views.views[3].image, paint(to_camera_board(make_poses(10)[3]), seed=3))


def test_an_arm_that_moves_is_no_view(tmp_path):
    views = Views("hand", LENS, BOARD)
    with pytest.raises(DeviceError, match=r"moves at 5\.0 mm/s"):
        capture(FakeCamera(FakeClock(), 480, 640), Standing(Pose(), (0.003, 0.004, 0, 0, 0, 0)), views, tmp_path)
    assert not views.views
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda plain: plain.pop("lens"), "has no 'lens'"),
        (lambda plain: plain.update(mount="wall"), "mount must be hand or base, got 'wall'"),
        (lambda plain: plain["board"].update(marker_m=1.0), "smaller than its square"),
        (lambda plain: plain["board"].update(squares=3), "squares"),
        (lambda plain: plain["views"][0].update(image="none.png"), "none.png is no picture"),
        (lambda plain: plain["views"][0].update(quaternion=[0, 0, 0, 0]), "quaternion must not be zero"),
        (lambda plain: plain["views"][0].update(position=[float("nan"), 0, 0]), "position must be 3 finite numbers"),
        (lambda plain: plain["views"][0].update(quaternion=[1, 0, 0, "x"]), "'x'"),
        (lambda plain: plain["views"][0].update(image=3), "image must be a file's name, got 3"),
        (lambda plain: plain.update(views=None), "views must be a list, got None"),
        (lambda plain: plain.update(lens=None), "lens must be a mapping, got None"),
        (lambda plain: plain["lens"].update(fx=float("nan")), "fx of a lens must be a finite number, got nan"),
        (lambda plain: plain["lens"].update(fy="600 px"), "fy of a lens must be a finite number, got '600 px'"),
        (lambda plain: plain["lens"].update(fy=-600), "fx and fy of a lens must be positive, got 610.0 and -600"),
        (lambda plain: plain["lens"].update(width=640.0), "width of a lens must be a whole number from 1, got 640.0"),
        (lambda plain: plain["lens"].update(distortion=[0, 0, 0]), "distortion of a lens must be 4, 5, 8, 12 or 14"),
        (lambda plain: plain["lens"].update(distortion=[0, 0, 0, float("inf"), 0]), "distortion .* got .*inf"),
        (lambda plain: plain["lens"].update(distortion=0.1), "distortion must be a list, got 0.1"),
        (
            lambda plain: plain["board"].update(columns=7.5),
            "columns of a board must be a whole number from 3, got 7.5",
        ),
        (lambda plain: plain["board"].update(square_m="3 cm"), "square_m of a board must be a finite number"),
        (lambda plain: plain["board"].update(square_m=float("inf")), "square_m of a board must be a finite number"),
        (lambda plain: plain["board"].update(columns=20, rows=20), "needs 200 markers, and DICT_4X4_50 has 50"),
    ],
)
def test_a_folder_that_makes_no_sense_is_answered_in_one_line(folder, tmp_path, capsys, change, message):
    plain = yaml.safe_load((folder / "views.yaml").read_text())
    for entry in plain["views"]:
        entry["image"] = str(folder / entry["image"])
    change(plain)
    (tmp_path / "views.yaml").write_text(yaml.safe_dump(plain))
    with pytest.raises(ExchangeError, match=message):
        load(tmp_path)
    assert cli.main(["calibrate", "hand-eye", str(tmp_path)]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_a_folder_without_views_is_refused(tmp_path, capsys):
    assert cli.main(["calibrate", "hand-eye", str(tmp_path)]) == 2
    assert "views.yaml is missing" in capsys.readouterr().err


def test_a_file_is_no_folder(folder, capsys):
    assert cli.main(["calibrate", "hand-eye", str(folder / "views.yaml")]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "is no folder of views" in line


def test_a_result_that_cannot_be_written_is_told_in_one_line(folder, tmp_path, capsys):
    for out in (tmp_path, tmp_path / "none" / "side.yaml"):
        assert cli.main(["calibrate", "hand-eye", str(folder), "--out", str(out)]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert f"cannot write {out}" in line


def test_the_view_that_is_wrong_is_named_by_its_picture_where_others_show_no_board(folder, tmp_path, capsys):
    plain = yaml.safe_load((folder / "views.yaml").read_text())
    plain["views"] = [plain["views"][-1], *plain["views"][:-1]]  # the first one shows nothing
    for entry in plain["views"]:
        entry["image"] = str(folder / entry["image"])
    plain["views"][6]["position"][0] += 0.03
    (tmp_path / "views.yaml").write_text(yaml.safe_dump(plain))
    assert cli.main(["calibrate", "hand-eye", str(tmp_path)]) == 2
    assert f"; view {folder / '005.png'} is off by" in capsys.readouterr().err
