"""Features by row: the right row, the right copies, and nothing that is out of date."""

import numpy as np
import pytest

from robot_rl.data.feature_cache import FeatureCache
from robot_rl.errors import SpecError

COPIES, TOKENS, CHANNELS = 3, 2, 4


@pytest.fixture(params=["memory", "disk"])
def make(request, tmp_path):
    def make_cache(capacity, copies=COPIES):
        return FeatureCache(capacity, copies, TOKENS, CHANNELS, tmp_path if request.param == "disk" else None)

    return make_cache


def features_of(rows, copies=COPIES):
    """Value 10 row + copy, plus a hundredth of the channel's place so that an axis in the wrong order shows."""
    value = 10 * np.asarray(rows)[:, None] + np.arange(copies)
    place = np.arange(TOKENS * CHANNELS).reshape(TOKENS, CHANNELS) / 128
    return (value[:, :, None, None] + place).astype(np.float16)


def test_a_row_gives_its_own_features_whole(make):
    cache = make(10)
    rows = np.array([3, 7, 1])
    cache.put(rows, features_of(rows))
    asked = np.array([7, 7, 1, 3])
    got = cache.get(asked, np.random.default_rng(0))
    assert got.dtype == np.float16
    assert got.shape == (4, TOKENS, CHANNELS)
    copies = got[:, 0, 0].astype(int) - 10 * asked
    assert np.array_equal(got, features_of(asked)[np.arange(4), copies])


def test_every_copy_is_drawn_equally_often_and_by_each_sample_for_itself(make):
    cache = make(4)
    cache.put(np.array([2]), features_of([2]))
    drawn = cache.get(np.full(3000, 2), np.random.default_rng(0))[:, 0, 0].astype(int) - 20
    counts = np.bincount(drawn, minlength=COPIES)
    assert np.all(np.abs(counts - 1000) < 6 * np.sqrt(1000))


def test_the_generator_decides(make):
    cache = make(4)
    cache.put(np.array([2]), features_of([2]))
    first, again, other = (cache.get(np.full(50, 2), np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_only_rows_that_were_put_are_there(make):
    cache = make(4)
    assert not cache.has(np.array([-1, 0, 1, 2, 3])).any()
    cache.put(np.array([0, 3]), features_of([0, 3]))
    assert cache.has(np.array([-1, 0, 1, 2, 3, 4, 7])).tolist() == [False, True, False, False, True, False, False]


def test_after_wrapping_an_old_row_is_gone_and_the_new_one_has_to_be_put(make):
    cache = make(4)
    cache.put(np.arange(4), features_of(np.arange(4)))
    assert not cache.has(np.array([5])).any()  # in the slot of row 1, whose features are not its own
    cache.put(np.array([5]), features_of([5]))
    assert cache.has(np.array([0, 1, 2, 5])).tolist() == [True, False, True, True]
    assert cache.get(np.array([5]), np.random.default_rng(0)).astype(int)[0, 0, 0] // 10 == 5
    with pytest.raises(SpecError, match=r"\[1\]"):
        cache.get(np.array([0, 1]), np.random.default_rng(0))


def test_one_copy_is_no_choice(make):
    cache = make(4, copies=1)
    cache.put(np.array([1, 2]), features_of([1, 2], 1))
    assert np.array_equal(cache.get(np.array([2, 1]), np.random.default_rng(0)), features_of([2, 1], 1)[:, 0])


def test_features_that_do_not_fit_are_refused_and_nothing_is_kept(make):
    cache = make(4)
    rows = np.array([0])
    for features, message in (
        (features_of([0], 1), "got float16 "),
        (features_of([0]).astype(np.float32), "got float32 "),
        (np.full((1, COPIES, TOKENS, CHANNELS), np.inf, np.float16), "finite"),
    ):
        with pytest.raises(SpecError, match=message):
            cache.put(rows, features)
    assert not cache.has(rows).any()


def test_a_value_takes_two_bytes():
    assert FeatureCache(10, 2, 16, 512).nbytes == 10 * 2 * 16 * 512 * 2


def test_a_write_that_fails_leaves_nothing_that_looks_whole(tmp_path, monkeypatch):
    cache = FeatureCache(4, COPIES, TOKENS, CHANNELS, tmp_path)
    cache.put(np.array([1]), features_of([1]))

    def fail(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr("os.pwritev", fail)
    with pytest.raises(OSError, match="no space"):
        cache.put(np.array([5]), features_of([5]))
    assert not cache.has(np.array([1, 5])).any()


def test_a_cache_without_room_is_an_error():
    with pytest.raises(SpecError, match=r"\(4, 0, 2, 4\)"):
        FeatureCache(4, 0, 2, 4)
