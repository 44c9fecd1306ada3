"""Videos and contact sheets."""

import av
import cv2
import numpy as np
import pytest

from robot_rl.errors import ConfigError
from robot_rl.runtime.reporting.evaluation import EpisodeResult
from robot_rl.runtime.reporting.recording import ContactSheet, VideoRecorder, write_label
from robot_rl.types import Observation, Source, restart, running

OBSERVATION = Observation({}, {}, 0)
STEPS = [restart(OBSERVATION, 6)] + [running(OBSERVATION, 0.0, np.zeros(6, np.float32), Source.POLICY)] * 4


class Greys:
    """Pictures that get brighter one by one."""

    def __init__(self, height=48, width=64):
        self.shape, self.count = (height, width, 3), 0

    def __call__(self):
        self.count += 1
        return np.full(self.shape, min(255, 20 * self.count), np.uint8)


def frames(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)], stream


def film(recorder, episodes=1, is_success=True):
    for index in range(episodes):
        for time_step in STEPS:
            recorder.on_step(time_step)
        recorder.on_episode_end(EpisodeResult(index, is_success, 4, 0, 0.4))


def test_every_step_is_a_frame_and_the_result_stays_for_half_a_second(tmp_path):
    path = tmp_path / "new" / "a.mp4"
    recorder = VideoRecorder(path, Greys(), 10.0)
    film(recorder, 2)
    recorder.close()
    pictures, stream = frames(path)
    assert len(pictures) == 2 * (5 + 5)
    assert stream.codec_context.name == "h264"
    assert float(stream.average_rate) == 10.0
    brightness = [picture[30:].mean() for picture in pictures]
    np.testing.assert_allclose(brightness[:5], [20, 40, 60, 80, 100], atol=4)
    np.testing.assert_allclose(brightness[5:10], 100, atol=4)


def test_a_video_that_is_closed_early_can_be_played(tmp_path):
    recorder = VideoRecorder(tmp_path / "a.mp4", Greys(), 10.0)
    for time_step in STEPS[:3]:
        recorder.on_step(time_step)
    recorder.close()
    assert len(frames(tmp_path / "a.mp4")[0]) == 3


def test_a_video_without_a_picture_can_be_closed(tmp_path):
    view = Greys()
    VideoRecorder(tmp_path / "a.mp4", view, 10.0).close()
    assert view.count == 0, "no picture was taken for it"


def test_a_video_of_an_unknown_kind_is_refused_in_words(tmp_path):
    with pytest.raises(ConfigError, match=r"film\.xyz.*\.mp4"):
        VideoRecorder(tmp_path / "film.xyz", Greys(), 10.0)


def test_a_sheet_of_an_unknown_kind_is_refused_before_anything_moves(tmp_path):
    with pytest.raises(ConfigError, match=r"sheet\.xyz.*\.png"):
        ContactSheet(tmp_path / "sheet.xyz", Greys())


def test_a_sheet_has_a_row_an_episode_and_no_more_than_asked_for(tmp_path):
    path = tmp_path / "new" / "a.png"
    sheet = ContactSheet(path, Greys(), rows=2, columns=3)
    film(sheet, 4)
    sheet.close()
    picture = cv2.imread(str(path))
    assert picture.shape == (2 * 24, 3 * 32, 3)


def test_a_sheet_shows_first_middle_and_last(tmp_path):
    sheet = ContactSheet(tmp_path / "a.png", Greys(96, 128), columns=3)
    film(sheet)
    sheet.close()
    picture = cv2.imread(str(tmp_path / "a.png"))
    cells = [picture[40:, 64 * i : 64 * (i + 1)].mean() for i in range(3)]
    np.testing.assert_allclose(cells, [20, 60, 100], atol=2)


def test_without_an_episode_there_is_no_sheet(tmp_path):
    sheet = ContactSheet(tmp_path / "a.png", Greys())
    sheet.on_step(STEPS[0])
    sheet.close()
    assert list(tmp_path.iterdir()) == []


def test_a_sheet_that_the_disk_does_not_take_is_said(tmp_path):
    sheet = ContactSheet(tmp_path / "a.png", Greys())
    film(sheet)
    (tmp_path / "a.png").mkdir()
    with pytest.raises(ConfigError, match=r"Cannot write the contact sheet .*a\.png"):
        sheet.close()


def test_a_label_is_written_on_a_copy():
    image = np.full((40, 120, 3), 200, np.uint8)
    labelled = write_label(image, "hello")
    assert (image == 200).all()
    assert (labelled[:18] != 200).any()
    assert (labelled[18:] == 200).all()
