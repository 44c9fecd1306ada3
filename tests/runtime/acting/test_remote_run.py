"""A run whose actor and learner know each other over ZeroMQ only: the same run as in one process, whoever dies."""

import threading
import time
from dataclasses import replace

import pytest

from robot_rl.errors import RefusedError
from robot_rl.runtime.channels.mailbox import EPISODES_PER_ACTOR
from robot_rl.runtime.learning import checkpoint
from robot_rl.runtime.learning.training import Training
from robot_rl.runtime.run_folder import RunFolder
from tests.runs import differing, make_agent_config, numbers
from tests.runtime.acted import Notes, act, configure, places, stored, use_fakes
from tests.runtime.served import TIMEOUT_S, Served


class Killed(BaseException):
    """As if the process had been killed."""


@pytest.fixture(autouse=True)
def _fakes(monkeypatch):
    use_fakes(monkeypatch)


def test_a_run_of_two_processes_in_step_is_the_run_of_one_bit_for_bit(tmp_path):
    config = configure(agent=make_agent_config(), evaluate_every_steps=8, checkpoint_every_steps=10)
    folder, alone = RunFolder(tmp_path / "one"), Notes()
    folder.create(config)
    one = Training(config, folder, [alone])
    evaluation = one.run()

    served, apart = Served(tmp_path / "two", config), Notes()
    assert act(served.config, apart) == evaluation
    assert served.join() is True
    assert served.channel.finished_actors == 1
    assert apart.evaluations == alone.evaluations
    assert apart.results == alone.results
    records, others = stored(tmp_path / "one"), stored(tmp_path / "two")
    assert [numbers(r) for r in others] == [numbers(r) for r in records]
    assert [r.policy_version for r in others] == [r.policy_version for r in records]
    states = [checkpoint.load(checkpoint.find(tmp_path / name / "checkpoints")[-1]) for name in ("one", "two")]
    for state in states:
        del state["training_s"]
    assert differing(*states) == []
    assert states[0]["updates"] == (24 - 4) * 2


def test_an_actor_that_was_killed_is_followed_by_one_that_goes_on(tmp_path):
    served, notes = Served(tmp_path / "run", configure()), Notes()

    def die(time_step):
        notes.steps += not time_step.is_first
        if notes.steps == 9:
            raise Killed

    with pytest.raises(Killed):
        act(served.config, notes, on_step=die)
    again = Notes()
    assert len(act(served.config, again).episodes) == 2
    assert served.join() is True
    found = places(tmp_path / "run")
    arrived = found.index((2, 0)) - 2  # the ninth step may have died with its actor
    assert arrived in (8, 9)
    assert again.started[0] in (8, 9)
    assert found == [(0, s) for s in range(7)] + [(1, s) for s in range(arrived - 5)] + [
        (e, s) for e in (2, 3) for s in range(7)
    ]
    assert served.run.steps == arrived + 12
    assert served.run.learner.budget.updates == (arrived + 12 - 4) * 2


def test_a_learner_that_dies_is_waited_for_and_nothing_is_lost_or_doubled(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("robot_rl.runtime.channels.zmq_actor.SILENCE_S", 0.8)
    first, notes = Served(tmp_path / "run", configure()), Notes()
    servers, made = [first], []

    def on_step(time_step):
        made.append(time_step)
        if len(made) == 10:
            threading.Thread(target=replace_learner).start()

    def replace_learner():
        first.end()
        time.sleep(1.5)
        servers.append(Served(tmp_path / "run", first.config))

    assert len(act(first.config, notes, on_step=on_step).episodes) == 2
    assert first.result is False
    assert servers[1].join() is True
    assert servers[1].run.is_resumed
    assert places(tmp_path / "run") == [(e, s) for e in range(4) for s in range(7)]
    assert [numbers(r)[7:] for r in stored(tmp_path / "run")] == [
        (m.applied_action.tobytes(), *(v.tobytes() for v in m.observation.proprio.values())) for m in made
    ]
    assert servers[1].run.learner.budget.updates == (24 - 4) * 2
    assert "the learner is not there; the robot holds" in caplog.text
    assert "the learner is back" in caplog.text


def test_without_waiting_the_robot_goes_on_while_the_learner_is_gone(tmp_path):
    config = configure(steps=60, channel={"is_synchronous": False})
    first, notes = Served(tmp_path / "run", config), Notes()
    steps_alone, servers = [], [first]

    def on_step(time_step):
        notes.steps += not time_step.is_first
        if notes.steps == 12 and len(servers) == 1:
            first.end()
            servers.append(None)
        if len(servers) == 2 and servers[1] is None:
            steps_alone.append(notes.steps)
            if notes.steps == 30:
                servers[1] = Served(tmp_path / "run", first.config)
        time.sleep(0.002)

    assert len(act(first.config, notes, on_step=on_step).episodes) == 2
    assert servers[1].join() is True
    assert len(steps_alone) > 15, "the robot went on"
    assert places(tmp_path / "run") == [(e, s) for e in range(10) for s in range(7)]
    learner = servers[1].run.learner
    assert (learner.budget.steps, learner.budget.updates) == (60, (60 - 4) * 2)


def test_both_go_on_after_an_interruption(tmp_path):
    served, notes = Served(tmp_path / "run", configure()), Notes()
    assert act(served.config, notes, is_interrupted=lambda: notes.steps > 7) is None
    served.end()
    assert served.result is False
    assert places(tmp_path / "run") == [(e, s) for e in range(2) for s in range(7)]
    again = Served(tmp_path / "run", served.config)
    notes = Notes()
    assert act(served.config, notes) is not None
    assert again.join() is True
    assert notes.started == [12]
    assert places(tmp_path / "run") == [(e, s) for e in range(4) for s in range(7)]


def test_an_actor_that_leaves_before_the_last_evaluation_is_waited_for(tmp_path):
    """It may have met an error that a new start cures: the learner must not be gone then."""
    config = configure(channel={"patience_s": 20.0})
    served, notes = Served(tmp_path / "run", config), Notes()
    assert act(served.config, notes, is_interrupted=lambda: notes.steps >= 24) is None
    notes = Notes()
    assert len(act(served.config, notes).episodes) == 2
    assert served.join() is True
    assert (served.channel.finished_actors, notes.results) == (1, [])


def test_a_run_that_lacks_its_last_evaluation_only_gets_it(tmp_path):
    served, notes = Served(tmp_path / "run", configure()), Notes()
    assert act(served.config, notes, is_interrupted=lambda: notes.steps >= 24) is None
    assert served.join() is True
    assert served.channel.finished_actors == 0
    again, notes = Served(tmp_path / "run", served.config), Notes()
    assert len(act(served.config, notes).episodes) == 2
    assert again.join() is True
    assert again.channel.finished_actors == 1
    assert notes.results == []


def test_two_actors_share_a_run_with_episodes_of_their_own(tmp_path):
    served = Served(tmp_path / "run", configure(steps=40))
    config = served.config
    other = replace(config, channel=replace(config.channel, actor=1))
    results = []
    threads = [threading.Thread(target=lambda c=c: results.append(act(c))) for c in (config, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT_S)
    assert served.join() is True
    assert [len(result.episodes) for result in results] == [2, 2]
    found = places(tmp_path / "run")
    assert len(set(found)) == len(found)
    assert {episode // EPISODES_PER_ACTOR for episode, _ in found} == {0, 1}
    assert sum(step > 0 for _, step in found) == served.run.steps >= 40


def test_another_configuration_is_refused_and_the_keys_are_named(tmp_path):
    served = Served(tmp_path / "run", configure())
    wrong = replace(served.config, seed=7, steps=9, final_episodes=50)
    with pytest.raises(RefusedError, match=r"differ in seed \(the learner has 0, this actor 7\), steps") as raised:
        act(wrong)
    assert "final_episodes" not in str(raised.value)
    served.end()


def test_a_second_actor_of_one_number_takes_the_place_of_the_first(tmp_path):
    served = Served(tmp_path / "run", configure(steps=1000))
    errors, notes = [], Notes()

    def act_until_refused():
        try:
            act(served.config, notes)
        except RefusedError as error:
            errors.append(str(error))

    thread = threading.Thread(target=act_until_refused)
    thread.start()
    end_s = time.monotonic() + TIMEOUT_S
    while notes.steps < 8 and time.monotonic() < end_s:
        time.sleep(0.01)
    second = Notes()
    assert act(served.config, second, is_interrupted=lambda: second.steps > 0) is None
    thread.join(TIMEOUT_S)
    assert "another actor with the number 0 has come" in errors[0]
    served.end()
    found = places(tmp_path / "run")
    assert len(set(found)) == len(found)


def test_who_waits_for_a_learner_that_never_comes_can_be_interrupted(tmp_path):
    config = configure(channel={})
    config = replace(config, channel=replace(config.channel, address="tcp://127.0.0.1:9"))
    assert act(config, is_interrupted=lambda: True) is None
