"""Episodes whose every array has values of its own, and the comparison of two bit by bit."""

from dataclasses import fields

import numpy as np

from robot_rl.data.episode import Episode


def make_episode(seed=0, length=5, has_base=True, **changes):
    generator = np.random.default_rng(seed)

    def numbers(*shape):
        return generator.standard_normal(shape).astype(np.float32)

    values = {
        "proprio": {
            "tcp_pose": numbers(length + 1, 7),
            "width.raw": numbers(length + 1, 1),
            "arm": numbers(length + 1, 3),
        },
        "images": {
            "wrist": generator.integers(0, 256, (length + 1, 12, 16, 3), np.uint8),
            "front": generator.integers(0, 256, (length + 1, 8, 8, 3), np.uint8),
        },
        "stamps_ns": 1_700_000_000_123_456_789 + np.cumsum(generator.integers(99_000_000, 101_000_000, length + 1)),
        "actions": numbers(length, 6),
        "rewards": numbers(length),
        "sources": generator.integers(0, 4, length).astype(np.int8),
        "policy_versions": generator.integers(-1, 2**40, length),
        "is_terminal": True,
        "is_success": True,
        "base_actions": numbers(length + 1, 6) if has_base else None,
        "paid_at_start": float(seed % 2),
    }
    return Episode(**(values | changes))


def make_episodes(**changes):
    return [
        make_episode(0, 5, **changes),
        make_episode(1, 1, **changes, is_success=False),
        make_episode(2, 3, **changes, is_terminal=False, is_success=False),
        make_episode(3, 4, **changes, is_terminal=False, is_success=False, is_complete=False),
    ]


def assert_same_bits(a, b):
    assert a.dtype == b.dtype
    assert a.shape == b.shape
    assert a.tobytes() == b.tobytes()


def assert_same_episode(a, b):
    for field in fields(Episode):
        before, after = getattr(a, field.name), getattr(b, field.name)
        if isinstance(before, dict):
            assert list(before) == list(after)
            for name in before:
                assert_same_bits(before[name], after[name])
        elif isinstance(before, np.ndarray):
            assert_same_bits(before, after)
        elif isinstance(before, float):
            assert isinstance(after, float)
            assert before == after
        else:
            assert before is after
