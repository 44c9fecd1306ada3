"""Small base policies with random weights, in files."""

from pathlib import Path

import torch

from robot_rl.policies.spec import BasePolicySpec
from robot_rl.runtime.pretraining.config import BasePolicyConfig, NetworkConfig
from robot_rl.runtime.pretraining.networks import make_chunk_network
from robot_rl.runtime.pretraining.policy_file import StoredPolicy, save_policy

TINY = NetworkConfig("dit", width=16, layers=1, heads=2)


def write(path: Path, spec, config: BasePolicyConfig | None = None) -> Path:
    """A policy for the environment of `spec`, in a file."""
    config = config or BasePolicyConfig(network=TINY, horizon=8)
    sizes = {"observation_steps": config.observation_steps, "horizon": config.horizon, "past": config.past}
    torch.manual_seed(0)
    network = make_chunk_network(config, BasePolicySpec.from_environment(spec, **sizes))
    for parameter in network.parameters():  # what begins at zero says nothing yet
        torch.nn.init.normal_(parameter, std=0.2)
    save_policy(path, StoredPolicy(network, config, None, {}))
    return path
