"""The policy of a run, wherever it was trained."""

from dataclasses import replace

import numpy as np
import torch

from robot_rl.agents.agent import AgentConfig, EncoderConfig, make_agent
from robot_rl.runtime.acting.policy_runner import PolicyRunner
from robot_rl.runtime.acting.trained_policy import load_policy
from robot_rl.runtime.learning import checkpoint
from robot_rl.runtime.run_folder import RunFolder
from robot_rl.specs import ArraySpec, EnvironmentSpec, ObservationSpec
from robot_rl.types import Observation
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


def test_weights_that_an_encoder_began_with_need_not_be_found(tmp_path):
    """All of its weights are in the checkpoint, also where the file with its first ones is gone, or elsewhere."""
    images = {"wrist": ArraySpec("wrist", (32, 32, 3), np.uint8, 0, 255)}
    spec = EnvironmentSpec(ObservationSpec({"place": ArraySpec("place", (3,), np.float32)}, images), 6, 100, 10.0)
    encoder = EncoderConfig(weights="gone.safetensors")
    config = make_train_config(agent=AgentConfig(hidden=(8, 8), encoder=encoder))
    folder = RunFolder(tmp_path / "run")
    folder.create(config)
    agent = make_agent(replace(config.agent, encoder=EncoderConfig()), spec, 7)
    checkpoint.save(folder.checkpoints, 20, {"agent": agent.state()})
    image = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    observation = Observation({"place": np.ones(3, np.float32)}, {"wrist": image}, 0)
    expected = PolicyRunner(agent.average_policy, 1)(observation)
    assert (load_policy(folder, spec)(observation) == expected).all()
