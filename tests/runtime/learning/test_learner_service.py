"""A learner that its actors do not wait for: what is on the disk, and what they are told, in the end."""

import time
from dataclasses import replace

import pytest
import torch

from robot_rl.runtime import run_folder
from robot_rl.runtime.channels.channel import make_local_channels
from robot_rl.runtime.learning import checkpoint
from robot_rl.runtime.learning.learner_run import LearnerRun
from robot_rl.runtime.learning.learner_service import LearnerService
from robot_rl.runtime.run_folder import RunFolder
from tests.runs import make_agent_config, make_people_cell, make_train_config, play_records, send
from tests.trainings import Notes

PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def records():
    """Five episodes of six steps."""
    return play_records(5)


def within(timeout_s, condition):
    """Wait for a condition; whether it came true in time."""
    end_s = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < end_s:
        time.sleep(0.005)
    return condition()


class Served:
    """A run, new or resumed, with its actor's end of the channel."""

    def __init__(self, path, monkeypatch, mode="real_time", **values):
        monkeypatch.setattr(run_folder, "find_revision", lambda: "abc123")
        config = make_train_config(steps=30, demonstrations=0, **values)
        config = replace(config, graph=replace(config.graph, mode=mode))
        self.folder = RunFolder(path)
        if not self.folder.config_file.exists():
            self.folder.create(config)
        self.spec = make_people_cell().env.spec
        self.actor, channel = make_local_channels(self.spec)
        self.notes = Notes()
        self.run = LearnerRun(config, self.folder, self.spec, channel, [self.notes])
        self.run.prepare(lambda update, total: None)
        self._channel = channel

    def serve(self):
        """Until the actor is told that the run is over; whether it was."""
        return self.serve_until(lambda: self.is_told)

    def serve_until(self, condition):
        """As if interrupted where a condition comes true; whether it did."""
        end_s, held = time.monotonic() + PATIENCE_S, []

        def is_interrupted():
            held.extend([True] if condition() else [])
            return bool(held) or time.monotonic() > end_s

        LearnerService(self.run, self._channel, is_interrupted).serve()
        return bool(held)

    @property
    def is_told(self):
        return self.actor.progress is not None and self.actor.progress.is_over

    def close(self):
        self.run.close()

    def check_newest(self, updates):
        """The newest checkpoint has seen so many updates, and holds what is offered."""
        state = checkpoint.load(checkpoint.find(self.folder.checkpoints)[-1])
        assert (state["steps"], state["updates"]) == (30, updates)
        weights = self.run.agent.average_policy.state_dict()
        assert all(torch.equal(weights[name], value) for name, value in state["agent"]["average_policy"].items())


def test_the_last_checkpoint_has_the_updates_that_came_after_the_last_step(tmp_path, monkeypatch, records):
    """Steps come faster than they are learned from: a checkpoint that is due with all of them has hardly an update."""
    served = Served(tmp_path / "run", monkeypatch, checkpoint_every_steps=10)
    send(served.actor, records)
    assert served.serve()
    assert not served.run.learner.budget.owed
    served.check_newest(updates=(30 - 4) * 2)
    served.close()


def test_a_resumed_run_saves_the_updates_that_its_stored_steps_were_owed(tmp_path, monkeypatch, records):
    first = Served(tmp_path / "run", monkeypatch)
    send(first.actor, records)
    first.run.learner.ingest()
    first.run.flush()
    first.close()  # as if killed: all steps are stored, and the only checkpoint is that of none
    second = Served(tmp_path / "run", monkeypatch)
    assert (second.run.steps, second.run.learner.budget.updates) == (30, 52)
    assert not second.run.is_saved
    assert second.serve()
    second.check_newest(updates=52)
    second.close()
    third = Served(tmp_path / "run", monkeypatch)
    assert third.run.is_saved, "nothing has come since"
    third.close()


def test_the_end_is_announced_where_the_last_weights_were_due_anyway(tmp_path, monkeypatch, records):
    """One update is owed, and made after its step was announced; then weights are due, and nothing else is."""
    agent = make_agent_config(utd=1, warmup_steps=29)
    served = Served(tmp_path / "run", monkeypatch, agent=agent, publish_every_steps=1)
    update = served.run.agent.update

    def wait_and_update(batch, *, is_actor_due):
        assert within(PATIENCE_S, lambda: served.actor.progress.steps == 30)
        return update(batch, is_actor_due=is_actor_due)

    served.run.agent.update = wait_and_update
    send(served.actor, records)
    assert served.serve()
    served.check_newest(updates=1)
    served.close()


def test_a_frozen_policy_is_saved_at_once_and_what_is_measured_goes_on(tmp_path, monkeypatch, records):
    """A run that goes on from a checkpoint of before would learn it again, from what came later, too."""
    agent = make_agent_config(frozen_from_step=12)
    served = Served(tmp_path / "run", monkeypatch, agent=agent, checkpoint_every_steps=1000, log_every_steps=6)

    def updates_saved():
        return checkpoint.load(checkpoint.find(served.folder.checkpoints)[-1])["updates"]

    send(served.actor, records[:14])
    assert served.serve_until(lambda: updates_saved() == (12 - 4) * 2)
    assert served.run.steps == 12
    send(served.actor, records[14:])
    assert served.serve_until(lambda: 30 in [step for step, _ in served.notes.metrics]), "no update is due any more"
    assert served.run.learner.budget.updates == (12 - 4) * 2
    served.close()


@pytest.mark.parametrize("mode", ["real_time", "lock_step"])
def test_waiting_for_an_actor_is_no_training(tmp_path, monkeypatch, records, mode):
    served = Served(tmp_path / "run", monkeypatch, mode=mode)
    looks = iter(range(4))
    assert served.serve_until(lambda: next(looks, None) is None)
    assert served.run.training_s == 0.0
    send(served.actor, records)
    assert served.serve()
    assert served.run.training_s > 0.0
    served.close()
