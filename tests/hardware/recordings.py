"""Recordings of a RealSense camera, made by the library's own recorder from pictures of ours."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyrealsense2 as rs
from numpy.typing import NDArray

from robot_rl.sim import franka
from tests import simcells

SERIAL = "130322272869"
RATE_HZ = 30


def render(count: int, height: int, width: int) -> list[NDArray[np.uint8]]:
    """What the wrist camera of a simulated robot sees while it moves."""
    cell = simcells.make("task=peg")
    camera = cell.make_camera("wrist", height, width)
    images = []
    for k in range(count):
        turn = np.array([0.3, 0.1, 0.0, 0.0, 0.0, 0.1, 0.5]) * (2.0 * k / count - 1.0)  # no two alike
        cell.simulation.place_robot(franka.HOME_JOINTS + turn, 0.03)
        images.append(camera.read()[1].copy())
    camera.close()
    return images


def make_profile(sensor: rs.software_sensor, height: int, width: int) -> rs.stream_profile:
    """An RGB stream of a software sensor."""
    stream, lens = rs.video_stream(), rs.intrinsics()
    lens.width, lens.height, lens.fx, lens.fy, lens.ppx, lens.ppy = width, height, width, width, width / 2, height / 2
    lens.model, lens.coeffs = rs.distortion.none, [0.0] * 5
    stream.type, stream.index, stream.uid, stream.fmt, stream.bpp = rs.stream.color, 0, 1, rs.format.rgb8, 3
    stream.width, stream.height, stream.fps, stream.intrinsics = width, height, RATE_HZ, lens
    return sensor.add_video_stream(stream)


def record(
    file: Path,
    images: Sequence[NDArray[np.uint8]],
    numbers: Sequence[int] | None = None,
    period_s: float = 0.02,
    serial: str = SERIAL,
) -> Path:
    """Write a recording, at the pace at which it will be played.

    Args:
        file: ends in .db3; the library makes no others.
        images: RGB, all of one size.
        numbers: the device's count of each, from 1 without gaps if None. Its stamps follow the count.
        period_s: between two pictures [s].
        serial: number of the device that the recording says to be of.
    """
    height, width, _ = images[0].shape
    device = rs.software_device()
    device.register_info(rs.camera_info.serial_number, serial)
    device.register_info(rs.camera_info.name, "Intel RealSense D435")
    sensor = device.add_sensor("RGB Camera")
    profile = make_profile(sensor, height, width)
    recorder = rs.recorder(str(file), device)
    recorded = recorder.query_sensors()[0]
    recorded.open(profile)
    queue = rs.frame_queue(len(images) + 1)
    recorded.start(queue)
    start_s = time.monotonic()
    for k, (number, image) in enumerate(zip(numbers or range(1, len(images) + 1), images, strict=True)):
        time.sleep(max(0.0, start_s + k * period_s - time.monotonic()))
        picture = rs.software_video_frame()
        picture.pixels, picture.stride, picture.bpp = np.ascontiguousarray(image), 3 * width, 3
        picture.timestamp, picture.frame_number = 5_000.0 + 1000.0 * period_s * number, number
        picture.domain, picture.profile = rs.timestamp_domain.hardware_clock, profile.as_video_stream_profile()
        sensor.on_video_frame(picture)
    for _ in images:
        queue.wait_for_frame(5000)  # all of them have passed the recorder
    recorded.stop()
    recorded.close()
    return file
