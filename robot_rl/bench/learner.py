"""`robot-rl bench learner`: updates a second, what they keep waiting, and the memory of experience.

Batches of 256; 19 proprioceptive values, six continuous elements of the action and the gripper's; two hidden layers of
256; two critics (e2) or ten (e10), two of them in the target. Every update includes drawing its batch.

| key | what |
|---|---|
| state_e2_critic_per_s | updates a second of critics, the gripper's critic and their targets |
| state_e2_full_per_s | the same with actor, temperature and slow average in every update |
| state_e10_critic_per_s | as the first, ten critics |
| reference_e10_critic_per_s | the same as a plain loop over ten networks, benchmarks/reference_learner.py; null where |
| | that file is not, which is everywhere but in a source checkout |
| e10_vs_reference | the last two divided, each pair measured one right after the other; their median |
| pixels_cached_full_per_s | two 128 x 128 cameras, features of a frozen resnet10 kept (two copies), full updates, e10 |
| pixels_raw_full_per_s | the same from images, the resnet10 trained; tens of seconds an update on a processor |
| additive_steps_per_s, .. | environment steps a second of each corrector: four updates of its critics and one of the |
| | actor for each; two hidden layers of 128, ten critics |
| ingest_block_ms_max | longest delay of one new time step by updates that run meanwhile (state, e10): the longest |
| | call of `Learner.ingest` less what it takes at rest |
| ingest_block_ms_max_2cams | the same with two cameras and a frozen encoder, which then competes for the processor |
| ingest_lock_ms_max, .._2cams | of that, the longest wait for the memory |
| ingest_call_ms, .._2cams | median of `Learner.ingest` at rest; with cameras, it encodes two copies of two images |
| replay_gb_200k_2cams | memory of 200 000 time steps with two cameras, features (2 copies) in memory, images on disk; |
| | from the sizes of the arrays, not filled: benchmarks/replay_memory.py fills them |
| device, threads, load_1m | where, and on how busy a machine |

Rates are medians of several rounds in which all take turns. Options: seconds=N for each rate, rounds=N, threads=N,
device=auto|cpu|cuda, raw_updates=N, records=N to ingest.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from robot_rl.agents.agent import EncoderConfig
from robot_rl.agents.correctors.config import CorrectorConfig
from robot_rl.agents.gripper import split_action
from robot_rl.bench.ingestion import Ingestion, measure_ingestion
from robot_rl.bench.learner_rig import (
    ACTION_SIZE,
    CAMERAS,
    HIDDEN,
    PROPRIO_SIZE,
    Rig,
    make_corrector_rig,
    make_rig,
    make_spec,
)
from robot_rl.bench.report import Targets, judge, make_progress, print_report, read_options
from robot_rl.data.replay import FeatureShape, Replay, ReplayConfig
from robot_rl.runtime.torch_device import find_device

TARGETS: Final[Targets] = {
    "state_e2_full_per_s": (">=", 150.0),
    "state_e10_critic_per_s": (">=", 60.0),
    "e10_vs_reference": (">=", 1.4),
    "pixels_cached_full_per_s": (">=", 8.0),
    "additive_steps_per_s": (">=", 10.0),
    "ingest_block_ms_max": ("<=", 20.0),
}
"""What two idle cores should reach."""

REFERENCE: Final = Path(__file__).parents[2] / "benchmarks" / "reference_learner.py"

_ROWS, _IMAGE_ROWS = 5000, 600
_FROZEN = EncoderConfig(is_frozen=True, copies=2)
_TRAINED = EncoderConfig(is_frozen=False)
_CORRECTORS = (
    CorrectorConfig("additive"),
    CorrectorConfig("chooser"),
    CorrectorConfig("edit_select", candidates=4),
    CorrectorConfig("best_of_n", candidates=8),
    CorrectorConfig("noise_steer", candidates=4),
)
"""As configs/corrector has them."""
_COUNTED_ROWS, _MEMORY_ROWS = 1000, 200_000

Update = Callable[[], None]


def run(options: list[str]) -> int:
    """Measure, print the table and the JSON object; returns the exit code 0.

    Raises:
        UnknownNameError: no such option.
    """
    defaults: dict[str, str | int] = {"seconds": 10, "rounds": 10, "threads": 2, "device": "auto"}
    values = read_options(options, defaults | {"raw_updates": 2, "records": 300})
    result = measure(**values)
    notes = [
        f"pixels_raw_full_per_s: mean of {values['raw_updates']} updates.",
        f"replay_gb_200k_2cams: arrays of {_COUNTED_ROWS} rows, times {_MEMORY_ROWS // _COUNTED_ROWS}; without images.",
    ]
    if result["reference_e10_critic_per_s"] is None:
        notes.append(f"The reference is only in a source checkout: there is no {REFERENCE}.")
    print_report("Learner", ["", "value", "target"], judge(result, TARGETS), notes, result)
    return 0


def measure(seconds: int, rounds: int, threads: int, device: str, raw_updates: int, records: int) -> dict[str, Any]:
    """Every key of the table above."""
    device = find_device(device)
    threads_before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        two, ten = make_rig(2, None, device, _ROWS), make_rig(10, None, device, _ROWS)
        cached = make_rig(10, _FROZEN, device, _IMAGE_ROWS)
        updates: dict[str, Update] = {
            "state_e2_critic_per_s": two.update_critic,
            "state_e2_full_per_s": two.update_all,
            "state_e10_critic_per_s": ten.update_critic,
            "pixels_cached_full_per_s": cached.update_all,
        }
        for corrector in _CORRECTORS:
            rig = make_corrector_rig(corrector, device, _ROWS)
            updates[f"{corrector.name}_steps_per_s"] = rig.update_step
        if REFERENCE.is_file():
            updates["reference_e10_critic_per_s"] = make_reference_update(ten, device)
        with make_progress() as progress:
            task = progress.add_task("updates", total=rounds + 2 * records)
            rates = measure_rates(updates, seconds, rounds, device, lambda: progress.advance(task))
            progress.update(task, description="ingestion")
            state = measure_ingestion(ten, records, lambda: progress.advance(task))
            pixels = measure_ingestion(cached, records, lambda: progress.advance(task))
            progress.update(task, description="updates from images")
            raw = measure_raw(device, raw_updates)
    finally:
        torch.set_num_threads(threads_before)
    return {
        **_to_result(rates, raw, state, pixels),
        "replay_gb_200k_2cams": round(count_replay_gb(), 2),
        "device": torch.cuda.get_device_name() if device.startswith("cuda") else device,
        "threads": threads,
        "load_1m": round(os.getloadavg()[0], 2),
    }


def _to_result(
    rates: Mapping[str, list[float]], raw: float, state: Ingestion, pixels: Ingestion
) -> dict[str, float | None]:
    ours, reference = rates["state_e10_critic_per_s"], rates.get("reference_e10_critic_per_s")
    ratio = None if reference is None else round(float(np.median(np.divide(ours, reference))), 2)
    medians = {key: round(float(np.median(values)), 2) for key, values in rates.items()}
    return {
        "state_e2_critic_per_s": medians["state_e2_critic_per_s"],
        "state_e2_full_per_s": medians["state_e2_full_per_s"],
        "state_e10_critic_per_s": medians["state_e10_critic_per_s"],
        "reference_e10_critic_per_s": medians.get("reference_e10_critic_per_s"),
        "e10_vs_reference": ratio,
        "pixels_cached_full_per_s": medians["pixels_cached_full_per_s"],
        "pixels_raw_full_per_s": round(raw, 4),
        **{key: medians[key] for key in (f"{corrector.name}_steps_per_s" for corrector in _CORRECTORS)},
        "ingest_block_ms_max": round(state.delay_ms_max, 2),
        "ingest_block_ms_max_2cams": round(pixels.delay_ms_max, 2),
        "ingest_lock_ms_max": round(state.lock_ms_max, 2),
        "ingest_lock_ms_max_2cams": round(pixels.lock_ms_max, 2),
        "ingest_call_ms": round(state.rest_ms, 2),
        "ingest_call_ms_2cams": round(pixels.rest_ms, 2),
    }


def measure_rates(
    updates: Mapping[str, Update], seconds: float, rounds: int, device: str, on_round: Callable[[], None]
) -> dict[str, list[float]]:
    """Updates a second of each, in every round, after a warm-up."""
    counts = {}
    for key, update in updates.items():
        time_updates(update, 3, device)
        counts[key] = max(1, round(seconds / rounds / time_updates(update, 3, device) * 3))
    rates: dict[str, list[float]] = {key: [] for key in updates}
    for _ in range(rounds):
        for key, update in updates.items():
            rates[key].append(counts[key] / time_updates(update, counts[key], device))
        on_round()
    return rates


def measure_raw(device: str, count: int) -> float:
    """Full updates a second from images through a backbone that is trained, after one that does not count."""
    rig = make_rig(10, _TRAINED, device, _IMAGE_ROWS)
    time_updates(rig.update_all, 1, device)
    return count / time_updates(rig.update_all, count, device)


def time_updates(update: Update, count: int, device: str) -> float:
    """Seconds that `count` updates take until the device has finished them."""
    _wait_for(device)
    begin = time.perf_counter()
    for _ in range(count):
        update()
    _wait_for(device)
    return time.perf_counter() - begin


def _wait_for(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def make_reference_update(rig: Rig, device: str) -> Update:
    """The plain loop's update of critics, on batches drawn from the memory of `rig`."""
    found = importlib.util.spec_from_file_location("reference_learner", REFERENCE)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module  # dataclasses look there
    found.loader.exec_module(module)
    config = rig.learner.config
    sizes = module.ReferenceConfig(
        proprio_size=PROPRIO_SIZE,
        continuous_size=ACTION_SIZE - 1,
        classes=3,
        hidden=HIDDEN,
        ensemble=config.rlpd.ensemble,
        subsample=config.rlpd.subsample,
        tau=config.rlpd.tau,
        learning_rate=config.rlpd.learning_rate,
        return_range=config.rlpd.return_range,
    )
    reference = module.ReferenceLearner(sizes).to(device)

    def update() -> None:
        batch = rig.batches.draw()
        continuous, index = split_action(batch.action, 1)
        now, following = batch.observations.proprio, batch.following.proprio
        reference.update(
            module.ReferenceBatch(now, continuous, index, batch.reward, batch.penalty, batch.discount, following)
        )

    return update


def count_replay_gb() -> float:
    """GB in memory of a ring of 200 000 time steps with the features of two cameras that agents keep by default."""
    features = FeatureShape(EncoderConfig().copies, tokens=16, channels=512)
    replay = Replay(make_spec(CAMERAS), ReplayConfig(capacity=_COUNTED_ROWS, prior_capacity=2), features=features)
    owners = (replay.rings["online"], *replay.features["online"].values())
    size = sum(held.nbytes for owner in owners for held in vars(owner).values() if isinstance(held, np.ndarray))
    return size * (_MEMORY_ROWS / _COUNTED_ROWS) / 1e9
