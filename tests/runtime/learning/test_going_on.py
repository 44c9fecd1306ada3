"""How a run goes on after a break or after a kill at any moment."""

import shutil
from dataclasses import replace

import pytest
import torch

from robot_rl.data.store_reader import StoreReader
from robot_rl.data.store_writer import StoreWriter
from robot_rl.errors import CheckpointError, DivergenceError, StoreError
from robot_rl.robot.fake import FakeCamera
from robot_rl.runtime.learning import checkpoint
from robot_rl.runtime.reporting.metrics_writer import MetricsWriter
from tests.fakes import make_cell
from tests.runs import (
    differing,
    make_agent_config,
    make_fake_env,
    numbers,
    use_fake_envs,
)
from tests.trainings import Killed, kill_after, resume, start, stored, use_fake_runs


@pytest.fixture(autouse=True)
def _fakes(monkeypatch):
    use_fake_runs(monkeypatch)


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
    assert again.learner.memory.replay.sizes()["online"] == len(records)


def test_a_version_that_acted_before_a_kill_is_not_given_to_other_weights(tmp_path, monkeypatch):
    run, _ = start(tmp_path / "run", steps=24, publish_every_steps=1)
    kill_after(monkeypatch, run, 17)
    before = max(record.policy_version for record in stored(tmp_path / "run"))
    assert before > checkpoint.load(checkpoint.find(tmp_path / "run" / "checkpoints")[-1])["version"] + 10
    again, _ = resume(tmp_path / "run")
    again.run()
    after = min(record.policy_version for record in stored(tmp_path / "run")[17:] if record.step)
    assert after > before + 1000, "nor is one of which no row had reached the disk"


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
    assert again.learner.memory.replay.sizes()["demonstration"] == 15


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
    assert again.learner.memory.replay.sizes()["demonstration"] == 10


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
    replay = again.learner.memory.replay
    assert replay.features["online"]["wrist"].has(replay.rings["online"].count - 1).all()
