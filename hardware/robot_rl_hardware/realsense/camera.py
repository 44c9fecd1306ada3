"""A RealSense camera: a thread reads, whoever asks gets the newest picture."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import ExitStack
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from robot_rl.clock import Clock
from robot_rl.errors import DeviceError, SetupError
from robot_rl_hardware.realsense.continuity import Continuity
from robot_rl_hardware.realsense.fitting import fit
from robot_rl_hardware.realsense.settings import Settings
from robot_rl_hardware.realsense.stamps import StampMap
from robot_rl_hardware.realsense.stream import Picture, Stream, opened

_log = logging.getLogger(__name__)

_RETRY_S = 1.0
_LOOK_EVERY_S = 0.05  # whether it is to end
_TELL_LOST_EVERY_S = 10.0


class RealSense:
    """A camera; a context manager that opens the device and reads it in a thread of its own.

    A camera that was there once and is lost is looked for again every second. Until it is back, its last picture keeps
    its stamp, so that whoever looks at the stamps sees how old it is; `read` refuses it after `timeout_s`.
    """

    def __init__(self, clock: Clock, settings: Settings, height: int, width: int) -> None:
        """Store what is read.

        Args:
            clock: of the stamps.
            settings: which device, and how.
            height, width: of the pictures [pixels].
        """
        self._clock, self.settings = clock, settings
        self._height, self._width = height, width
        self._stamps, self._continuity = StampMap(), Continuity(settings.frozen_s)
        self._has_ended = threading.Event()
        self._news = threading.Condition()
        self._newest: tuple[int, NDArray[np.uint8]] | None = None
        self._heard_s = 0.0
        self._problem = "nothing has come yet"
        self._told_lost_s, self._told_lost = -_TELL_LOST_EVERY_S, 0
        self._thread: threading.Thread | None = None

    def __enter__(self) -> RealSense:
        """Open the device, and start to read.

        Raises:
            SetupError: pyrealsense2 is not installed.
            DeviceError: there is no such device, stream or option, or it is in use.
        """
        stack = ExitStack()
        stream = stack.enter_context(opened(self.settings))
        self._heard_s = time.monotonic()
        name = f"camera_{self.settings.name}"
        self._thread = threading.Thread(target=self._serve, args=(stack, stream), name=name, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the device."""
        self._has_ended.set()
        if self._thread is not None:
            self._thread.join()

    @property
    def lost(self) -> int:
        """Pictures that the device made and that never came."""
        return self._continuity.lost

    def read(self) -> tuple[int, NDArray[np.uint8]]:
        """(stamp_ns of the exposure, RGB image (H, W, 3)) of the newest picture.

        Never waits, but for the first picture: `timeout_s` at most.

        Raises:
            DeviceError: no new picture has come for `timeout_s`; the message says why.
        """
        with self._news:
            self._news.wait_for(lambda: self._newest is not None, self._first_within_s())
            silent_s = time.monotonic() - self._heard_s
            if self._newest is None or silent_s > self.settings.timeout_s:
                why = self._problem or "no picture comes"
                raise DeviceError(f"{self.settings.source} has shown nothing new for {silent_s:.1f} s: {why}.")
            stamp_ns, image = self._newest
        return stamp_ns, image.copy()

    def _first_within_s(self) -> float:
        return max(0.0, self._heard_s + self.settings.timeout_s - time.monotonic())

    def _serve(self, stack: ExitStack, stream: Stream) -> None:
        """Read the device; when it is lost, or is a recording to repeat, open it again, until the end."""
        while True:
            with stack:
                problem = self._listen(stream)
                was_played = stream.has_ended
            if was_played and self.settings.is_repeated:
                again = self._reopen(0.0)
            else:
                self._tell(problem)
                again = None if was_played else self._reopen(_RETRY_S)
            if again is None:
                return
            stack, stream = again

    def _listen(self, stream: Stream) -> str:
        """Pass on the pictures of a stream until it is over; why it is."""
        heard_s = time.monotonic()
        while not self._has_ended.is_set():
            try:
                picture = stream.wait(_LOOK_EVERY_S)
            except DeviceError as error:
                return str(error).rstrip(".")
            if picture is not None and self._take(picture):
                heard_s = time.monotonic()
            elif picture is None and stream.has_ended:
                return "the recording has ended"
            elif time.monotonic() - heard_s > self.settings.timeout_s:
                return "it sends the same picture again and again" if self._continuity.is_frozen else "no picture comes"
        return ""

    def _reopen(self, after_s: float) -> tuple[ExitStack, Stream] | None:
        """The device, when it is there again, first looked for after a while; None at the end."""
        self._continuity.start_over()
        while not self._has_ended.wait(after_s):
            after_s = _RETRY_S
            stack = ExitStack()
            try:
                return stack, stack.enter_context(opened(self.settings))
            except (DeviceError, SetupError) as error:
                self._tell(str(error).rstrip("."))
        return None

    def _take(self, picture: Picture) -> bool:
        """Make a picture the newest, if it shows another moment; whether it does."""
        arrival_ns = time.monotonic_ns()
        # The clock of the stamps may be that of a graph, which is set now and then. Both are read at the same moment:
        # what is done with the picture afterwards takes its time.
        offset_ns = self._clock.now_ns() - arrival_ns
        if not self._continuity.is_new(picture.number, picture.device_ns, picture.image, arrival_ns):
            return False
        stamp_ns = offset_ns + self._stamps.to_ours(picture.device_ns, picture.domain, arrival_ns)
        image = fit(picture.image, self.settings.crop, self._height, self._width)
        with self._news:
            self._newest = stamp_ns, image
            self._heard_s = time.monotonic()
            self._news.notify_all()
        if self._problem:
            _log.info("%s shows pictures", self.settings.source)
            self._problem = ""
        self._tell_lost()
        return True

    def _tell(self, problem: str) -> None:
        if problem and problem != self._problem:
            self._problem = problem
            _log.warning("%s: %s.", self.settings.source, problem)

    def _tell_lost(self) -> None:
        now_s = time.monotonic()
        if self.lost > self._told_lost and now_s - self._told_lost_s >= _TELL_LOST_EVERY_S:
            _log.warning("%s: %d pictures were lost so far", self.settings.source, self.lost)
            self._told_lost, self._told_lost_s = self.lost, now_s
