"""A camera that freezes stops the arm: its last picture looks as good as any other."""

import numpy as np
import pytest

from robot_rl.clock import to_ns
from robot_rl.errors import ConfigError, StoppedError
from robot_rl.robot.fake import FakeCamera
from robot_rl.types import Reason
from tests.fakes import make_cell

HOLD = np.zeros(6)


class Freezing:
    """A camera whose newest picture stays the newest."""

    def __init__(self, camera):
        self._camera, self.is_frozen = camera, False
        self._last = camera.read()

    def read(self):
        if not self.is_frozen:
            self._last = self._camera.read()
        return self._last

    def set_ahead(self, seconds):
        self._last = (self._last[0] + to_ns(seconds), self._last[1])


@pytest.fixture
def cell():
    cell = make_cell(has_camera=True, max_image_age_s=0.25)
    cell.env.robot.cameras["wrist"] = Freezing(FakeCamera(cell.clock, 8, 10))
    return cell


def test_the_arm_stops_with_a_reason_and_the_episode_ends_there(cell):
    cell.env.reset(0)
    cell.env.step(HOLD)
    cell.env.robot.cameras["wrist"].is_frozen = True
    steps = [cell.env.step(HOLD), cell.env.step(HOLD)]
    assert not any(step.is_last for step in steps)  # 0.1 and 0.2 s old
    last = cell.env.step(HOLD)
    assert last.is_last
    assert last.discount == 1.0  # the task has not ended
    stop = cell.arm.state().stop
    assert stop.reason is Reason.STALE_IMAGE
    assert "camera 'wrist' is 0.30 s old" in stop.detail
    assert any("0.30 s old" in correction.detail for correction in cell.env.corrections)


def test_no_episode_begins_before_the_camera_is_back(cell):
    cell.env.reset(0)
    camera = cell.env.robot.cameras["wrist"]
    camera.is_frozen = True
    cell.clock.sleep_until_ns(cell.clock.now_ns() + 1_000_000_000)
    with pytest.raises(StoppedError, match="stale picture"):
        cell.env.reset(1)
    cell.arm.recover()
    camera.is_frozen = False
    cell.env.reset(1)
    assert not cell.env.step(HOLD).is_last


def test_a_picture_of_the_future_tells_nothing_of_its_age_and_stops_the_arm_too(cell):
    cell.env.reset(0)
    camera = cell.env.robot.cameras["wrist"]
    camera.is_frozen = True
    camera.set_ahead(0.5)
    assert cell.env.step(HOLD).is_last
    stop = cell.arm.state().stop
    assert stop.reason is Reason.STALE_IMAGE
    assert "camera 'wrist' is 0.40 s ahead of the clock" in stop.detail


def test_an_age_that_no_picture_can_have_is_refused():
    with pytest.raises(ConfigError, match="max_image_age_s must be positive"):
        make_cell(max_image_age_s=0.0)
