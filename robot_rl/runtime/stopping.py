"""Whoever commands a robot leaves one that is stopped."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from robot_rl.robot.robot import Robot
from robot_rl.types import Reason

_log = logging.getLogger(__name__)


@contextmanager
def stopping(robot: Robot, what: str = "the actor") -> Iterator[None]:
    """Stop the robot at the end of the context, however it ends: nobody will command it any more.

    Args:
        robot: to be stopped.
        what: ends, for the reason.
    """
    with stopping_on_error(robot, what):
        yield
    robot.stop(Reason.REQUESTED, f"{what} has ended")


@contextmanager
def stopping_on_error(robot: Robot, what: str) -> Iterator[None]:
    """Stop the robot where the context is cut short; see `stopping`.

    A robot that cannot even be stopped is told in the log: what cut the context short is the error.
    """
    try:
        yield
    except BaseException as error:  # also Ctrl-C
        try:
            robot.stop(Reason.REQUESTED, f"{what} was cut short by {error!r}")
        except Exception as failure:  # noqa: BLE001  it must not hide the first error
            _log.warning("%s could not stop the robot: %s", what, failure)
        raise
