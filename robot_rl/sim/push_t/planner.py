"""A planner that shows how the task is solved, in many ways.

It looks several pushes ahead with the true dynamics: from each of the few most promising scenes it tries many random
pushes, keeps the best ones, and goes on from there (a beam search). Each way to begin has a random cost of its own, so
that the best way is another one each time. After each push that was made it plans anew, since the hand that makes them
is not exact.
"""

from __future__ import annotations

import math

import numpy as np

from robot_rl.geometry import Array
from robot_rl.sim.push_t.pushes import (
    IS_SOLVED,
    MAX_TARGETS,
    OUTCOME_SIZE,
    PUSH_SIZE,
    STEPS,
    VALUE,
    lay_targets,
    try_pushes,
)

_PUSHES_AHEAD = 3
_TRIALS = 96  # pushes that are tried from each scene
_FIRST_TRIALS = 384
_BEAM = 6
_HANDICAP_STEPS = 30.0  # mean of a random cost of each first push, which makes for several ways


class Planner:
    """Plans the pushes of one episode of one scene.

    Args:
        generator: of the random choices; the same scene is solved in another way the next time.
    """

    def __init__(self, generator: np.random.Generator) -> None:
        self._generator = generator
        self._intended = np.empty((0, PUSH_SIZE))  # the rest of the newest plan: who forgets it, dithers

    def plan_push(self, state: Array, hand: Array, most_steps: int) -> Array:
        """Targets of the next push.

        Args:
            state: the scene, (10,).
            hand: newest target of the disc [px], (2,).
            most_steps: control steps that are left.

        Returns:
            Targets of the disc [px], one for each control step, (T, 2) with T from 0, if nothing can be made, to 96.
        """
        plan, steps = self._search(state, hand, most_steps)
        self._intended = plan[1:]
        targets = np.empty((MAX_TARGETS, 2))
        if len(plan):
            lay_targets(state, hand, plan[0], targets)
        return targets[:steps]

    def _search(self, state: Array, hand: Array, most_steps: int) -> tuple[Array, int]:
        """The best plan that is found, pushes (P, 4), and the control steps of its first push."""
        scenes, hands = state[None], hand[None]
        spent = np.zeros(1)
        plans = np.empty((1, 0, PUSH_SIZE))
        firsts = np.zeros(1, np.int64)  # which first push led to each scene
        first_steps, handicaps = np.zeros(0), np.zeros(0)
        best_plan, best_steps, best_value = plans[0], 0, math.inf
        for depth in range(_PUSHES_AHEAD):
            pushes = self._draw(len(scenes), depth)
            trials = pushes.shape[1]
            outcomes = np.empty((len(scenes), trials, OUTCOME_SIZE))
            ends = np.zeros((len(scenes), trials, state.size + 2))
            try_pushes(scenes, hands, pushes, most_steps, outcomes, ends)
            if depth == 0:
                first_steps = outcomes[0, :, STEPS]
                handicaps = self._generator.exponential(_HANDICAP_STEPS, (trials,))
                if len(self._intended):
                    handicaps[0] = 0.0
            flat, after = outcomes.reshape(-1, OUTCOME_SIZE), ends.reshape(-1, state.size + 2)
            origins = np.repeat(np.arange(len(scenes)), trials)
            firsts = np.arange(trials) if depth == 0 else firsts[origins]
            values = spent[origins] + flat[:, VALUE] + handicaps[firsts]
            order = np.argsort(values)[: 4 * _BEAM]  # more, since some have solved the task and do not go on
            plans = np.concatenate([plans[origins[order]], pushes.reshape(-1, 1, PUSH_SIZE)[order]], axis=1)
            if values[order[0]] < best_value:
                best_value = float(values[order[0]])
                best_plan, best_steps = plans[0], int(first_steps[firsts[order[0]]])
            goes_on = np.flatnonzero(np.isfinite(values[order]) & (flat[order, IS_SOLVED] == 0.0))[:_BEAM]
            if goes_on.size == 0:
                break
            plans, order = plans[goes_on], order[goes_on]
            firsts, spent = firsts[order], spent[origins[order]] + flat[order, STEPS]
            scenes, hands = after[order, : state.size].copy(), after[order, state.size :].copy()
        return best_plan, best_steps

    def _draw(self, scenes: int, depth: int) -> Array:
        """Random pushes to try from each of some scenes, (scenes, K, 4); the first is what was intended at a depth."""
        pushes = self._generator.random((scenes, _TRIALS if depth else _FIRST_TRIALS, PUSH_SIZE))
        if depth < len(self._intended):
            pushes[:, 0] = self._intended[depth]
        return pushes
