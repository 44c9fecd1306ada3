"""Arm and hand of a Franka, opened as the configuration says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from robot_rl.clock import Clock
from robot_rl.robot.guarded_gripper import GuardedGripper
from robot_rl.runtime.config import EnvConfig

if TYPE_CHECKING:
    from robot_rl_hardware.franka.arm import FrankaArm


@contextmanager
def opened(
    config: EnvConfig, clock: Clock | None = None, pause: Callable[[float], None] = time.sleep
) -> Iterator[tuple[FrankaArm, GuardedGripper]]:
    """Arm and hand, as long as the context lasts.

    Args:
        config: of robot and task.
        clock: of the stamps; see `FrankaArm`, as for `pause`.
        pause: lets some seconds pass.

    Raises:
        ConfigError: a value that the driver refuses.
        SetupError: libfranka's client is missing.
        DeviceError: no robot answers.
    """
    from robot_rl_hardware.franka.arm import FrankaArm
    from robot_rl_hardware.franka.gripper import FrankaGripper
    from robot_rl_hardware.franka.settings import ArmSettings, HandSettings

    franka, episode = config.robot.franka, config.task.episode
    arm_settings = ArmSettings(
        host=franka.host,
        robot=franka.robot,
        preset=episode.impedance,
        period_s=1.0 / episode.rate_hz,
        force_limit_n=episode.max_force_n,
        is_lock_step=config.graph.is_lock_step,
        **asdict(franka.arm),
    )
    hand_settings = HandSettings(host=franka.host, robot=franka.robot, **asdict(franka.hand))
    hand = FrankaGripper(hand_settings, pause)
    with FrankaArm(arm_settings, clock, pause, on_stop=hand.withdraw) as arm, hand:
        yield arm, GuardedGripper(hand, arm)
