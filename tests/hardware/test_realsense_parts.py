"""The parts of the RealSense driver that need no stream: stamps, continuity, fitting, options, settings."""

from dataclasses import fields

import numpy as np
import pyrealsense2 as rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from robot_rl_hardware.realsense import options
from robot_rl_hardware.realsense.continuity import Continuity
from robot_rl_hardware.realsense.fitting import find_crop, fit
from robot_rl_hardware.realsense.settings import Settings
from robot_rl_hardware.realsense.stamps import StampMap

from robot_rl.errors import ConfigError, DeviceError
from robot_rl.runtime.camera_config import RealSenseConfig
from tests.hardware import recordings

MS = 1_000_000

# ------------------------------------------------------------------------------------ stamps


def test_a_late_picture_keeps_the_moment_at_which_it_was_taken():
    stamps = StampMap()
    # the device counts from 1000 ms; its pictures come 5 ms later, but the third is held up for 200 ms
    came = [stamps.to_ours(1000 * MS + k * 33 * MS, "device", 50_000 * MS + k * 33 * MS + late)
            for k, late in enumerate([7 * MS, 5 * MS, 200 * MS, 9 * MS])]  # fmt: skip
    assert came == [50_007 * MS, 50_038 * MS, 50_071 * MS, 50_104 * MS]


def test_clocks_that_drift_apart_do_not_move_the_stamps_away():
    stamps = StampMap()
    for k in range(20_000):  # 11 minutes; the device's clock is slow by 50 ppm
        taken_ns = k * 33 * MS
        error_ns = stamps.to_ours(round(taken_ns * (1.0 - 50e-6)), "device", taken_ns + 5 * MS) - taken_ns
    assert abs(error_ns - 5 * MS) < MS


def test_another_clock_of_the_device_and_one_that_starts_again_are_found_anew():
    stamps = StampMap()
    assert stamps.to_ours(900 * MS, "device", 10_000 * MS) == 10_000 * MS
    assert stamps.to_ours(1_700_000_000_000 * MS, "system", 10_040 * MS) == 10_040 * MS
    assert stamps.to_ours(1_700_000_000_033 * MS, "system", 10_073 * MS) == 10_073 * MS
    assert stamps.to_ours(3 * MS, "system", 10_110 * MS) == 10_110 * MS, "the clock went back: the device has restarted"
    assert stamps.to_ours(36 * MS, "system", 10_150 * MS) == 10_143 * MS


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), min_size=1, max_size=50))
def test_no_stamp_lies_in_the_future_and_none_goes_back(steps):
    stamps, device_ns, arrival_ns, last_ns = StampMap(), 0, 0, -(10**9)
    for device_step_ns, arrival_step_ns in steps:
        device_ns, arrival_ns = device_ns + device_step_ns, arrival_ns + arrival_step_ns
        stamp_ns = stamps.to_ours(device_ns, "device", arrival_ns)
        assert last_ns <= stamp_ns <= arrival_ns
        last_ns = stamp_ns


# ------------------------------------------------------------------------------------ continuity


def picture(value):
    return np.full((2, 3, 3), value, np.uint8)


def test_gaps_in_the_count_are_lost_pictures():
    continuity = Continuity(frozen_s=1.0)
    for number in (7, 8, 11, 12, 20):
        assert continuity.is_new(number, number * 33 * MS, picture(number), number * 33 * MS)
    assert continuity.lost == 2 + 7
    continuity.start_over()
    assert continuity.is_new(300, 0, picture(0), 20 * 33 * MS)
    assert continuity.is_new(1, 33 * MS, picture(1), 21 * 33 * MS), "it counts from the beginning"
    assert continuity.lost == 9, "what was missed while it was away, the device has not lost"


def test_a_picture_that_comes_twice_is_not_new():
    continuity = Continuity(frozen_s=1.0)
    assert continuity.is_new(1, 33 * MS, picture(1), 40 * MS)
    assert not continuity.is_new(1, 66 * MS, picture(2), 70 * MS), "the same number"
    assert not continuity.is_new(2, 33 * MS, picture(2), 73 * MS), "the same stamp"
    assert continuity.is_new(2, 66 * MS, picture(2), 80 * MS)


def test_the_same_picture_is_believed_for_a_while_and_again_when_it_has_changed():
    continuity = Continuity(frozen_s=0.1)
    believed = [continuity.is_new(k, k * 30 * MS, picture(5), k * 30 * MS) for k in range(1, 8)]
    assert believed == [True] * 4 + [False] * 3  # 0, 30, 60, 90 ms; then 120 and more
    assert continuity.is_frozen
    continuity.start_over()
    assert not continuity.is_new(1, 0, picture(5), 400 * MS), "opening it again has not thawed it"
    assert continuity.is_new(2, 30 * MS, picture(6), 430 * MS)
    assert not continuity.is_frozen


# ------------------------------------------------------------------------------------ fitting


@pytest.mark.parametrize(
    ("size", "wanted", "crop"),
    [
        ((480, 640), (128, 128), (80, 0, 480, 480)),
        ((480, 640), (96, 128), (0, 0, 640, 480)),
        ((480, 640), (100, 200), (0, 80, 640, 320)),
        ((640, 480), (128, 128), (0, 80, 480, 480)),
    ],
)
def test_the_largest_part_in_the_middle_is_used(size, wanted, crop):
    assert find_crop(*size, *wanted) == crop


def test_a_smaller_picture_is_the_mean_of_each_area():
    image = np.arange(4 * 8 * 3, dtype=np.uint8).reshape(4, 8, 3)
    small = fit(image, (4, 0, 4, 4), 2, 2)
    expected = image[:, 4:].reshape(2, 2, 2, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(small, expected, atol=0.51)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_every_size_fits_into_every_other_and_shares_no_memory(height, width, wanted_height, wanted_width):
    image = np.full((height, width, 3), (1, 100, 200), np.uint8)
    fitted = fit(image, None, wanted_height, wanted_width)
    assert fitted.shape == (wanted_height, wanted_width, 3)
    assert (fitted == (1, 100, 200)).all()
    assert not np.shares_memory(fitted, image)


# ------------------------------------------------------------------------------------ options


@pytest.fixture
def sensor():
    """A software sensor of the library, with the options of a colour sensor."""
    device = rs.software_device()
    sensor = device.add_sensor("RGB Camera")
    recordings.make_profile(sensor, 60, 80)
    limits = {
        rs.option.enable_auto_exposure: (0.0, 1.0, 1.0, 1.0),
        rs.option.exposure: (1.0, 10_000.0, 156.0, 1.0),
        rs.option.gain: (0.0, 128.0, 64.0, 1.0),
        rs.option.enable_auto_white_balance: (0.0, 1.0, 1.0, 1.0),
        rs.option.white_balance: (2800.0, 6500.0, 4600.0, 10.0),
    }
    for option, (least, most, default, step) in limits.items():
        range_ = rs.option_range()
        range_.min, range_.max, range_.default, range_.step = least, most, default, step
        sensor.add_option(option, range_, True)
    yield sensor
    del device


def value(sensor, *names):
    return [sensor.get_option(getattr(rs.option, name)) for name in names]


def test_what_is_given_is_set_and_automatic_switched_off(sensor):
    options.apply(rs, sensor, Settings(exposure=200.0, gain=32.0, white_balance_k=5000.0))
    assert value(sensor, "enable_auto_exposure", "exposure", "gain") == [0.0, 200.0, 32.0]
    assert value(sensor, "enable_auto_white_balance", "white_balance") == [0.0, 5000.0]


def test_what_is_not_given_is_automatic_whatever_was_set_before(sensor):
    options.apply(rs, sensor, Settings(exposure=200.0, white_balance_k=5000.0))
    options.apply(rs, sensor, Settings())
    assert value(sensor, "enable_auto_exposure", "enable_auto_white_balance") == [1.0, 1.0]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"exposure": 20_000.0}, r"exposure must be in \[1, 10000\], got 20000"),
        ({"exposure": 100.0, "gain": -1.0}, r"gain must be in \[0, 128\], got -1"),
        ({"white_balance_k": 100.0}, r"white_balance_k must be in \[2800, 6500\], got 100"),
    ],
)
def test_a_value_out_of_range_is_answered_with_the_range(sensor, more, message):
    with pytest.raises(DeviceError, match=message):
        options.apply(rs, sensor, Settings(**more))


def test_a_sensor_without_an_option_says_so():
    device = rs.software_device()
    bare = device.add_sensor("RGB Camera")
    options.apply(rs, bare, Settings())
    with pytest.raises(DeviceError, match="no exposure to set"):
        options.apply(rs, bare, Settings(exposure=100.0))


# ------------------------------------------------------------------------------------ settings


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"serial": "1", "file": "a.db3"}, "give one of them"),
        ({"width": 0}, "width must be positive, got 0"),
        ({"timeout_s": 0.0}, "timeout_s must be positive"),
        ({"gain": 10.0}, "a gain needs an exposure"),
        ({"crop": (600, 0, 100, 100)}, r"inside the stream's 640 x 480 pixels, got \(600, 0, 100, 100\)"),
        ({"crop": (0, 0, 0, 100)}, "crop must be"),
    ],
)
def test_settings_that_make_no_sense_are_refused(more, message):
    with pytest.raises(ConfigError, match=message):
        Settings(**more)


def test_the_driver_and_the_configuration_have_the_same_settings_and_defaults():
    """The configuration may not import the driver, nor the driver the configuration."""
    here, there = ({each.name: each.default for each in fields(kind)} for kind in (Settings, RealSenseConfig))
    assert here == there
