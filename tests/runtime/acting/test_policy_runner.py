"""A policy network as the environment's partner."""

import numpy as np
import pytest
import torch

from robot_rl.agents.agent import make_agent, make_policy_spec
from robot_rl.agents.policy import Policy
from robot_rl.robot.fake import FakeCamera
from robot_rl.runtime.acting.base_policies import to_noise_seed
from robot_rl.runtime.acting.policy_runner import PolicyRunner, to_tensors
from robot_rl.types import Observation
from tests.runs import differing, make_agent_config, make_people_cell


@pytest.fixture
def env():
    return make_people_cell("none").env


def make_runner(env, stack=1, seed=0):
    config = make_agent_config(stack=stack)
    return PolicyRunner(make_agent(config, env.spec, seed).policy, stack)


def observe(env, value):
    """An observation all of whose numbers are `value`."""
    proprio = {name: np.full(spec.shape, value, np.float32) for name, spec in env.spec.observation.proprio.items()}
    return Observation(proprio, {}, 0)


def test_without_a_seed_it_takes_the_mode_and_with_one_it_explores(env):
    runner = make_runner(env)
    runner.reset()
    mode = runner(observe(env, 0.1))
    assert mode.shape == (6,)
    assert mode.dtype == np.float32
    np.testing.assert_array_equal(mode, runner(observe(env, 0.1)))
    drawn = []
    for seed in (1, 1, 2):
        runner.reset(exploration_seed=seed)
        drawn.append(np.array([runner(observe(env, 0.1)) for _ in range(50)]))
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])
    assert np.unique(drawn[0], axis=0).shape == (50, 6)
    before_tanh = np.arctanh(drawn[0])
    error = np.abs(before_tanh.mean(0) - np.arctanh(mode))
    assert (error < 4.0 * before_tanh.std(0) / np.sqrt(50)).all(), "it explores about the mode"
    runner.reset()
    np.testing.assert_array_equal(runner(observe(env, 0.1)), mode)


def test_it_explores_by_other_numbers_than_the_base_policy_plans_from(env, monkeypatch):
    """Of one seed torch draws the same numbers, in whatever shape they are asked for: so they are of two seeds."""
    runner, seen = make_runner(env), []
    act = runner._policy.act
    monkeypatch.setattr(runner._policy, "act", lambda inputs, noise: (seen.append(noise), act(inputs, noise))[1])
    runner.reset(exploration_seed=7)
    runner(observe(env, 0.1))
    of_base = torch.randn(100, 1, generator=torch.Generator().manual_seed(to_noise_seed(7)))
    assert not set(seen[0].flatten().tolist()) & set(of_base.flatten().tolist())


def test_the_global_generator_plays_no_part(env):
    runner, actions = make_runner(env), []
    for global_seed in (0, 1):
        torch.manual_seed(global_seed)
        runner.reset(exploration_seed=5)
        actions.append(runner(observe(env, 0.1)))
    np.testing.assert_array_equal(*actions)


def test_a_stack_begins_with_the_first_observation_repeated_and_then_rolls(env, monkeypatch):
    runner, seen = make_runner(env, stack=3), []
    size = env.spec.observation.proprio_size

    def act(self, observations, noise):
        seen.append(observations.proprio.numpy().reshape(3, size)[:, 0].tolist())
        return torch.zeros(1, 6)

    monkeypatch.setattr(Policy, "act", act)
    for values in ((1.0, 2.0, 3.0, 4.0), (7.0, 8.0)):
        runner.reset()
        for value in values:
            runner(observe(env, value))
    assert seen == [[1, 1, 1], [1, 1, 2], [1, 2, 3], [2, 3, 4], [7, 7, 7], [7, 7, 8]]


def test_weights_are_taken_over_whole_and_do_not_change_afterwards(env):
    runner, other = make_runner(env), make_runner(env, seed=1)
    assert runner.version == -1
    other_policy = make_agent(make_agent_config(), env.spec, 1).policy
    tensors = {name: value.copy() for name, value in to_tensors(other_policy, other_policy).items()}
    runner.load(4, tensors)
    assert runner.version == 4
    np.testing.assert_array_equal(runner(observe(env, 0.3)), other(observe(env, 0.3)))
    for tensor in tensors.values():
        tensor[...] = 0.0
    np.testing.assert_array_equal(runner(observe(env, 0.3)), other(observe(env, 0.3)))


def test_who_decides_on_several_actions_has_made_all_of_them_also_where_weights_come_between(env, monkeypatch):
    runner = make_runner(env)
    tensors = to_tensors(runner._policy, runner._policy)
    monkeypatch.setattr(runner._policy, "chunk", 3, raising=False)
    monkeypatch.setattr(runner._policy, "act", lambda inputs, noise: torch.zeros(1, 18))
    acted = []
    for version in range(5):
        runner.load(version, tensors)
        runner(observe(env, 0.3))
        acted.append(runner.acted_version)
    assert acted == [0, 0, 0, 3, 3]


def test_the_slow_average_comes_with_the_weights_and_is_kept_apart(env):
    agents = [make_agent(make_agent_config(), env.spec, seed) for seed in (0, 1, 2)]
    mine, acting, average = agents
    runner = PolicyRunner(mine.policy, 1, mine.average_policy)
    runner.load(0, to_tensors(acting.policy, average.average_policy))
    for one, other in ((mine.policy, acting.policy), (mine.average_policy, average.average_policy)):
        assert differing(one.state_dict(), other.state_dict()) == []
    assert differing(acting.policy.state_dict(), average.average_policy.state_dict()) != []


def test_weights_of_another_shape_are_refused_and_the_version_stays(env):
    runner = make_runner(env)
    policy = Policy(make_policy_spec(make_agent_config(hidden=(8, 8)), env.spec))
    with pytest.raises(RuntimeError, match="size mismatch"):
        runner.load(1, to_tensors(policy, policy))
    assert runner.version == -1


def test_it_looks_at_the_cameras_of_its_policy():
    cell = make_people_cell("none")
    cell.env.robot.cameras["wrist"] = FakeCamera(cell.clock, 32, 32)
    config = make_agent_config()
    policy = make_agent(make_agent_config(encoder=type(config.encoder)(backbone="small_cnn")), cell.env.spec, 0).policy
    cell.env.robot.cameras["side"] = FakeCamera(cell.clock, 32, 32)
    runner = PolicyRunner(policy, 1)
    runner.reset()
    observation = cell.env.reset(0).observation
    assert set(observation.images) == {"wrist", "side"}
    action = runner(observation)
    black = Observation(observation.proprio, {name: image * 0 for name, image in observation.images.items()}, 0)
    assert not np.array_equal(runner(black), action)
