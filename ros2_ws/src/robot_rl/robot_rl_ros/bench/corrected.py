"""The pace of a corrected diffusion policy against the clock, while a learner trains on the same machine."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import torch

from robot_rl import config as configuration
from robot_rl.env.base_actions import BaseActions
from robot_rl.errors import StoppedError
from robot_rl.inference.schedule import ScheduleSpec
from robot_rl.policies.spec import BasePolicySpec
from robot_rl.runtime.acting.shadow import make_shadow
from robot_rl.runtime.assembly import make_spec
from robot_rl.runtime.config import TrainConfig
from robot_rl.runtime.pretraining.config import BasePolicyConfig, NetworkConfig
from robot_rl.runtime.pretraining.networks import make_chunk_network
from robot_rl.runtime.pretraining.policy_file import FILE_NAME, StoredPolicy, save_policy
from robot_rl.specs import EnvironmentSpec
from robot_rl.types import TimeStep
from robot_rl_ros import process
from robot_rl_ros.bench.processes import running
from robot_rl_ros.bench.real_time import act_beside_learner

_NETWORK = NetworkConfig("residual_mlp", width=256, layers=3)
_WORDS = ("task=peg", "graph=real_time", "graph.recovers=true", "teleop=none", "agent=residual", "demonstrations=2")
_SOON = ("agent.warmup_steps=20", "agent.corrector.critic_updates=20", "steps=100000", "evaluate_every_steps=100000")


def measure_periods(duration_s: float, folder: Path) -> tuple[list[float], str | None]:
    """Times [ms] from one observation of an episode to the next, and what stopped the arm, if anything did.

    The base policy asks for no motion, and takes as long for that as one that was trained.
    """
    words = [*_WORDS, *_SOON, f"base={folder}", f"run_dir={folder}/run"]
    _write_base(folder / FILE_NAME, make_spec(configuration.load(TrainConfig, "train", words)))
    with running(words, ("simulation", "learner")) as graph:
        env = graph.cell.env
        shadow = make_shadow(graph.config, env.spec, env.clock, is_lock_step=False)
        assert shadow is not None, "base= says which"
        env.base = watched = _Watched(shadow)
        process.freeze_heap()
        stop: str | None = None
        try:
            act_beside_learner(graph, duration_s)
        except StoppedError as error:
            stop = str(error)
        finally:
            shadow.close()
        return [(after - before) * 1e3 for seen_s in watched.episodes_s for before, after in pairwise(seen_s)], stop


def _write_base(path: Path, spec: EnvironmentSpec) -> None:
    """A diffusion policy that predicts zeros."""
    config = BasePolicyConfig(network=_NETWORK, schedule=ScheduleSpec(prediction="sample"))
    seen = BasePolicySpec.from_environment(
        spec, observation_steps=config.observation_steps, horizon=config.horizon, past=config.past
    )
    network = make_chunk_network(config, seen)
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    save_policy(path, StoredPolicy(network, config, None, {}))


class _Watched:
    """Notes when each observation came, before the base policy is asked about it."""

    def __init__(self, base: BaseActions) -> None:
        self._base = base
        self.extend, self.replan, self.close = base.extend, base.replan, base.close
        self.episodes_s: list[list[float]] = []

    def begin(self, seed: int | None) -> None:
        """See BaseActions."""
        self.episodes_s.append([])
        self._base.begin(seed)

    def attach(self, time_step: TimeStep) -> TimeStep:
        """See BaseActions."""
        if not time_step.is_first:  # the first comes when its reset has ended
            self.episodes_s[-1].append(time.monotonic())
        return self._base.attach(time_step)
