"""Denoisers that are known exactly: mixtures of Gaussians, each action on its own."""

from __future__ import annotations

import math

import torch

from robot_rl.inference.problem import Problem
from robot_rl.inference.schedule import Schedule, ScheduleSpec


class Mixture:
    """The posterior mean of x0 for equally likely modes of spread `std`; the condition is the modes' centres.

    Works through the network's own prediction, so that the conversions are tested, too.
    """

    is_prefix_trained = False

    def __init__(self, std, schedule):
        self.std, self.schedule = std, schedule
        self.evaluations = 0

    def prepare(self, condition):
        return condition

    def __call__(self, x_BHA, level, prepared, committed):
        self.evaluations += 1
        x0 = self.posterior_mean(x_BHA, level, prepared)
        noise = self.schedule.to_noise(x_BHA, x0, level)
        output = {
            "epsilon": noise,
            "sample": x0,
            "velocity": self.schedule.signal(level) * noise - self.schedule.noise(level) * x0,
            "flow": x0 - noise,
        }[self.schedule.spec.prediction]
        return self.schedule.to_x0(x_BHA, output, level)

    def posterior_mean(self, x_BHA, level, centres_BM):
        a, s = self.schedule.signal(level), self.schedule.noise(level)
        variance = (a * self.std) ** 2 + s**2
        centres = centres_BM[:, None, None, :]
        error = x_BHA[..., None] - a * centres
        weights = torch.softmax(-0.5 * error.square() / variance, dim=-1)
        return (weights * (centres + a * self.std**2 / variance * error)).sum(-1)


def schedule(kind="cosine", prediction="epsilon", levels=100, clip=1e6, **more):
    return Schedule(ScheduleSpec(kind=kind, prediction=prediction, levels=levels, clip=clip, **more))


def noise(rows, seed=0, horizon=1, size=1):
    return torch.randn(rows, horizon, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def problem(denoiser, centres, noise_BHA, previous=None, **more):
    """`centres` is one number, or (M,), or (B, M)."""
    centres = torch.as_tensor(centres, dtype=noise_BHA.dtype)
    centres = centres.reshape(1, -1) if centres.dim() < 2 else centres
    return Problem(denoiser, denoiser.prepare(centres), noise_BHA, previous, **more)


def ddim_factor(s, sigmas):
    """What is left of an offset after DDIM steps through these sigmas and the last estimate: by hand, linear."""
    factor = 1.0
    for index, sigma in enumerate(sigmas):
        share = s * s / (s * s + sigma * sigma)
        following = sigmas[index + 1] if index + 1 < len(sigmas) else 0.0
        factor *= share + following / sigma * (1.0 - share)
    return factor


def normal_tail(x):
    return 0.5 * math.erfc(x / math.sqrt(2.0))
