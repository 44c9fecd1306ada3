"""A toy: a point shall come to the origin, and its base policy aims beside it.

What it aims at depends on noise, too: there is noise with which it does not aim beside it.
"""

from __future__ import annotations

import numpy as np

from robot_rl.specs import ArraySpec, EnvironmentSpec, ObservationSpec
from robot_rl.types import Observation, Source, StepRecord, restart, running, termination, truncation

SPEC = EnvironmentSpec(
    observation=ObservationSpec(proprio={"point": ArraySpec("point", (2,), np.float32)}, images={}),
    action_size=2,
    step_limit=30,
    rate_hz=10.0,
)
BIAS = np.array([0.3, -0.3], np.float32)
_GAIN, _STEP, _REACHED, _SPREAD = 2.0, 0.2, 0.05, 0.4


def base_action(point, noise=0.0):
    """Towards a place that is 0.2 away from the origin, without noise."""
    return np.clip(BIAS + _SPREAD * noise - _GAIN * point, -1.0, 1.0).astype(np.float32)


class PointReach:
    """Episodes of up to 30 steps; reward 1 where the point is within 0.05 of the origin."""

    def __init__(self, seed, layout=None):
        self._generator = np.random.default_rng(seed)
        self._layout = layout
        self.spec = SPEC if layout is None else layout.extend(SPEC)

    def observe(self):
        proprio = {"point": self.point.copy()}
        if self._layout is None:
            return Observation(proprio, {}, 0, base_action(self.point))
        noise = self._generator.standard_normal((self._layout.count, 2)).astype(np.float32)
        plans = np.stack([self.replan(each) for each in noise])
        return Observation(
            proprio | self._layout.pack(plans, noise if self._layout.has_noise else None), {}, 0, plans[0, 0]
        )

    def replan(self, noise):
        """The same action again and again."""
        return np.repeat(base_action(self.point, noise)[None], self._layout.chunk, axis=0)

    def reset(self):
        self.point, self._steps = self._generator.uniform(-1.0, 1.0, 2).astype(np.float32), 0
        return restart(self.observe(), 2)

    def step(self, action):
        applied = np.clip(action, -1.0, 1.0).astype(np.float32)
        self.point = (self.point + _STEP * applied).astype(np.float32)
        self._steps += 1
        if np.linalg.norm(self.point) < _REACHED:
            return termination(self.observe(), 1.0, applied, Source.POLICY)
        make = truncation if self._steps == SPEC.step_limit else running
        return make(self.observe(), 0.0, applied, Source.POLICY)


def run_episode(env, act, keep=lambda record: None, episode=0):
    """Steps, and whether the point arrived."""
    time_step, number = env.reset(), 0
    keep(StepRecord(time_step, episode, 0))
    while not time_step.is_last:
        number += 1
        time_step = env.step(act(time_step.observation))
        keep(StepRecord(time_step, episode, number, is_success=time_step.is_terminal))
    return number, time_step.is_terminal
