"""Images of several cameras as those of one moment; sequences by hand."""

import numpy as np
import pytest

from robot_rl.rewards.pairing import Pairing

MS = 1_000_000
IMAGE = np.zeros((2, 2, 3), np.uint8)


def play(seen, max_skew_ms=20, cameras="ab"):
    """The sets, as (stamp, stamps of the images by camera) in ms; an image is told by its first byte."""
    pairing, out = Pairing(cameras, max_skew_ms * MS), []
    for camera, stamp_ms in seen:
        found = pairing.add(camera, stamp_ms * MS, IMAGE + np.uint8(stamp_ms % 256))
        if found is not None:
            stamp_ns, images = found
            out.append((stamp_ns // MS, {name: int(image[0, 0, 0]) for name, image in images.items()}))
    return out


def test_one_camera_is_a_set_by_itself():
    assert play([("a", 0), ("a", 33)], cameras="a") == [(0, {"a": 0}), (33, {"a": 33})]


def test_equal_stamps_are_paired_whoever_comes_first():
    expected = [(0, {"a": 0, "b": 0}), (100, {"a": 100, "b": 100})]
    assert play([("a", 0), ("b", 0), ("b", 100), ("a", 100)], max_skew_ms=0) == expected


def test_without_tolerance_nothing_else_is():
    assert play([("a", 0), ("b", 1), ("a", 2), ("b", 2)], max_skew_ms=0) == [(2, {"a": 2, "b": 2})]


def test_the_nearest_are_paired_and_the_stamp_is_that_of_the_oldest():
    assert play([("a", 0), ("a", 33), ("b", 40)]) == [(33, {"a": 33, "b": 40})]


def test_each_image_is_used_once():
    seen = [("a", 0), ("b", 15), ("a", 33), ("b", 48), ("a", 66), ("b", 81)]
    assert play(seen) == [(0, {"a": 0, "b": 15}), (33, {"a": 33, "b": 48}), (66, {"a": 66, "b": 81})]


def test_what_lies_too_far_apart_is_no_set():
    assert play([("a", 0), ("b", 21)]) == []


@pytest.mark.parametrize("frozen", ["a", "b"])
def test_a_camera_that_has_frozen_ends_all_sets(frozen):
    other = "b" if frozen == "a" else "a"
    seen = [(frozen, 0), (other, 0)] + [(name, stamp if name == other else 0) for stamp in (5, 10) for name in "ab"]
    assert play(seen) == [(0, {"a": 0, "b": 0})]


def test_a_slow_camera_does_not_hold_more_than_a_few_images():
    seen = [("a", 10 * k) for k in range(20)] + [("b", 5)]
    assert play(seen) == [], "the images near it are long gone"


def test_after_the_clock_was_set_back_it_begins_anew():
    before = [("a", 60_000), ("b", 60_000), ("a", 60_033)]  # the last one waits for b, and will for ever
    after = [("a", 30_000), ("b", 30_010), ("a", 30_033), ("b", 30_043)]
    assert [stamp for stamp, _ in play(before + after)] == [60_000, 30_000, 30_033]
    assert play([("a", 60_000), ("a", 59_001)], cameras="a") == [(60_000, {"a": 60_000 % 256})], "only late"
