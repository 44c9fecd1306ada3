"""Small policies for Push-T with random weights."""

from pathlib import Path

import torch

from robot_rl.inference.noise_level import NoiseLevel
from robot_rl.policies.spec import BasePolicySpec
from robot_rl.runtime.pretraining.config import BasePolicyConfig
from robot_rl.runtime.pretraining.networks import make_chunk_network
from robot_rl.runtime.pretraining.policy_file import FILE_NAME, StoredPolicy, save_policy
from robot_rl.sim.push_t.push_t import PushT
from tests.base_policies import TINY

LEVEL = NoiseLevel(spread=0.005, motion=0.1, mode_distance=0.6, share_of_two=0.1)


def make_network(seed=0, config: BasePolicyConfig | None = None):
    """An untrained network."""
    torch.manual_seed(seed)
    return make_chunk_network(config or BasePolicyConfig(network=TINY), BasePolicySpec.from_environment(PushT.spec))


def write(folder: Path, seed: int) -> str:
    """A policy in a folder, as a word."""
    config = BasePolicyConfig(network=TINY)
    save_policy(folder / FILE_NAME, StoredPolicy(make_network(seed, config), config, LEVEL, {}))
    return str(folder)
