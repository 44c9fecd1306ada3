"""Samplers beside each other: what is measured of which policy, and what it comes to."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from robot_rl.bench.arenas import Arena
from robot_rl.bench.report import Targets, make_progress
from robot_rl.bench.sampler_metrics import (
    Recovery,
    Trial,
    pool_recoveries,
    pool_trials,
    summarise_latency,
    summarise_recovery,
    summarise_trial,
    switch_threshold,
)
from robot_rl.bench.sampler_trials import (
    ENTRIES,
    WATCH_TICKS,
    Rollout,
    measure_recovery,
    run_trial,
    scene_seeds,
    time_decisions,
)
from robot_rl.errors import ConfigError
from robot_rl.inference.noise_level import NoiseLevel
from robot_rl.inference.samplers.ddim import DDIM
from robot_rl.policies.diffusion import DiffusionNetwork, DiffusionPolicy
from robot_rl.runtime.pretraining.policy_file import FILE_NAME, load_policy_file

TARGETS: Final[Targets] = {
    "relay_2_minus_ddim_10_points": (">=", -1.0),
    "relay_2_minus_rti_points": (">=", 0.0),
    "relay_2_time_of_ddim_10": ("<=", 0.2),
    "relay_2_switches_of_ddim_10_every": ("<=", 1.0),
    "relay_2_recovery_p90_ticks": ("<=", 2.0),
}
"""What relay is for, without delay: as good as a full solve, five times as fast, committed, and not stubborn."""


@dataclass(frozen=True, eq=False)
class Rated:
    """A policy, and where it is from."""

    name: str
    policy: DiffusionPolicy
    level: NoiseLevel


class Measured:
    """What has been measured so far."""

    def __init__(self) -> None:
        self.trials: dict[tuple[str, int], dict[str, Trial]] = {}
        self.durations_ns: dict[str, dict[str, NDArray[np.int64]]] = {}
        self.recoveries: dict[str, dict[str, Recovery]] = {}

    def rows(self) -> list[dict[str, Any]]:
        """A row for each sampler and delay, in the order of `ENTRIES`: all policies together, and each."""
        names = list(ENTRIES)
        order = sorted(self.trials, key=lambda key: (names.index(key[0]), key[1]))
        return [
            {
                "sampler": sampler,
                "delay": delay,
                **self._summarise(sampler, delay, list(self.trials[sampler, delay])),
                "by_policy": {name: self._summarise(sampler, delay, [name]) for name in self.trials[sampler, delay]},
            }
            for sampler, delay in order
        ]

    def _summarise(self, sampler: str, delay: int, policies: Sequence[str]) -> dict[str, Any]:
        trials = self.trials[sampler, delay]
        durations, recoveries = self.durations_ns.get(sampler, {}), self.recoveries.get(sampler, {})
        return {
            **summarise_trial(pool_trials([trials[name] for name in policies])),
            **summarise_latency(np.concatenate([durations[name] for name in policies])),
            **summarise_recovery(pool_recoveries([recoveries[name] for name in policies])),
        }


def load_policies(paths: Sequence[str], arena: Arena) -> list[Rated]:
    """The policies in these folders or files.

    Raises:
        ConfigError: one is not there, does not denoise, looks at cameras, or is named twice.
        CheckpointError: a file is damaged, or of another task.
    """
    out: dict[str, Rated] = {}
    for word in paths:
        file = Path(word) / FILE_NAME if Path(word).is_dir() else Path(word)
        if not file.is_file():
            raise ConfigError(f"there is no policy {file}; policies are folders or {FILE_NAME} of `robot-rl pretrain`.")
        stored = load_policy_file(file)
        stored.network.spec.check_environment(arena.spec)
        if not isinstance(stored.network, DiffusionNetwork) or stored.noise_level is None:
            raise ConfigError(
                f"{word} holds a policy that does not denoise; samplers need policy=diffusion, for example."
            )
        if stored.network.spec.cameras:
            raise ConfigError(f"{word} looks at cameras; scenes are compared many at once, from proprioception only.")
        if word in out:
            raise ConfigError(f"policies names {word} twice.")
        out[word] = Rated(word, DiffusionPolicy(stored.network, DDIM()), stored.noise_level)
    return list(out.values())


def measure(rated: Sequence[Rated], arena: Arena, values: Mapping[str, Any], measured: Measured) -> None:
    """Fill `measured`, the smallest delay of everything first."""
    seed, steps = values["seed"], values["steps"]
    batches, pushed = (_make_batches(arena, seed, values[name]) for name in ("episodes", "pushes"))
    pairs = len(rated) * len(values["samplers"])
    watch = arena.push_tick + WATCH_TICKS
    with make_progress() as progress:
        total = pairs * (values["decisions"] + len(pushed) * watch + len(values["delays"]) * len(batches) * steps)
        task = progress.add_task("", total=total)
        reached = 0

        def track(title: str, length: int) -> Callable[[], None]:
            """A callback for the next `length` steps; those that the work before left out count as made."""
            nonlocal reached
            progress.update(task, description=title, completed=reached)
            reached += length
            return lambda: progress.advance(task)

        for delay in values["delays"]:
            for each in rated:
                for sampler in values["samplers"]:
                    entry, level, title = ENTRIES[sampler], each.level, f"{sampler}, delay {delay}"
                    begin = functools.partial(Rollout, arena, each.policy, level, entry)
                    if each.name not in measured.recoveries.get(sampler, {}):
                        durations = time_decisions(
                            begin(0, batches[0][:1], seed), values["decisions"], track(title, values["decisions"])
                        )
                        measured.durations_ns.setdefault(sampler, {})[each.name] = durations
                        recoveries = [
                            measure_recovery(begin(0, batch, seed + number), level.spread, track(title, watch))
                            for number, batch in enumerate(pushed)
                        ]
                        measured.recoveries.setdefault(sampler, {})[each.name] = pool_recoveries(recoveries)
                    threshold = switch_threshold(level)
                    trials = [
                        run_trial(begin(delay, batch, seed + number), threshold, steps, track(title, steps))
                        for number, batch in enumerate(batches)
                    ]
                    measured.trials.setdefault((sampler, delay), {})[each.name] = pool_trials(trials)


def _make_batches(arena: Arena, seed: int, count: int) -> list[list[int]]:
    """Seeds of so many scenes, as many together as the arena holds."""
    seeds = scene_seeds(seed, count)
    return [seeds[begin : begin + arena.at_once] for begin in range(0, count, arena.at_once)]


def compare(rows: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """The keys of `TARGETS`, of the rows without delay; None where a sampler was not measured, with every policy."""
    policies = max((len(row["by_policy"]) for row in rows), default=0)
    found = {row["sampler"]: row for row in rows if row["delay"] == 0 and len(row["by_policy"]) == policies}

    def take(sampler: str, key: str) -> float | None:
        return found[sampler][key] if sampler in found else None

    def subtract(other: str) -> float | None:
        ours, theirs = take("relay-2", "success"), take(other, "success")
        return None if ours is None or theirs is None else round(100.0 * (ours - theirs), 2)

    def divide(key: str, other: str) -> float | None:
        ours, theirs = take("relay-2", key), take(other, key)
        return None if ours is None or not theirs else round(ours / theirs, 3)

    return {
        "relay_2_minus_ddim_10_points": subtract("ddim-10"),
        "relay_2_minus_rti_points": subtract("rti"),
        "relay_2_time_of_ddim_10": divide("decision_p50_ms", "ddim-10"),
        "relay_2_switches_of_ddim_10_every": divide("switches_per_decision", "ddim-10-every"),
        "relay_2_recovery_p90_ticks": take("relay-2", "recovery_p90_ticks"),
    }
