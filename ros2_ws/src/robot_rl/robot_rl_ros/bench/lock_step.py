"""How fast simulated time passes when it crosses processes."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from robot_rl_ros.bench.processes import running

_WARM_UP_STEPS = 20


def measure_rate(words: Sequence[str], steps: int, repeats: int) -> float:
    """Median control steps a second with random actions, resets included, over some repeats."""
    with running(["task=peg", "graph=lock_step", *words]) as graph:
        env = graph.cell.env
        generator = np.random.default_rng(0)
        is_last = True

        def walk(count: int) -> float:
            nonlocal is_last
            begin_s = time.perf_counter()
            for _ in range(count):
                if is_last:
                    env.reset(int(generator.integers(2**31)))
                is_last = env.step(generator.uniform(-0.7, 0.7, env.action_map.action_size)).is_last
            return count / (time.perf_counter() - begin_s)

        walk(_WARM_UP_STEPS)
        return float(np.median([walk(steps) for _ in range(repeats)]))
