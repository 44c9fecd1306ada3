"""Which action is served when: chunks say which decision they are from, so that every tick can be checked by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from robot_rl.errors import ConfigError
from robot_rl.inference.problem import Estimate
from robot_rl.policies.base_policy import BasePolicy
from robot_rl.policies.chunk_executor import ChunkExecutor, ExecutorConfig
from robot_rl.policies.normaliser import Normaliser
from robot_rl.policies.spec import BasePolicySpec
from robot_rl.types import Observation

torch.set_num_threads(1)

H, PAST = 8, 2
AHEAD = H - PAST


class Blank(nn.Module):
    """A trained network that passes actions on as they are."""

    def __init__(self, spec):
        super().__init__()
        self.spec, self.normaliser = spec, Normaliser(spec.action_size)

    def encode_observation(self, observation):
        return torch.from_numpy(observation.proprio["tick"])[None]


class Stamped(BasePolicy):
    """Position p of the chunk that was decided in tick t is (t / 100, p / 100); notes what it is given."""

    def __init__(self, spec, wander=()):
        super().__init__(Blank(spec), version=5)
        self.wander, self.decisions = wander, []

    def think(self, frames_BTF, noise_NHA, previous=None, committed=0):
        self.decisions.append((frames_BTF, noise_NHA, previous, committed))
        rows = len(noise_NHA)
        ticks = frames_BTF[:, -1, :1, None].expand(rows, H, 1)
        positions = torch.arange(float(H))[None, :, None].expand(rows, H, 1)
        extra = torch.zeros(rows, H, self.spec.action_size - 2)
        chunk = torch.cat([ticks / 100.0, positions / 100.0, extra], dim=-1)
        for moved in (*self.wander, 0.0):
            yield Estimate(chunk + torch.as_tensor(moved).expand(H)[None, :, None], noise_NHA)

    @property
    def ticks(self):
        """In which it decided."""
        return [int(frames[0, -1, 0]) for frames, *_ in self.decisions]


def make(execute=4, delay=0, seed=0, wander=(), observation_steps=2, **more):
    spec = BasePolicySpec((("tick", 1),), action_size=2, observation_steps=observation_steps, horizon=H, past=PAST)
    policy = Stamped(spec, wander)
    return ChunkExecutor(policy, ExecutorConfig(execute, delay, **more), seed), policy


def play(executor, ticks, first=0):
    """(tick of the decision, position in its chunk) of every action served."""
    served = []
    for tick in range(first, first + ticks):
        due = executor.tick(Observation({"tick": np.array([tick], np.float32)}, {}, 0))
        decision, position = (round(100 * float(value)) for value in due.action[0])
        assert due.action.shape == (1, 2)
        assert due.phase == position - PAST
        assert due.remaining.shape == (1, H - position, 2)
        assert np.array_equal(due.remaining[:, 0], due.action)
        assert np.round(100 * due.remaining[0, :, 1]).tolist() == list(range(position, H))
        assert decision + position - PAST == tick, "each action is served in the tick that it was meant for"
        served.append((decision, position - PAST))
    return served


# ------------------------------------------------------------------------------------ when


@pytest.mark.parametrize("execute", [1, 4, AHEAD])
def test_a_chunk_is_executed_from_the_present_on_until_the_next_decision(execute):
    executor, policy = make(execute)
    assert play(executor, 13) == [(tick - tick % execute, tick % execute) for tick in range(13)]
    assert policy.ticks == list(range(0, 13, execute))


@pytest.mark.parametrize(("execute", "delay"), [(1, 1), (1, 2), (1, 3), (2, 3), (3, 1), (4, 2), (3, 3), (5, 1)])
def test_a_late_decision_is_served_so_many_ticks_later(execute, delay):
    executor, policy = make(execute, delay)
    between = max(execute, delay)
    served = play(executor, 20)
    assert policy.ticks == list(range(0, 20, between)), "one decision is made at a time"
    for tick, (decision, ahead) in enumerate(served):
        due = max(0, (tick - delay) // between * between)  # the newest decision that is ready
        assert (decision, ahead) == (due, tick - due)
        assert tick < between + delay or ahead >= delay


def test_a_delay_by_hand():
    executor, _ = make(execute=2, delay=1)
    assert play(executor, 7) == [(0, 0), (0, 1), (0, 2), (2, 1), (2, 2), (4, 1), (4, 2)]


@pytest.mark.parametrize(("execute", "delay"), [(AHEAD + 1, 0), (AHEAD, 1), (1, 4), (4, 3), (99, 0)])
def test_more_than_a_chunk_holds_cannot_be_executed(execute, delay):
    with pytest.raises(ConfigError, match=rf"a chunk has 6 positions .* execute={execute} and delay={delay}"):
        make(execute, delay)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"execute": 0}, "execute >= 1"),
        ({"delay": -1}, "delay >= 0"),
        ({"hysteresis_ticks": 0}, "hysteresis_ticks >= 1"),
        ({"agreement": 0.0}, "agreement must be positive"),
        ({"agreement": float("nan")}, "agreement must be positive"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        ExecutorConfig(**values)


# ------------------------------------------------------------------------------------ what a decision is given


def test_the_newest_observations_are_seen_and_the_first_is_repeated_before_it():
    executor, policy = make(execute=2, observation_steps=3)
    play(executor, 5)
    seen = [frames[0, :, 0].tolist() for frames, *_ in policy.decisions]
    assert seen == [[0, 0, 0], [0, 1, 2], [2, 3, 4]]


@pytest.mark.parametrize(("execute", "delay"), [(1, 0), (3, 0), (2, 2), (3, 1)])
def test_the_plan_so_far_is_handed_over_moved_on_with_its_noise(execute, delay):
    executor, policy = make(execute, delay)
    play(executor, 10)
    assert policy.decisions[0][2] is None
    between = max(execute, delay)
    for (frames, noise, _, _), (*_, previous, _) in zip(policy.decisions, policy.decisions[1:], strict=False):
        before = int(frames[0, -1, 0])
        assert previous.stamp_ns == before + between - PAST
        assert previous.version == 5
        positions = [min(position + between, H - 1) for position in range(H)]
        assert (100 * previous.chunk[0]).round().tolist() == [[before, position] for position in positions]
        assert torch.equal(previous.noise[:, : H - between], noise[:, between:])
        assert not torch.isin(previous.noise[:, H - between :], noise).any(), "fresh at the end"


@pytest.mark.parametrize(
    ("delay", "commits", "expected"), [(0, True, 0), (1, True, PAST + 1), (3, True, PAST + 3), (3, False, 0)]
)
def test_what_is_executed_while_a_decision_is_made_is_committed(delay, commits, expected):
    executor, policy = make(execute=3, delay=delay, commits=commits)
    play(executor, 10)
    assert [committed for *_, committed in policy.decisions] == [0, expected, expected, expected]


@pytest.mark.parametrize(("execute", "delay"), [(1, 0), (2, 0), (4, 0), (1, 1), (2, 2), (3, 1)])
def test_a_decision_knows_what_was_executed_whichever_plan_it_was_of(execute, delay):
    """The newest plan says what it would have done before; with one action of each, hardly any of that was."""
    executor, policy = make(execute, delay)
    served = play(executor, 14)
    checked = 0
    for tick, (_, _, previous, _) in zip(policy.ticks, policy.decisions, strict=True):
        if previous is None or tick < 2 * PAST + delay:
            continue
        before = torch.round(100 * previous.executed_chunk[0, :PAST]).to(torch.int64)
        before[:, 1] -= PAST
        assert [tuple(row) for row in before.tolist()] == served[tick - PAST : tick]
        checked += 1
    assert checked


def test_the_noise_is_that_of_the_seed():
    def draw(seed):
        executor, policy = make(seed=seed)
        play(executor, 9)
        return torch.cat([noise for _, noise, _, _ in policy.decisions])

    assert torch.equal(draw(3), draw(3))
    assert not torch.isin(draw(3), draw(4)).any()
    assert len(draw(3).unique()) == draw(3).numel(), "every decision draws its own"


def test_a_reset_with_a_seed_begins_its_noise_anew():
    executor, policy = make(seed=1)
    play(executor, 9)
    executor.reset(seed=1)
    play(executor, 9)
    executor.reset()
    play(executor, 9)
    first, second, third = (torch.cat([noise for _, noise, _, _ in policy.decisions[k : k + 3]]) for k in (0, 3, 6))
    assert torch.equal(first, second)
    assert not torch.isin(third, first).any()


# ------------------------------------------------------------------------------------ what makes a plan void


@pytest.mark.parametrize("delay", [0, 1])
def test_a_plan_that_is_not_finite_is_not_gone_on_with(delay):
    """A sensor fails for one step: the robot holds then, and not until the end of the episode."""
    executor, policy = make(execute=1, delay=delay, observation_steps=1)
    seen = [Observation({"tick": np.array([tick], np.float32)}, {}, 0) for tick in (0, 1, np.nan, 3, 4)]
    held = [bool(np.isnan(executor.tick(each).action).any()) for each in seen]
    assert held == [tick == 2 + delay for tick in range(5)]
    assert [previous is not None for *_, previous, _ in policy.decisions] == [False, True, True, False, True]


@pytest.mark.parametrize("delay", [0, 2])
def test_after_a_takeover_it_is_decided_at_once_without_the_old_plan(delay):
    executor, policy = make(execute=4, delay=delay)
    play(executor, 6)
    executor.invalidate()
    assert play(executor, 5, first=6)[:2] == [(6, 0), (6, 1)]
    at = policy.ticks.index(6)
    frames, _, previous, committed = policy.decisions[at]
    assert previous is None
    assert committed == 0
    assert frames[0, :, 0].tolist() == [5, 6], "what was seen is kept"
    assert policy.ticks[at + 1] == 10


def test_a_decision_under_way_is_dropped_by_a_takeover():
    executor, _ = make(execute=3, delay=3)
    play(executor, 5)  # the decision of tick 3 would be ready in tick 6
    executor.invalidate()
    assert play(executor, 3, first=5) == [(5, 0), (5, 1), (5, 2)]


def test_a_reset_forgets_what_was_seen():
    executor, policy = make(execute=4, delay=1)
    play(executor, 6)
    executor.reset()
    assert play(executor, 6) == [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (4, 1)]
    frames, _, previous, _ = policy.decisions[2]
    assert previous is None
    assert frames[0, :, 0].tolist() == [0, 0]


# ------------------------------------------------------------------------------------ batches, agreement, hysteresis


def test_a_batch_is_decided_at_once_and_each_row_is_its_own():
    executor, policy = make(execute=2)
    for tick in range(4):
        due = executor.tick_frames(torch.tensor([[tick], [tick + 30.0], [tick + 60.0]]))
        decided = tick - tick % 2
        assert np.round(100 * due.action[:, 0]).tolist() == [decided, decided + 30, decided + 60]
        assert np.round(100 * due.action[:, 1]).tolist() == [PAST + tick % 2] * 3
    assert len(policy.decisions) == 2
    frames, noise, previous, _ = policy.decisions[1]
    assert frames.shape == (3, 2, 1)
    assert noise.shape == previous.chunk.shape == (3, H, 2)
    assert len(noise.unique()) == noise.numel()


def moving(*ahead):
    """How far the estimate before the last is off, from the present on."""
    return (torch.tensor([0.0] * PAST + list(ahead)),)


@pytest.mark.parametrize(
    ("ahead", "delay", "length"),
    [
        ((0.1, 0.1, 0.1, 0.1, 0.1, 0.1), 0, 6),  # it agreed on all
        ((0.1, 0.1, 0.1, 0.5, 0.1, 0.1), 0, 3),
        ((0.1, 0.1, 0.5, 0.1, 0.1, 0.1), 0, 2),
        ((0.1, 0.3, 0.39, 0.41, 0.1, 0.1), 0, 3),  # twice the mean of the first two
        ((0.1, 0.1, 0.1, 0.1, 0.1, 0.1), 2, 4),  # the delay needs the rest
        ((0.1, 0.1, 0.1, 0.5, 0.1, 0.1), 2, 3),
    ],
)
def test_a_chunk_is_executed_as_far_as_the_estimates_agreed(ahead, delay, length):
    executor, policy = make(execute=2, delay=delay, agreement=2.0, wander=moving(*ahead))
    play(executor, 3 * length)
    assert policy.ticks == [0, length, 2 * length]


def test_a_single_estimate_agrees_with_nothing():
    executor, policy = make(execute=2, agreement=2.0)
    play(executor, 5)
    assert policy.ticks == [0, 2, 4]


def test_without_the_option_agreement_changes_nothing():
    executor, policy = make(execute=2, wander=moving(0.1, 0.1, 0.1, 0.1, 0.1, 0.1))
    play(executor, 5)
    assert policy.ticks == [0, 2, 4]


class Gripping(Stamped):
    """The second action of each tick is that of a list."""

    commands = ()

    def think(self, frames_BTF, noise_NHA, previous=None, committed=0):
        chunk = torch.zeros(1, H, 2)
        chunk[..., 0] = 0.5
        chunk[..., 1] = self.commands[int(frames_BTF[0, -1, 0])]
        yield Estimate(chunk, noise_NHA)


def test_a_gripper_changes_when_it_was_asked_for_often_enough():
    spec = BasePolicySpec((("tick", 1),), action_size=2, discrete=(1,), horizon=H, past=PAST)

    def grip(ticks, *commands, invalidate_at=None):
        policy = Gripping(spec)
        policy.commands = commands
        executor, served = ChunkExecutor(policy, ExecutorConfig(1, hysteresis_ticks=ticks), 0), []
        for tick in range(len(commands)):
            if tick == invalidate_at:
                executor.invalidate()
            due = executor.tick(Observation({"tick": np.array([tick], np.float32)}, {}, 0))
            assert due.action[0, 0] == 0.5
            served.append(float(due.action[0, 1]))
        return served

    assert grip(1, 0.3, -0.1, 0.9, -1.0) == [1, -1, 1, -1]
    assert grip(2, 0.3, -0.1, 0.9, -1.0, -0.2, -0.1) == [1, 1, 1, 1, -1, -1]
    assert grip(2, 0.3, -0.1, invalidate_at=1) == [1, -1]
