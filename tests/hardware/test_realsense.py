"""The RealSense driver on recordings of the library: the very pipeline that reads a device reads them."""

import logging
import sys
import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pyrealsense2 as rs
import pytest
from robot_rl_hardware.realsense import camera as camera_module
from robot_rl_hardware.realsense import stream as stream_module
from robot_rl_hardware.realsense.camera import RealSense
from robot_rl_hardware.realsense.settings import Settings
from robot_rl_hardware.realsense.stream import Picture

from robot_rl.clock import FakeClock, MonotonicClock
from robot_rl.errors import DeviceError, SetupError
from tests.contracts import CameraContract, until
from tests.hardware import recordings

HEIGHT, WIDTH = 60, 80


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(camera_module, "_RETRY_S", 0.05)


@pytest.fixture(scope="module")
def images():
    return recordings.render(40, HEIGHT, WIDTH)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("recordings")


@pytest.fixture(scope="module")
def recording(images, folder):
    return recordings.record(folder / "moving.db3", images)


def noise(count):
    return list(np.random.default_rng(0).integers(0, 256, (count, HEIGHT, WIDTH, 3), np.uint8))


def settings(file, **more):
    return Settings(file=str(file), width=WIDTH, height=HEIGHT, rate_hz=recordings.RATE_HZ, **more)


def make(file, height=HEIGHT, width=WIDTH, clock=None, **more):
    return RealSense(clock or MonotonicClock(), settings(file, **more), height, width)


def collect(camera, seconds):
    """(stamp, image) of every picture that comes within a time, until the camera says that no more come."""
    out, end_s = [], time.monotonic() + seconds
    while time.monotonic() < end_s:
        try:
            stamp_ns, image = camera.read()
        except DeviceError:
            break
        if not out or stamp_ns != out[-1][0]:
            out.append((stamp_ns, image))
        time.sleep(0.001)
    return out


class TestRealSense(CameraContract):
    shape = (32, 32)

    @pytest.fixture
    def camera(self, recording):
        with make(recording, *self.shape) as camera:
            yield camera

    @pytest.fixture
    def advance(self):
        return time.sleep


class TestRealSenseAtTheSizeOfItsStream(TestRealSense):
    shape = (HEIGHT, WIDTH)


def test_its_pictures_are_those_of_the_sensor_bit_for_bit_and_in_order(recording, images):
    with make(recording, is_repeated=False, timeout_s=0.3) as camera:
        came = [image for _, image in collect(camera, 10.0)]
        places = [next(k for k, image in enumerate(images) if np.array_equal(image, one)) for one in came]
        assert places == sorted(set(places))
        assert places[-1] == len(images) - 1, "the newest is the last that there was"
        assert len(places) + camera.lost >= len(images) // 2


def test_its_stamps_are_those_of_the_device_on_our_clock(folder):
    """Some pictures are held up by 0.4 s on their way; they were taken on time nevertheless."""
    file = recordings.record(folder / "steady.db3", noise(45), period_s=0.03)
    came = []
    with make(file, is_repeated=False, timeout_s=0.5) as camera:
        take = camera._take

        def held_up(picture):
            if picture.number in (12, 32):
                time.sleep(0.4)
            is_new = take(picture)
            came.append((picture.number, camera._newest[0]))
            return is_new

        camera._take = held_up
        collect(camera, 10.0)
        now_ns = MonotonicClock().now_ns()
    numbers, stamps_ns = np.array(came).T
    assert {12, 32} <= set(numbers)
    assert (np.diff(stamps_ns) > 0).all()
    assert stamps_ns[-1] < now_ns
    settled = numbers > 8  # by then a picture has come without much delay
    late_ms = 1e-6 * stamps_ns[settled] - 30.0 * numbers[settled]
    assert np.ptp(late_ms) < 200.0, "the delay of 400 ms is not in the stamps"


def test_its_stamps_are_on_the_clock_that_it_is_given(recording):
    clock = FakeClock(7_000_000_000_000)
    with make(recording, clock=clock) as camera:
        assert 6_999_000_000_000 < camera.read()[0] <= 7_000_000_000_000


def test_what_is_done_with_a_picture_takes_no_part_in_its_stamp(monkeypatch):
    """The process may be held up for longer than it is from picture to picture: stamps are those of the exposure."""
    clock, works_ms = FakeClock(), [0, 0, 60, 0, 0]

    def work(*arguments):
        clock.sleep_until_ns(clock.now_ns() + works_ms.pop(0) * 1_000_000)
        return np.zeros((HEIGHT, WIDTH, 3), np.uint8)

    monkeypatch.setattr(
        camera_module, "time", SimpleNamespace(monotonic_ns=clock.now_ns, monotonic=lambda: clock.now_ns() * 1e-9)
    )
    monkeypatch.setattr(camera_module, "fit", work)
    camera, stamps_ms = RealSense(clock, Settings(), HEIGHT, WIDTH), []
    for number in range(5):
        taken_ns = number * 33_000_000
        clock.sleep_until_ns(taken_ns + 2_000_000)
        camera._take(Picture(number, taken_ns, "device", np.full((4, 4, 3), number, np.uint8)))
        stamps_ms.append(camera.read()[0] / 1e6)
    assert stamps_ms == [2.0, 35.0, 68.0, 101.0, 134.0], "2 ms, the least delay, after the exposures"


def test_who_reads_a_picture_may_write_into_it(recording, images):
    with make(recording, is_repeated=False, timeout_s=20.0) as camera:
        until(lambda: np.array_equal(camera.read()[1], images[-1]), 10.0)
        camera.read()[1][:] = 0
        np.testing.assert_array_equal(camera.read()[1], images[-1])


def test_the_end_of_a_recording_ages_and_is_then_refused(recording, images):
    with make(recording, is_repeated=False, timeout_s=0.4) as camera:
        until(lambda: np.array_equal(camera.read()[1], images[-1]), 10.0)
        stamps = {stamp_ns for stamp_ns, _ in collect(camera, 10.0)}
        assert len(stamps) == 1, "the last picture keeps its stamp"
        with pytest.raises(DeviceError, match=r"camera 'wrist' \(recording .*\) has shown nothing new.* has ended"):
            camera.read()
        time.sleep(0.3)
        with pytest.raises(DeviceError, match="has ended"):
            camera.read()


def test_a_recording_that_repeats_goes_on(folder):
    some = noise(6)
    with make(recordings.record(folder / "short.db3", some)) as camera:
        came = collect(camera, 1.0)
        assert len(came) > 3 * len(some)
        assert (np.diff([stamp_ns for stamp_ns, _ in came]) > 0).all()
        assert camera.lost <= len(came) // 10


def test_a_recording_that_was_closed_is_no_longer_read(recording):
    """The library would go on with a reading from memory that it has freed."""
    for k in range(20):
        with stream_module.opened(settings(recording)) as stream:
            device = stream._device
            time.sleep(0.005 * k)
        assert device.as_playback().current_status() == rs.playback_status.stopped


def test_a_recording_that_was_closed_at_its_end_is_no_longer_read(folder):
    """Repeated by the library itself, it would begin again while it is closed, now and then."""
    file = recordings.record(folder / "end.db3", noise(3))

    def close_after_its_end(after_s):
        with stream_module.opened(settings(file)) as stream:
            until(lambda: stream.has_ended)
            time.sleep(after_s)
            return stream._device.as_playback()

    for k in range(30):
        assert close_after_its_end(1e-4 * k).current_status() == rs.playback_status.stopped


def test_lost_pictures_are_counted_and_told(folder, caplog):
    file = recordings.record(folder / "gaps.db3", noise(12), numbers=[1, 2, 3, 4, 8, 9, 10, 11, 12, 13, 20, 21])
    with caplog.at_level(logging.WARNING), make(file, is_repeated=False, timeout_s=0.3) as camera:
        collect(camera, 10.0)
        assert camera.lost >= 3 + 6
    assert sum("pictures were lost" in record.message for record in caplog.records) == 1


def test_a_camera_that_freezes_keeps_its_stamp_is_refused_and_comes_back(folder, caplog):
    """The sensor sends, and sends, with new numbers and new stamps, the same picture."""
    some = noise(10)
    file = recordings.record(folder / "frozen.db3", some + [some[-1]] * 60)
    with caplog.at_level(logging.INFO), make(file, frozen_s=0.2, timeout_s=0.4) as camera:
        until(lambda: np.array_equal(camera.read()[1], some[-1]), 10.0)
        collect(camera, 10.0)
        with pytest.raises(DeviceError, match="nothing new"):
            camera.read()

        def is_back():
            try:
                return not np.array_equal(camera.read()[1], some[-1])
            except DeviceError:
                return False

        until(is_back, 10.0)
    lines = [record.message for record in caplog.records]
    assert any("the same picture again and again" in line for line in lines)
    assert any("shows pictures" in line for line in lines[1:])


class Unplugged:
    """Stands before the stream of a recording: after some pictures the device is gone, and is not found at first."""

    def __init__(self, after, missing):
        self.after, self.missing, self.opened = after, missing, 0

    @contextmanager
    def open(self, settings):
        self.opened += 1
        if 1 < self.opened <= 1 + self.missing:
            raise DeviceError(f"{settings.source} is not connected; connected serial numbers: none.")
        with stream_module.opened(settings) as stream:
            if self.opened == 1:
                wait, left = stream.wait, iter(range(self.after))

                def wait_until_unplugged(timeout_s):
                    if next(left, None) is None:
                        raise DeviceError("No device connected")
                    return wait(timeout_s)

                stream.wait = wait_until_unplugged
            yield stream


def test_unplugged_it_ages_is_told_once_and_comes_back_by_itself(recording, monkeypatch, caplog):
    plug = Unplugged(after=5, missing=12)
    monkeypatch.setattr(camera_module, "opened", plug.open)
    with caplog.at_level(logging.INFO), make(recording, timeout_s=0.2) as camera:
        first_ns, _ = camera.read()
        collect(camera, 10.0)
        with pytest.raises(DeviceError, match="is not connected"):
            camera.read()
        until(lambda: plug.opened > 13, 10.0)

        def is_back():
            try:
                return camera.read()[0] > first_ns + 500_000_000
            except DeviceError:
                return False

        until(is_back, 10.0)
    lines = [record.message for record in caplog.records if "lost" not in record.message]
    assert "shows pictures" in lines[0]
    assert sum("No device connected" in line for line in lines) == 1
    assert sum("is not connected" in line for line in lines) == 1
    assert sum("shows pictures" in line for line in lines) == 2
    assert len(lines) == 4


class Cable:
    """The library, with one device that may be pulled out, and refuses much while it is plugged in again."""

    camera_info, option, playback_status = rs.camera_info, rs.option, rs.playback_status
    stream, format = rs.stream, rs.format
    REFUSALS = ("context", "query_devices", "supports", "get_info", "config", "pipeline", "start", "query_sensors")

    def __init__(self, breaks_at):
        self.breaks_at, self.is_out = breaks_at, False
        self.refusals, self.count = [], 0
        self.pictures = noise(50)

    def pull_out(self):
        self.refusals, self.is_out = list(self.REFUSALS), True

    def __getattr__(self, name):
        """Every other function of library, device and pipeline answers with this, or refuses."""

        def answer(*_, **__):
            if self.refusals[:1] == [name]:
                self.refusals.pop(0)
                self.is_out = bool(self.refusals)
                raise RuntimeError("failed to set power state")
            if self.is_out and name in (self.breaks_at, "is_playback"):
                raise RuntimeError("No device connected")
            return getattr(self, f"_{name}", lambda: self)()

        if name.startswith("_"):
            raise AttributeError(name)
        return answer

    def _query_devices(self):
        return [self]

    def _get_info(self):
        return "111"

    def _is_playback(self):
        return False

    def _query_sensors(self):
        profile = SimpleNamespace(stream_type=lambda: rs.stream.color)
        return [SimpleNamespace(get_stream_profiles=lambda: [profile], supports=lambda option: False)]

    def _try_wait_for_frames(self):
        time.sleep(0.01)
        self.count += 1
        return True, self

    def _get_frame_number(self):
        return self.count

    def _get_timestamp(self):
        return 10.0 * self.count

    def _get_data(self):
        return self.pictures[self.count % len(self.pictures)]


@pytest.mark.parametrize("breaks_at", ["try_wait_for_frames", "get_frame_number"])
def test_whatever_the_library_refuses_while_a_device_is_plugged_in_is_tried_again(monkeypatch, breaks_at):
    cable = Cable(breaks_at)
    monkeypatch.setattr(stream_module, "load_library", lambda: cable)
    with RealSense(MonotonicClock(), Settings(timeout_s=0.4), HEIGHT, WIDTH) as camera:
        first_ns, _ = camera.read()
        cable.pull_out()
        until(lambda: not cable.refusals, 10.0)
        pulled_ns = MonotonicClock().now_ns()

        def is_back():
            try:
                return camera.read()[0] > pulled_ns
            except DeviceError:
                return False

        until(is_back, 10.0)
        assert pulled_ns > first_ns


def test_a_reading_never_waits_for_the_device(recording, monkeypatch):
    stuck = threading.Event()
    with make(recording) as camera:
        camera.read()
        monkeypatch.setattr(stream_module.Stream, "wait", lambda self, timeout_s: stuck.wait(30.0) and None)
        try:
            start_s = time.monotonic()
            stamps = {camera.read()[0] for _ in range(100)}
            assert time.monotonic() - start_s < 1.0
            assert len(stamps) <= 2
        finally:
            stuck.set()


def test_the_first_reading_waits_no_longer_than_the_time_out(recording, monkeypatch):
    monkeypatch.setattr(stream_module.Stream, "wait", lambda self, timeout_s: time.sleep(timeout_s))
    with make(recording, timeout_s=0.3) as camera:
        start_s = time.monotonic()
        with pytest.raises(DeviceError, match="nothing new"):
            camera.read()
        assert 0.25 < time.monotonic() - start_s < 5.0


# ------------------------------------------------------------------------------------ what cannot be opened


def test_a_wrong_serial_number_is_refused_at_once():
    expected = r"^camera 'wrist' \(serial number 000\) is not connected; connected serial numbers:"
    with pytest.raises(DeviceError, match=expected) as raised:
        RealSense(MonotonicClock(), Settings(serial="000"), 32, 32).__enter__()
    assert "\n" not in str(raised.value)


class Bus:
    """The part of the library that lists devices, with devices that are not there."""

    camera_info = rs.camera_info

    def __init__(self, *serials):
        self.serials = serials

    def context(self):
        return self

    def query_devices(self):
        return [Device(serial) for serial in self.serials]


class Device:
    def __init__(self, serial):
        self.serial = serial

    def supports(self, key):
        return key == rs.camera_info.serial_number

    def get_info(self, key):
        return self.serial


def test_the_error_names_what_is_connected():
    with pytest.raises(DeviceError, match=r"connected serial numbers: 111, 222\.$"):
        stream_module.find_serial(Bus("111", "222"), Settings(serial="333"))


def test_the_only_camera_needs_no_serial_number_but_one_of_several_does():
    assert stream_module.find_serial(Bus("111"), Settings()) == "111"
    assert stream_module.find_serial(Bus("111", "222"), Settings(serial="222")) == "222"
    with pytest.raises(DeviceError, match="choose a serial number: 111, 222"):
        stream_module.find_serial(Bus("111", "222"), Settings())
    with pytest.raises(DeviceError, match="no RealSense camera is connected"):
        stream_module.find_serial(Bus(), Settings())


def test_a_profile_that_the_device_does_not_have_is_answered_with_those_it_has(recording):
    camera = RealSense(MonotonicClock(), Settings(file=str(recording), width=640, height=480), 32, 32)
    with pytest.raises(DeviceError, match=r"no colour stream 640x480 at 30 Hz; it has 80x60 at 30 Hz\.$"):
        camera.__enter__()


@pytest.mark.parametrize("content", [None, b"no recording"])
def test_a_file_that_is_no_recording_is_refused(tmp_path, content):
    file = tmp_path / "broken.db3"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DeviceError, match="no such file" if content is None else "not a database") as raised:
        make(file).__enter__()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("problem", "advice"),
    [
        ("xioctl(VIDIOC_S_FMT) failed, errno=16 Last Error: Device or resource busy", "in use by another process"),
        ("failed to set power state", "in use by another process"),
        ("RS2_USB_STATUS_ACCESS", "udev rules"),
        ("something else", "cannot be opened: something else"),
    ],
)
def test_a_device_that_does_not_start_says_what_to_do(recording, monkeypatch, problem, advice):
    def refuse(pipeline, config):
        raise RuntimeError(problem)

    monkeypatch.setattr(rs.pipeline, "start", refuse)
    with pytest.raises(DeviceError, match=advice):
        make(recording).__enter__()


def test_a_recording_has_nothing_to_set(recording):
    with pytest.raises(DeviceError, match="as recorded"):
        make(recording, exposure=100.0).__enter__()


def test_without_the_library_it_says_what_to_install(recording, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyrealsense2", None)
    with pytest.raises(SetupError, match=r"robot-rl\[realsense\]"):
        make(recording).__enter__()


def test_the_device_is_free_again_after_the_end(recording):
    for _ in range(3):
        with make(recording) as camera:
            camera.read()
    assert not [thread for thread in threading.enumerate() if thread.name == "camera_wrist"]
