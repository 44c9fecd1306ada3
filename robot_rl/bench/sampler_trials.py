"""Rollouts of `robot-rl bench samplers`: many episodes as one batch, single decisions by the clock, and pushes."""

from __future__ import annotations

import copy
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robot_rl.bench.arenas import Arena
from robot_rl.bench.sampler_metrics import (
    Recovery,
    Trial,
    count_recovery,
    find_seam,
    find_switches,
    measure_jerks,
)
from robot_rl.inference.noise_level import NoiseLevel
from robot_rl.inference.plan import Plan
from robot_rl.inference.problem import Estimate, Problem, Sampler, solve
from robot_rl.inference.samplers.ddim import DDIM
from robot_rl.inference.samplers.ddpm import DDPM
from robot_rl.inference.samplers.dpm_solver import DPMSolver
from robot_rl.inference.samplers.relay import Relay
from robot_rl.inference.samplers.rtc import RTC
from robot_rl.inference.samplers.rti import RTI
from robot_rl.policies.chunk_executor import ChunkExecutor, ExecutorConfig, Tick
from robot_rl.policies.diffusion import DiffusionPolicy

OnStep = Callable[[], None]

WATCH_TICKS: Final = 12
"""Control steps for which plans are watched after a push; as far as an episode lasts."""
AGREEMENT_SPREADS: Final = 2.0
"""Two plans agree where the root mean square of their difference is at most so many s."""

_COLD_STEPS: Final = 10
_SCENES: Final = 0x9054  # tells the scenes of the evaluation from those of demonstrations of the same seed


@dataclass(frozen=True)
class Entry:
    """A sampler as it is compared.

    Attributes:
        execute: control steps between two decisions, if a decision takes no longer.
        make: the sampler, of a policy's noise level and the control steps between two decisions.
        commits: whether it keeps the actions that are executed while it decides.
    """

    execute: int
    make: Callable[[NoiseLevel, int], Sampler]
    commits: bool = False


def _make_relay(steps: int, temperature: float = 1.0) -> Callable[[NoiseLevel, int], Sampler]:
    """Without adaptivity: it decides for a whole batch by the row that changed most, which no robot would."""

    def make(level: NoiseLevel, _interval: int) -> Sampler:
        return Relay(
            level.sigma,
            steps,
            temperature,
            level.spread,
            large_change=None,
            wrong_change=None,
            cold_steps=_COLD_STEPS,
        )

    return make


ENTRIES: Final[Mapping[str, Entry]] = {
    "ddpm-100": Entry(8, lambda _level, _interval: DDPM()),
    "ddim-10": Entry(8, lambda _level, _interval: DDIM(10)),
    "ddim-10-every": Entry(1, lambda _level, _interval: DDIM(10)),
    "dpm++-5": Entry(8, lambda _level, _interval: DPMSolver(5)),
    "rti": Entry(1, lambda _level, _interval: RTI((2, 1, 0))),
    "rti-linear": Entry(1, lambda _level, _interval: RTI((2, 1, 0), has_linear_slip=True)),
    "relay-1": Entry(1, _make_relay(1), commits=True),
    "relay-2": Entry(1, _make_relay(2), commits=True),
    "relay-3": Entry(1, _make_relay(3), commits=True),
    "relay-2-calm": Entry(1, _make_relay(2, temperature=0.5), commits=True),
    "rtc-5": Entry(1, lambda _level, interval: RTC(5, executed=interval), commits=True),
}
"""Name -> how it decides; the order of the report."""


def scene_seeds(seed: int, count: int) -> list[int]:
    """Seeds of initial states: the same for every sampler, and fewer are the first ones of more."""
    return [int(word) for word in np.random.SeedSequence([_SCENES, seed]).generate_state(count)]


class Decision(NamedTuple):
    """What a sampler was asked, what came of it, and after how many evaluations."""

    problem: Problem
    estimate: Estimate
    evaluations: int


class Recorder:
    """A sampler that keeps its newest decision."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self._newest: Decision | None = None

    def __call__(self, problem: Problem) -> Iterator[Estimate]:
        """See Sampler."""
        for number, estimate in enumerate(self._sampler(problem), start=1):
            self._newest = Decision(problem, estimate, number)
            yield estimate

    def take(self) -> Decision | None:
        """The decision since the last call, if there was one."""
        newest, self._newest = self._newest, None
        return newest


class Rollout:
    """A batch of scenes that one sampler drives."""

    def __init__(
        self,
        arena: Arena,
        policy: DiffusionPolicy,
        level: NoiseLevel,
        entry: Entry,
        delay: int,
        seeds: Sequence[int],
        seed: int,
    ) -> None:
        """Begin an episode in each scene; `seed` is that of the noise.

        Raises:
            ConfigError: the policy's chunks are too short for what is executed, with the delay.
        """
        self._recorder = Recorder(entry.make(level, max(entry.execute, delay)))
        self.arena, self.policy = arena, copy.copy(policy)  # the frozen network is shared, the sampler is not
        self.policy.sampler = self._recorder
        self._executor = ChunkExecutor(self.policy, ExecutorConfig(entry.execute, delay, entry.commits), seed)
        self._frames: deque[Tensor] = deque(maxlen=policy.spec.observation_steps)
        self.scenes = arena.begin(seeds)

    @property
    def is_running(self) -> NDArray[np.bool_]:
        """Of each scene."""
        return ~self.scenes.is_over

    def tick(self) -> tuple[Tick, Decision | None]:
        """The actions that are due, and the decision that was made for them or for later ones."""
        frames = self.policy.encode_proprio(torch.from_numpy(self.scenes.observe()))
        self._frames.append(frames)
        while len(self._frames) < self.policy.spec.observation_steps:
            self._frames.append(frames)
        return self._executor.tick_frames(frames), self._recorder.take()

    def solve_anew(self, noise_NHA: Tensor) -> Tensor:
        """What a full DDIM makes of this noise for what was seen last."""
        problem = self.policy.to_problem(torch.stack(list(self._frames), dim=1), noise_NHA, None, 0)
        return solve(DDIM(_COLD_STEPS), problem)[0].chunk


def run_trial(rollout: Rollout, threshold: float, limit: int, on_step: OnStep) -> Trial:
    """Episodes of at most `limit` control steps; `threshold` is that of mode switches."""
    arena, scenes = rollout.arena, rollout.scenes
    actions, running, seams = [], [], []
    steps = evaluations = decisions = switches = 0
    last, decided_at = None, 0
    for now in range(limit):
        is_running = rollout.is_running
        tick, decision = rollout.tick()
        if decision is not None:
            evaluations += decision.evaluations * int(is_running.sum())
            if decision.problem.previous is not None:
                moved = decision.problem.previous.chunk
                is_switched = find_switches(moved, decision.estimate.chunk, now - decided_at, threshold)
                decisions, switches = decisions + int(is_running.sum()), switches + int(is_switched[is_running].sum())
            decided_at = now
        planned = find_seam(last, tick)
        if planned is not None:
            seams.append(arena.measure_jumps(tick.action, planned)[is_running])
        actions.append(tick.action)
        running.append(is_running)
        steps, last = steps + int(is_running.sum()), tick
        scenes.step(tick.action)
        on_step()
        if scenes.is_over.all():
            break
    return Trial(
        is_solved=scenes.is_solved,
        scores=scenes.scores,
        control_steps=steps,
        evaluations=evaluations,
        decisions=decisions,
        switches=switches,
        seams=np.concatenate(seams) if seams else np.empty(0),
        jerks=measure_jerks(arena.to_path(np.stack(actions)), np.stack(running), arena.spec.rate_hz),
    )


def time_decisions(rollout: Rollout, count: int, on_step: OnStep) -> NDArray[np.int64]:
    """Durations [ns] of decisions from observation to action, the first included, of a scene that decides each step."""
    out: list[int] = []
    while len(out) < count:
        begin_ns = time.perf_counter_ns()
        tick, decision = rollout.tick()
        end_ns = time.perf_counter_ns()
        if decision is not None:
            out.append(end_ns - begin_ns)
            on_step()
        rollout.scenes.step(tick.action)
    return np.array(out, np.int64)


def measure_recovery(rollout: Rollout, spread: float, on_step: OnStep) -> Recovery:
    """Push the scenes, and see when plans agree with those made anew from the same noise for what is seen now."""
    made: Plan | None = None
    agrees, is_counted, push_tick = [], rollout.is_running, rollout.arena.push_tick
    for now in range(push_tick + WATCH_TICKS):
        tick, decision = rollout.tick()
        if decision is not None:
            made = Plan(decision.estimate.chunk, decision.estimate.noise, stamp_ns=now)
        assert made is not None
        if now >= push_tick - 1:
            agrees.append(_find_agreement(rollout, made, now - made.stamp_ns, spread))
        if now == push_tick - 1:
            is_counted = rollout.is_running
            rollout.scenes.push()
        rollout.scenes.step(tick.action)
        on_step()
    agrees_TN = np.stack(agrees)[:, is_counted]
    return Recovery(count_recovery(agrees_TN[1:]), agrees_TN[0])


def _find_agreement(rollout: Rollout, made: Plan, age: int, spread: float) -> NDArray[np.bool_]:
    """Which plans, made `age` ticks ago, are still those that would be made now, as far as they reach."""
    generator = torch.Generator().manual_seed(0)
    moved = made.advance(age, torch.randn(made.noise.shape, generator=generator))
    common = slice(rollout.policy.spec.past, made.horizon - age)
    difference = (moved.chunk - rollout.solve_anew(moved.noise))[:, common]
    agrees: NDArray[np.bool_] = (difference.square().mean((1, 2)).sqrt() <= AGREEMENT_SPREADS * spread).numpy()
    return agrees
