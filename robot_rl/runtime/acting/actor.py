"""The actor: runs the environment with the newest weights, and streams what happened to the learner."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from robot_rl.env.robot_env import RobotEnv
from robot_rl.errors import SpecError
from robot_rl.runtime.acting.policy_runner import PolicyRunner
from robot_rl.runtime.channels.channel import ActorChannel
from robot_rl.runtime.channels.mailbox import EPISODES_PER_ACTOR
from robot_rl.runtime.reporting.evaluation import EpisodeResult, EpisodeTally
from robot_rl.runtime.reporting.observers import Observer
from robot_rl.types import Observation, Source, StepRecord, TimeStep


def run_episodes(
    env: RobotEnv,
    runner: PolicyRunner,
    channel: ActorChannel,
    seed: int,
    first_episode: int,
    observers: Sequence[Observer],
    pace: Callable[[], None],
    is_finished: Callable[[], bool],
    probe_every: int = 0,
) -> None:
    """Run episodes until told to end. Whoever does not go on with the robot afterwards does it while `stopping`.

    Args:
        env: the environment; nobody else uses it meanwhile.
        runner: the policy.
        channel: to the learner.
        seed: of the run; with an episode's number it makes scene, exploration and the scripted person.
        first_episode: number of the first episode, unique in the run.
        observers: told everything.
        pace: called after each time step was sent; may wait for the learner.
        is_finished: asked before each episode.
        probe_every: of so many episodes the last is the base policy's alone; 0 for none.
    """
    episode = first_episode
    while not is_finished():
        is_probe = probe_every > 0 and (episode % EPISODES_PER_ACTOR + 1) % probe_every == 0
        result = _run_episode(env, runner, channel, episode, seed, observers, pace, is_probe=is_probe)
        for observer in observers:
            observer.on_episode_end(result)
        episode += 1


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
    *,
    is_probe: bool,
) -> EpisodeResult:
    tally = EpisodeTally()
    episode_seed = to_episode_seed(seed, episode)
    act = _ask_base if is_probe else runner

    def note(time_step: TimeStep) -> None:
        tally.note(time_step)
        is_success = time_step.is_last and env.outcome.is_success
        version = -1 if time_step.is_first or is_probe else runner.acted_version  # no weights acted
        channel.send(StepRecord(time_step, episode, tally.index, version, is_success))
        for observer in observers:
            observer.on_step(time_step)
        pace()

    runner.reset(exploration_seed=episode_seed)
    time_step = env.reset(episode_seed)
    note(time_step)
    while not time_step.is_last:
        load_newest(runner, channel)
        time_step = env.step(act(time_step.observation))
        if time_step.is_resumed:
            runner.forget_past()
        elif time_step.source is Source.HUMAN:
            runner.invalidate()  # whenever they hand back, what is due is decided on from there
        note(time_step)
    return tally.to_result(episode % EPISODES_PER_ACTOR, env, is_probe=is_probe)


def _ask_base(observation: Observation) -> NDArray[np.float32]:
    """The base policy's action."""
    if observation.base_action is None:
        raise SpecError("an episode of the base policy alone needs its action in every observation.")
    return observation.base_action


def load_newest(runner: PolicyRunner, channel: ActorChannel) -> None:
    """Let the policy take over the newest weights, if there are newer ones than it has."""
    weights = channel.latest()
    if weights is not None:
        runner.load(weights.version, weights.tensors)
