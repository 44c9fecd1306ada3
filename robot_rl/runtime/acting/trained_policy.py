"""The policy of a training run, as it is evaluated."""

from __future__ import annotations

from robot_rl.agents.agent import make_agent
from robot_rl.env.base_actions import BaseActions
from robot_rl.errors import CheckpointError
from robot_rl.runtime.acting.policy_runner import PolicyRunner
from robot_rl.runtime.learning import checkpoint
from robot_rl.runtime.run_folder import RunFolder
from robot_rl.specs import EnvironmentSpec


def load_policy(folder: RunFolder, spec: EnvironmentSpec, base: BaseActions | None = None) -> PolicyRunner:
    """The slow average of the weights in a run's newest checkpoint, without exploration.

    Args:
        folder: of the run.
        spec: of the environment, with the base policy's answers where it has one.
        base: what a policy steers that steers.

    Raises:
        ConfigError: the folder holds no run.
        CheckpointError: it has no checkpoint yet, or one that does not fit the environment.
    """
    config = folder.load_config()
    found = checkpoint.find(folder.checkpoints)
    if not found:
        raise CheckpointError(f"{folder.path} has no checkpoint yet; the first is written after the imitation phase.")
    agent = make_agent(config.agent, spec, config.seed)
    state = checkpoint.load(found[-1])
    try:
        agent.average_policy.load_state_dict(state["agent"]["average_policy"])
    except (RuntimeError, KeyError) as error:
        raise CheckpointError(
            f"{found[-1]} does not fit this environment: was it trained with other cameras, or on another task?"
        ) from error
    return PolicyRunner(agent.average_policy, config.agent.stack, base=base)
