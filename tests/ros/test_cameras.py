"""Real cameras in the graph: the cameras process plays a recording of the library to an actor and its robot."""

import threading

import numpy as np
import pytest
from robot_rl_ros.cameras import opened

from robot_rl.clock import MonotonicClock
from robot_rl.errors import ConfigError, DeviceError
from robot_rl.runtime.camera_config import CameraConfig, RealSenseConfig
from robot_rl.runtime.config import RobotConfig
from robot_rl.types import Reason
from tests.hardware import recordings
from tests.ros import simulated

SIZE = 48
CLOCK = MonotonicClock()
WORDS = ("graph=real_time", "task=reach", "teleop=none", "robot.cameras=[wrist]", f"robot.image_size={SIZE}")


@pytest.fixture(scope="module")
def images():
    return list(np.random.default_rng(0).integers(0, 256, (20, SIZE, SIZE, 3), np.uint8))


@pytest.fixture
def recording(images, tmp_path):
    return recordings.record(tmp_path / "wrist.db3", images, period_s=0.04)


def words(file, *more):
    entry = ", ".join(("name: wrist", f"file: {file}", f"width: {SIZE}", f"height: {SIZE}", *more))
    return (*WORDS, "camera=realsense", f"camera.realsense=[{{{entry}}}]")


def test_the_policy_sees_what_the_camera_shows_and_not_the_simulation(recording, images, tmp_path):
    chosen = words(recording)
    with simulated.graph(tmp_path, *chosen) as (_, here), simulated.started("cameras", tmp_path, *chosen) as process:
        camera = here.cell.robot.cameras["wrist"]
        pictures = [camera.read()]
        while len(pictures) < 5:
            here.link.spin_until(lambda: False, 0.02)
            picture = camera.read()
            if picture[0] != pictures[-1][0]:
                pictures.append(picture)
        for stamp_ns, image in pictures:
            assert any(np.array_equal(image, one) for one in images)
            assert 0 <= here.cell.env.clock.now_ns() - stamp_ns < simulated.PATIENCE_S * 1e9
        assert [stamp_ns for stamp_ns, _ in pictures] == sorted({stamp_ns for stamp_ns, _ in pictures})
        here.cell.env.reset(seed=0)
        step = here.cell.env.step(np.zeros(6))
        assert any(np.array_equal(step.observation.images["wrist"], one) for one in images)
        assert process.end() == 0, process.output()


def test_a_camera_that_is_lost_stops_the_arm(recording, tmp_path):
    chosen = words(recording)
    with simulated.graph(tmp_path, *chosen) as (_, here), simulated.started("cameras", tmp_path, *chosen) as process:
        here.cell.env.reset(seed=0)
        assert not here.cell.env.step(np.zeros(6)).is_last
        process.kill()
        steps = [here.cell.env.step(np.zeros(6))]
        while not steps[-1].is_last:
            assert len(steps) < 50
            steps.append(here.cell.env.step(np.zeros(6)))
        stop = here.cell.robot.arm.state().stop
        assert stop.reason is Reason.STALE_IMAGE
        assert "camera 'wrist'" in stop.detail


def test_a_recording_that_ends_is_told_once_and_the_process_goes_on(recording, tmp_path):
    chosen = words(recording, "is_repeated: false", "timeout_s: 0.3")
    with (
        simulated.joined(simulated.load(*WORDS[:3])) as here,
        simulated.started("cameras", tmp_path, *chosen) as process,
    ):
        here.wait_for(lambda: "nothing new" in process.output())
        here.link.spin_until(lambda: False, 0.5)
        assert process.output().count("nothing new") == 1
        assert "has ended" in process.output()
        assert process.popen.poll() is None
        assert process.end() == 0


@pytest.mark.parametrize(
    ("camera", "message"),
    [
        (CameraConfig(), "camera=sim are no real cameras"),
        (CameraConfig("realsense"), "camera.realsense is empty"),
        (CameraConfig("realsense", (RealSenseConfig(serial="000"),)), "serial number 000.* is not connected"),
        (CameraConfig("realsense", (RealSenseConfig(timeout_s=0.0),)), "timeout_s must be positive"),
    ],
)
def test_what_cannot_be_opened_is_refused(camera, message):
    with (
        pytest.raises((ConfigError, DeviceError), match=message),
        opened(camera, RobotConfig(cameras=("wrist",)), CLOCK),
    ):
        pass


def test_of_several_cameras_one_that_cannot_be_opened_leaves_none_open(recording):
    first = RealSenseConfig("wrist", file=str(recording), width=SIZE, height=SIZE)
    camera = CameraConfig("realsense", (first, RealSenseConfig("side", serial="000")))
    with (
        pytest.raises(DeviceError, match="camera 'side'"),
        opened(camera, RobotConfig(cameras=("wrist", "side")), CLOCK),
    ):
        pass
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("camera_")]


def test_what_cannot_work_is_said_in_one_line(tmp_path):
    with simulated.started("cameras", tmp_path, *words("nowhere.db3")) as process:
        assert process.popen.wait(simulated.PATIENCE_S) == 3
        assert "there is no such file" in process.output()
        assert len(process.output().strip().splitlines()) == 1
