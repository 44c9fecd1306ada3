"""A whole run in an environment of fakes: what happens in it, and what ends it."""

import pytest

from robot_rl.data.store_reader import StoreReader
from robot_rl.data.store_writer import StoreWriter
from robot_rl.errors import ConfigError, StoppedError, StoreError
from robot_rl.runtime import run_folder
from robot_rl.runtime.config import TaskConfig
from robot_rl.runtime.learning import checkpoint, demonstrations, learner_run
from robot_rl.runtime.reporting import evaluation_schedule
from robot_rl.runtime.reporting.evaluation_schedule import EVALUATION_SEED
from tests.runs import (
    differing,
    make_agent_config,
    make_fake_env,
    make_train_config,
    numbers,
)
from tests.trainings import resume, start, stored, use_fake_runs


@pytest.fixture(autouse=True)
def _fakes(monkeypatch):
    use_fake_runs(monkeypatch)


def test_a_run_makes_its_steps_and_its_updates_and_stores_everything(tmp_path):
    run, notes = start(tmp_path / "run", log_every_steps=5)
    heard = []
    evaluation = run.run(on_pretrain=lambda made, total: heard.append((made, total)))
    assert len(evaluation.episodes) == 2
    assert notes.evaluations == [(24, evaluation)]
    assert heard == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert (run.learner.budget.steps, run.learner.budget.updates) == (24, (24 - 4) * 2), "20 is within an episode"
    assert [(r.episode, r.step) for r in stored(tmp_path / "run")] == [(e, s) for e in range(4) for s in range(7)]
    assert notes.time_steps == 28
    assert [step for step, _ in notes.metrics] == [5, 10, 15, 20]
    assert notes.closed == 1
    assert run.training_s > 0.0
    saved = checkpoint.find(tmp_path / "run" / "checkpoints")
    assert [path.stem for path in saved] == ["step_000000000", "step_000000024"]
    state = checkpoint.load(saved[-1])
    assert differing(state["agent"], run.learner.state()["agent"]) == []
    assert (state["steps"], state["updates"]) == (24, 40)


def test_one_seed_is_one_run_and_another_is_another(tmp_path):
    runs = [start(tmp_path / str(k), seed=seed, steps=12)[0] for k, seed in enumerate((3, 3, 4))]
    evaluations = [run.run() for run in runs]
    one, same, other = [[numbers(r) for r in stored(tmp_path / str(k))] for k in range(3)]
    assert one == same != other
    assert differing(runs[0].learner.state(), runs[1].learner.state()) == []
    assert evaluations[0] == evaluations[1]


def test_an_imitation_that_is_interrupted_ends_at_once_and_begins_anew(tmp_path):
    heard = []

    def on_pretrain(made, total):
        heard.append(made)

    whole, _ = start(tmp_path / "whole", steps=12)
    whole.run()
    run, _ = start(tmp_path / "run", steps=12)
    assert run.run(lambda: len(heard) >= 2, on_pretrain) is None
    assert heard == [1, 2]
    again, _ = resume(tmp_path / "run")
    assert not again.is_resumed
    again.run()
    assert differing(again.learner.state(), whole.learner.state()) == []


def test_checkpoints_and_evaluations_come_when_due_at_the_end_of_an_episode(tmp_path):
    run, notes = start(tmp_path / "run", steps=48, checkpoint_every_steps=15, evaluate_every_steps=20)
    run.run()
    names = [path.stem for path in checkpoint.find(tmp_path / "run" / "checkpoints")]
    assert names == ["step_000000018", "step_000000036", "step_000000048"], "the newest three of 0, 18, 36, 48"
    assert [(step, len(evaluation.episodes)) for step, evaluation in notes.evaluations] == [(24, 1), (42, 1), (48, 2)]


def test_evaluations_change_nothing_of_the_run_and_see_the_same_scenes(tmp_path, monkeypatch):
    seeds, evaluate = [], evaluation_schedule.evaluate

    def noted(env, policy, episodes, seed, *others, **named):
        seeds.append(seed)
        return evaluate(env, policy, episodes, seed, *others, **named)

    monkeypatch.setattr(evaluation_schedule, "evaluate", noted)
    without, _ = start(tmp_path / "0")
    often, _ = start(tmp_path / "1", evaluate_every_steps=6)
    for run in (without, often):
        run.run()
    assert seeds == [EVALUATION_SEED] * (1 + 4)
    assert [numbers(r) for r in stored(tmp_path / "0")] == [numbers(r) for r in stored(tmp_path / "1")]
    assert differing(without.learner.state(), often.learner.state()) == []


def test_an_evaluation_has_no_person_in_it(tmp_path):
    run, _ = start(tmp_path / "run")
    evaluation = run.run()
    assert [episode.human_steps for episode in evaluation.episodes] == [0, 0]
    assert not evaluation.successes


def test_an_interrupted_run_ends_after_its_episode_with_a_checkpoint(tmp_path):
    run, notes = start(tmp_path / "run")
    assert run.run(lambda: notes.time_steps > 8) is None
    assert run.learner.budget.steps == 12
    newest = checkpoint.find(tmp_path / "run" / "checkpoints")[-1]
    assert newest.stem == "step_000000012"
    assert checkpoint.load(newest)["updates"] == (12 - 4) * 2
    assert len(stored(tmp_path / "run")) == 14


def test_a_last_evaluation_of_no_episodes_is_none_that_anybody_is_told_of(tmp_path):
    run, notes = start(tmp_path / "run", final_episodes=0)
    assert run.run().episodes == []
    assert notes.evaluations == []


def test_the_time_of_training_counts_from_the_beginning(tmp_path):
    run, notes = start(tmp_path / "run")
    run.run(lambda: notes.time_steps > 14)
    again, _ = resume(tmp_path / "run", steps=18)
    again.run()
    assert again.training_s >= run.training_s


def test_an_error_in_the_run_closes_the_store_and_the_observers_and_stops_the_robot(tmp_path):
    run, notes = start(tmp_path / "run", agent=make_agent_config())

    def break_down(batch, *, is_actor_due):
        raise ArithmeticError("not finite")

    run.learner.agent.update = break_down
    with pytest.raises(ArithmeticError):
        run.run()
    assert notes.closed == 1
    assert "not finite" in run.env.robot.arm.state().stop.detail
    StoreWriter(tmp_path / "run" / "experience", run.spec, {}).close()  # nobody else has it
    again, _ = resume(tmp_path / "run")
    again.run()
    assert again.learner.budget.updates == (again.learner.budget.steps - 4) * 2


def test_a_stop_loses_nothing_of_what_was_made_before_it(tmp_path):
    run, notes = start(tmp_path / "run")
    step = run.env.step

    def stop(action):
        if notes.time_steps == 11:
            raise StoppedError("the user stop is pressed")
        return step(action)

    run.env.step = stop
    with pytest.raises(StoppedError):
        run.run()
    made = [(0, s) for s in range(7)] + [(1, s) for s in range(4)]
    assert [(r.episode, r.step) for r in stored(tmp_path / "run")] == made


def test_a_run_that_is_written_by_another_process_is_a_clear_error(tmp_path):
    run, _ = start(tmp_path / "run")
    with pytest.raises(StoreError, match="being written by process"):
        resume(tmp_path / "run")
    run.run()


def test_a_setup_that_fails_leaves_the_store_to_others(tmp_path, monkeypatch):
    def fail(*arguments):
        raise ConfigError("no memory of that kind")

    monkeypatch.setattr(learner_run, "make_learner", fail)
    with pytest.raises(ConfigError, match="of that kind"):
        start(tmp_path / "run")
    StoreWriter(tmp_path / "run" / "experience", make_fake_env(make_train_config()).spec, {}).close()


def test_the_task_is_part_of_what_a_row_can_be_traced_to(tmp_path, monkeypatch):
    for module in (learner_run, demonstrations):
        monkeypatch.setattr(module, "describe", run_folder.describe)
    monkeypatch.setattr(run_folder, "find_revision", lambda: "abc123")
    run, _ = start(tmp_path / "run", task=TaskConfig(name="reach"))
    run.run()
    attributes = StoreReader(tmp_path / "run" / "experience").attributes
    assert attributes["revision"] == "abc123"
    assert "name: reach" in attributes["config_yaml"]
