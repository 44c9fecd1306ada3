"""Quality of service of every topic. A reliable subscriber of a best-effort publisher silently gets nothing.

What this graph publishes is reliable, so that everybody can read it and lock-step loses nothing; its queues are short,
where only the newest message of a device says anything.
"""

from __future__ import annotations

from rclpy.duration import Duration
from rclpy.qos import (
    QoSDurabilityPolicy,
    QoSHistoryPolicy,
    QoSLivelinessPolicy,
    QoSProfile,
    QoSReliabilityPolicy,
    qos_profile_sensor_data,
)

STREAM = QoSProfile(depth=5, history=QoSHistoryPolicy.KEEP_LAST, reliability=QoSReliabilityPolicy.RELIABLE)
"""States, images, a person's device, commands of the clock."""
PRESSES = QoSProfile(depth=200, history=QoSHistoryPolicy.KEEP_LAST, reliability=QoSReliabilityPolicy.RELIABLE)
"""A person's buttons, and rewards: each one counts, also one that came while the actor was thinking."""
LATCHED = QoSProfile(depth=1, reliability=QoSReliabilityPolicy.RELIABLE, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
"""What late comers must learn, too: why the robot is stopped."""
FOREIGN = qos_profile_sensor_data
"""For publishers that are not ours: best effort hears both kinds."""
FOREIGN_NEWEST = QoSProfile(depth=1, reliability=QoSReliabilityPolicy.BEST_EFFORT)
"""Likewise, for a listener that is slower than they are and must not fall behind."""
_SIGNS_IN_LEASE = 4


def make_command_qos(lease_s: float) -> QoSProfile:
    """Of who listens to a topic whose publisher must be alive: who was not heard for `lease_s` counts as gone."""
    return QoSProfile(
        depth=1,
        history=QoSHistoryPolicy.KEEP_LAST,
        reliability=QoSReliabilityPolicy.RELIABLE,
        liveliness=QoSLivelinessPolicy.AUTOMATIC,
        liveliness_lease_duration=Duration(nanoseconds=round(lease_s * 1e9)),
    )


def make_commander_qos(lease_s: float) -> QoSProfile:
    """Of that publisher: its middleware speaks several times in `lease_s`, by itself.

    It speaks after two thirds of what it offers. Were that the same time, an arm would stop as soon as one of four
    threads on a busy machine is late by the other third.
    """
    return make_command_qos(lease_s / _SIGNS_IN_LEASE)
