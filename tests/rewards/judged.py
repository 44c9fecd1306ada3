"""A classifier of the simulated task `reach`, made in seconds: frozen random features, and one layer by regression."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from robot_rl.agents.encoders import make_backbone
from robot_rl.rewards.calibration import Calibration
from robot_rl.rewards.classifier import ClassifierSpec, SuccessClassifier
from robot_rl.runtime.classifier.file import make_network, save_classifier
from tests import simcells

SIZE_PX = 32
PIXELS = ("task=reach", "robot=sim_pixels", f"robot.image_size={SIZE_PX}", "task.episode.step_limit=25")
CAMERAS = ("wrist", "side")
_EPISODES = 8


def see(episodes: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """(images of expert episodes, (N, H, W, 3) by camera; how far off the target each was, (N,) [m])."""
    cell = simcells.make(*PIXELS, "teleop=expert")
    steps = [step for seed in range(episodes) for step in simcells.play(cell, 1000 + seed)[1]]
    images = {name: np.stack([step.observation.images[name] for step in steps]) for name in CAMERAS}
    return images, np.array([np.linalg.norm(step.observation.proprio["task"][:3]) for step in steps])


def make(stages: tuple[str, ...] = ("success",)) -> SuccessClassifier:
    """Says how near the target is: the first stage when it is within 1.5 cm, each that comes before it 2 cm earlier."""
    spec = ClassifierSpec(CAMERAS, SIZE_PX, stages)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        backbone = make_backbone("small_cnn", SIZE_PX).eval()
        network = make_network(spec, backbone, 0.0).eval()
    images, distances_m = see(_EPISODES)
    hidden: list[torch.Tensor] = []
    hook = network.output.register_forward_pre_hook(lambda module, inputs: hidden.append(inputs[0].double()))
    with torch.no_grad():
        network({name: backbone(torch.from_numpy(images[name])).half() for name in CAMERAS})
        hook.remove()
        inputs = torch.cat([hidden[0], torch.ones(len(distances_m), 1, dtype=torch.float64)], dim=1)
        limits_m = 0.015 + 0.02 * torch.arange(len(stages) - 1, -1, -1, dtype=torch.float64)
        wanted = 400.0 * (limits_m - torch.from_numpy(distances_m)[:, None]).clamp(-0.02, 0.02)
        ridge = inputs.T @ inputs + 0.1 * torch.eye(inputs.shape[1], dtype=torch.float64)
        weights = torch.linalg.solve(ridge, inputs.T @ wanted)
        network.output.weight.copy_(weights[:-1].T)
        network.output.bias.copy_(weights[-1])
    return SuccessClassifier(spec, backbone, network, [Calibration()] * len(stages))


def write(path: Path, stages: tuple[str, ...] = ("success",)) -> tuple[str, ...]:
    """Write it, and return the words of an environment that it judges."""
    save_classifier(path, make(stages), "small_cnn", {})
    return (*PIXELS, "reward=classifier", f"reward.file={path}")
