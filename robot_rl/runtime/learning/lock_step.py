"""Actor and learner in one process, in step: the same run for the same seed, on two cores."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from robot_rl.runtime.learning.learner import Learner


class LockStep:
    """Makes the updates that one time step brings while the environment makes the next.

    Called after each time step: waits for the updates of the one before, takes the new one in, offers weights if due,
    and starts its updates. What happens in which order does not depend on how long anything takes.
    """

    def __init__(self, learner: Learner, on_step: Callable[[], None] = lambda: None) -> None:
        """Pace `learner`; `on_step` is called each time while it rests."""
        self._learner, self._on_step = learner, on_step
        self._pool = ThreadPoolExecutor(1, "learner")
        self._running: Future[int] | None = None

    def __call__(self) -> None:
        """A time step was sent."""
        self.wait()
        self._learner.ingest()
        self._learner.publish()
        self._on_step()
        self._running = self._pool.submit(self._learner.catch_up)

    def wait(self) -> None:
        """Until the learner rests; an error of it is raised here."""
        if self._running is not None:
            running, self._running = self._running, None
            running.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
