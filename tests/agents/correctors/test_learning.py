"""One learning test a corrector: the bias of a base policy is removed in fewer than 5000 steps."""

import pytest
import torch

from robot_rl.agents.agent import AgentConfig, make_agent
from robot_rl.agents.correctors.config import CorrectorConfig
from robot_rl.data.replay import Replay, ReplayConfig
from robot_rl.runtime.acting.policy_runner import PolicyRunner
from robot_rl.runtime.learning.batches import BatchMaker
from robot_rl.runtime.learning.update_budget import UpdateBudget
from tests.agents.correctors.point_reach import SPEC, PointReach, run_episode


def train(corrector, seed, steps):
    """The runner of what was learned."""
    torch.set_num_threads(1)
    config = AgentConfig(
        name="corrected", hidden=(64, 64), utd=1, n_step=3, warmup_steps=500, batch_size=128, corrector=corrector
    )
    agent = make_agent(config, SPEC, seed)
    shares = {"online": 1.0, "demonstration": 0.0, "intervention": 0.0, "anchor": 0.0}
    replay = Replay(SPEC, ReplayConfig(shares=shares), has_base=True)
    batches = BatchMaker(replay, config, config.gamma, seed)
    budget = UpdateBudget(config.utd, config.warmup_steps, config.critic_first)
    env, explorer = PointReach(seed), PolicyRunner(agent.policy, 1)
    episode = 0
    while budget.steps < steps:
        explorer.reset(exploration_seed=episode)
        made, _ = run_episode(env, explorer, replay.append, episode)
        budget.steps, episode = budget.steps + made, episode + 1
        while budget.owed > 0:
            if budget.updates == 0:
                for policy in (agent.policy, agent.average_policy):
                    policy.features.fit(replay.rings["online"].proprio[: budget.steps])
            agent.update(batches.draw(), is_actor_due=budget.is_actor_due)
            budget.updates += 1
    return PolicyRunner(agent.average_policy, 1)


def rate(act, episodes=50):
    env = PointReach(12345)
    return sum(run_episode(env, act)[1] for _ in range(episodes)) / episodes


@pytest.mark.parametrize(
    ("name", "noise_std", "steps"), [("additive", 0.1, 3000), ("chooser", 0.3, 4500)], ids=["additive", "chooser"]
)
def test_a_bias_of_the_base_policy_is_removed(name, noise_std, steps):
    base = rate(lambda observation: observation.base_action)
    assert base < 0.4
    corrector = CorrectorConfig(name, 0.5, noise_std, ensemble=4, critic_updates=200, gate_steps=200)
    assert rate(train(corrector, 0, steps)) > 0.95
