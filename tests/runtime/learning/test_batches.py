"""From time steps to the target of the critics, with every number computed by hand.

Pinned from the peers: time limits taken for ends of the task; a time limit that bootstraps on the next episode; one
shift for the images of all cameras; a stored action that is not the executed one.
"""

import numpy as np
import pytest
import torch

from robot_rl.agents.agent import AgentConfig, EncoderConfig
from robot_rl.agents.correctors.config import CorrectorConfig
from robot_rl.agents.policy_network import PolicySpec
from robot_rl.agents.rlpd import Rlpd, RlpdConfig
from robot_rl.data.replay import FeatureShape, Replay, ReplayConfig
from robot_rl.runtime.learning.batches import BatchMaker
from robot_rl.specs import ArraySpec, EnvironmentSpec, ObservationSpec
from robot_rl.types import Observation, Source, StepRecord, restart, running, termination, truncation

PROPRIO = {name: ArraySpec(name, (size,), np.float32) for name, size in (("force", 2), ("gripper", 1), ("here", 1))}
SIZE_PX, CAMERAS = 32, ("wrist", "front")
ROBOT, BASE, HUMAN, DEMO = Source.POLICY, Source.BASE, Source.HUMAN, Source.DEMO
GAMMA = 0.5


def make_spec(action_size=6, cameras=()):
    images = {name: ArraySpec(name, (SIZE_PX, SIZE_PX, 3), np.uint8) for name in cameras}
    return EnvironmentSpec(ObservationSpec(PROPRIO, images), action_size, 100, 10.0)


def observe(value, opening=0.0, cameras=()):
    """Pixels say where they are in the image, and to which value it belongs."""
    down, right = np.mgrid[:SIZE_PX, :SIZE_PX].astype(np.uint8)
    image = np.stack([down, right, np.full_like(down, value)], -1)
    proprio = {"force": [-1.0, -2.0], "gripper": [opening], "here": [value]}
    return Observation(
        {name: np.array(part, np.float32) for name, part in proprio.items()}, dict.fromkeys(cameras, image), 0
    )


def add(replay, start, sources, end=truncation, episode=0, lost=(), ring="online"):
    """An episode that sees start, start + 1, ...; step k pays k, and its action is what it led to."""
    cameras, size = tuple(replay.spec.observation.images), replay.spec.action_size
    steps = [restart(observe(start, cameras=cameras), size)]
    for k, source in enumerate(sources, 1):
        build = end if k == len(sources) else running
        steps.append(build(observe(start + k, 0.0, cameras), float(k), np.full(size, start + k, np.float32), source))
    for k, step in enumerate(steps):
        if k not in lost:
            replay.append(StepRecord(step, episode, k), ring)


def make_replay(action_size=6, cameras=(), **values):
    return Replay(make_spec(action_size, cameras), ReplayConfig(capacity=200, prior_capacity=200), **values)


def make_batches(replay, seed=0, batch_size=128, **values):
    return BatchMaker(replay, AgentConfig(**{"batch_size": batch_size, "n_step": 1, **values}), GAMMA, seed)


def fill(replay):
    add(replay, 0, [ROBOT] * 4, truncation, 0)
    add(replay, 50, [ROBOT] * 3, termination, 1)
    add(replay, 100, [ROBOT, ROBOT, HUMAN, HUMAN], truncation, 2)
    add(replay, 150, [ROBOT] * 4, truncation, 3, lost=(2,))


# start -> (reward, discount, end)
ONE_STEP = {
    **{0: (1, 0.5, 1), 1: (2, 0.5, 2), 2: (3, 0.5, 3), 3: (4, 0.5, 4)},  # a time limit bootstraps, at its own end
    **{50: (1, 0.5, 51), 51: (2, 0.5, 52), 52: (3, 0.0, 53)},  # the end of the task does not
    **{100: (1, 0.5, 101), 101: (2, 0.5, 102), 102: (3, 0.5, 103), 103: (4, 0.5, 104)},
    **{150: (1, 0.5, 151), 153: (4, 0.5, 154)},  # nothing reaches across the lost step
}
THREE_STEPS = {
    **{0: (1 + 1 + 0.75, 0.125, 3), 1: (2 + 1.5 + 1, 0.125, 4), 2: (3 + 2, 0.25, 4), 3: (4, 0.5, 4)},
    **{50: (1 + 1 + 0.75, 0.0, 53), 51: (2 + 1.5, 0.0, 53), 52: (3, 0.0, 53)},
    **{100: (1 + 1, 0.25, 102), 101: (2, 0.5, 102)},  # until the robot changes hands
    **{102: (3 + 2, 0.25, 104), 103: (4, 0.5, 104)},
    **{150: (1, 0.5, 151), 153: (4, 0.5, 154)},
}


def set_constant(network, value):
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.head.bias.fill_(value)


def make_rlpd_config(**values):
    return RlpdConfig(ensemble=2, return_range=None, **values)


def critic_loss(batch, next_value, **values):
    """Of critics that say 0, where the targets say `next_value`: the mean square of what they are to learn."""
    agent = Rlpd(PolicySpec(4, 6, hidden=(16,)), make_rlpd_config(**values), 0)
    set_constant(agent.critic, 0.0)
    set_constant(agent.target_critic, next_value)
    return float(agent.update(batch, is_actor_due=False)["critic/loss"])


@pytest.mark.parametrize(("n_step", "table"), [(1, ONE_STEP), (3, THREE_STEPS)])
def test_from_time_steps_to_targets_by_hand(n_step, table):
    replay = make_replay()
    fill(replay)
    batch = make_batches(replay, batch_size=256, n_step=n_step).draw()
    starts = batch.observations.proprio[:, 3].int().tolist()
    assert set(starts) == set(table)
    rows = torch.tensor([table[start] for start in starts])
    assert torch.equal(batch.reward, rows[:, 0])
    assert torch.equal(batch.discount, rows[:, 1])
    assert torch.equal(batch.following.proprio[:, 3], rows[:, 2])
    assert torch.equal(batch.action[:, 0], batch.observations.proprio[:, 3] + 1)  # what was executed first
    expected = (rows[:, 0] + 0.8 * rows[:, 1]).square().mean()
    assert critic_loss(batch, 0.8) == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("takeover_discount", [0.0, 0.25])
@pytest.mark.parametrize(("n_step", "table", "taken"), [(1, ONE_STEP, {101}), (3, THREE_STEPS, {100, 101})])
def test_a_takeover_ends_what_the_policys_actions_are_worth(takeover_discount, n_step, table, taken):
    replay = make_replay()
    fill(replay)
    config = {"n_step": n_step, "takeover_discount": takeover_discount}
    batch = make_batches(replay, batch_size=256, **config).draw()
    starts = batch.observations.proprio[:, 3].int().tolist()
    assert set(starts) == set(table)
    expected = [table[start][1] * (takeover_discount if start in taken else 1.0) for start in starts]
    assert torch.equal(batch.discount, torch.tensor(expected))
    assert torch.equal(batch.reward, torch.tensor([float(table[start][0]) for start in starts]))


def test_a_chunk_says_which_of_its_actions_somebody_made():
    """The others are filled with anything, which nobody may imitate."""
    replay = make_replay()
    add(replay, 10, [DEMO] * 4, termination)
    add(replay, 50, [ROBOT] * 4, truncation, 1, lost=(2,))
    corrector = CorrectorConfig(name="edit_select", candidates=1, chunk=3)
    batch = make_batches(replay, name="corrected", corrector=corrector).draw()
    starts = batch.observations.proprio[:, 3]
    made = {10: 3, 11: 3, 12: 2, 13: 1, 50: 1, 53: 1}
    assert set(starts.int().tolist()) == set(made)
    counts = torch.tensor([made[start] for start in starts.int().tolist()])
    expected = torch.arange(3) < counts[:, None]
    assert torch.equal(batch.is_made.view(-1, 3, 6), expected[..., None].expand(-1, -1, 6))
    actions = (starts[:, None] + torch.arange(1.0, 4.0))[..., None].expand(-1, -1, 6)
    assert torch.equal(batch.action.view(-1, 3, 6) == actions, batch.is_made.view(-1, 3, 6))
    assert make_batches(replay).draw().is_made is None


def test_a_bias_of_the_reward_is_added_to_each_reward_of_a_window():
    replay = make_replay()
    add(replay, 0, [ROBOT] * 4, termination)
    batch = make_batches(replay, n_step=3, rlpd=make_rlpd_config(reward_bias=-1.0)).draw()
    steps = {0: 1 + 0.5 + 0.25, 1: 1 + 0.5 + 0.25, 2: 1 + 0.5, 3: 1}  # discounted steps of the windows
    starts = batch.observations.proprio[:, 3].int().tolist()
    rewards = torch.tensor([THREE_STEPS[start][0] - steps[start] for start in starts])
    discounts = torch.tensor([THREE_STEPS[0][1] if start == 0 else 0.0 for start in starts])
    expected = (rewards + 0.8 * discounts).square().mean()
    assert critic_loss(batch, 0.8, reward_bias=-1.0) == pytest.approx(expected.item(), rel=1e-5)


def test_people_of_the_run_and_of_demonstrations_are_human_and_nobody_else():
    replay = make_replay()
    add(replay, 0, [ROBOT, BASE, HUMAN, ROBOT])
    add(replay, 50, [DEMO, DEMO], ring="demonstration")
    add(replay, 100, [HUMAN, HUMAN], ring="demonstration", episode=1)
    batch = make_batches(replay).draw()
    human = set(batch.observations.proprio[batch.is_human, 3].int().tolist())
    robot = set(batch.observations.proprio[~batch.is_human, 3].int().tolist())
    assert human == {2, 50, 51, 100, 101}
    assert robot == {0, 1, 3}


@pytest.mark.parametrize("stack", [1, 2])
def test_the_penalty_goes_by_the_opening_before_the_action_and_is_no_part_of_the_reward(stack):
    replay = make_replay(7, stack=stack)
    opening_and_asked = [(1.0, -1.0), (0.1, -1.0), (0.1, 1.0), (1.0, 1.0), (1.0, 0.0)]
    openings = [opening for opening, _ in opening_and_asked] + [0.0]
    replay.append(StepRecord(restart(observe(0, openings[0]), 7), 0, 0))
    for k, (_, asked) in enumerate(opening_and_asked, 1):
        action = np.full(7, 0.3, np.float32)
        action[6] = asked
        replay.append(StepRecord(running(observe(k, openings[k]), 0.0, action, ROBOT), 0, k))
    batch = make_batches(replay, grasp_penalty=-0.25, grasp_open_from=0.9).draw()
    here = batch.observations.proprio[:, -1].int()
    assert set(here.tolist()) == set(range(5))
    assert batch.observations.proprio.shape == (128, 4 * stack)
    assert torch.equal(batch.penalty, torch.tensor([-0.25, 0.0, -0.25, 0.0, 0.0])[here])
    assert torch.equal(batch.reward, torch.zeros(128))
    assert torch.equal(batch.action[:, 6], torch.tensor([asked for _, asked in opening_and_asked])[here])


def test_without_a_gripper_there_is_no_penalty_and_without_cameras_are_no_images():
    replay = make_replay()
    fill(replay)
    batch = make_batches(replay).draw()
    assert torch.equal(batch.penalty, torch.zeros(128))
    assert batch.observations.visual == batch.following.visual == {}


def shifts(images):
    """How far (down, right) each image was moved, from what its middle shows; (B, 2)."""
    return SIZE_PX // 2 - images[:, SIZE_PX // 2, SIZE_PX // 2, :2].int()


def test_images_belong_to_their_rows_at_both_ends_and_are_shifted_each_on_its_own():
    replay = make_replay(cameras=CAMERAS)
    fill(replay)
    batch = make_batches(replay, batch_size=256, n_step=3, encoder=EncoderConfig(crop_pad_px=2)).draw()
    moved = []
    for seen in (batch.observations, batch.following):
        assert list(seen.visual) == list(CAMERAS)
        for images in seen.visual.values():
            assert images.dtype == torch.uint8
            assert torch.equal(images[..., 2], seen.proprio[:, 3].to(torch.uint8)[:, None, None].expand(-1, 32, 32))
            moved.append(shifts(images))
    every = {(down, right) for down in range(-2, 3) for right in range(-2, 3)}
    for one, shift in enumerate(moved):
        assert {tuple(pair) for pair in shift.tolist()} == every
        for other in moved[:one]:  # by chance, one in 25 is the same
            assert 0 < (shift == other).all(1).float().mean() < 0.12


def test_cached_features_pass_as_they_are():
    replay = make_replay(cameras=CAMERAS, features=FeatureShape(copies=1, tokens=2, channels=3))
    add(replay, 0, [ROBOT] * 4)
    rows = np.arange(5)
    values = np.broadcast_to(rows[:, None, None, None], (5, 1, 2, 3)).astype(np.float16)
    for number, cache in enumerate(replay.features["online"].values()):
        cache.put(rows, values + np.float16(10 * number))
    batch = make_batches(replay).draw()
    for seen in (batch.observations, batch.following):
        expected = seen.proprio[:, 3].half()[:, None, None].expand(-1, 2, 3)
        assert torch.equal(seen.visual["wrist"], expected)
        assert torch.equal(seen.visual["front"], expected + 10)


def flat(batch):
    seen = [batch.observations, batch.following]
    return [*batch[1:4], *(each.proprio for each in seen), *(image for each in seen for image in each.visual.values())]


def is_same(one, other):
    return all(torch.equal(a, b) for a, b in zip(flat(one), flat(other), strict=True))


def test_the_seed_decides_and_a_restored_maker_goes_on_with_the_same_batches():
    replay = make_replay(cameras=CAMERAS)
    fill(replay)
    one, other, third = (make_batches(replay, seed) for seed in (0, 0, 1))
    first = one.draw()
    assert is_same(first, other.draw())
    assert not is_same(first, third.draw())
    third.restore(one.state())
    for _ in range(2):
        drawn = one.draw()
        assert is_same(drawn, third.draw())
        assert not is_same(first, drawn)


def test_a_batch_stays_what_it_was_while_the_memory_is_overwritten():
    replay = make_replay()
    fill(replay)
    batch = make_batches(replay).draw()
    before = [tensor.clone() for tensor in flat(batch)]
    for ring in replay.rings.values():
        for column in (ring.proprio, ring.action, ring.reward, ring.discount):
            column.fill(-7.0)
    assert all(torch.equal(a, b) for a, b in zip(flat(batch), before, strict=True))
