"""Demonstrations of Push-T by the planner, kept in a store."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from robot_rl.data.store_reader import StoreReader
from robot_rl.data.store_writer import StoreWriter
from robot_rl.errors import ConfigError
from robot_rl.sim.push_t.planner import Planner
from robot_rl.sim.push_t.push_t import PushT, to_action, to_observation
from robot_rl.sim.push_t.shapes import SUCCESS_COVERAGE
from robot_rl.types import Source, StepRecord, TimeStep, restart, running, termination

_FLUSH_TIMEOUT_S = 60.0
_FAILURES_IN_A_ROW = 20

# The hand is not exact: the error of a target is a random walk drawn back to zero. So the data show how to get back
# from where the plan did not lead.
_HAND_ERROR_PX = 2.0  # standard deviation
_HAND_MEMORY = 0.9  # what is left of the error in the next control step
_INNOVATION_PX = _HAND_ERROR_PX * math.sqrt(1.0 - _HAND_MEMORY**2)
_PERIOD_NS = round(1e9 / PushT.spec.rate_hz)


def record(path: Path, episodes: int, seed: int, on_episode: Callable[[int, bool], bool]) -> int:
    """Record until `episodes` solved episodes were kept, or `on_episode` says so; return how many that were.

    Args:
        path: of the store, made or continued.
        episodes: how many to keep.
        seed: of the scenes and of the planner's choices.
        on_episode: called with the number kept so far and whether the last one was solved; False ends the recording.
    """
    env = PushT()
    attributes = {"task": "push_t", "demonstrator": "planner", "seed": seed}
    kept = failures = 0
    with StoreWriter(path, env.spec, attributes) as store:
        episode = max(StoreReader(path).newest_steps(), default=-1) + 1
        while kept < episodes:
            scene_seed, planner_seed = np.random.SeedSequence([seed, episode]).generate_state(2)
            time_steps = demonstrate(env, int(scene_seed), np.random.default_rng(planner_seed))
            failures = 0 if time_steps is not None else failures + 1
            if time_steps is not None:
                for number, time_step in enumerate(time_steps):
                    store.append(StepRecord(time_step, episode, number, is_success=time_step.is_last))
                store.flush(_FLUSH_TIMEOUT_S)
                kept += 1
            elif failures >= _FAILURES_IN_A_ROW:
                raise ConfigError(f"{failures} scenes in a row were not solved, from seed {seed}; try another seed.")
            episode += 1
            if not on_episode(kept, time_steps is not None):
                break
    return kept


def demonstrate(env: PushT, seed: int, generator: np.random.Generator) -> list[TimeStep] | None:
    """Time steps of an episode that ends with the solved task, and reward 1; None if it was not solved in time.

    Args:
        env: of one scene.
        seed: of the scene.
        generator: of the planner's choices and of the hand's errors.
    """
    if env.scenes != 1:
        raise ConfigError(f"a demonstration needs an environment of 1 scene, got one of {env.scenes}.")
    row = env.reset([seed])[0]
    out = [restart(to_observation(row), env.spec.action_size)]
    planner = Planner(generator)
    hand, error_px = row[:2].astype(np.float64), np.zeros(2)
    while len(out) <= env.spec.step_limit:
        push = planner.plan_push(env.save()[0], hand, env.spec.step_limit + 1 - len(out))
        if len(push) == 0:
            return None
        for hand in push:
            error_px = _HAND_MEMORY * error_px + generator.normal(0.0, _INNOVATION_PX, 2)
            action = to_action(hand + error_px)
            rows, _, covered = env.step(action[None])
            observation = to_observation(rows[0], len(out) * _PERIOD_NS)
            if covered[0] > SUCCESS_COVERAGE:
                return [*out, termination(observation, 1.0, action, Source.DEMO)]
            out.append(running(observation, 0.0, action, Source.DEMO))
    return None
