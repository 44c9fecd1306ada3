"""How much noise a base policy's warm starts need, asked of the policy itself on recorded observations."""

from __future__ import annotations

import numpy as np
import torch

from robot_rl.data.chunks import ChunkRows
from robot_rl.inference.noise_level import NoiseLevel, estimate_noise_level
from robot_rl.inference.plan import Plan
from robot_rl.inference.samplers.ddim import DDIM
from robot_rl.policies.diffusion import DiffusionNetwork, DiffusionPolicy
from robot_rl.runtime.pretraining.training import Trainer

DECISIONS, SAMPLES, STEPS = 100, 16, 10


@torch.no_grad()
def measure_noise_level(network: DiffusionNetwork, trainer: Trainer, rows: ChunkRows, seed: int) -> NoiseLevel:
    """Sample at held-out time steps, and plan anew one step later with the noise that moved on."""
    policy = DiffusionPolicy(network, DDIM(min(STEPS, len(network.schedule))))
    spec, generator = network.spec, torch.Generator().manual_seed(seed)
    device = str(network.normaliser.centre.device)  # not always that of the training
    held_out = trainer.validation_rows
    inside = held_out[np.isin(held_out + 1, held_out) & ~np.isin(held_out + 1, rows.starts)]
    chosen = inside[np.random.default_rng(seed).permutation(len(inside))[:DECISIONS]]
    samples, moved, anew = [], [], []
    for row in chosen:
        frames, following = (
            network.encode_batch(trainer.make_batch(np.array([each]), device)).reshape(1, spec.observation_steps, -1)
            for each in (row, row + 1)
        )
        noise, fresh = (
            torch.randn(SAMPLES, spec.horizon, spec.action_size, generator=generator).to(frames) for _ in range(2)
        )
        plan = policy.plan(frames, noise)
        later = Plan(plan.chunk[:1], plan.noise[:1]).advance(1, fresh[:1])
        samples.append(plan.chunk)
        moved.append(later.chunk[0])
        anew.append(policy.plan(following, later.noise).chunk[0])
    free = [
        index for index in range(spec.action_size) if index not in spec.discrete
    ]  # a gripper's modes are no distance
    return estimate_noise_level(*(torch.stack(each)[..., free] for each in (samples, moved, anew)))
