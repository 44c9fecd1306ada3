"""The policy of a run, wherever it was trained."""

import torch

from robot_rl.agents.agent import make_agent
from robot_rl.runtime.acting.policy_runner import PolicyRunner
from robot_rl.runtime.acting.trained_policy import load_policy
from robot_rl.runtime.learning import checkpoint
from robot_rl.runtime.run_folder import RunFolder
from tests.runs import make_people_cell, make_train_config


def test_the_policy_of_a_run_on_a_gpu_can_be_loaded_without_one(tmp_path):
    """A checkpoint says where the generator of its device stood, which is of no use elsewhere."""
    config, env = make_train_config(), make_people_cell().env
    folder = RunFolder(tmp_path / "run")
    folder.create(config)
    agent = make_agent(config.agent, env.spec, 7)
    state = {**agent.state(), "generator": torch.zeros(16, dtype=torch.uint8)}
    checkpoint.save(folder.checkpoints, 20, {"agent": state})
    observation = env.reset(0).observation
    expected = PolicyRunner(agent.average_policy, config.agent.stack)(observation)
    assert (load_policy(folder, env.spec)(observation) == expected).all()
