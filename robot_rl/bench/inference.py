"""`robot-rl bench inference`: what a decision of a diffusion policy takes, and whether it keeps its deadline.

An object for each network (`unet_64_128_256`, `unet_256_512_1024`, `dit_128x4`) with:

| key | what |
|---|---|
| nfe1, nfe2, nfe3 | relay with 1, 2, 3 evaluations: ms_p50, ms_p99, ms_max a decision, from observation to actions |
| nfe10, nfe100 | the same for DDIM with 10 steps and DDPM with 100, from noise |
| misses_per_10k | for 10, 20, 50, 100 Hz: ticks of 10000 whose command is not from a plan in time, with relay-2 |
| overhead_ms | a tick of the engine without any network: median |
| precision | of the network's weights |

The first call counts. Networks have random weights: an evaluation takes as long with any. While misses are counted,
`load` other processes compete for the processors. One thread a process.
Options: decisions=N of each kind (at most `seconds`=N each), rate_seconds=N for each rate, load=N processes.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, Final

import numpy as np
import torch

from robot_rl.bench.report import Targets, judge, make_progress, print_report, read_options
from robot_rl.clock import MonotonicClock
from robot_rl.inference.engine import Engine
from robot_rl.inference.engine_config import EngineConfig
from robot_rl.inference.ladder import Rung
from robot_rl.inference.meter import Meter
from robot_rl.inference.plan import Plan
from robot_rl.inference.problem import Sampler
from robot_rl.inference.samplers.ddim import DDIM
from robot_rl.inference.samplers.ddpm import DDPM
from robot_rl.inference.samplers.relay import Relay
from robot_rl.policies.diffusion import DiffusionNetwork, DiffusionPolicy
from robot_rl.policies.networks.product import Precision
from robot_rl.policies.spec import BasePolicySpec
from robot_rl.runtime.pretraining.config import BasePolicyConfig, NetworkConfig
from robot_rl.runtime.pretraining.networks import make_chunk_network

MODELS: Final = {
    "unet_64_128_256": (NetworkConfig("unet", widths=(64, 128, 256)), Precision.FLOAT32),
    "unet_256_512_1024": (NetworkConfig("unet", widths=(256, 512, 1024)), Precision.FLOAT16),
    "dit_128x4": (NetworkConfig("dit", width=128, layers=4, heads=4), Precision.FLOAT32),
}
RATES_HZ: Final = (10, 20, 50, 100)
TARGETS: Final[Targets] = {
    "dit_128x4 nfe2 ms_p50": ("<=", 2.5),
    "unet_64_128_256 nfe2 ms_p50": ("<=", 6.0),
    "unet_64_128_256 misses 50 Hz": ("<=", 0.0),
    "unet_256_512_1024 nfe2 ms_p99": ("<=", 75.0),
    "unet_256_512_1024 misses 10 Hz": ("<=", 0.0),
    **{f"{name} overhead_ms": ("<=", 0.3) for name in MODELS},
}
"""On two cores without a GPU."""

_PROPRIO, _ACTIONS = 20, 10  # of robomimic's tasks from state
SAMPLERS: Final[dict[str, Sampler]] = {
    **{f"nfe{steps}": Relay(0.35, steps, large_change=None, wrong_change=None) for steps in (1, 2, 3)},
    "nfe10": DDIM(10),
    "nfe100": DDPM(),
}


def run(options: list[str]) -> int:
    """Measure, print the table and the JSON object; returns the exit code 0.

    Raises:
        UnknownNameError, ConfigError: an option is unknown, or its value not of its kind.
    """
    settings = read_options(options, {"decisions": 300, "seconds": 20, "rate_seconds": 20, "load": 1})
    result = measure(**settings)
    print_report(
        "Inference, one thread of this machine", ("", "value", "target"), judge(_flatten(result), TARGETS), [], result
    )
    return 0


def measure(decisions: int, seconds: int, rate_seconds: int, load: int) -> dict[str, Any]:
    """All figures; see the module."""
    torch.set_num_threads(1)
    result: dict[str, Any] = {}
    with make_progress() as progress:
        task = progress.add_task("networks", total=len(MODELS) * (len(SAMPLERS) + len(RATES_HZ)))
        for name in MODELS:
            result[name] = {}
            for key, sampler in SAMPLERS.items():
                progress.update(task, description=f"{name}: {key}", advance=1)
                result[name][key] = time_decisions(make_policy(name, sampler), decisions, seconds)
            misses: dict[str, float] = {}
            with competing(load):
                for rate_hz in RATES_HZ:
                    progress.update(task, description=f"{name}: {rate_hz} Hz", advance=1)
                    policy = make_policy(name, SAMPLERS["nfe2"])
                    misses[str(rate_hz)] = count_misses(policy, rate_hz, rate_seconds)
            result[name]["misses_per_10k"] = misses
            result[name]["overhead_ms"] = time_overhead(make_policy(name, SAMPLERS["nfe2"]), decisions)
            result[name]["precision"] = MODELS[name][1].value
    return result


def make_policy(name: str, sampler: Sampler) -> DiffusionPolicy:
    """A policy with random weights."""
    network, precision = MODELS[name]
    spec = BasePolicySpec((("state", _PROPRIO),), _ACTIONS)
    torch.manual_seed(0)
    trained = make_chunk_network(BasePolicyConfig(network=network), spec)
    assert isinstance(trained, DiffusionNetwork)
    return DiffusionPolicy(trained, sampler, precision=precision)


def time_decisions(policy: DiffusionPolicy, decisions: int, seconds: float) -> dict[str, float]:
    """From a new observation to actions; each decision begins with the plan before, and the first counts."""
    meter, generator = Meter(decisions), torch.Generator().manual_seed(0)
    plan: Plan | None = None
    frames = [policy.encode_proprio(torch.randn(1, _PROPRIO, generator=generator))]
    end_s = time.perf_counter() + seconds
    for number in count():
        proprio = torch.randn(1, _PROPRIO, generator=generator)
        noise = torch.randn(1, *policy.shape, generator=generator)
        if plan is None:  # where relay begins is not what is measured
            plan = Plan(torch.zeros(1, *policy.shape), noise)
        begin_ns = time.perf_counter_ns()
        frames = [frames[-1], policy.encode_proprio(proprio)]
        plan = policy.plan(torch.stack(frames, dim=1), noise, plan.advance(1, noise))
        policy.to_actions(plan.chunk)
        meter.note(time.perf_counter_ns() - begin_ns)
        if number + 1 >= decisions or (number > 0 and time.perf_counter() > end_s):
            break
    summary = meter.summarise()
    return {
        "ms_p50": round(summary.p50_ms, 3),
        "ms_p99": round(summary.p99_ms, 3),
        "ms_max": round(summary.max_ms, 3),
        "decisions": summary.count,
    }


def count_misses(policy: DiffusionPolicy, rate_hz: float, seconds: float) -> float:
    """Ticks of 10000 that are served from no plan, or from one that did not come in time; after the cold start.

    The command of a tick may wait for the decision about its own observation for half of the period.
    """
    clock = MonotonicClock()
    rates, config = np.zeros(_ACTIONS, np.bool_), EngineConfig(wait_s=0.5 / rate_hz)
    engine = Engine(_EncodingMind(policy), policy.sampler, rates, 1.0 / rate_hz, config, clock, seed=0)
    observations = torch.randn(64, policy.spec.observation_steps, _PROPRIO)
    engine.warm_up(observations[0])
    engine.start()
    ticks = missed = 0
    try:
        begin_ns, period_ns = clock.now_ns(), round(1e9 / rate_hz)
        is_running = False
        for number in range(round(seconds * rate_hz)):
            stamp_ns = begin_ns + number * period_ns
            clock.sleep_until_ns(stamp_ns)
            engine.offer(observations[number % 64], stamp_ns)
            engine.wait()
            rung = engine.serve(stamp_ns).rung
            is_running = is_running or rung is Rung.FRESH
            if is_running:
                ticks += 1
                missed += rung is not Rung.FRESH
    finally:
        engine.close()
    return round(1e4 * missed / ticks, 1) if ticks else 1e4


def time_overhead(policy: DiffusionPolicy, decisions: int) -> float:
    """A tick of the engine whose network costs nothing: offer, decide, serve; median [ms]."""
    policy.denoiser = _Free(policy)
    clock = MonotonicClock()
    rates = np.zeros(_ACTIONS, np.bool_)
    engine = Engine(_EncodingMind(policy), policy.sampler, rates, 0.1, EngineConfig(), clock, seed=0)
    observation, meter = torch.randn(policy.spec.observation_steps, _PROPRIO), Meter(decisions)
    for _ in range(decisions):
        begin_ns = time.perf_counter_ns()
        stamp_ns = clock.now_ns()
        engine.offer(observation, stamp_ns)
        engine.decide()
        engine.serve(stamp_ns)
        meter.note(time.perf_counter_ns() - begin_ns)
    return round(meter.summarise().p50_ms, 3)


class _EncodingMind:
    """A policy that sees its newest time steps as numbers (T, P)."""

    def __init__(self, policy: DiffusionPolicy) -> None:
        self._policy = policy
        self.shape, self.now, self.to_actions = policy.shape, policy.now, policy.to_actions

    def to_problem(self, observation: torch.Tensor, *rest: Any) -> Any:
        return self._policy.to_problem(self._policy.encode_proprio(observation)[None], *rest)


class _Free:
    """A denoiser that returns what it is given."""

    is_prefix_trained = False

    def __init__(self, policy: DiffusionPolicy) -> None:
        self.schedule = policy.denoiser.schedule

    def prepare(self, condition: torch.Tensor) -> torch.Tensor:
        return condition

    def __call__(self, x_BHA: torch.Tensor, level: int, prepared: Any, committed: int) -> torch.Tensor:
        del level, prepared, committed
        return x_BHA


@contextmanager
def competing(processes: int) -> Iterator[None]:
    """So many other processes that never rest."""
    context = multiprocessing.get_context("spawn")
    others = [context.Process(target=_burn, daemon=True) for _ in range(processes)]
    for other in others:
        other.start()
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.join()


def _burn() -> None:
    while True:
        sum(range(10_000))


def _flatten(result: dict[str, Any]) -> dict[str, Any]:
    """One number a row: `NETWORK nfe2 ms_p50`, `NETWORK misses 50 Hz`, `NETWORK overhead_ms`."""
    rows: dict[str, Any] = {}
    for name, figures in result.items():
        for key in SAMPLERS:
            rows |= {f"{name} {key} {each}": figures[key][each] for each in ("ms_p50", "ms_p99", "ms_max")}
        rows |= {f"{name} misses {rate_hz} Hz": value for rate_hz, value in figures["misses_per_10k"].items()}
        rows[f"{name} overhead_ms"] = figures["overhead_ms"]
    return rows
