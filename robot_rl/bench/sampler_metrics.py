"""What a sampler's episodes come to: sums that can be pooled, and the figures made of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from robot_rl.geometry import Array
from robot_rl.inference.noise_level import SEPARATION, NoiseLevel
from robot_rl.policies.chunk_executor import Tick
from robot_rl.runtime.reporting.statistics import wilson_interval

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Trial:
    """Episodes of one sampler. What is counted is counted in each scene until it is solved.

    Attributes:
        is_solved: of each episode.
        scores: of each episode at its end.
        control_steps: executed actions of all episodes.
        evaluations: of the network, for these.
        decisions: those that had a plan before them.
        switches: how many of these took the plan elsewhere.
        seams: what the target jumped by, each time that a scene went from one plan to the next.
        jerks: of the targets, a second to the third power.
    """

    is_solved: Mask
    scores: Array
    control_steps: int
    evaluations: int
    decisions: int
    switches: int
    seams: Array
    jerks: Array


@dataclass(frozen=True, eq=False)
class Recovery:
    """What became of plans when the block was displaced.

    Attributes:
        ticks: of each scene, control steps until its plan agreed with one made anew; at most the length of the watch.
        is_agreeing_before: whether it agreed just before, without which agreement afterwards says little.
    """

    ticks: NDArray[np.int64]
    is_agreeing_before: Mask


@dataclass(frozen=True, eq=False)
class Times:
    """Durations [ns] of single decisions."""

    durations_ns: NDArray[np.int64]


def pool_trials(trials: Sequence[Trial]) -> Trial:
    """All episodes as those of one trial."""
    return Trial(
        is_solved=np.concatenate([trial.is_solved for trial in trials]),
        scores=np.concatenate([trial.scores for trial in trials]),
        control_steps=sum(trial.control_steps for trial in trials),
        evaluations=sum(trial.evaluations for trial in trials),
        decisions=sum(trial.decisions for trial in trials),
        switches=sum(trial.switches for trial in trials),
        seams=np.concatenate([trial.seams for trial in trials]),
        jerks=np.concatenate([trial.jerks for trial in trials]),
    )


def pool_recoveries(recoveries: Sequence[Recovery]) -> Recovery:
    """All scenes as those of one."""
    return Recovery(
        ticks=np.concatenate([each.ticks for each in recoveries]),
        is_agreeing_before=np.concatenate([each.is_agreeing_before for each in recoveries]),
    )


def summarise_trial(trial: Trial) -> dict[str, Any]:
    """Figures of the episodes; null where nothing was there to be measured."""
    successes, episodes = int(trial.is_solved.sum()), len(trial.is_solved)
    return {
        "successes": successes,
        "episodes": episodes,
        "success": round(successes / episodes, 4),
        "ci95": [round(bound, 4) for bound in wilson_interval(successes, episodes)],
        "score": round(float(trial.scores.mean()), 4),
        "nfe_per_action": round(trial.evaluations / trial.control_steps, 3),
        "jerk_rms": _round(_rms(trial.jerks), 0),
        "seam_rms": _round(_rms(trial.seams), 2),
        "seam_p95": _round(_quantile(trial.seams, 0.95), 2),
        "switches_per_decision": _round(trial.switches / trial.decisions if trial.decisions else None, 4),
    }


def summarise_latency(durations_ns: NDArray[np.int64]) -> dict[str, Any]:
    """Figures of single decisions; a percentile is a duration that occurred, not less than the share below it."""
    return {
        "decision_p50_ms": _round(_quantile(durations_ns / 1e6, 0.5), 3),
        "decision_p99_ms": _round(_quantile(durations_ns / 1e6, 0.99), 3),
        "decision_max_ms": _round(_quantile(durations_ns / 1e6, 1.0), 3),
    }


def summarise_recovery(recovery: Recovery) -> dict[str, Any]:
    """Figures of the displaced scenes."""
    agreeing = recovery.is_agreeing_before
    return {
        "recovery_p50_ticks": _round(_quantile(recovery.ticks, 0.5), 0),
        "recovery_p90_ticks": _round(_quantile(recovery.ticks, 0.9), 0),
        "agreeing_before_push": _round(float(agreeing.mean()) if agreeing.size else None, 3),
    }


def measure_jerks(path_TND: Array, is_running_TN: Mask, rate_hz: float) -> Array:
    """Norms of the third difference quotients of positions, at the steps of running episodes."""
    norms: Array = np.linalg.norm(np.diff(path_TND, n=3, axis=0), axis=-1) * rate_hz**3
    return norms[is_running_TN[3:]]


def find_seam(last: Tick | None, tick: Tick) -> NDArray[np.float32] | None:
    """What the plan before had for this step (N, A), where one takes over from another that reaches so far."""
    if last is None or tick.phase == last.phase + 1 or last.remaining.shape[1] < 2:
        return None
    before: NDArray[np.float32] = last.remaining[:, 1]
    return before


def switch_threshold(level: NoiseLevel) -> float:
    """Half the distance between modes; where no two were found, half the least at which they would have been."""
    return 0.5 * level.mode_distance if math.isfinite(level.mode_distance) else SEPARATION * level.spread


def find_switches(moved_NHA: Tensor, chunk_NHA: Tensor, ticks: int, threshold: float) -> Mask:
    """Which plans end elsewhere than those before: an action is farther than the threshold at the last common position.

    Args:
        moved_NHA: the plans before, moved on by so many ticks.
        chunk_NHA: the new ones.
        ticks: positions at the end of `moved_NHA` that were not planned.
        threshold: in units of normalised actions.
    """
    end = max(chunk_NHA.shape[1] - 1 - ticks, 0)
    mask: Mask = ((chunk_NHA - moved_NHA)[:, end].abs().amax(-1) > threshold).cpu().numpy()
    return mask


def count_recovery(agrees_TN: Mask) -> NDArray[np.int64]:
    """Ticks until each scene's plan agreed for the first time; the length of the watch where it never did."""
    out: NDArray[np.int64] = np.where(agrees_TN.any(0), agrees_TN.argmax(0), len(agrees_TN))
    return out


def _rms(values: Array) -> float | None:
    return float(np.sqrt(np.square(values).mean())) if values.size else None


def _quantile(values: NDArray[Any], share: float) -> float | None:
    return float(np.quantile(values, share, method="higher")) if values.size else None


def _round(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
