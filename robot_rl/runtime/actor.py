"""The actor: runs the environment with the newest weights, and streams what happened to the learner."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from robot_rl.env.robot_env import RobotEnv
from robot_rl.runtime.channel import ActorChannel
from robot_rl.runtime.evaluation import EpisodeResult
from robot_rl.runtime.observers import Observer
from robot_rl.runtime.policy_runner import PolicyRunner
from robot_rl.types import Reason, Source, StepRecord, TimeStep

EPISODES_PER_ACTOR = 2**32
"""An episode's number holds its actor's in the upper 32 bits."""


def run_actor(
    env: RobotEnv,
    runner: PolicyRunner,
    channel: ActorChannel,
    seed: int,
    first_episode: int,
    observers: Sequence[Observer],
    pace: Callable[[], None],
    is_finished: Callable[[], bool],
) -> None:
    """Run episodes until told to end; whatever happens, the robot is stopped then.

    Args:
        env: the environment; nobody else uses it meanwhile.
        runner: the policy.
        channel: to the learner.
        seed: of the run; with an episode's number it makes scene, exploration and the scripted person.
        first_episode: number of the first episode, unique in the run.
        observers: told everything.
        pace: called after each time step was sent; may wait for the learner.
        is_finished: asked before each episode.
    """
    episode = first_episode
    reason = "the actor has ended"
    try:
        while not is_finished():
            result = _run_episode(env, runner, channel, episode, to_episode_seed(seed, episode), observers, pace)
            for observer in observers:
                observer.on_episode_end(result)
            episode += 1
    except BaseException as error:
        reason = f"the actor was cut short by {error!r}"
        raise
    finally:
        env.robot.stop(Reason.REQUESTED, reason)


def to_episode_seed(seed: int, episode: int) -> int:
    """Seed of an episode: any one can be played again, and a resumed run goes on as it would have."""
    return int(np.random.SeedSequence([seed, episode]).generate_state(1)[0] >> 1)


def _run_episode(
    env: RobotEnv,
    runner: PolicyRunner,
    channel: ActorChannel,
    episode: int,
    seed: int,
    observers: Sequence[Observer],
    pace: Callable[[], None],
) -> EpisodeResult:
    step = human_steps = 0

    def note(time_step: TimeStep) -> None:
        is_success = time_step.is_last and env.outcome.is_success
        version = -1 if time_step.is_first else runner.version  # nobody acted before the first
        channel.send(StepRecord(time_step, episode, step, version, is_success))
        for observer in observers:
            observer.on_step(time_step)
        pace()

    runner.reset(exploration_seed=seed)
    time_step = env.reset(seed)
    note(time_step)
    while not time_step.is_last:
        weights = channel.latest()
        if weights is not None:
            runner.load(weights.version, weights.tensors)
        time_step = env.step(runner(time_step.observation))
        step += 1
        human_steps += time_step.source is Source.HUMAN
        note(time_step)
    return EpisodeResult(
        episode % EPISODES_PER_ACTOR, env.outcome.is_success, step, human_steps, step / env.config.rate_hz
    )
