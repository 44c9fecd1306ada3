"""A whole run in an environment of fakes: what happens in it, and how it goes on after a kill at any moment."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from robot_rl.data.replay import ReplayConfig
from robot_rl.data.store_reader import StoreReader
from robot_rl.data.store_writer import StoreWriter
from robot_rl.errors import CheckpointError, ConfigError, DivergenceError, StoreError
from robot_rl.robot.fake import FakeCamera
from robot_rl.runtime import run_folder
from robot_rl.runtime.config import TaskConfig
from robot_rl.runtime.learning import checkpoint, demonstrations, learner_run
from robot_rl.runtime.learning.training import Training
from robot_rl.runtime.reporting import evaluation_schedule
from robot_rl.runtime.reporting.evaluation_schedule import EVALUATION_SEED
from robot_rl.runtime.reporting.metrics_writer import MetricsWriter
from robot_rl.runtime.reporting.observers import Observer
from robot_rl.runtime.run_folder import RunFolder
from robot_rl.types import Source
from tests.fakes import make_cell
from tests.runs import (
    differing,
    make_agent_config,
    make_fake_env,
    make_people_cell,
    make_train_config,
    numbers,
    play_records,
    use_fake_envs,
)


class Killed(BaseException):
    """As if the process had been killed: nothing that ends a run well may be done."""


class Notes(Observer):
    def __init__(self):
        self.time_steps, self.metrics, self.evaluations, self.closed = 0, [], [], 0

    def on_step(self, time_step):
        self.time_steps += 1

    def on_metrics(self, step, metrics):
        self.metrics.append((step, metrics))

    def on_evaluation(self, step, evaluation):
        self.evaluations.append((step, evaluation))

    def close(self):
        self.closed += 1


@pytest.fixture(autouse=True)
def _fakes(monkeypatch):
    use_fake_envs(monkeypatch)
    for module in (learner_run, demonstrations):  # the real one takes longer than a run
        monkeypatch.setattr(module, "describe", lambda config: {"seed": config.seed})


def start(path, **values):
    """A new run that is set up; of imitation, whose updates are cheap, where the test asks for nothing else."""
    values.setdefault("agent", make_agent_config(name="bc"))
    config, folder, notes = make_train_config(**values), RunFolder(path), Notes()
    folder.create(config)
    return Training(config, folder, [notes]), notes


def resume(path, **values):
    """The run of a folder, with other values where the test wants them."""
    folder, notes = RunFolder(path), Notes()
    return Training(replace(folder.load_config(), **values), folder, [notes]), notes


def stored(path):
    return list(StoreReader(path / "experience").records())


def kill_after(monkeypatch, run, time_steps):
    """End the run as a kill would: after so many time steps, without a checkpoint."""
    sent, send = [], run._channel.send

    def send_or_die(record):
        if len(sent) == time_steps:
            raise Killed
        sent.append(record)
        send(record)

    run._channel.send = send_or_die
    with pytest.raises(Killed):
        run.run()
    return sent


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


def test_the_demonstrations_are_the_experts_and_all_successful(tmp_path):
    run, _ = start(tmp_path / "run")
    run.run()
    records = list(StoreReader(tmp_path / "run" / "demonstrations").records())
    assert [record.is_success for record in records] == [False, False, False, False, True] * 2
    assert {record.time_step.source for record in records} == {Source.DEMO, Source.POLICY}
    assert run.learner.replay.sizes()["demonstration"] == 10
    assert run.learner.replay.sizes()["intervention"] == 4 * 2


def test_without_demonstrations_there_are_none_and_no_imitation(tmp_path):
    run, _ = start(tmp_path / "run", demonstrations=0)
    run.run(on_pretrain=lambda made, total: pytest.fail("nothing to imitate"))
    assert run.learner.replay.sizes()["demonstration"] == 0
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
    with StoreWriter(path, make_people_cell("expert").env.spec, {}) as store:
        for record in play_records(3, "expert"):  # five time steps each
            store.append(record)
    words = {"steps": 0, "demonstrations_from": str(path)}
    run, _ = start(tmp_path / "run", replay=ReplayConfig(capacity=500, prior_capacity=14), **words)
    message = f"{path} has 15 time steps, .* room for 14 of demonstrations: set replay.prior_capacity=15."
    with pytest.raises(ConfigError, match=message):
        run.run()
    other, _ = start(tmp_path / "other_run", replay=ReplayConfig(capacity=500, prior_capacity=15), **words)
    other.run()
    assert other.learner.replay.sizes()["demonstration"] == 15


@pytest.mark.parametrize("wrong", [{"applied_action": np.full(6, 1.5, np.float32)}, {"reward": float("nan")}])
def test_demonstrations_that_nobody_can_learn_from_are_refused_with_their_place(tmp_path, wrong):
    records = list(play_records(1, "expert"))
    records[3] = replace(records[3], time_step=replace(records[3].time_step, **wrong))
    with StoreWriter(tmp_path / "other", make_people_cell("expert").env.spec, {}) as store:
        for record in records:
            store.append(record)
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


def test_one_seed_is_one_run_and_another_is_another(tmp_path):
    runs = [start(tmp_path / str(k), seed=seed, steps=12)[0] for k, seed in enumerate((3, 3, 4))]
    evaluations = [run.run() for run in runs]
    one, same, other = [[numbers(r) for r in stored(tmp_path / str(k))] for k in range(3)]
    assert one == same != other
    assert differing(runs[0].learner.state(), runs[1].learner.state()) == []
    assert evaluations[0] == evaluations[1]


def test_demonstrations_of_another_run_are_taken(tmp_path):
    run, _ = start(tmp_path / "one", steps=0)
    run.run()
    other, _ = start(tmp_path / "two", steps=0, demonstrations_from=str(tmp_path / "one" / "demonstrations"))
    other.run()
    assert other.learner.replay.sizes()["demonstration"] == 10
    assert not (tmp_path / "two" / "demonstrations").exists()
    assert differing(other.learner.state(), run.learner.state()) == []


def test_failures_are_no_demonstrations(tmp_path, caplog):
    records = [*play_records(1, "expert"), *play_records(2, "human")[7:]]
    with StoreWriter(tmp_path / "other", make_people_cell("expert").env.spec, {}) as store:
        for record in records:
            store.append(record)
    run, _ = start(tmp_path / "run", steps=0, demonstrations_from=str(tmp_path / "other"))
    run.run()
    assert run.learner.replay.sizes()["demonstration"] == 5
    assert "1 of the 2 episodes of" in caplog.text


def test_every_part_of_a_recording_must_be_of_the_task(tmp_path):
    for task in ("plug", "reach"):  # the newest part says the run's
        with StoreWriter(tmp_path / "other", make_people_cell("expert").env.spec, {"task": task}) as store:
            for record in play_records(2, "expert")[5 * (task == "reach") :][:5]:
                store.append(record)
    run, _ = start(tmp_path / "run", task=TaskConfig("reach"), demonstrations_from=str(tmp_path / "other"))
    with pytest.raises(ConfigError, match="is of the task plug, this run of reach"):
        run.run()


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


def test_what_a_policy_demonstrates_is_imitated_like_what_a_person_does(tmp_path):
    run, _ = start(tmp_path / "one", steps=0)
    run.run()
    with StoreWriter(tmp_path / "of a policy", run.env.own_spec, {}) as writer:
        for record in StoreReader(tmp_path / "one" / "demonstrations").records():
            writer.append(replace(record, time_step=replace(record.time_step, source=Source.POLICY)))
    other, _ = start(tmp_path / "two", steps=0, demonstrations_from=str(tmp_path / "of a policy"))
    other.run()
    assert differing(other.learner.state(), run.learner.state()) == []


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


@pytest.mark.parametrize("name", ["rlpd", "bc"])
def test_a_run_that_was_interrupted_and_goes_on_is_the_run_without_a_break(tmp_path, name):
    agent = make_agent_config(name=name)
    whole, _ = start(tmp_path / "whole", agent=agent, steps=24)
    whole.run()
    first, notes = start(tmp_path / "parts", agent=agent, steps=24)
    assert first.run(lambda: notes.time_steps > 8) is None
    assert first.learner.budget.steps == 12
    second, _ = resume(tmp_path / "parts")
    assert second.is_resumed
    second.run()
    one, other = stored(tmp_path / "whole"), stored(tmp_path / "parts")
    assert [(r.episode, r.step) for r in one] == [(r.episode, r.step) for r in other]
    assert [numbers(r) for r in one] == [numbers(r) for r in other]
    assert [r.policy_version for r in one] == [r.policy_version for r in other]
    assert differing(whole.learner.state(), second.learner.state()) == []


def test_a_run_killed_after_a_checkpoint_at_the_same_moment_is_the_run_without_a_break(tmp_path, monkeypatch):
    """Whoever resumes from a checkpoint that no experience followed gets the very same run."""
    agent = make_agent_config()
    whole, _ = start(tmp_path / "whole", agent=agent, steps=30, checkpoint_every_steps=18)
    whole.run()
    first, _ = start(tmp_path / "parts", agent=agent, steps=30, checkpoint_every_steps=18)
    kill_after(monkeypatch, first, 21)
    second, _ = resume(tmp_path / "parts")
    second.run()
    assert [numbers(r) for r in stored(tmp_path / "whole")] == [numbers(r) for r in stored(tmp_path / "parts")]
    assert differing(whole.learner.state(), second.learner.state()) == []


def test_all_that_was_stored_before_a_kill_is_used_once(tmp_path, monkeypatch):
    run, _ = start(tmp_path / "run", steps=36, checkpoint_every_steps=6)
    sent = kill_after(monkeypatch, run, 17)  # in the third episode, two steps after a checkpoint
    assert [numbers(r) for r in stored(tmp_path / "run")] == [numbers(r) for r in sent]
    again, _ = resume(tmp_path / "run")
    again.run()
    records = stored(tmp_path / "run")
    places = [(r.episode, r.step) for r in records]
    assert len(set(places)) == len(places), "nothing twice"
    assert [numbers(r) for r in records[:17]] == [numbers(r) for r in sent]
    assert places == [(0, s) for s in range(7)] + [(1, s) for s in range(7)] + [(2, s) for s in range(3)] + [
        (e, s) for e in (3, 4, 5, 6) for s in range(7)
    ]
    assert again.learner.budget.steps == 6 + 6 + 2 + 4 * 6
    assert again.learner.budget.updates == (38 - 4) * 2
    assert again.learner.replay.sizes()["online"] == len(records)


def test_a_version_that_acted_before_a_kill_is_not_given_to_other_weights(tmp_path, monkeypatch):
    run, _ = start(tmp_path / "run", steps=24, publish_every_steps=1)
    kill_after(monkeypatch, run, 17)
    before = max(record.policy_version for record in stored(tmp_path / "run"))
    assert before > checkpoint.load(checkpoint.find(tmp_path / "run" / "checkpoints")[-1])["version"] + 10
    again, _ = resume(tmp_path / "run")
    again.run()
    assert min(record.policy_version for record in stored(tmp_path / "run")[17:] if record.step) == before + 1


def test_updates_that_are_owed_after_a_kill_are_made_before_the_robot_moves(tmp_path, monkeypatch):
    """Otherwise the robot would wait for them in the middle of its first episode."""
    run, _ = start(tmp_path / "run", steps=36)
    kill_after(monkeypatch, run, 28)
    again, notes = resume(tmp_path / "run")
    owed = []

    def on_step(time_step):
        owed.append(again.learner.budget.owed)

    notes.on_step = on_step
    again.run()
    assert owed[0] == 0


def test_an_evaluation_is_not_made_again_because_the_run_was_resumed(tmp_path):
    run, notes = start(tmp_path / "run", steps=48, evaluate_every_steps=20)
    run._observers.append(MetricsWriter(tmp_path / "run"))
    assert run.run(lambda: notes.time_steps > 28) is None
    assert [step for step, _ in notes.evaluations] == [24]
    again, notes = resume(tmp_path / "run")
    again.run()
    assert [step for step, _ in notes.evaluations] == [42, 48]


def test_a_last_evaluation_of_no_episodes_is_none_that_anybody_is_told_of(tmp_path):
    run, notes = start(tmp_path / "run", final_episodes=0)
    assert run.run().episodes == []
    assert notes.evaluations == []


def test_an_evaluation_that_was_cut_off_is_made_when_the_run_goes_on(tmp_path):
    run, notes = start(tmp_path / "run", steps=48, evaluate_every_steps=20, evaluation_episodes=2)
    run._observers.append(MetricsWriter(tmp_path / "run"))
    assert run.run(lambda: run._run.steps >= 24) is None, "the first of its episodes was the last"
    assert notes.evaluations == []
    again, notes = resume(tmp_path / "run")
    again.run()
    assert [step for step, _ in notes.evaluations] == [24, 42, 48]


def test_metrics_go_on_after_a_break(tmp_path):
    run, notes = start(tmp_path / "run", steps=24, log_every_steps=6)
    run.run(lambda: notes.time_steps > 14)
    assert [step for step, _ in notes.metrics] == [6, 12, 18]
    again, notes = resume(tmp_path / "run")
    again.run()
    assert [step for step, _ in notes.metrics] == [24]


def test_the_time_of_training_counts_from_the_beginning(tmp_path):
    run, notes = start(tmp_path / "run")
    run.run(lambda: notes.time_steps > 14)
    again, _ = resume(tmp_path / "run", steps=18)
    again.run()
    assert again.training_s >= run.training_s


def test_a_finished_run_that_is_resumed_is_evaluated_and_nothing_else(tmp_path):
    run, _ = start(tmp_path / "run")
    evaluation = run.run()
    before, state = [numbers(r) for r in stored(tmp_path / "run")], run.learner.state()
    again, notes = resume(tmp_path / "run")
    assert again.run(on_pretrain=lambda made, total: pytest.fail("it imitated already")) == evaluation
    assert notes.time_steps == 0
    assert [numbers(r) for r in stored(tmp_path / "run")] == before
    differences = differing(again.learner.state(), state)
    assert set(differences) <= {"/version"}


def test_a_run_killed_after_its_last_step_makes_up_for_the_updates(tmp_path, monkeypatch):
    run, _ = start(tmp_path / "run")
    kill_after(monkeypatch, run, 27)
    again, _ = resume(tmp_path / "run", steps=23)
    again.run()
    assert again.learner.budget.steps == 23
    assert again.learner.budget.updates == (23 - 4) * 2


def test_a_run_killed_while_demonstrations_were_recorded_has_as_many_as_configured(tmp_path, monkeypatch):
    run, _ = start(tmp_path / "run", demonstrations=3)
    appended, append = [], StoreWriter.append

    def append_or_die(store, record):
        if len(appended) == 10:  # two whole episodes
            raise Killed
        appended.append(record)
        return append(store, record)

    with monkeypatch.context() as patch:
        patch.setattr(StoreWriter, "append", append_or_die)
        with pytest.raises(Killed):
            run.run()
    again, _ = resume(tmp_path / "run")
    again.run()
    records = list(StoreReader(tmp_path / "run" / "demonstrations").records())
    assert sum(record.is_success for record in records) == 3
    assert again.learner.replay.sizes()["demonstration"] == 15


def test_a_run_killed_while_it_imitated_has_as_many_demonstrations_as_configured(tmp_path):
    run, _ = start(tmp_path / "run")

    def die(made, total):
        raise Killed

    with pytest.raises(Killed):
        run.run(on_pretrain=die)
    again, _ = resume(tmp_path / "run")
    assert not again.is_resumed
    heard = []
    again.run(on_pretrain=lambda made, total: heard.append(made))
    assert heard == [1, 2, 3, 4]
    assert again.learner.replay.sizes()["demonstration"] == 10


def test_a_damaged_checkpoint_is_named_and_without_it_the_one_before_is_used(tmp_path):
    run, _ = start(tmp_path / "run", checkpoint_every_steps=12)
    run.run()
    newest = checkpoint.find(tmp_path / "run" / "checkpoints")[-1]
    newest.write_bytes(newest.read_bytes()[:500])
    with pytest.raises(CheckpointError, match=newest.name):
        resume(tmp_path / "run")[0].run()
    newest.unlink()
    again, _ = resume(tmp_path / "run", steps=30)
    again.run()
    assert again.learner.budget.updates == (30 - 4) * 2
    places = [(r.episode, r.step) for r in stored(tmp_path / "run")]
    assert places == [(e, s) for e in range(5) for s in range(7)]


def test_experience_without_any_checkpoint_is_not_passed_over_in_silence(tmp_path):
    """The store ignores what it has already: a run that began anew there would not be recorded."""
    run, _ = start(tmp_path / "run")
    run.run()
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    before = len(stored(tmp_path / "run"))
    with pytest.raises(CheckpointError, match="experience but no checkpoint"):
        resume(tmp_path / "run")
    assert len(stored(tmp_path / "run")) == before


def test_an_agent_of_another_shape_does_not_take_over_a_checkpoint(tmp_path):
    run, _ = start(tmp_path / "run")
    run.run()
    other = make_agent_config(name="bc", hidden=(8, 8))
    with pytest.raises(CheckpointError, match="fit"):
        resume(tmp_path / "run", agent=other, steps=30)[0].run()


def spoil(run):
    """One weight is no number any more, as after a divergence."""
    with torch.no_grad():
        run.learner.agent.critic.head.bias[0] = float("nan")


def test_networks_that_have_diverged_are_not_saved_and_the_checkpoint_before_stays_the_newest(tmp_path):
    run, notes = start(tmp_path / "run", agent=make_agent_config(), steps=24, checkpoint_every_steps=6)
    catch_up = run.learner.catch_up

    def catch_up_until_spoiled(limit=None):
        if notes.time_steps > 16:  # in the third episode
            spoil(run)
        return catch_up(limit)

    run.learner.catch_up = catch_up_until_spoiled
    with pytest.raises(
        DivergenceError, match=r"after 28 updates policy.* and 80 more are not finite.* newest checkpoint"
    ):
        run.run()
    saved = checkpoint.find(tmp_path / "run" / "checkpoints")
    assert [path.stem for path in saved] == ["step_000000000", "step_000000006", "step_000000012"]
    again, _ = resume(tmp_path / "run")
    assert again.run() is not None


def test_networks_that_have_diverged_in_the_imitation_are_not_saved(tmp_path):
    run, _ = start(tmp_path / "run", agent=make_agent_config())
    with pytest.raises(DivergenceError, match=r"after 0 updates .* not finite.* begin another run"):
        run.run(on_pretrain=lambda made, total: spoil(run))
    assert checkpoint.find(tmp_path / "run" / "checkpoints") == []


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


def test_the_environment_of_a_resumed_run_must_be_the_same(tmp_path, monkeypatch):
    run, notes = start(tmp_path / "run")
    run.run(lambda: notes.time_steps > 8)
    use_fake_envs(monkeypatch, lambda config: make_cell(has_gripper=True).env)
    with pytest.raises(StoreError, match=r"another environment: spec\.action_size is 6 and not 7"):
        resume(tmp_path / "run")


def test_a_run_with_a_frozen_encoder_goes_on_with_the_same_features(tmp_path, monkeypatch):
    def make_pixel_env(config):
        env = make_fake_env(config)
        env.robot.cameras["wrist"] = FakeCamera(env.clock, 32, 32)
        return env

    use_fake_envs(monkeypatch, make_pixel_env)
    agent = make_agent_config(name="bc", batch_size=4)
    agent = replace(agent, encoder=replace(agent.encoder, backbone="small_cnn"))
    run, notes = start(tmp_path / "run", agent=agent, steps=18, demonstrations=1)
    run.run(lambda: notes.time_steps > 8)
    again, _ = resume(tmp_path / "run")
    again.run()
    assert again.learner.budget.updates == (18 - 4) * 2
    assert again.learner.replay.features["online"]["wrist"].has(again.learner.replay.rings["online"].count - 1).all()


def test_the_task_is_part_of_what_a_row_can_be_traced_to(tmp_path, monkeypatch):
    for module in (learner_run, demonstrations):
        monkeypatch.setattr(module, "describe", run_folder.describe)
    monkeypatch.setattr(run_folder, "find_revision", lambda: "abc123")
    run, _ = start(tmp_path / "run", task=TaskConfig(name="reach"))
    run.run()
    attributes = StoreReader(tmp_path / "run" / "experience").attributes
    assert attributes["revision"] == "abc123"
    assert "name: reach" in attributes["config_yaml"]
