"""One learning test a corrector: the bias of a base policy is removed in fewer than 5000 steps."""

import pytest
import torch

from robot_rl.agents.agent import AgentConfig, make_agent
from robot_rl.agents.correctors.config import CorrectorConfig
from robot_rl.data.replay import Replay, ReplayConfig
from robot_rl.runtime.acting.policy_runner import PolicyRunner
from robot_rl.runtime.learning.batches import BatchMaker
from robot_rl.runtime.learning.update_budget import UpdateBudget
from tests.agents.correctors.point_reach import PointReach, run_episode


def train(corrector, seed, steps, warmup_steps=500):
    """The policy that was learned, a slow average."""
    torch.set_num_threads(1)
    config = AgentConfig(
        name="corrected",
        hidden=(64, 64),
        utd=1,
        n_step=3,
        warmup_steps=warmup_steps,
        batch_size=128,
        corrector=corrector,
    )
    env = PointReach(seed, corrector.make_layout(2))
    agent = make_agent(config, env.spec, seed)
    shares = {"online": 1.0, "demonstration": 0.0, "intervention": 0.0, "anchor": 0.0}
    replay = Replay(env.spec, ReplayConfig(shares=shares), has_base=True)
    batches = BatchMaker(replay, config, config.gamma, seed)
    budget = UpdateBudget(config.utd, config.warmup_steps, config.critic_first)
    explorer = PolicyRunner(agent.policy, 1, base=env)
    episode = 0
    while budget.steps < steps:
        explorer.reset(exploration_seed=episode)
        made, _ = run_episode(env, explorer, replay.append, episode)
        budget.steps, episode = budget.steps + made, episode + 1
        while budget.owed > 0:
            if budget.updates == 0:
                for policy in (agent.policy, agent.average_policy):
                    policy.fit(replay.rings["online"].proprio[: budget.steps])
            agent.update(batches.draw(), is_actor_due=budget.is_actor_due)
            budget.updates += 1
    return agent.average_policy


def rate(policy, corrector, episodes=50):
    """How often the point arrives; by the base policy where there is no other."""
    env = PointReach(12345, corrector.make_layout(2))
    runner = None if policy is None else PolicyRunner(policy, 1, base=env)
    successes = 0
    for _ in range(episodes):
        if runner is not None:
            runner.reset()
        successes += run_episode(env, runner or (lambda observation: observation.base_action))[1]
    return successes / episodes


SHIPPED = {
    "keeps_base": True,
    "subsample": 0,
    "actor_learning_rate": 1e-3,
    "actor_warmup_updates": 1000,
    "caution_updates": 2000,
    "average_decay": 0.998,
}
"""What configs/agent/residual.yaml says, but for the imitation: nobody has shown anything here."""


@pytest.mark.parametrize(
    ("name", "steps", "values"),
    [
        ("additive", 4000, {"noise_std": 0.1}),
        ("additive", 3000, {"noise_std": 0.1, **SHIPPED}),
        ("chooser", 4500, {"noise_std": 0.3}),
        ("edit_select", 2000, {"noise_std": 0.1, "candidates": 2, "chunk": 2}),
        ("best_of_n", 1500, {"candidates": 8}),
        ("noise_steer", 2000, {"candidates": 4, "noise_std": 0.3, "target_noise_std": 0.0}),
    ],
)
def test_a_bias_of_the_base_policy_is_removed(name, steps, values):
    corrector = CorrectorConfig(name, scale=0.5, ensemble=4, critic_updates=200, gate_steps=200, **values)
    assert rate(None, corrector) < 0.4
    assert rate(train(corrector, 0, steps), corrector) > 0.95


def test_critics_that_only_saw_the_base_policy_choose_well_among_its_plans():
    """Conservative critics, which have never tried what they choose."""
    values = {"ensemble": 4, "critic_updates": 1500, "conservative_weight": 0.1}
    corrector = CorrectorConfig("best_of_n", candidates=8, **values)
    assert rate(train(corrector, 0, steps=2001, warmup_steps=2000), corrector) > 0.9
