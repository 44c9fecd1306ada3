"""Simulated workcells for tests."""

from __future__ import annotations

from functools import cache

import numpy as np

from robot_rl import config as configuration
from robot_rl.clock import to_ns
from robot_rl.geometry import Array, Pose
from robot_rl.runtime.assembly import SimWorkcell, make_sim_workcell
from robot_rl.runtime.config import EnvConfig
from robot_rl.sim.kinematics import solve_joints
from robot_rl.types import TimeStep

TASKS = ("reach", "peg", "peg_hard", "plug", "pick_cube")


@cache
def load(*overrides: str) -> EnvConfig:
    """The configuration of an environment; composing takes a while."""
    return configuration.load(EnvConfig, "env", overrides)


def make(*overrides: str) -> SimWorkcell:
    """A fresh workcell."""
    return make_sim_workcell(load(*overrides))


def sleep(cell: SimWorkcell, seconds: float) -> None:
    """Let simulated time pass."""
    clock = cell.env.clock
    clock.sleep_until_ns(clock.now_ns() + to_ns(seconds))


def stand(cell: SimWorkcell, pose: Pose, width_m: float = 0.0) -> None:
    """Put the robot at a TCP pose, at rest."""
    cell.simulation.place_robot(solve_joints(cell.simulation.model, pose), width_m)


def push_to(cell: SimWorkcell, pose: Pose, seconds: float = 1.0) -> None:
    """Send an equilibrium pose and wait."""
    cell.env.robot.arm.set_equilibrium_pose(pose, cell.env.clock.now_ns())
    sleep(cell, seconds)


def play(cell: SimWorkcell, seed: int | None) -> tuple[bool, list[TimeStep]]:
    """One episode in which the policy asks for nothing."""
    time_step = cell.env.reset(seed=seed)
    steps = [time_step]
    action = np.zeros(cell.env.action_map.action_size, np.float32)
    while not time_step.is_last:
        time_step = cell.env.step(action)
        steps.append(time_step)
    return cell.env.outcome.is_success, steps


def flat(time_step: TimeStep) -> Array:
    """All numbers of a time step but its stamp."""
    proprio = np.concatenate(list(time_step.observation.proprio.values()))
    return np.concatenate([proprio, time_step.applied_action, [time_step.reward, time_step.discount]])
