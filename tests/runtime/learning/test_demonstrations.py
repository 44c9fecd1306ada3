"""The demonstrations that a run begins with: recorded for it, or taken from a recording."""

from dataclasses import replace

import numpy as np
import pytest

from robot_rl.data.replay import ReplayConfig
from robot_rl.data.store_reader import StoreReader
from robot_rl.data.store_writer import StoreWriter
from robot_rl.errors import ConfigError, StoreError
from robot_rl.runtime.config import TaskConfig
from robot_rl.types import Source
from tests.fakes import make_cell
from tests.runs import (
    differing,
    make_agent_config,
    make_people_cell,
    play_records,
)
from tests.trainings import start, stored, use_fake_runs


@pytest.fixture(autouse=True)
def _fakes(monkeypatch):
    use_fake_runs(monkeypatch)


def write(path, records):
    """A recording by somebody else."""
    with StoreWriter(path, make_people_cell("expert").env.spec, {}) as store:
        for record in records:
            store.append(record)


def test_the_demonstrations_are_the_experts_and_all_successful(tmp_path):
    run, _ = start(tmp_path / "run")
    run.run()
    records = list(StoreReader(tmp_path / "run" / "demonstrations").records())
    assert [record.is_success for record in records] == [False, False, False, False, True] * 2
    assert {record.time_step.source for record in records} == {Source.DEMO, Source.POLICY}
    assert run.learner.memory.replay.sizes()["demonstration"] == 10
    assert run.learner.memory.replay.sizes()["intervention"] == 4 * 2


def test_without_demonstrations_there_are_none_and_no_imitation(tmp_path):
    run, _ = start(tmp_path / "run", demonstrations=0)
    run.run(on_pretrain=lambda made, total: pytest.fail("nothing to imitate"))
    assert run.learner.memory.replay.sizes()["demonstration"] == 0
    assert not (tmp_path / "run" / "demonstrations").exists()
    assert run.learner.budget.updates == 40


def test_demonstrations_of_another_environment_are_a_clear_error_that_says_what_differs(tmp_path):
    cell = make_cell(has_gripper=True)
    StoreWriter(tmp_path / "other", cell.env.spec, {}).close()
    run, notes = start(tmp_path / "run", demonstrations_from=str(tmp_path / "other"))
    with pytest.raises(ConfigError, match="another environment") as raised:
        run.run()
    assert notes.closed == 1
    assert str(tmp_path / "other") in str(raised.value)
    assert "action_size" in str(raised.value)


def test_more_demonstrations_than_there_is_room_for_are_not_dropped_without_a_word(tmp_path):
    path = tmp_path / "other"
    write(path, play_records(3, "expert"))  # five time steps each
    words = {"steps": 0, "demonstrations_from": str(path)}
    run, _ = start(tmp_path / "run", replay=ReplayConfig(capacity=500, prior_capacity=14), **words)
    message = f"{path} has 15 time steps, .* room for 14 of demonstrations: set replay.prior_capacity=15."
    with pytest.raises(ConfigError, match=message):
        run.run()
    other, _ = start(tmp_path / "other_run", replay=ReplayConfig(capacity=500, prior_capacity=15), **words)
    other.run()
    assert other.learner.memory.replay.sizes()["demonstration"] == 15


def test_of_a_recording_as_many_are_taken_as_are_asked_for_and_the_first(tmp_path):
    path = tmp_path / "other"
    write(path, play_records(3, "expert"))  # five time steps each
    words = {"steps": 0, "demonstrations_from": str(path)}
    memory = ReplayConfig(capacity=500, prior_capacity=10)
    runs = {n: start(tmp_path / str(n), demonstrations=n, replay=memory, **words)[0] for n in (0, 2, 4)}
    for count in (0, 2):
        runs[count].run()
        assert runs[count].learner.memory.replay.sizes()["demonstration"] == 5 * count, "there is room for two"
    with pytest.raises(ConfigError, match=f"{path} has 3 episodes that succeeded, and demonstrations=4 asks for more"):
        runs[4].run()


def test_without_a_number_the_expert_demonstrates_twenty_times(tmp_path):
    run, _ = start(tmp_path / "run", demonstrations=None, steps=0)
    run.run()
    assert run.learner.memory.replay.sizes()["demonstration"] == 20 * 5


@pytest.mark.parametrize("wrong", [{"applied_action": np.full(6, 1.5, np.float32)}, {"reward": float("nan")}])
def test_demonstrations_that_nobody_can_learn_from_are_refused_with_their_place(tmp_path, wrong):
    records = list(play_records(1, "expert"))
    records[3] = replace(records[3], time_step=replace(records[3].time_step, **wrong))
    write(tmp_path / "other", records)
    run, _ = start(tmp_path / "run", demonstrations_from=str(tmp_path / "other"))
    with pytest.raises(
        ConfigError, match=f"the recording {tmp_path}/other: episode 0, step 3: {next(iter(wrong))} must"
    ):
        run.run()


def test_who_learns_from_people_alone_needs_a_demonstration_to_begin_with(tmp_path):
    """A batch would be asked for after the warm-up, and there might be nothing to make it of."""
    replay = ReplayConfig(500, 100, {"online": 0.0, "demonstration": 0.5, "intervention": 0.5})
    agent = make_agent_config(name="hg_dagger")
    run, _ = start(tmp_path / "none", agent=agent, replay=replay, demonstrations=0)
    with pytest.raises(ConfigError, match=r"agent=hg_dagger learns from people alone, .*demonstrations_from=FOLDER"):
        run.run()
    assert not stored(tmp_path / "none")
    shown, _ = start(tmp_path / "shown", agent=agent, replay=replay, demonstrations=1)
    assert shown.run() is not None


@pytest.mark.parametrize("kind", ["missing", "empty", "file"])
def test_demonstrations_that_are_no_recording_are_a_clear_error(tmp_path, kind):
    path = tmp_path / "other"
    if kind == "empty":
        path.mkdir()
    elif kind == "file":
        path.write_text("nothing")
    run, _ = start(tmp_path / "run", demonstrations_from=str(path))
    with pytest.raises(StoreError, match="is no stored run"):
        run.run()


def test_demonstrations_of_another_run_are_taken(tmp_path):
    run, _ = start(tmp_path / "one", steps=0)
    run.run()
    other, _ = start(tmp_path / "two", steps=0, demonstrations_from=str(tmp_path / "one" / "demonstrations"))
    other.run()
    assert other.learner.memory.replay.sizes()["demonstration"] == 10
    assert not (tmp_path / "two" / "demonstrations").exists()
    assert differing(other.learner.state(), run.learner.state()) == []


def test_failures_are_no_demonstrations(tmp_path, caplog):
    records = [*play_records(1, "expert"), *play_records(2, "human")[7:]]
    write(tmp_path / "other", records)
    run, _ = start(tmp_path / "run", steps=0, demonstrations_from=str(tmp_path / "other"))
    run.run()
    assert run.learner.memory.replay.sizes()["demonstration"] == 5
    assert "1 of the 2 episodes of" in caplog.text


def test_every_part_of_a_recording_must_be_of_the_task(tmp_path):
    for task in ("plug", "reach"):  # the newest part says the run's
        with StoreWriter(tmp_path / "other", make_people_cell("expert").env.spec, {"task": task}) as store:
            for record in play_records(2, "expert")[5 * (task == "reach") :][:5]:
                store.append(record)
    run, _ = start(tmp_path / "run", task=TaskConfig("reach"), demonstrations_from=str(tmp_path / "other"))
    with pytest.raises(ConfigError, match="is of the task plug, this run of reach"):
        run.run()


def test_a_recording_whose_actions_mean_another_motion_is_refused(tmp_path):
    told = {"config_yaml": "task: {episode: {translation_scale_m: 0.003}}"}
    with StoreWriter(tmp_path / "other", make_people_cell("expert").env.spec, told) as store:
        for record in play_records(2, "expert"):
            store.append(record)
    run, _ = start(tmp_path / "run", demonstrations_from=str(tmp_path / "other"))
    with pytest.raises(ConfigError, match=r"means another motion than one of this run: .*translation_scale_m=0\.003"):
        run.run()


def test_what_a_policy_demonstrates_is_imitated_like_what_a_person_does(tmp_path):
    run, _ = start(tmp_path / "one", steps=0)
    run.run()
    with StoreWriter(tmp_path / "of a policy", run.env.own_spec, {}) as writer:
        for record in StoreReader(tmp_path / "one" / "demonstrations").records():
            writer.append(replace(record, time_step=replace(record.time_step, source=Source.POLICY)))
    other, _ = start(tmp_path / "two", steps=0, demonstrations_from=str(tmp_path / "of a policy"))
    other.run()
    assert differing(other.learner.state(), run.learner.state()) == []
