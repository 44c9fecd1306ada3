"""Memory and sampling time of a ring with two cameras, filled for real: one JSON line for each way to keep images.

    python benchmarks/replay_memory.py --count 200000 --directory /somewhere/on/a/disk

Images are frames of the project's own cameras, each with fresh noise of one grey level, so that no two are alike and
compression is not flattered. Every kind runs in a process of its own, so that its peak is its own. "raw" is filled
with at most 20 000 rows, and says what it would take with all of them. Files have no name: they vanish by themselves.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from robot_rl.data.feature_cache import FeatureCache
from robot_rl.data.frames import FrameKind
from robot_rl.data.step_ring import StepRing
from robot_rl.specs import ArraySpec, EnvironmentSpec, ObservationSpec
from robot_rl.types import Observation, Source, StepType, TimeStep

CAMERAS = ("wrist", "side")
SIZE = 128
TOKENS, CHANNELS = 16, 512
BATCH = 256
REPETITIONS = 20
RAW_COUNT = 20_000
STEP_LIMIT = 100
PUT_ROWS = 64
NOISE_LENGTH = 1 << 24

# what is measured -> how images are kept, and where the features of a frozen encoder are, if there are any
KINDS: dict[str, tuple[FrameKind, str]] = {
    "raw": ("raw", ""),
    "compressed": ("compressed", ""),
    "features in memory, images on disk": ("disk", "memory"),
    "features and images on disk": ("disk", "disk"),
}
SPEC = EnvironmentSpec(
    ObservationSpec(
        {"state": ArraySpec("state", (32,), np.float32)},
        {name: ArraySpec(name, (SIZE, SIZE, 3), np.uint8) for name in CAMERAS},
    ),
    action_size=6,
    step_limit=STEP_LIMIT,
    rate_hz=10.0,
)


def render_pool(count: int) -> dict[str, NDArray[np.uint8]]:
    """`count` frames of each camera, of an expert at work in three tasks."""
    from robot_rl.config import load
    from robot_rl.runtime.assembly import make_env
    from robot_rl.runtime.config import EnvConfig

    frames: dict[str, list[NDArray[np.uint8]]] = {name: [] for name in CAMERAS}
    tasks = ("peg", "pick_cube", "plug")
    for number, task in enumerate(tasks, start=1):
        env = make_env(load(EnvConfig, "env", [f"task={task}", "robot=sim_pixels", "teleop=expert"]))
        seed = 0
        while len(frames["wrist"]) < count * number // len(tasks):
            time_step = env.reset(seed=seed)
            for _ in range(20):
                for name in CAMERAS:
                    frames[name].append(time_step.observation.images[name])
                if time_step.is_last:
                    break
                time_step = env.step(np.zeros(env.spec.action_size, np.float32))
            seed += 1
    return {name: np.stack(images) for name, images in frames.items()}


def noisy(pool: NDArray[np.uint8], generator: np.random.Generator) -> Iterator[NDArray[np.uint8]]:
    """Frames of the pool without end, each with its own noise."""
    noise = np.rint(generator.normal(size=NOISE_LENGTH)).astype(np.int8).view(np.uint8)
    pool = np.clip(pool, 8, 247)  # so that adding noise cannot wrap around
    size = pool[0].size
    while True:
        start = generator.integers(NOISE_LENGTH - size)
        yield pool[generator.integers(len(pool))] + noise[start : start + size].reshape(pool.shape[1:])


def fill_ring(ring: StepRing, count: int, pool: dict[str, NDArray[np.uint8]], generator: np.random.Generator) -> None:
    """Append `count` time steps."""
    streams = {name: noisy(images, generator) for name, images in pool.items()}
    action = np.zeros(6, np.float32)
    for number in range(count):
        episode, step = divmod(number, STEP_LIMIT)
        kind = StepType.FIRST if step == 0 else StepType.LAST if step == STEP_LIMIT - 1 else StepType.MID
        images = {name: next(stream) for name, stream in streams.items()}
        observation = Observation({"state": np.full(32, step, np.float32)}, images, number)
        ring.append(TimeStep(kind, observation, 0.0, 1.0, action, Source.POLICY), episode, step)


def fill_features(cache: FeatureCache, count: int, generator: np.random.Generator) -> None:
    """Put features for rows 0 to `count`."""
    pool = generator.normal(size=(16 * PUT_ROWS, *cache.shape)).astype(np.float16)
    for start in range(0, count, PUT_ROWS):
        rows = np.arange(start, min(start + PUT_ROWS, count))
        cache.put(rows, pool[generator.integers(len(pool), size=len(rows))])


def median_ms(sample: Callable[[], object]) -> float:
    """Median time of a call [ms]."""
    times = []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        sample()
        times.append(1e3 * (time.perf_counter() - start))
    return round(float(np.median(times)), 1)


def resident_bytes() -> int:
    """What this process holds now; pages of mapped files included."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def measure(name: str, count: int, directory: Path, pool: dict[str, NDArray[np.uint8]]) -> dict[str, object]:
    """Fill a ring (and caches) of `count` rows, sample from it, and say what it took."""
    frames, features = KINDS[name]
    rows = min(count, RAW_COUNT) if frames == "raw" else count
    generator = np.random.default_rng(0)
    before = resident_bytes()
    start = time.perf_counter()
    ring = StepRing(SPEC, rows, frames, directory if frames == "disk" else None)
    fill_ring(ring, rows, pool, generator)
    caches = []
    for _ in CAMERAS if features else ():
        caches.append(FeatureCache(rows, 1, TOKENS, CHANNELS, directory if features == "disk" else None))
        fill_features(caches[-1], rows, generator)
    fill_s = time.perf_counter() - start

    def sample_images() -> None:
        windows = ring.windows(ring.sample_starts(generator, BATCH), 1, 0.99)
        ring.images(windows.rows), ring.images(windows.next_rows)

    def sample_features() -> None:
        windows = ring.windows(ring.sample_starts(generator, BATCH), 1, 0.99)
        for cache in caches:
            cache.get(windows.rows, generator), cache.get(windows.next_rows, generator)

    resident = resident_bytes()  # before sampling, which needs a batch and no more
    result: dict[str, object] = {
        "kind": name,
        "rows": rows,
        "fill_s": round(fill_s, 1),
        "resident_gb": resident / 1e9,
        "image_gb": ring.frame_bytes / 1e9,
        "feature_gb": sum(cache.nbytes for cache in caches) / 1e9,
        "images_ms": median_ms(sample_images),
        "features_ms": median_ms(sample_features) if caches else None,
    }
    result["file_gb"] = (
        ring.frame_bytes * (frames == "disk") + sum(cache.nbytes for cache in caches) * (features == "disk")
    ) / 1e9
    result["peak_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    if rows < count:
        result["rows_extrapolated_to"] = count
        result["extrapolated_resident_gb"] = (before + (resident - before) * count / rows) / 1e9
    return {key: round(value, 2) if isinstance(value, float) else value for key, value in result.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200_000, help="rows of the ring")
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--directory", type=Path, default=Path(tempfile.gettempdir()), help="on the disk to be used")
    arguments = parser.parse_args()
    fresh = multiprocessing.get_context("spawn")  # a fork would begin with the renderer's memory
    with fresh.Pool(1) as renderer:
        pool = renderer.apply(render_pool, (300,))
    for name in arguments.kinds:
        with fresh.Pool(1) as process:
            result = process.apply(measure, (name, arguments.count, arguments.directory, pool))
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
