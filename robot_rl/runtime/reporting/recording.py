"""Pictures of an evaluation: a video, and a contact sheet that shows episodes at a glance."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from robot_rl.errors import ConfigError
from robot_rl.runtime.reporting.evaluation import EpisodeResult
from robot_rl.runtime.reporting.observers import Observer
from robot_rl.runtime.reporting.output_file import check_path
from robot_rl.types import TimeStep

Image = NDArray[np.uint8]

_WHITE, _GREEN, _RED = (255, 255, 255), (90, 220, 110), (255, 90, 80)


def write_label(image: Image, text: str, colour: tuple[int, int, int] = _WHITE, line: int = 0) -> Image:
    """A copy of `image` with a line of text on a dark strip, counted from the top."""
    labelled = image.copy()
    top = 18 * line
    labelled[top : top + 18] //= 3
    cv2.putText(labelled, text, (5, top + 13), cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, 1, cv2.LINE_AA)
    return labelled


def write_result(image: Image, which: str, after: str, *, is_success: bool) -> Image:
    """A copy of the last image of an episode that says what came of it."""
    text, colour = ("success", _GREEN) if is_success else ("failure", _RED)
    return write_label(image, f"{which}   {text} {after}", colour)


class VideoFile:
    """An H.264 file that browsers play."""

    def __init__(self, path: Path, rate_hz: float) -> None:
        """Open the file.

        Args:
            path: of the MP4; its folder is made.
            rate_hz: frames per second.

        Raises:
            ConfigError: the file cannot be written.
        """
        check_path(path, "video", ".mp4")
        try:
            self._container = av.open(str(path), "w")
        except OSError as error:
            raise ConfigError(f"Cannot write the video {path}: {error}.") from error
        self.frames_of_half_a_second = max(1, round(rate_hz / 2))
        self._stream = self._container.add_stream("libx264", rate=Fraction(rate_hz).limit_denominator(1000))
        self._stream.pix_fmt = "yuv420p"
        self._stream.options = {"crf": "23"}
        self._is_empty = True

    def write(self, image: Image) -> None:
        """Add a frame, RGB uint8 (H, W, 3), H and W even and those of the frame before."""
        if self._is_empty:
            self._stream.height, self._stream.width = image.shape[:2]
            self._is_empty = False
        for packet in self._stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
            self._container.mux(packet)

    def close(self) -> None:
        """Finish the file."""
        if not self._is_empty:
            for packet in self._stream.encode():
                self._container.mux(packet)
        self._container.close()


class VideoRecorder(Observer):
    """Writes every control step as a frame of a video."""

    def __init__(self, path: Path, capture: Callable[[], Image], rate_hz: float) -> None:
        """Open the file.

        Args:
            path: of the MP4; its folder is made.
            capture: takes a picture now, RGB uint8 (H, W, 3), H and W even.
            rate_hz: frames per second.

        Raises:
            ConfigError: the file cannot be written.
        """
        self._capture, self._file = capture, VideoFile(path, rate_hz)
        self._episode = 0
        self._last: Image | None = None

    def on_step(self, time_step: TimeStep) -> None:
        """Add a frame."""
        image = self._capture()
        who = time_step.source.name.lower() if not time_step.is_first else "start"
        self._last = image
        self._file.write(write_label(image, f"episode {self._episode + 1}   {who}"))

    def on_episode_end(self, episode: EpisodeResult) -> None:
        """Show the result for half a second."""
        if self._last is None:
            return
        label = f"after {episode.duration_s:.1f} s"
        frame = write_result(self._last, f"episode {self._episode + 1}", label, is_success=episode.is_success)
        for _ in range(self._file.frames_of_half_a_second):
            self._file.write(frame)
        self._episode += 1

    def close(self) -> None:
        """Finish the file."""
        self._file.close()


class ContactSheet(Observer):
    """One row an episode, pictures at half size evenly spread over it."""

    def __init__(self, path: Path, capture: Callable[[], Image], rows: int = 6, columns: int = 6) -> None:
        """Check the path of the PNG; it is written at `close`.

        Raises:
            ConfigError: the file cannot be written.
        """
        check_path(path, "contact sheet", ".png")
        self._path, self._capture = path, capture
        self._max_rows, self._columns = rows, columns
        self._frames: list[Image] = []
        self._rows: list[Image] = []

    def on_step(self, time_step: TimeStep) -> None:
        """Remember a picture while rows are wanted."""
        del time_step
        if len(self._rows) < self._max_rows:
            image = self._capture()
            half = (image.shape[1] // 2, image.shape[0] // 2)
            self._frames.append(np.asarray(cv2.resize(image, half, interpolation=cv2.INTER_AREA), np.uint8))

    def on_episode_end(self, episode: EpisodeResult) -> None:
        """Make a row of the episode's pictures."""
        if not self._frames:
            return
        chosen = np.linspace(0, len(self._frames) - 1, self._columns).round().astype(int)
        period_s = episode.duration_s / max(1, len(self._frames) - 1)
        cells = [write_label(self._frames[i], f"{i * period_s:.1f} s") for i in chosen]
        text, colour = ("success", _GREEN) if episode.is_success else ("failure", _RED)
        cells[-1] = write_label(cells[-1], f"episode {episode.index + 1}: {text}", colour, line=1)
        self._rows.append(np.hstack(cells))
        self._frames = []

    def close(self) -> None:
        """Write the PNG.

        Raises:
            ConfigError: the disk does not take it.
        """
        if self._rows:
            is_written = cv2.imwrite(str(self._path), cv2.cvtColor(np.vstack(self._rows), cv2.COLOR_RGB2BGR))
            if not is_written:
                raise ConfigError(f"Cannot write the contact sheet {self._path}: has the disk room for it?")
