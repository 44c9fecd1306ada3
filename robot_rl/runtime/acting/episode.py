"""One episode of a policy whose weights stay as they are."""

from __future__ import annotations

from collections.abc import Callable

from robot_rl.env.robot_env import RobotEnv
from robot_rl.runtime.acting.policies import Policy
from robot_rl.types import Source, TimeStep


def play_episode(
    env: RobotEnv,
    policy: Policy,
    seed: int | None,
    note: Callable[[TimeStep], None],
    is_interrupted: Callable[[], bool] = lambda: False,
) -> bool:
    """Play an episode, in which a person may take over and pause.

    Args:
        env: nobody else commands it.
        policy: asked once a step.
        seed: of the reset; None goes on with the draws of the last one.
        note: told every time step, the first included.
        is_interrupted: asked before every step; True leaves the episode where it is.

    Returns:
        Whether it came to its end.
    """
    policy.reset()
    time_step = env.reset(seed=seed)
    note(time_step)
    while not time_step.is_last:
        if is_interrupted():
            return False
        time_step = env.step(policy(time_step.observation))
        if time_step.is_resumed:
            policy.forget_past()
        elif time_step.source is Source.HUMAN:
            policy.invalidate()
        note(time_step)
    return True
