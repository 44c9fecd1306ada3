"""What an episode takes over from arrays that others wrote.

They differ from ours in type and shape, and most have one observation per action: the one after the last action is
then repeated from the one before it, a period later. What is said about an ending is what the file says, never a
guess: without a mark of its end an episode was truncated, and without a success it had none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from robot_rl.data.episode import Episode
from robot_rl.errors import ExchangeError
from robot_rl.types import Source

Numbers = NDArray[np.float32]
Pictures = NDArray[np.uint8]


def missing(where: str, field: str, expected: str) -> ExchangeError:
    """The error for `field`, which the file at `where` lacks."""
    return ExchangeError(f"{where} lacks {field}: expected {expected}.")


def to_rows(values: NDArray[np.generic], where: str) -> Numbers:
    """Numbers of any shape (T, ...) as float32 (T, n).

    Raises:
        ExchangeError: these are no numbers.
    """
    if values.dtype.kind not in "fiub" or values.ndim == 0:
        raise ExchangeError(f"{where} must be numbers, one row per step, got {values.dtype} of shape {values.shape}.")
    return np.ascontiguousarray(values.reshape(len(values), -1), np.float32)


def is_picture(shape: tuple[int, ...]) -> bool:
    """Whether an array of this shape is a sequence of pictures: all other numbers have fewer axes."""
    return len(shape) == 4


def to_pictures(values: NDArray[np.generic], where: str) -> Pictures:
    """Pictures as uint8 (T, H, W, 3); whole numbers 0..255 of another type are cast.

    Raises:
        ExchangeError: other channels than RGB last, or other values.
    """
    if values.ndim != 4 or values.shape[3] != 3 or values.dtype.kind not in "fiu":
        raise ExchangeError(
            f"{where} must be RGB pictures of shape (T, H, W, 3), got {values.dtype} of shape {values.shape}."
        )
    pictures: Pictures = np.clip(values, 0, 255).astype(np.uint8)
    if not np.array_equal(pictures, values):
        raise ExchangeError(f"{where} must hold whole numbers from 0 to 255, got others.")
    return pictures


def repeat_last(values: np.ndarray) -> np.ndarray:
    """(T, ...) -> (T + 1, ...): the observation that was not stored."""
    return np.concatenate([values, values[-1:]])


def stamps_at(rate_hz: float, count: int) -> NDArray[np.int64]:
    """Stamps of `count` observations at a steady rate, from 0 [ns]."""
    return np.round(np.arange(count) * (1e9 / rate_hz)).astype(np.int64)


def stamps_from(times_s: NDArray[np.generic], rate_hz: float) -> NDArray[np.int64]:
    """Stamps of T + 1 observations from the times of the first T [ns]."""
    stamps = np.round(times_s.astype(np.float64).reshape(-1) * 1e9).astype(np.int64)
    return np.append(stamps, stamps[-1] + round(1e9 / rate_hz))


def make_demonstration(
    observations: tuple[dict[str, Numbers], dict[str, Pictures]],
    stamps_ns: NDArray[np.int64],
    actions: Numbers,
    rewards: Numbers | None,
    *,
    is_terminal: bool,
    is_success: bool | None = None,
) -> Episode:
    """An episode of which nobody said more.

    Args:
        observations: proprio and images, T + 1 rows each.
        stamps_ns: shape (T + 1,).
        actions: shape (T, A).
        rewards: T numbers, or None without any.
        is_terminal: whether the file marks its end as one of the task.
        is_success: what the file says; None where it does not: then a positive last reward at a terminal end says yes,
            and nothing says no.
    """
    length = len(actions)
    rewards = np.zeros(length, np.float32) if rewards is None else rewards.reshape(length)
    return Episode(
        proprio=observations[0],
        images=observations[1],
        stamps_ns=stamps_ns,
        actions=actions,
        rewards=rewards,
        sources=np.full(length, Source.DEMO, np.int8),
        policy_versions=np.full(length, -1, np.int64),
        is_terminal=is_terminal,
        is_success=True if is_success is None and is_terminal and rewards[-1] > 0.0 else is_success,
    )
