"""The learner's benchmark: a fair reference, every key of a reduced run, and what an update keeps waiting."""

import json
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from benchmarks.reference_learner import ReferenceBatch, ReferenceConfig, ReferenceLearner
from robot_rl.agents.agent import EncoderConfig
from robot_rl.agents.gripper import split_action
from robot_rl.bench import ingestion, learner, learner_rig
from robot_rl.bench.learner_rig import make_records, make_rig, make_spec
from robot_rl.errors import ConfigError, UnknownNameError
from robot_rl.types import Source

MEMBERS = 4
KEYS = {
    "state_e2_critic_per_s", "state_e2_full_per_s", "state_e10_critic_per_s", "reference_e10_critic_per_s",
    "e10_vs_reference", "pixels_cached_full_per_s", "pixels_raw_full_per_s", "ingest_block_ms_max",
    "ingest_block_ms_max_2cams", "ingest_lock_ms_max", "ingest_lock_ms_max_2cams", "ingest_call_ms",
    "additive_steps_per_s", "chooser_steps_per_s", "edit_select_steps_per_s", "best_of_n_steps_per_s",
    "noise_steer_steps_per_s", "ingest_call_ms_2cams", "replay_gb_200k_2cams", "device", "threads", "load_1m",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setattr(learner_rig, "BATCH_SIZE", 32)
    monkeypatch.setattr(learner_rig, "HIDDEN", (16, 16))
    monkeypatch.setattr(learner_rig, "CORRECTOR_HIDDEN", (16, 16))
    monkeypatch.setattr(learner, "_ROWS", 300)
    monkeypatch.setattr(learner, "_IMAGE_ROWS", 40)
    monkeypatch.setattr(learner, "_FROZEN", EncoderConfig("small_cnn", is_frozen=True, copies=2))
    monkeypatch.setattr(learner, "_TRAINED", EncoderConfig("small_cnn", is_frozen=False))
    yield
    torch.set_num_threads(before)


@pytest.fixture
def pair():
    """The agent of a rig whose scales were fitted, and a reference with the same weights."""
    rig = make_rig(MEMBERS, None, "cpu", 300)
    rig.learner.fit_features()
    agent, reference = rig.agent, ReferenceLearner(
        ReferenceConfig(19, 6, 3, (16, 16), MEMBERS, 2, tau=0.25, learning_rate=3e-4, return_range=(0.0, 1.0)), seed=7
    )  # fmt: skip
    reference.mean, reference.spread = agent.policy.features.mean, agent.policy.features.spread
    with torch.no_grad():
        for parameter in agent.target_critic.parameters():
            parameter += 0.1  # other than the critics
        for ours, theirs in ((agent.critic, reference.critics), (agent.target_critic, reference.target_critics)):
            for k, member in enumerate(theirs):
                for (layer, norm), index in zip(zip(ours.layers, ours.norms, strict=True), (0, 3), strict=True):
                    copy_member(layer, member[index], k, is_linear=True)
                    copy_member(norm, member[index + 1], k, is_linear=False)
                copy_member(ours.head, member[6], k, is_linear=True)
    reference.grasp_critic.load_state_dict(strip(agent.policy.grasp_critic, "layers."))
    reference.target_grasp_critic.load_state_dict(strip(agent.target_grasp_critic, "layers."))
    state = strip(agent.policy.actor, "trunk.")
    reference.actor.load_state_dict({name.replace("head", "6"): value for name, value in state.items()})
    return rig, reference


def copy_member(ours, theirs, k, *, is_linear):
    weight = ours.weight[k].detach()
    theirs.weight.copy_(weight.T if is_linear else weight[0])
    theirs.bias.copy_(ours.bias[k, 0].detach())


def strip(module, prefix):
    return {name.removeprefix(prefix): value for name, value in module.state_dict().items()}


def to_reference(batch):
    continuous, index = split_action(batch.action, 1)
    now, following = batch.observations.proprio, batch.following.proprio
    return ReferenceBatch(now, continuous, index, batch.reward, batch.penalty, batch.discount, following)


# --- the reference -----------------------------------------------------------------------------------------------


def test_the_reference_makes_the_same_loss_of_the_same_weights(pair):
    rig, reference = pair
    agent, batch = rig.agent, rig.batches.draw()
    noise, members = torch.randn(32, 6), [3, 1]
    latent, following = agent.policy.encode(batch.observations), agent.policy.encode(batch.following)
    loss, metrics = agent.critic_loss(latent, following, batch, noise, torch.tensor(members))
    with torch.no_grad():
        critics = reference.critic_loss(to_reference(batch), noise, members)
        others = reference.critic_loss(to_reference(batch), noise, [0, 1])
        grasp = reference.grasp_loss(to_reference(batch))
    assert float(critics) / MEMBERS == pytest.approx(float(metrics["critic/loss"]), rel=1e-5)
    assert float(grasp) == pytest.approx(float(metrics["grasp_critic/loss"]), rel=1e-5)
    assert float(critics + grasp) == pytest.approx(float(loss.detach()), rel=1e-5)
    assert float(others) != pytest.approx(float(critics), rel=1e-5)  # the members matter


def test_the_reference_makes_the_same_gradients(pair):
    rig, reference = pair
    agent, batch = rig.agent, rig.batches.draw()
    noise, members = torch.randn(32, 6), [0, 2]
    latent, following = agent.policy.encode(batch.observations), agent.policy.encode(batch.following)
    agent.critic_loss(latent, following, batch, noise, torch.tensor(members))[0].backward()
    (reference.critic_loss(to_reference(batch), noise, members) + reference.grasp_loss(to_reference(batch))).backward()
    for k, critic in enumerate(reference.critics):
        for layer, index in zip([*agent.critic.layers, agent.critic.head], (0, 3, 6), strict=True):
            torch.testing.assert_close(layer.weight.grad[k].T, critic[index].weight.grad, rtol=1e-4, atol=1e-6)
        for norm, index in zip(agent.critic.norms, (1, 4), strict=True):
            torch.testing.assert_close(norm.weight.grad[k, 0], critic[index].weight.grad, rtol=1e-4, atol=1e-6)
    ours, theirs = agent.policy.grasp_critic.layers[0], reference.grasp_critic[0]
    torch.testing.assert_close(ours.weight.grad, theirs.weight.grad, rtol=1e-4, atol=1e-6)


def test_an_update_of_the_reference_moves_its_targets_by_their_share(pair):
    rig, reference = pair
    batch, target = to_reference(rig.batches.draw()), reference.target_critics[2]
    before = [value.clone() for value in target.state_dict().values()]
    reference.update(batch)
    for old, new, source in zip(before, target.parameters(), reference.critics[2].parameters(), strict=True):
        torch.testing.assert_close(new, 0.75 * old + 0.25 * source)


def test_without_a_source_checkout_the_reference_is_null_and_the_table_says_so(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(learner, "REFERENCE", tmp_path / "nowhere.py")
    assert learner.run(["seconds=1", "rounds=1", "threads=1", "device=cpu", "records=3"]) == 0
    out = capsys.readouterr().out
    result = json.loads(out.splitlines()[-1])
    assert result["reference_e10_critic_per_s"] is None
    assert result["e10_vs_reference"] is None
    assert "The reference is only in a source checkout" in out


# --- a reduced run -----------------------------------------------------------------------------------------------


def test_a_reduced_run_measures_every_key():
    result = learner.measure(seconds=0.2, rounds=2, threads=1, device="cpu", raw_updates=1, records=5)
    assert set(result) == KEYS
    json.dumps(result)
    assert result["device"] == "cpu"
    waits = {key for key in KEYS if key.startswith(("ingest_block", "ingest_lock"))}
    for key in KEYS - waits - {"device", "load_1m"}:
        assert result[key] > 0.0, key
    for key in waits:
        assert result[key] >= 0.0, key


def test_rates_are_counted_in_updates_a_second(monkeypatch):
    passed_s = [0.0]

    def update():
        passed_s[0] += 0.01

    monkeypatch.setattr(learner, "time", SimpleNamespace(perf_counter=lambda: passed_s[0]))
    rates = learner.measure_rates({"a": update}, 0.2, 2, "cpu", lambda: None)["a"]
    assert rates == pytest.approx([100.0, 100.0])


def test_the_memory_of_200_000_steps_is_that_of_their_features():
    features_gb = 2 * 2 * 200_000 * 16 * 512 * 2 / 1e9  # cameras, copies, rows, tokens, channels, bytes
    assert features_gb < learner.count_replay_gb() < features_gb + 0.1


def test_wrong_options_are_answered_with_the_valid_ones():
    with pytest.raises(UnknownNameError, match="records"):
        learner.run(["record=3"])
    with pytest.raises(ConfigError):
        learner.run(["rounds=0"])


# --- episodes and ingestion --------------------------------------------------------------------------------------


def test_episodes_follow_each_other_and_a_person_acts_in_a_quarter_of_their_steps():
    records = make_records(make_spec(()), seed=0)
    first = [next(records) for _ in range(101)]
    assert [record.step for record in first] == list(range(101))
    assert first[-1].time_step.is_terminal
    assert sum(record.time_step.source is Source.HUMAN for record in first) == 25
    assert next(records).time_step.is_first
    gripper = {float(record.time_step.applied_action[-1]) for record in first}
    assert gripper == {-1.0, 0.0, 1.0}


def test_a_record_is_ingested_while_an_update_runs():
    rig = make_rig(2, None, "cpu", 300)
    is_updating, may_end = threading.Event(), threading.Event()

    def update(batch, *, is_actor_due):
        is_updating.set()
        assert may_end.wait(10.0)
        return {}

    rig.agent.update = update
    rig.learner.budget.steps = 1
    thread = threading.Thread(target=rig.learner.catch_up, kwargs={"limit": 1})
    thread.start()
    try:
        assert is_updating.wait(10.0)
        before = rig.learner.memory.replay.rings["online"].count
        rig.actor.send(next(rig.records))
        rig.learner.ingest()
        assert rig.learner.memory.replay.rings["online"].count == before + 1
        assert rig.learner.budget.updates == 0  # still at it
    finally:
        may_end.set()
        thread.join()
    assert rig.learner.budget.updates == 1


def test_what_waits_for_the_memory_is_measured_in_the_watched_thread_only():
    lock = ingestion.TimedLock()
    is_held = threading.Event()

    def hold(seconds):
        with lock:
            is_held.set()
            time.sleep(seconds)

    thread = threading.Thread(target=hold, args=(1.0,))
    thread.start()
    assert is_held.wait(10.0)
    with lock:
        pass
    thread.join()
    assert lock.longest_wait_s > 0.02, "most of the second, unless this thread was asleep for all of it"
    longest = lock.longest_wait_s
    with lock:
        other = threading.Thread(target=hold, args=(0.0,))
        other.start()
        time.sleep(0.02)
    other.join()
    assert lock.longest_wait_s == longest


def test_an_error_of_the_updates_ends_the_measurement():
    rig = make_rig(2, None, "cpu", 300)
    update, made = rig.agent.update, []

    def fail_late(batch, *, is_actor_due):
        made.append(0)
        if len(made) > 3:
            raise RuntimeError("the update failed")
        return update(batch, is_actor_due=is_actor_due)

    rig.agent.update = fail_late
    with pytest.raises(RuntimeError, match="the update failed"):
        ingestion.measure_ingestion(rig, 20)


def test_features_of_a_frozen_encoder_are_there_as_soon_as_the_record_is():
    rig = make_rig(2, EncoderConfig("small_cnn", is_frozen=True), "cpu", 40)
    record = next(rig.records)
    rig.actor.send(record)
    rig.learner.ingest()
    replay = rig.learner.memory.replay
    row = np.array([replay.rings["online"].count - 1])
    assert all(cache.has(row).all() for cache in replay.features["online"].values())
    image = torch.from_numpy(record.time_step.observation.images["side"][None].copy())
    tokens = rig.agent.policy.encoder.backbone(image).detach().half().numpy()
    got = replay.features["online"]["side"]._items[row[0] % 40 * 2]  # the copy that was not shifted
    np.testing.assert_allclose(got, tokens[0], atol=2e-3)
