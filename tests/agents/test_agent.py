"""Agents made from configurations, and that RLPD learns what it is for from its own experience."""

import copy
import math

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from robot_rl.agents.agent import AgentConfig, EncoderConfig, make_agent, make_policy_spec
from robot_rl.agents.batch import Batch, Observations
from robot_rl.agents.cloning import Cloning
from robot_rl.agents.correctors.config import CorrectorConfig
from robot_rl.agents.encoders import make_backbone
from robot_rl.agents.policy_network import PolicySpec
from robot_rl.agents.rlpd import Rlpd, RlpdConfig
from robot_rl.errors import ConfigError, SetupError
from robot_rl.specs import ArraySpec, EnvironmentSpec, ObservationSpec
from tests.runs import differing

SMALL = {"hidden": (16, 16)}


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def make_spec(action_size=6, **images):
    proprio = {"gripper": ArraySpec("gripper", (1,), np.float32), "tcp_pose": ArraySpec("tcp_pose", (6,), np.float32)}
    cameras = {name: ArraySpec(name, shape, np.uint8) for name, shape in images.items()}
    return EnvironmentSpec(ObservationSpec(proprio, cameras), action_size, step_limit=10, rate_hz=10.0)


def test_the_policy_of_a_state_is_as_wide_as_its_stack_and_has_the_grippers_of_the_action():
    spec = make_policy_spec(AgentConfig(stack=3, std=0.3, **SMALL), make_spec(7))
    assert spec == PolicySpec(21, 7, 1, (16, 16), (), std=0.3)
    assert make_policy_spec(AgentConfig(), make_spec(6)).grippers == 0


def test_the_policy_of_images_takes_cameras_and_size_from_the_environment_and_the_rest_from_the_configuration():
    encoder = EncoderConfig(backbone="small_cnn", is_frozen=False)
    spec = make_policy_spec(AgentConfig(encoder=encoder), make_spec(wrist=(64, 64, 3), front=(64, 64, 3)))
    assert (spec.cameras, spec.image_size_px) == (("wrist", "front"), 64)
    assert (spec.backbone, spec.is_backbone_frozen) == ("small_cnn", False)


@pytest.mark.parametrize(
    ("images", "stack", "message"),
    [
        ({"wrist": (64, 48, 3)}, 1, "square"),
        ({"wrist": (64, 64, 3), "front": (32, 32, 3)}, 1, "of one size"),
        ({"wrist": (64, 64, 3)}, 2, "stack must be 1, got 2"),
    ],
)
def test_images_that_do_not_fit_are_refused(images, stack, message):
    with pytest.raises(ConfigError, match=message):
        make_policy_spec(AgentConfig(stack=stack), make_spec(**images))


@pytest.mark.parametrize("name", ["stack", "batch_size", "utd", "n_step"])
def test_counts_below_one_are_refused(name):
    with pytest.raises(ConfigError, match=f"{name} must be at least 1, got 0"):
        AgentConfig(**{name: 0})


@pytest.mark.parametrize("step", [0, 99, 100])
def test_an_agent_that_is_frozen_before_it_has_learned_is_refused(step):
    with pytest.raises(ConfigError, match=f"warm-up of 100 steps, or nothing is learned, got {step}"):
        AgentConfig(frozen_from_step=step)
    assert AgentConfig(frozen_from_step=101).frozen_from_step == 101


@pytest.mark.parametrize("hidden", [(), (0,), (16, -3)])
def test_layers_without_a_width_are_refused(hidden):
    with pytest.raises(ConfigError, match="widths of the layers"):
        AgentConfig(hidden=hidden)


@pytest.mark.parametrize(("name", "kind"), [("rlpd", Rlpd), ("bc", Cloning), ("hg_dagger", Cloning)])
def test_the_name_chooses_the_agent_and_the_seed_its_weights(name, kind):
    config = AgentConfig(name=name, **SMALL)
    first, again, other = (make_agent(config, make_spec(7), seed) for seed in (0, 0, 1))
    assert type(first) is kind
    seen = Observations(torch.randn(4, 7, generator=torch.Generator().manual_seed(0)), {})
    action = first.policy.act(seen, None)
    assert torch.equal(again.policy.act(seen, None), action)
    assert torch.equal(first.average_policy.act(seen, None), action)
    assert not torch.allclose(other.policy.act(seen, None), action, atol=1e-2)


def test_weights_of_a_file_reach_the_policy_and_its_average(tmp_path):
    torch.manual_seed(7)
    backbone = make_backbone("resnet10", 32)
    path = tmp_path / "weights.safetensors"
    save_file(backbone.state_dict(), path)
    spec = make_spec(wrist=(32, 32, 3))
    agent = make_agent(AgentConfig(encoder=EncoderConfig(weights=str(path)), **SMALL), spec, 0)
    for policy in (agent.policy, agent.average_policy):
        for name, value in backbone.state_dict().items():
            assert torch.equal(policy.encoder.backbone.state_dict()[name], value), name
    missing = EncoderConfig(weights=str(tmp_path / "nothing.safetensors"))
    with pytest.raises(SetupError, match="nothing"):
        make_agent(AgentConfig(encoder=missing, **SMALL), spec, 0)


@pytest.mark.parametrize("name", ["rlpd", "corrected"])
def test_an_agent_goes_on_from_the_state_of_one_on_another_kind_of_device(name):
    """The generator of a GPU is two numbers, and means nothing to that of a CPU: only the noise is another."""
    config = AgentConfig(name=name, corrector=CorrectorConfig(name="additive"), **SMALL)
    one, other = (make_agent(config, make_spec(), seed) for seed in (0, 1))
    state, before = copy.deepcopy(one.state()), other.state()["generator"]
    other.restore({**state, "generator": torch.zeros(16, dtype=torch.uint8)})
    assert differing(other.state(), {**state, "generator": before}) == []


# ---- learning

REACH_M, STEP_M, LIMIT, GAMMA = 0.2, 0.3, 10, 0.9


def draw_starts(generator, count):
    angle = torch.rand(count, generator=generator) * 2 * math.pi
    return 0.8 * torch.stack([angle.cos(), angle.sin()], -1)


def move_point(point, action):
    following = (point + STEP_M * action).clamp(-1, 1)
    return following, following.norm(dim=-1) < REACH_M


def success_rate(policy, generator):
    point = draw_starts(generator, 200)
    is_there = torch.zeros(200, dtype=torch.bool)
    for _ in range(LIMIT):
        following, is_near = move_point(point, policy.act(Observations(point, {}), None))
        point = torch.where(is_there[:, None], point, following)
        is_there |= is_near
    return float(is_there.float().mean())


def test_rlpd_finds_a_point_from_its_own_experience_and_a_sparse_reward():
    """Eight points at a time; the time limit bootstraps, the end of the task does not."""
    generator, count = torch.Generator().manual_seed(0), 8
    config = RlpdConfig(ensemble=2, learning_rate=3e-3, tau=0.02, average_decay=0.95, imitation_weight=0.0)
    agent = Rlpd(PolicySpec(2, 2, hidden=(16, 16), std=0.5), config, seed=0)
    before = success_rate(agent.average_policy, generator)
    point, ages = draw_starts(generator, count), torch.zeros(count)
    columns = [torch.empty(0, *size) for size in ((2,), (2,), (), (), (2,))]
    for number in range(340):
        action = torch.rand(count, 2, generator=generator) * 2 - 1
        if number >= 40:
            action = agent.policy.act(Observations(point, {}), agent.draw_noise(count))
        following, is_near = move_point(point, action)
        new = (point, action, is_near.float(), GAMMA * (~is_near).float(), following)
        columns = [torch.cat([column, part]) for column, part in zip(columns, new, strict=True)]
        ages += 1
        is_over = is_near | (ages >= LIMIT)
        point = torch.where(is_over[:, None], draw_starts(generator, count), following)
        ages[is_over] = 0
        for k in range(2 if number >= 40 else 0):
            rows = torch.randint(len(columns[0]), (64,), generator=generator)
            here, taken, reward, discount, there = (column[rows] for column in columns)
            nobody = torch.zeros(64, dtype=torch.bool)
            batch = Batch(
                Observations(here, {}),
                taken,
                reward,
                discount,
                Observations(there, {}),
                nobody,
                ~nobody,
                torch.zeros(64),
            )
            agent.update(batch, is_actor_due=k == 1)
    assert before < 0.2
    assert success_rate(agent.average_policy, generator) > 0.9


def test_the_grasp_critic_solves_a_bandit_and_the_penalty_decides_where_rewards_are_equal():
    """Left of zero closing pays; right of it opening and staying pay the same, but opening is punished."""
    generator, size = torch.Generator().manual_seed(0), 64
    config = RlpdConfig(ensemble=2, learning_rate=3e-3, tau=0.1)
    agent = Rlpd(PolicySpec(1, 7, 1, (16, 16)), config, seed=0)
    nobody = torch.zeros(size, dtype=torch.bool)
    for _ in range(250):
        seen = torch.rand(size, 1, generator=generator) * 2 - 1
        action = torch.rand(size, 7, generator=generator) * 2 - 1
        action[:, 6] = torch.randint(-1, 2, (size,), generator=generator).float()
        is_left = seen[:, 0] < 0
        reward = torch.where(is_left, action[:, 6] < 0, action[:, 6] >= 0).float()
        penalty = torch.where(~is_left & (action[:, 6] > 0), -0.3, 0.0)
        observations = Observations(seen, {})
        batch = Batch(observations, action, reward, torch.zeros(size), observations, nobody, ~nobody, penalty)
        agent.update(batch, is_actor_due=False)
    asked = torch.tensor([[-0.9], [-0.5], [-0.2], [0.2], [0.5], [0.9]])
    assert agent.policy.act(Observations(asked, {}), None)[:, 6].tolist() == [-1, -1, -1, 0, 0, 0]
    values = agent.policy.grasp_critic(agent.policy.encode(Observations(asked, {}))).detach()
    torch.testing.assert_close(values[:2], torch.tensor([[1.0, 0.0, 0.0]] * 2), atol=0.15, rtol=0)
    torch.testing.assert_close(values[-2:], torch.tensor([[0.0, 1.0, 0.7]] * 2), atol=0.15, rtol=0)
