"""Push-T as an environment."""

import numpy as np
import pytest

from robot_rl.errors import ActionError, ConfigError, EpisodeError, SpecError
from robot_rl.sim.push_t.picture import draw
from robot_rl.sim.push_t.push_t import PushT, to_action, to_observation, to_proprio, to_target
from robot_rl.sim.push_t.shapes import GOAL_POSE

ACTIONS = np.random.default_rng(5).uniform(-1.0, 1.0, (40, 6, 2))


def started(seeds=range(6)) -> PushT:
    env = PushT(len(seeds))
    env.reset(list(seeds))
    return env


def at_goal(shift=(0.0, 0.0, 0.0)) -> PushT:
    env = started([0])
    states = env.save()
    states[0] = 0.0
    states[0, :2] = 60.0
    states[0, 4:7] = GOAL_POSE + shift
    env.restore(states)
    return env


def test_scenes_start_as_published():
    rows = PushT(400).reset(range(400))
    assert rows.shape == (400, 5)
    assert rows.dtype == np.float32
    for column, low, high in ((0, 50, 450), (1, 50, 450), (2, 100, 400), (3, 100, 400), (4, 0, 2 * np.pi)):
        assert low <= rows[:, column].min() < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < rows[:, column].max() <= high
    assert len(np.unique(rows[:, 0])) == 400


def test_a_scene_does_not_depend_on_its_neighbours():
    together, alone = started(), started([3])
    for actions in ACTIONS:
        rows, rewards, covered = together.step(actions)
        row, reward, cover = alone.step(actions[3:4])
        np.testing.assert_array_equal(rows[3], row[0])
        assert (rewards[3], covered[3]) == (reward[0], cover[0])


def test_it_goes_on_from_a_saved_state_as_it_did():
    env = started()
    for actions in ACTIONS[:20]:
        env.step(actions)
    saved = env.save()
    first = [env.step(actions)[0] for actions in ACTIONS[20:]]
    env.restore(saved)
    again = [env.step(actions)[0] for actions in ACTIONS[20:]]
    np.testing.assert_array_equal(first, again)
    other = PushT(6)
    other.restore(saved)
    np.testing.assert_array_equal(other.step(ACTIONS[20])[0], first[0])


def test_reward_is_the_coverage_up_to_success():
    here = np.full((1, 2), 60.0 / 256.0 - 1.0)
    _, rewards, covered = at_goal().step(here)
    assert (rewards[0], covered[0]) == (1.0, pytest.approx(1.0))
    _, rewards, covered = at_goal((30.0, 0.0, 0.0)).step(here)
    assert 0.0 < covered[0] < 0.9
    assert rewards[0] == pytest.approx(covered[0] / 0.95)


def test_actions_are_targets_in_the_field():
    np.testing.assert_array_equal(to_target([[-1.0, 0.0], [0.5, 1.0]]), [[0.0, 256.0], [384.0, 512.0]])
    np.testing.assert_array_equal(to_action([[-3.0, 256.0], [384.0, 600.0]]), [[-1.0, 0.0], [0.5, 1.0]])
    env, beyond = started([1]), started([1])
    for _ in range(30):
        rows = env.step([[1.0, -1.0]])[0]
        np.testing.assert_array_equal(rows, beyond.step([[1.7, -1.2]])[0])
    np.testing.assert_allclose(rows[0, :2], (512.0, 0.0), atol=0.1)


def test_observations_fit_the_spec():
    rows = started().observe()
    assert to_proprio(rows).shape == (6, PushT.spec.observation.proprio_size)
    for row in rows:
        observation = to_observation(row)
        PushT.spec.observation.validate(observation)
        np.testing.assert_array_equal(np.concatenate(list(observation.proprio.values())), to_proprio(row))
    middle = to_observation([0.0, 512.0, 256.0, 128.0, np.pi / 2], 7)
    np.testing.assert_array_equal(middle.proprio["agent"], (-1.0, 1.0))
    np.testing.assert_array_equal(middle.proprio["block"], (0.0, -0.5))
    np.testing.assert_allclose(middle.proprio["heading"], (0.0, 1.0), atol=1e-7)
    assert middle.stamp_ns == 7


def test_a_block_can_be_displaced():
    env = started()
    before = env.observe()
    env.displace([1, 4], [[10.0, -5.0, 0.5], [0.0, 20.0, -7.0]])
    after = env.observe()
    np.testing.assert_array_equal(after[[0, 2, 3, 5]], before[[0, 2, 3, 5]])
    np.testing.assert_array_equal(after[:, :2], before[:, :2])
    np.testing.assert_allclose(after[1, 2:4] - before[1, 2:4], (10.0, -5.0), atol=1e-4)
    np.testing.assert_allclose(after[4, 4], (before[4, 4] - 7.0) % (2 * np.pi), atol=1e-5)


def test_what_is_wrong_is_said():
    with pytest.raises(ConfigError, match="at least 1"):
        PushT(0)
    with pytest.raises(EpisodeError, match="before reset"):
        PushT(1).step([[0.0, 0.0]])
    with pytest.raises(ConfigError, match="one for each of 6"):
        PushT(6).reset([1, 2])
    with pytest.raises(ActionError, match=r"shape \(6, 2\)"):
        started().step([[0.0, 0.0]])
    with pytest.raises(ActionError, match="finite"):
        started([1]).step([[np.nan, 0.0]])
    with pytest.raises(SpecError, match="shifts"):
        started().displace([1, 2], [[0.0, 0.0, 0.0]])
    with pytest.raises(SpecError, match="states"):
        started().restore(np.zeros((2, 10)))


def test_a_picture_shows_goal_block_and_disc():
    image = draw([100.0, 60.0, 400.0, 300.0, 0.0], 256)
    assert (image.shape, image.dtype) == ((256, 256, 3), np.uint8)
    assert image[30, 50].tolist() == [65, 105, 225]
    assert image[155, 200].tolist() == [119, 136, 153]
    assert image[175, 225].tolist() == [255, 255, 255]  # beside the stem
    assert image[200, 200].tolist() == [119, 136, 153]  # down the stem: y points down
    assert image[130, 126].tolist() == [144, 238, 144]
    assert image[250, 20].tolist() == [255, 255, 255]
    assert image[1, 1].tolist() == [200, 200, 200]
