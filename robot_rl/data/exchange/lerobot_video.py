"""Frames of a LeRobotDataset's videos, in which the episodes of a camera stand behind each other."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from robot_rl.errors import ExchangeError


def read_frames(path: Path, times_s: NDArray[np.float64], tolerance_s: float) -> NDArray[np.uint8]:
    """The frames of a video nearest to rising times, as RGB (T, H, W, 3).

    Raises:
        ExchangeError: the video cannot be read, or has no frame within the tolerance of a time.
    """
    stamps: list[float] = []
    frames: list[NDArray[np.uint8]] = []
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            start_s = max(0.0, float(times_s[0]) - tolerance_s)
            container.seek(int(start_s * av.time_base))
            for frame in container.decode(stream):
                if frame.time < times_s[0] - tolerance_s:
                    continue
                if frame.time > times_s[-1] + tolerance_s:
                    break
                stamps.append(frame.time)
                frames.append(frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False))
    except (OSError, IndexError, av.FFmpegError) as error:
        raise ExchangeError(f"{path} cannot be read as a video: {error}") from error
    distances = np.abs(np.subtract.outer(times_s, np.array(stamps)))
    if not stamps or (distances.min(1) > tolerance_s).any():
        raise ExchangeError(
            f"{path} must have a frame within {tolerance_s:.3f} s of each of {len(times_s)} times from "
            f"{times_s[0]:.3f} s to {times_s[-1]:.3f} s, got {len(stamps)} frames there."
        )
    return np.stack([frames[k] for k in distances.argmin(1)])
