"""The actor sends every time step, changes weights between steps only, and never leaves a robot moving."""

from dataclasses import replace

import numpy as np
import pytest

from robot_rl.runtime.acting.actor import run_episodes, to_episode_seed
from robot_rl.runtime.channels.channel import make_local_channels
from robot_rl.runtime.channels.mailbox import EPISODES_PER_ACTOR
from robot_rl.runtime.channels.weights import Weights
from robot_rl.runtime.stopping import stopping
from robot_rl.types import Reason, Source, StepType
from tests.fakes import Notes
from tests.runs import FINISH, PUSH, ConstantRunner, SeededRunner, act, make_people_cell, numbers, play_records


def test_every_time_step_is_sent_also_the_first_with_rising_steps_and_its_own_episode():
    cell, notes = make_people_cell("none"), Notes()
    actor, learner = make_local_channels(cell.env.spec)
    act(cell.env, actor, 3, first_episode=7, observers=[notes])
    records = learner.drain()
    assert [(record.episode, record.step) for record in records] == [
        (episode, step) for episode in (7, 8, 9) for step in range(7)
    ]
    kinds = [StepType.FIRST, *[StepType.MID] * 5, StepType.LAST]
    assert [record.time_step.step_type for record in records] == kinds * 3
    assert [record.time_step for record in records] == notes.steps, "the very time steps that observers saw"


def test_now_and_then_an_episode_is_the_base_policys_alone():
    class Base:
        def extend(self, spec):
            return spec

        def begin(self, seed):
            pass

        def attach(self, time_step):
            action = np.full(6, -0.125, np.float32)
            return replace(time_step, observation=replace(time_step.observation, base_action=action))

    cell, notes = make_people_cell("none"), Notes()
    cell.env.base = Base()
    actor, learner = make_local_channels(cell.env.spec)
    act(cell.env, actor, 4, ConstantRunner(), observers=[notes], probe_every=2)
    moved = {record.episode: float(record.time_step.applied_action[0]) for record in learner.drain()}
    assert moved == {0: 0.25, 1: -0.125, 2: 0.25, 3: -0.125}
    assert [result.is_probe for result in notes.results] == [False, True, False, True]


def test_what_is_sent_is_what_the_environment_returned(monkeypatch):
    cell, returned = make_people_cell(), []
    for name in ("reset", "step"):
        real = getattr(cell.env, name)
        monkeypatch.setattr(cell.env, name, lambda x, real=real: returned.append(real(x)) or returned[-1])
    actor, learner = make_local_channels(cell.env.spec)
    act(cell.env, actor, 2)
    assert [record.time_step for record in learner.drain()] == returned
    assert len(returned) == 14


def test_a_time_step_is_sent_before_the_next_one_begins():
    cell = make_people_cell("none")
    actor, learner = make_local_channels(cell.env.spec)
    sent = []
    act(cell.env, actor, 2, pace=lambda: sent.append(len(learner.drain())))
    assert sent == [1] * 14


def test_results_count_the_steps_of_a_person_and_the_success():
    cell, notes = make_people_cell("none"), Notes()
    person = make_people_cell("expert")
    for env in (cell.env, person.env):
        actor, _ = make_local_channels(env.spec)
        act(env, actor, 1, first_episode=EPISODES_PER_ACTOR + 4, observers=[notes])
    without, with_person = notes.results
    assert (without.index, without.is_success, without.steps, without.human_steps) == (4, False, 6, 0)
    assert (with_person.is_success, with_person.steps, with_person.human_steps) == (True, 4, 2)
    assert with_person.duration_s == pytest.approx(0.4)
    assert (PUSH.start_s, FINISH.start_s) == (0.1, 0.3), "what the numbers above follow from"


def test_a_success_is_noted_at_the_last_time_step_only():
    records = play_records(2, "expert")
    assert [record.is_success for record in records] == [False, False, False, False, True] * 2
    sources = [record.time_step.source for record in records[1:5]]
    assert sources == [Source.POLICY, Source.HUMAN, Source.HUMAN, Source.POLICY]


def publish(learner, version):
    learner.publish(Weights(version, {"a": np.zeros(1, np.float32)}))


def test_weights_change_between_steps_only_and_the_record_says_which_acted():
    cell, runner = make_people_cell("none"), ConstantRunner()
    actor, learner = make_local_channels(cell.env.spec)
    events = []
    runner_load, env_step = runner.load, cell.env.step

    def load(version, tensors):
        events.append(f"load {version}")
        runner_load(version, tensors)

    def step(action):
        events.append("step")
        if events.count("step") == 3:  # in the middle of the step
            publish(learner, 2)
        return env_step(action)

    runner.load, cell.env.step = load, step
    publish(learner, 0)
    publish(learner, 1)
    act(cell.env, actor, 1, runner)
    assert events == ["load 1", "step", "step", "step", "load 2", "step", "step", "step"]
    assert [record.policy_version for record in learner.drain()][1:] == [1, 1, 1, 2, 2, 2]


def test_no_weights_acted_before_the_first_time_step_of_an_episode():
    cell = make_people_cell("none")
    actor, learner = make_local_channels(cell.env.spec)
    publish(learner, 5)
    act(cell.env, actor, 2, ConstantRunner())
    assert [record.policy_version for record in learner.drain() if record.step == 0] == [-1, -1]


def test_weights_that_were_published_before_the_run_act_from_the_first_step_on():
    cell = make_people_cell("none")
    actor, learner = make_local_channels(cell.env.spec)
    publish(learner, 5)
    act(cell.env, actor, 1, ConstantRunner())
    assert {record.policy_version for record in learner.drain()[1:]} == {5}


def fail(error):
    def raise_it(*arguments, **named):
        raise error

    return raise_it


@pytest.mark.parametrize("error", [RuntimeError("out of luck"), KeyboardInterrupt(), SystemExit(3)])
@pytest.mark.parametrize(
    "culprit",
    ["reset", "step", "act", "policy reset", "load", "send", "latest", "on_step", "on_episode_end", "pace", "finished"],
)
def test_whatever_raises_the_robot_is_stopped_with_the_reason(culprit, error):
    cell, runner, notes = make_people_cell("none"), ConstantRunner(), Notes()
    actor, learner = make_local_channels(cell.env.spec)
    publish(learner, 0)

    class Failing(ConstantRunner):
        __call__ = fail(error)

    places = {
        "reset": (cell.env, "reset"),
        "step": (cell.env, "step"),
        "policy reset": (runner, "reset"),
        "load": (runner, "load"),
        "send": (actor, "send"),
        "latest": (actor, "latest"),
        "on_step": (notes, "on_step"),
        "on_episode_end": (notes, "on_episode_end"),
    }
    if culprit == "act":
        runner = Failing()
    elif culprit in places:
        setattr(*places[culprit], fail(error))
    pace = fail(error) if culprit == "pace" else lambda: None
    answers = iter([False, True])
    is_finished = fail(error) if culprit == "finished" else lambda: next(answers)
    with pytest.raises(type(error)), stopping(cell.env.robot):
        run_episodes(cell.env, runner, actor, 0, 0, [notes], pace, is_finished)
    stop = cell.arm.state().stop
    assert stop.reason is Reason.REQUESTED
    assert repr(error) in stop.detail
    assert "cut short" in stop.detail


def test_a_run_that_ends_well_stops_the_robot_too():
    cell = make_people_cell("none")
    actor, _ = make_local_channels(cell.env.spec)
    act(cell.env, actor, 1)
    stop = cell.arm.state().stop
    assert (stop.reason, stop.detail) == (Reason.REQUESTED, "the actor has ended")


def test_the_reason_of_an_earlier_stop_is_kept():
    cell = make_people_cell("none")
    actor, _ = make_local_channels(cell.env.spec)
    with pytest.raises(Exception, match="61 N"):
        act(cell.env, actor, 2, pace=lambda: cell.arm.stop(Reason.WRENCH, "61 N"))
    assert cell.arm.state().stop.reason is Reason.WRENCH


def test_an_episode_can_be_played_again_by_its_number_alone():
    whole = play_records(4, seed=11)
    alone = play_records(1, first_episode=2, seed=11)
    assert [numbers(r) for r in alone] == [numbers(r) for r in whole if r.episode == 2]


def test_episodes_and_runs_differ_in_scene_and_exploration():
    firsts = [r for seed in (0, 1) for r in play_records(2, "none", seed=seed) if r.step == 1]
    for values in (
        [r.time_step.applied_action for r in firsts],
        [r.time_step.observation.proprio["task"] for r in firsts],
    ):
        assert len({value.tobytes() for value in values}) == 4


def test_the_policy_is_told_the_episodes_seed():
    cell, runner = make_people_cell("none"), SeededRunner()
    actor, _ = make_local_channels(cell.env.spec)
    act(cell.env, actor, 2, runner, seed=3, first_episode=5)
    assert runner.seeds == [to_episode_seed(3, 5), to_episode_seed(3, 6)]


def test_seeds_of_episodes_are_fit_for_every_generator_and_differ():
    seeds = {
        to_episode_seed(seed, actor * EPISODES_PER_ACTOR + k)
        for seed in range(5)
        for actor in (0, 1)
        for k in range(40)
    }
    assert len(seeds) == 5 * 2 * 40
    assert all(0 <= seed < 2**31 for seed in seeds)
