"""The learner: exactly the updates that experience asks for; nothing lost, twice, or promised too early."""

import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from robot_rl.agents.agent import AgentConfig, EncoderConfig, make_agent
from robot_rl.data import store_writer
from robot_rl.data.replay import SYMMETRIC, FeatureShape, Replay, ReplayConfig
from robot_rl.data.store_reader import StoreReader
from robot_rl.data.store_writer import StoreWriter
from robot_rl.errors import SpecError, StoreError
from robot_rl.robot.fake import FakeCamera
from robot_rl.runtime.channels.channel import make_local_channels
from robot_rl.runtime.learning import checkpoint
from robot_rl.runtime.learning.batches import BatchMaker
from robot_rl.runtime.learning.learner import Learner
from robot_rl.types import Source
from tests.runs import (
    act,
    differing,
    make_agent_config,
    make_learner,
    make_people_cell,
    numbers,
    play_records,
    send,
)


@pytest.fixture(scope="module")
def records():
    """Five episodes of six steps; a person acts in two steps of each."""
    return play_records(5)


@pytest.fixture
def env():
    return make_people_cell().env


class Parts:
    """A learner, its actor's end of the channel, and what its agent was asked."""

    def __init__(self, env, store=None, **values):
        self.actor, channel = make_local_channels(env.spec)
        publish_every_steps = values.pop("publish_every_steps", 10)
        self.learner = make_learner(env, channel, store, make_agent_config(**values), None, publish_every_steps)
        self.is_actor_due = []
        self.learner.agent.update = self.update

    def update(self, batch, *, is_actor_due):
        self.is_actor_due.append(is_actor_due)
        return {"number": torch.tensor(float(len(self.is_actor_due)))}


@pytest.mark.parametrize(("utd", "warmup_steps"), [(1, 0), (2, 4), (4, 1), (3, 29), (2, 30), (2, 1000)])
def test_after_every_step_exactly_the_updates_that_it_asks_for_are_made(env, records, utd, warmup_steps):
    parts = Parts(env, utd=utd, warmup_steps=warmup_steps)
    steps = 0
    for record in records:
        parts.actor.send(record)
        steps += record.step > 0
        assert parts.learner.ingest() == (record.step > 0), "the first time step of an episode is no step"
        parts.learner.catch_up()
        assert len(parts.is_actor_due) == max(0, steps - warmup_steps) * utd
        assert parts.learner.catch_up() == 0, "never more"
    assert steps == 30
    whole = [False] * (utd - 1) + [True]
    assert parts.is_actor_due == whole * max(0, 30 - warmup_steps)


def test_how_far_the_learner_is_behind(env, records):
    parts = Parts(env, utd=2, warmup_steps=4)
    assert parts.learner.take_metrics()["learner/behind_steps"] == 0.0
    send(parts.actor, records)
    assert parts.learner.ingest() == 30
    assert parts.learner.take_metrics()["learner/behind_steps"] == 26.0
    assert parts.learner.catch_up(3) == 3
    metrics = parts.learner.take_metrics()
    assert (metrics["learner/behind_steps"], metrics["learner/updates"]) == (24.5, 3.0)
    assert parts.learner.catch_up(0) == 0
    assert parts.learner.catch_up() == 49
    assert parts.learner.take_metrics()["learner/behind_steps"] == 0.0
    assert parts.is_actor_due == [False, True] * 26


def test_metrics_are_means_since_the_last_time(env, records):
    parts = Parts(env, utd=1, warmup_steps=0)
    send(parts.actor, records)
    parts.learner.ingest()
    parts.learner.catch_up(4)
    assert parts.learner.take_metrics()["number"] == (1 + 2 + 3 + 4) / 4
    parts.learner.catch_up(2)
    assert parts.learner.take_metrics()["number"] == (5 + 6) / 2
    assert "number" not in parts.learner.take_metrics()


def test_metrics_of_the_actor_are_means_over_its_own_updates(env, records):
    """With more than one critic update a step, a mean over all of them would be diluted."""
    actor, channel = make_local_channels(env.spec)
    learner = make_learner(env, channel)
    send(actor, records)
    learner.ingest()
    entropies, update = [], learner.agent.update

    def noted(batch, *, is_actor_due):
        metrics = update(batch, is_actor_due=is_actor_due)
        if "actor/entropy" in metrics:
            entropies.append(float(metrics["actor/entropy"]))
        return metrics

    learner.agent.update = noted
    learner.catch_up(6)
    assert len(entropies) == 3
    assert learner.take_metrics()["actor/entropy"] == pytest.approx(np.mean(entropies), rel=1e-5)


def test_no_record_waits_while_the_critics_are_asked_what_they_promise(env, records):
    parts = Parts(env, utd=1, warmup_steps=0, takeover_discount=0.0)
    learner, was_free = parts.learner, []
    send(parts.actor, [replace(record, policy_version=0) for record in records])
    learner.ingest()
    learner.catch_up(1)

    def value(batch):
        was_free.append(learner.memory.lock.acquire(blocking=False))
        learner.memory.lock.release()
        return torch.ones(len(batch.reward))

    learner.agent.value = value
    assert np.isfinite(learner.take_metrics()["critic/optimism"])
    assert was_free == [True]


def test_weights_are_offered_every_so_many_steps_with_rising_versions(env, records):
    parts = Parts(env, publish_every_steps=4)
    parts.learner.publish(is_forced=True)
    assert parts.actor.latest().version == 0
    offered, steps = {}, 0
    for record in records:
        parts.actor.send(record)
        steps += parts.learner.ingest()
        parts.learner.publish()
        weights = parts.actor.latest()
        if weights is not None:
            offered[steps] = weights.version
    assert offered == {4: 1, 8: 2, 12: 3, 16: 4, 20: 5, 24: 6, 28: 7}
    parts.learner.publish(is_forced=True)
    assert parts.actor.latest().version == 8


def test_offered_weights_are_those_of_the_policy_and_do_not_change_with_it(env, records):
    actor, channel = make_local_channels(env.spec)
    learner = make_learner(env, channel)
    send(actor, records)
    learner.ingest()
    learner.catch_up(2)
    agent = learner.agent
    state = {f"policy/{name}": value for name, value in agent.policy.state_dict().items()}
    state |= {f"average/{name}": value for name, value in agent.average_policy.state_dict().items()}
    expected = {name: value.clone() for name, value in state.items()}
    learner.publish(is_forced=True)
    learner.catch_up(8)
    tensors = actor.latest().tensors
    assert tensors.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(tensors[name], value.numpy())
    now = {f"policy/{name}": value for name, value in agent.policy.state_dict().items()}
    assert any(not torch.equal(value, expected[name]) for name, value in now.items())


def fitted(learner):
    policies = (learner.agent.policy, learner.agent.average_policy)
    return [(p.features.mean.clone(), p.features.spread.clone()) for p in policies]


def test_features_are_fitted_once_to_the_demonstrations(env, records):
    parts = Parts(env)
    demonstrations = play_records(3, "expert", seed=9)
    parts.learner.add(demonstrations, "demonstration")
    parts.learner.pretrain(lambda made, total: None)
    values = np.array([np.concatenate(list(r.time_step.observation.proprio.values())) for r in demonstrations])
    before = fitted(parts.learner)
    for mean, spread in before:
        np.testing.assert_allclose(mean, values.mean(0), rtol=1e-5, atol=1e-6)
        varying = values.std(0) > 1e-3
        np.testing.assert_allclose(spread[varying], values.std(0)[varying], rtol=1e-4)
        assert (spread[~varying] == 1.0).all()
    send(parts.actor, records)
    parts.learner.ingest()
    parts.learner.catch_up()
    assert all(
        torch.equal(a, b)
        for one, two in zip(before, fitted(parts.learner), strict=True)
        for a, b in zip(one, two, strict=True)
    )


def test_without_demonstrations_features_are_fitted_once_to_the_first_experience(env, records):
    parts = Parts(env, warmup_steps=4, utd=1)
    parts.learner.pretrain(lambda made, total: pytest.fail("there is nothing to imitate"))
    send(parts.actor, records[:6])  # five steps
    parts.learner.ingest()
    parts.learner.catch_up()
    values = np.array([np.concatenate(list(r.time_step.observation.proprio.values())) for r in records[:6]])
    before = fitted(parts.learner)
    np.testing.assert_allclose(before[0][0], values.mean(0), rtol=1e-5, atol=1e-6)
    send(parts.actor, records[6:])
    parts.learner.ingest()
    parts.learner.catch_up()
    assert len(parts.is_actor_due) == 26
    assert torch.equal(fitted(parts.learner)[0][0], before[0][0])


def test_imitation_makes_so_many_updates_and_says_how_many(env):
    parts = Parts(env, pretrain_updates=3)
    parts.learner.add(play_records(1, "expert"), "demonstration")
    heard = []
    parts.learner.pretrain(lambda made, total: heard.append((made, total)))
    assert heard == [(1, 3), (2, 3), (3, 3)]
    assert parts.learner.budget.updates == 0, "imitation is no part of the budget"


def test_what_a_person_did_in_the_run_becomes_interventions_and_a_demonstration_does_not(env, records):
    parts = Parts(env)
    send(parts.actor, records)
    parts.learner.ingest()
    humans = sum(record.time_step.source is Source.HUMAN for record in records)
    assert humans == 10
    assert parts.learner.memory.replay.sizes() == {"online": 35, "demonstration": 0, "intervention": 10}
    parts.learner.add(records, "demonstration")
    assert parts.learner.memory.replay.sizes() == {"online": 35, "demonstration": 35, "intervention": 10}
    metrics = parts.learner.take_metrics()
    assert [metrics[f"replay/{name}"] for name in ("online", "demonstration", "intervention")] == [35.0, 35.0, 10.0]


def test_without_a_store_what_is_in_memory_is_acknowledged(env, records):
    parts = Parts(env)
    send(parts.actor, records)
    assert parts.actor.unacknowledged == 35
    parts.learner.ingest()
    assert (parts.actor.unacknowledged, parts.actor.acknowledged) == (0, 35)


@pytest.fixture
def disk(monkeypatch):
    """A disk that writes nothing until the event is set."""
    is_open, write = threading.Event(), store_writer.write_durably

    def wait_and_write(file, content):
        assert is_open.wait(20.0)
        write(file, content)

    monkeypatch.setattr(store_writer, "write_durably", wait_and_write)
    return is_open


def test_only_what_is_on_the_disk_is_acknowledged(env, records, tmp_path, disk):
    with StoreWriter(tmp_path / "store", env.spec, {}, interval_s=0.01) as store:
        parts = Parts(env, store)
        send(parts.actor, records[:10])
        parts.learner.ingest()
        time.sleep(0.1)
        parts.learner.ingest()
        assert parts.actor.unacknowledged == 10
        disk.set()
        store.flush(10.0)
        parts.learner.ingest()
        assert parts.actor.unacknowledged == 0
        send(parts.actor, records[10:12])
        parts.learner.ingest()
        store.flush(10.0)
        parts.learner.ingest()
        assert parts.actor.acknowledged == 12
    assert [numbers(r) for r in StoreReader(tmp_path / "store").records()] == [numbers(r) for r in records[:12]]


def test_what_was_acknowledged_survives_the_learner(env, records, tmp_path):
    """Acknowledged at any moment: at least as much can be read from the disk at once."""
    with StoreWriter(tmp_path / "store", env.spec, {}, interval_s=0.01) as store:
        parts = Parts(env, store)
        for record in records:
            parts.actor.send(record)
            parts.learner.ingest()
            assert len(StoreReader(tmp_path / "store")) >= parts.actor.acknowledged


def test_a_slow_disk_loses_nothing(env, records, tmp_path, monkeypatch):
    write = store_writer.write_durably
    monkeypatch.setattr(store_writer, "write_durably", lambda *a: (time.sleep(0.02), write(*a)))
    with StoreWriter(tmp_path / "store", env.spec, {}, interval_s=0.01, queue_rows=3) as store:
        parts = Parts(env, store)
        send(parts.actor, records)
        assert parts.learner.ingest() == 30
        store.flush(10.0)
        parts.learner.ingest()
        assert parts.actor.unacknowledged == 0
    assert [numbers(r) for r in StoreReader(tmp_path / "store").records()] == [numbers(r) for r in records]


def test_a_broken_disk_is_no_slow_disk(env, records, tmp_path, monkeypatch):
    store = StoreWriter(tmp_path / "store", env.spec, {}, interval_s=0.01, queue_rows=3)

    def fail(file, content):
        raise OSError("No space left on device")

    monkeypatch.setattr(store_writer, "write_durably", fail)
    parts = Parts(env, store)
    send(parts.actor, records)
    with pytest.raises(StoreError, match="No space left on device"):
        parts.learner.ingest()
    assert parts.actor.acknowledged == 0
    with pytest.raises(StoreError):
        store.close()


def test_records_that_arrive_again_after_a_restart_count_once(env, records, tmp_path):
    """An actor that outlives the learner sends again what was stored but not acknowledged: a peer took it twice."""
    path = tmp_path / "store"
    with StoreWriter(path, env.spec, {}) as store:
        first = Parts(env, store)
        send(first.actor, records[:16])
        first.learner.ingest()
    with StoreWriter(path, env.spec, {}) as store:
        second = Parts(env, store)
        second.learner.add(StoreReader(path).records(), "online")
        second.learner.budget.steps = sum(StoreReader(path).newest_steps().values())
        send(second.actor, records[9:])  # the last seven of them again
        second.learner.ingest()
        assert second.learner.memory.replay.sizes()["online"] == 35
        assert second.learner.memory.replay.sizes()["intervention"] == 10
        assert second.learner.budget.steps == 30
        store.flush(10.0)
        second.learner.ingest()
        assert second.actor.unacknowledged == 0
    assert [numbers(r) for r in StoreReader(path).records()] == [numbers(r) for r in records]


def test_a_learner_goes_on_bit_for_bit_from_its_state_and_the_same_experience(env, records, tmp_path):
    def begin():
        actor, channel = make_local_channels(env.spec)
        learner = make_learner(env, channel)
        return actor, learner

    actor, learner = begin()
    learner.add(play_records(2, "expert", seed=5), "demonstration")
    learner.pretrain(lambda made, total: None)
    send(actor, records[:21])
    learner.ingest()
    learner.catch_up()
    learner.publish(is_forced=True)
    path = checkpoint.save(tmp_path, learner.budget.steps, learner.state())
    # without a break
    send(actor, records[21:])
    learner.ingest()
    learner.catch_up()
    # with one
    other_actor, other = begin()
    other.add(play_records(2, "expert", seed=5), "demonstration")
    other.add(records[:21], "online")
    other.restore(checkpoint.load(path))
    other.budget.steps = 18
    assert other.budget.owed == 0
    send(other_actor, records[21:])
    other.ingest()
    other.catch_up()
    assert differing(other.state(), learner.state()) == []
    assert other.budget.updates == (30 - 4) * 2


def test_experience_after_the_checkpoint_is_owed_its_updates(env, records):
    actor, channel = make_local_channels(env.spec)
    learner = make_learner(env, channel)
    send(actor, records[:14])  # 12 steps
    learner.ingest()
    learner.catch_up()
    state = learner.state()
    later = make_learner(env, make_local_channels(env.spec)[1])
    later.add(records, "online")
    later.restore(state)
    later.budget.steps = 30
    assert later.budget.owed == (30 - 12) * 2
    assert later.catch_up() == 36


def test_nothing_to_draw_is_an_error_of_ours(env):
    parts = Parts(env, warmup_steps=0)
    parts.learner.budget.steps = 1
    parts.learner._is_fitted = True
    with pytest.raises(SpecError, match="no transition"):
        parts.learner.catch_up()


def make_pixel_cell():
    cell = make_people_cell()
    cell.env.robot.cameras["wrist"] = FakeCamera(cell.clock, 32, 32)
    return cell


def make_pixel_learner(env, capacity, shares=SYMMETRIC, crop_pad_px=4, **values):
    encoder = EncoderConfig(backbone="small_cnn", copies=2, crop_pad_px=crop_pad_px)
    config: AgentConfig = make_agent_config(encoder=encoder, batch_size=4, **values)
    agent = make_agent(config, env.spec, 0)
    backbone = agent.policy.encoder.backbone
    shape = FeatureShape(2, backbone.places, backbone.channels)
    memory = Replay(env.spec, ReplayConfig(capacity, 100, shares, frames="raw"), 1, shape)
    actor, channel = make_local_channels(env.spec)
    return actor, Learner(agent, config, memory, BatchMaker(memory, config, 0.97, 0), channel)


def play_pixels(episodes):

    env = make_pixel_cell().env
    actor, learner = make_local_channels(env.spec)
    act(env, actor, episodes)
    return env, learner.drain()


def test_features_of_every_image_are_there_when_a_batch_wants_them():
    env, records = play_pixels(2)
    actor, learner = make_pixel_learner(env, 100)
    send(actor, records)
    learner.ingest()
    caches = learner.memory.replay.features["online"]
    assert caches["wrist"].has(np.arange(14)).all()
    assert learner.catch_up(1) == 1


def test_copies_of_images_are_shifted_as_far_as_is_said():
    env, records = play_pixels(1)
    features = []
    for pad_px in (1, 1, 8):
        actor, learner = make_pixel_learner(env, 100, crop_pad_px=pad_px)
        send(actor, records)
        learner.ingest()
        cache = learner.memory.replay.features["online"]["wrist"]
        features.append(cache.get(np.repeat(np.arange(7), 20), np.random.default_rng(0)))
    np.testing.assert_array_equal(features[0], features[1])
    assert not np.array_equal(features[0], features[2])


def test_anchors_are_the_first_steps_without_those_of_people_and_have_their_features():
    env, records = play_pixels(2)
    people = [row for row, record in enumerate(records) if record.time_step.source is Source.HUMAN]
    assert people == [2, 3, 9, 10]
    shares = {"online": 0.5, "anchor": 0.5}
    actor, learner = make_pixel_learner(env, 100, shares, warmup_steps=10, takeover_discount=0.25)
    send(actor, records)
    learner.ingest()
    ring = learner.memory.replay.rings["anchor"]
    kept = [0, 1, 4, 5, 6, 7, 8]  # of the first ten rows
    assert len(ring) == len(kept)
    expected = np.array([records[row].time_step.applied_action for row in kept])
    np.testing.assert_array_equal(ring.action[: len(ring)], expected)
    begins = [True, False, True, True, False, True, False]
    assert ring.has_successor(np.arange(len(kept))).tolist() == begins, "no transition reaches across a person's steps"
    assert ring.discount[: len(kept)].tolist() == [1.0, 0.25, 1.0, 1.0, 1.0, 1.0, 0.25], "but is an end there, too"
    online = learner.memory.replay.features["online"]["wrist"].get(np.array(kept), np.random.default_rng(0))
    anchors = learner.memory.replay.features["anchor"]["wrist"].get(np.arange(len(kept)), np.random.default_rng(0))
    np.testing.assert_array_equal(anchors, online)
    assert learner.catch_up(1) == 1


def test_a_run_that_outgrew_its_memory_can_be_read_again():
    """A frozen encoder must not look for the images of rows that the ring has dropped meanwhile."""
    env, records = play_pixels(4)
    _, learner = make_pixel_learner(env, 10)
    learner.add(records, "online")
    assert len(records) == 28
    assert learner.memory.replay.sizes()["online"] == 10
    assert learner.memory.replay.features["online"]["wrist"].has(np.arange(18, 28)).all()


def test_features_are_the_same_whether_images_come_one_by_one_or_at_once():
    """A resumed run reads at once what came one by one: the same augmented copies must come of it."""
    env, records = play_pixels(2)
    actor, one_by_one = make_pixel_learner(env, 100)
    for record in records:
        actor.send(record)
        one_by_one.ingest()
    _, at_once = make_pixel_learner(env, 100)
    at_once.add(records, "online")
    for copy_generator in range(4):
        features = [
            learner.memory.replay.features["online"]["wrist"].get(np.arange(14), np.random.default_rng(copy_generator))
            for learner in (one_by_one, at_once)
        ]
        np.testing.assert_allclose(features[0], features[1], atol=0.02)
