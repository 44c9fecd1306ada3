"""All episodes of an exported data set have one layout, and each fits in itself."""

import numpy as np
import pytest

from robot_rl.data.exchange.schema import Schema, with_schema
from robot_rl.errors import ExchangeError
from tests.data.exchange.samples import assert_same_episode, make_episode


def test_a_schema_is_names_and_sizes_in_their_order():
    schema, checked = with_schema(iter([make_episode(0), make_episode(1, 2)]))
    proprio, images = (("tcp_pose", 7), ("width.raw", 1), ("arm", 3)), (("wrist", (12, 16)), ("front", (8, 8)))
    assert schema == Schema(proprio, images, action_size=6, has_base=True)
    assert [len(episode) for episode in checked] == [5, 2]


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (make_episode(has_base=False), "episode 1 differs from episode 0"),
        (make_episode(actions=np.zeros((5, 7), np.float32), base_actions=np.zeros((6, 7), np.float32)), "differs"),
        (make_episode(proprio={"arm": np.zeros((6, 3), np.float32)}), "differs"),
        (make_episode(rewards=np.zeros(5)), "episode 1: rewards must be float32 of shape .5,. .* got float64"),
        (make_episode(stamps_ns=np.zeros(5, np.int64)), "stamps_ns must be int64 of shape .6,."),
        (make_episode(proprio={"arm": np.zeros((6, 0), np.float32)}), "without an empty axis"),
        (make_episode(images={"wrist": np.zeros((6, 4, 4, 1), np.uint8)}), "image 'wrist' must be uint8"),
        (make_episode(proprio={"a/b": np.zeros((6, 1), np.float32)}), "'a/b' must not be empty, contain '/'"),
        (make_episode(proprio={"wrist": np.zeros((6, 1), np.float32)}), "wrist names both"),
        (make_episode(length=1, actions=np.zeros((0, 6), np.float32)), "no control step"),
    ],
)
def test_an_episode_that_does_not_fit_is_an_error(second, message):
    _, checked = with_schema([make_episode(), second])
    assert_same_episode(next(checked), make_episode())
    with pytest.raises(ExchangeError, match=message):
        next(checked)
