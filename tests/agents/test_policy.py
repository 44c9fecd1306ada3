"""What acts: noise, grippers, images, and what crosses to another process."""

import pytest
import torch

from robot_rl.agents.batch import Observations
from robot_rl.agents.policy import Policy
from robot_rl.agents.policy_network import PolicySpec
from robot_rl.errors import SpecError

P, B, SIZE_PX = 4, 6, 32
STATE = PolicySpec(P, 6, hidden=(16, 16))
GRIPPER = PolicySpec(P, 7, grippers=1, hidden=(16, 16))
DUAL = PolicySpec(P, 14, grippers=2, hidden=(16, 16))
CAMERAS = ("wrist", "front")


def pixels(*, is_frozen):
    return PolicySpec(P, 7, 1, (16, 16), CAMERAS, SIZE_PX, "small_cnn", is_frozen)


def make_policy(spec, seed=0):
    torch.manual_seed(seed)
    return Policy(spec)


def observe(spec, seed=0):
    generator = torch.Generator().manual_seed(seed)
    size = (B, SIZE_PX, SIZE_PX, 3)
    visual = {name: torch.randint(256, size, dtype=torch.uint8, generator=generator) for name in spec.cameras}
    return Observations(torch.randn(B, P, generator=generator), visual)


@pytest.mark.parametrize("spec", [STATE, GRIPPER, DUAL])
def test_without_noise_the_action_is_the_mode_and_with_it_a_draw_around_it(spec):
    policy, seen = make_policy(spec), observe(spec)
    noise = torch.randn(B, spec.action_size - spec.grippers, generator=torch.Generator().manual_seed(1))
    mean, std = policy.actor(policy.encode(seen))
    continuous = [k for k in range(spec.action_size) if not spec.grippers or k % 7 != 6]
    mode, drawn = policy.act(seen, None), policy.act(seen, noise)
    assert mode.shape == (B, spec.action_size)
    torch.testing.assert_close(mode[:, continuous], torch.tanh(mean.detach()))
    torch.testing.assert_close(drawn[:, continuous], torch.tanh(mean + std * noise).detach())
    assert (drawn - mode)[:, continuous].abs().min() > 0
    assert not mode.requires_grad


@pytest.mark.parametrize("spec", [GRIPPER, DUAL])
def test_grippers_take_the_best_class_exploring_or_not(spec):
    policy = make_policy(spec)
    seen = Observations(3 * torch.randn(64, P, generator=torch.Generator().manual_seed(0)), {})
    best = policy.grasp_critic(policy.encode(seen)).argmax(-1)
    grippers = [6] if spec is GRIPPER else [6, 13]
    choices = torch.stack([best // 3 ** (len(grippers) - 1 - k) % 3 for k in range(len(grippers))], -1) - 1.0
    assert len(best.unique()) > 1
    assert torch.equal(policy.act(seen, None)[:, grippers], choices)
    assert torch.equal(policy.act(seen, torch.ones(64, spec.action_size - spec.grippers))[:, grippers], choices)


@pytest.mark.parametrize("spec", [STATE, GRIPPER, DUAL, pixels(is_frozen=True), pixels(is_frozen=False)])
def test_what_one_publishes_makes_another_act_the_same(spec):
    learner, actor = make_policy(spec, 0), make_policy(spec, 1)
    learner.features.fit(3 * torch.randn(50, P, generator=torch.Generator().manual_seed(2)).numpy() + 1)
    if spec.cameras and spec.is_backbone_frozen:
        actor.encoder.backbone.load_state_dict(learner.encoder.backbone.state_dict())  # both loaded the same file
    seen = observe(spec)
    assert not torch.allclose(actor.act(seen, None), learner.act(seen, None), atol=1e-2)
    sent = {name: torch.from_numpy(value.numpy().copy()) for name, value in learner.published_state().items()}
    actor.load_published(sent)
    assert torch.equal(actor.act(seen, None), learner.act(seen, None))


def test_a_frozen_backbone_is_not_published_and_a_trained_one_is():
    frozen, trained = make_policy(pixels(is_frozen=True)), make_policy(pixels(is_frozen=False))
    whole = set(trained.published_state())
    assert whole == set(trained.state_dict())
    backbone = {name for name in whole if name.startswith("encoder.backbone.")}
    assert len(backbone) == 8  # weights and biases of four convolutions
    assert set(frozen.published_state()) == whole - backbone


def test_a_publication_that_lacks_something_or_has_too_much_is_refused():
    policy = make_policy(pixels(is_frozen=True))
    state = policy.published_state()
    with pytest.raises(SpecError, match=r"missing are \['proprio\.0\.bias'\]"):
        policy.load_published({name: value for name, value in state.items() if name != "encoder.proprio.0.bias"})
    with pytest.raises(RuntimeError, match=r"actor\.head\.bias"):
        policy.load_published({name: value for name, value in state.items() if name != "actor.head.bias"})
    with pytest.raises(RuntimeError, match="surplus"):
        policy.load_published({**state, "surplus": torch.zeros(1)})


def test_images_of_each_camera_and_proprioception_matter_to_the_action():
    spec = pixels(is_frozen=True)
    policy, seen, other = make_policy(spec), observe(spec, 0), observe(spec, 1)
    before = policy.act(seen, None)[:, :6]
    for changed in (
        Observations(other.proprio, seen.visual),
        Observations(seen.proprio, {**seen.visual, "wrist": other.visual["wrist"]}),
        Observations(seen.proprio, {**seen.visual, "front": other.visual["front"]}),
    ):
        assert (policy.act(changed, None)[:, :6] - before).abs().max() > 1e-4


def test_the_same_seed_makes_the_same_policy_and_another_one_another():
    seen = observe(GRIPPER)
    first, again, other = (make_policy(GRIPPER, seed).act(seen, None) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=1e-2)
