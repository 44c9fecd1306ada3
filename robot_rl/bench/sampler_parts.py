"""The parts of a comparison of samplers: which policies there are, and what is measured in one go."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from robot_rl.bench.arenas import Arena
from robot_rl.bench.sampler_metrics import Recovery, Times, Trial, pool_recoveries, pool_trials, switch_threshold
from robot_rl.bench.sampler_trials import (
    ENTRIES,
    WATCH_TICKS,
    OnStep,
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


@dataclass(frozen=True, eq=False)
class Rated:
    """A policy, and where it is from.

    Attributes:
        name: the word that named it.
        fingerprint: of its file; what was measured of a policy is found again by it, and not by its name.
        policy: what decides.
        level: of its noise.
    """

    name: str
    fingerprint: str
    policy: DiffusionPolicy
    level: NoiseLevel


class Part(NamedTuple):
    """What is measured in one go.

    Attributes:
        rated: the policy.
        sampler: key of `ENTRIES`.
        kind: single decisions by the clock, pushes, or episodes.
        delay: of episodes; the others have none.
    """

    rated: Rated
    sampler: str
    kind: type[Times | Recovery | Trial]
    delay: int = 0

    @property
    def name(self) -> str:
        """Of what is kept of it."""
        what = f"delay-{self.delay}" if self.kind is Trial else self.kind.__name__.lower()
        return f"{self.rated.fingerprint}/{self.sampler}-{what}"

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.sampler}, delay {self.delay}"


class Examiner:
    """Measures parts, each of them always on the same scenes with the same noise."""

    def __init__(self, arena: Arena, values: Mapping[str, Any]) -> None:
        """An examiner of `values`: seed, and numbers of episodes, steps, pushes and decisions."""
        self._arena, self._seed, self._steps = arena, values["seed"], values["steps"]
        self._decisions = values["decisions"]
        self._batches, self._pushed = (self._make_batches(values[name]) for name in ("episodes", "pushes"))

    def count_steps(self, part: Part) -> int:
        """How often `on_step` is called for a part, at most."""
        if part.kind is Times:
            return int(self._decisions)
        if part.kind is Recovery:
            return len(self._pushed) * (self._arena.push_tick + WATCH_TICKS)
        return len(self._batches) * int(self._steps)

    def measure(self, part: Part, on_step: OnStep) -> Times | Recovery | Trial:
        """What the part comes to."""
        level = part.rated.level
        begin = functools.partial(Rollout, self._arena, part.rated.policy, level, ENTRIES[part.sampler], part.delay)
        if part.kind is Times:
            return Times(time_decisions(begin(self._batches[0][:1], self._seed), self._decisions, on_step))
        if part.kind is Recovery:
            pushed = (begin(batch, self._seed + number) for number, batch in enumerate(self._pushed))
            return pool_recoveries([measure_recovery(rollout, level.spread, on_step) for rollout in pushed])
        trials = (begin(batch, self._seed + number) for number, batch in enumerate(self._batches))
        threshold = switch_threshold(level)
        return pool_trials([run_trial(rollout, threshold, self._steps, on_step) for rollout in trials])

    def _make_batches(self, count: int) -> list[list[int]]:
        """Seeds of so many scenes, as many together as the arena holds."""
        seeds = scene_seeds(self._seed, count)
        return [seeds[begin : begin + self._arena.at_once] for begin in range(0, count, self._arena.at_once)]


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
        fingerprint = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
        out[word] = Rated(word, fingerprint, DiffusionPolicy(stored.network, DDIM()), stored.noise_level)
    return list(out.values())


def list_parts(rated: Sequence[Rated], values: Mapping[str, Any]) -> list[Part]:
    """All that is to be measured, the smallest delay of everything first."""
    out = []
    for delay in values["delays"]:
        for each in rated:
            for sampler in values["samplers"]:
                if delay == values["delays"][0]:
                    out += [Part(each, sampler, Times), Part(each, sampler, Recovery)]
                out.append(Part(each, sampler, Trial, delay))
    return out
