"""Samplers beside each other: what is measured of which policy, and what it comes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from robot_rl.bench.report import Targets, make_progress
from robot_rl.bench.sampler_metrics import (
    Recovery,
    Times,
    Trial,
    pool_recoveries,
    pool_trials,
    summarise_latency,
    summarise_recovery,
    summarise_trial,
)
from robot_rl.bench.sampler_parts import Examiner, Part
from robot_rl.bench.sampler_study import Study
from robot_rl.bench.sampler_trials import ENTRIES

TARGETS: Final[Targets] = {
    "relay_2_minus_ddim_10_points": (">=", -1.0),
    "relay_2_minus_rti_points": (">=", 0.0),
    "relay_2_time_of_ddim_10": ("<=", 0.2),
    "relay_2_switches_of_ddim_10_every": ("<=", 1.0),
    "relay_2_recovery_p90_ticks": ("<=", 2.0),
}
"""What relay is for, without delay: as good as a full solve, five times as fast, committed, and not stubborn."""


class Measured:
    """What has been measured so far."""

    def __init__(self, policies: Sequence[str]) -> None:
        """Nothing yet, of these policies."""
        self._policies = policies
        self.trials: dict[tuple[str, int], dict[str, Trial]] = {}
        self.times: dict[str, dict[str, Times]] = {}
        self.recoveries: dict[str, dict[str, Recovery]] = {}

    def add(self, part: Part, value: Times | Recovery | Trial) -> None:
        """This is what the part came to."""
        name, sampler = part.rated.name, part.sampler
        if isinstance(value, Trial):
            self.trials.setdefault((sampler, part.delay), {})[name] = value
        elif isinstance(value, Recovery):
            self.recoveries.setdefault(sampler, {})[name] = value
        else:
            self.times.setdefault(sampler, {})[name] = value

    def rows(self) -> list[dict[str, Any]]:
        """A row for each sampler and delay, in the order of `ENTRIES`: all policies together, and each.

        Policies of which a part is missing are left out.
        """
        names, out = list(ENTRIES), []
        for sampler, delay in sorted(self.trials, key=lambda key: (names.index(key[0]), key[1])):
            known = (self.trials[sampler, delay], self.times.get(sampler, {}), self.recoveries.get(sampler, {}))
            policies = [name for name in self._policies if all(name in each for each in known)]
            if policies:
                by_policy = {name: self._summarise(sampler, delay, [name]) for name in policies}
                pooled = self._summarise(sampler, delay, policies)
                out.append({"sampler": sampler, "delay": delay, **pooled, "by_policy": by_policy})
        return out

    def _summarise(self, sampler: str, delay: int, policies: Sequence[str]) -> dict[str, Any]:
        trials, times, recoveries = self.trials[sampler, delay], self.times[sampler], self.recoveries[sampler]
        return {
            **summarise_trial(pool_trials([trials[name] for name in policies])),
            **summarise_latency(np.concatenate([times[name].durations_ns for name in policies])),
            **summarise_recovery(pool_recoveries([recoveries[name] for name in policies])),
        }


def recall(parts: Sequence[Part], study: Study, measured: Measured) -> list[Part]:
    """Fill `measured` with what was kept; returns the parts that are missing.

    Raises:
        ConfigError: a file of the study is damaged.
    """
    missing = []
    for part in parts:
        value = study.find(part.name, part.kind)
        if value is None:
            missing.append(part)
        else:
            measured.add(part, value)
    return missing


def measure(
    parts: Sequence[Part], missing: Sequence[Part], examiner: Examiner, study: Study, measured: Measured
) -> None:
    """Measure those of the parts that are missing, and keep each in `study` and `measured` as soon as it is there."""
    with make_progress() as progress:
        total = sum(examiner.count_steps(part) for part in parts)
        reached = total - sum(examiner.count_steps(part) for part in missing)
        task = progress.add_task("", total=total, completed=reached)
        for part in missing:
            progress.update(task, description=part.title)
            value = examiner.measure(part, lambda: progress.advance(task))
            study.keep(part.name, value)
            measured.add(part, value)
            reached += examiner.count_steps(part)
            progress.update(task, completed=reached)  # steps that episodes left out count as made


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
