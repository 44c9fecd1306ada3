"""What the arm's process and the one that commands it tell each other."""

from __future__ import annotations

from typing import Final

import numpy as np

from robot_rl.types import Reason, StopRecord

REASONS: Final = tuple(Reason)
NO_REASON: Final = 0
TEXT_BYTES: Final = 400

_STOP = [("stop_reason", "i8"), ("stop_detail", f"S{TEXT_BYTES}"), ("stop_stamp_ns", "i8")]

ORDER_DTYPE: Final = np.dtype(
    [
        ("mode_count", "i8"),  # stops and recoveries so far; the newest is a stop where stop_reason is one
        *_STOP,
        ("target_count", "i8"),
        ("target_mode_count", "i8"),  # of whoever commanded it: a pose from before a stop is void
        ("position_m", "f8", (3,)),
        ("quaternion", "f8", (4,)),
        ("stamp_ns", "i8"),
        ("life_count", "i8"),  # the newest pose is still wanted
        ("preset_count", "i8"),
        ("preset", "i8"),
        ("posture_count", "i8"),
        ("posture_rad", "f8", (7,)),
        ("tare_count", "i8"),
        ("tare", "f8", (6,)),
        ("granted_ticks", "i8"),  # in lock-step: how far time may pass
        ("is_over", "i8"),
    ],
    align=True,
)
"""To the arm's process. Whatever is counted is new when its count is."""

MEASURED_DTYPE: Final = np.dtype(
    [
        ("joint_positions", "f8", (7,)),
        ("joint_velocities", "f8", (7,)),
        ("joint_torques", "f8", (7,)),
        ("position_m", "f8", (3,)),
        ("quaternion", "f8", (4,)),
        ("twist", "f8", (6,)),
        ("wrench", "f8", (6,)),
        ("mean_wrench", "f8", (6,)),  # lately, with the tare
    ],
    align=True,
)
"""An arm in a millisecond, in the axes of `ArmState`."""

REPORT_DTYPE: Final = np.dtype(
    [
        ("stamp_ns", "i8"),
        ("tick_count", "i8"),
        ("is_moving", "i8"),  # whether torques are commanded
        ("is_real_time", "i8"),
        ("mode_count", "i8"),  # the newest order to stop or recover that was answered
        *_STOP,
        ("refusal", f"S{TEXT_BYTES}"),  # why it was not recovered, or why the process ended
        ("measured", MEASURED_DTYPE),
        ("rest_ticks", "i8"),  # since the arm has moved
    ],
    align=True,
)
"""From the arm's process."""

HAND_ORDER_DTYPE: Final = np.dtype(
    [("count", "i8"), ("width_m", "f8"), ("withdrawn_count", "i8"), ("is_over", "i8")], align=True
)
"""To the hand's processes: the newest width, how many there were, and how many of these may not begin any more."""

HAND_MOVE_DTYPE: Final = np.dtype(
    [("count", "i8"), ("is_busy", "i8"), ("may_turn_ns", "i8"), ("problem", f"S{TEXT_BYTES}")], align=True
)
"""From the one that moves: the newest width that was begun, when it may be given up, and what was wrong with it."""

HAND_REPORT_DTYPE: Final = np.dtype(
    [("width_m", "f8"), ("max_width_m", "f8"), ("is_stopping", "i8"), ("problem", f"S{TEXT_BYTES}")], align=True
)
"""From the one that watches; while it stops a motion, no other one may begin."""


def to_bytes(text: str) -> bytes:
    """Text for a field of TEXT_BYTES, cut off where it is longer."""
    return text.encode()[:TEXT_BYTES]


def to_text(value: bytes) -> str:
    """Text of such a field."""
    return bytes(value).decode(errors="ignore")


def put_stop(record: np.void, stop: StopRecord | None) -> None:
    """Write a stop, or that there is none, into a record with the fields of one."""
    record["stop_reason"] = NO_REASON if stop is None else 1 + REASONS.index(stop.reason)
    record["stop_detail"] = b"" if stop is None else to_bytes(stop.detail)
    record["stop_stamp_ns"] = 0 if stop is None else stop.stamp_ns


def get_stop(record: np.void) -> StopRecord | None:
    """The stop in a record, or None."""
    number = int(record["stop_reason"])
    if number == NO_REASON:
        return None
    return StopRecord(REASONS[number - 1], to_text(record["stop_detail"]), int(record["stop_stamp_ns"]))
