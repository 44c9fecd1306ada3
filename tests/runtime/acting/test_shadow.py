"""The base policy beside an environment: asked always, invalidated where it must be, its answer stored in each row."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from robot_rl import cli
from robot_rl import config as configuration
from robot_rl.agents.correctors.config import CorrectorConfig
from robot_rl.data.store_reader import StoreReader
from robot_rl.data.store_writer import StoreWriter
from robot_rl.errors import ConfigError
from robot_rl.runtime.acting.base_answers import ActionAnswers
from robot_rl.runtime.acting.base_policies import make_runner
from robot_rl.runtime.acting.inference_config import InferenceConfig
from robot_rl.runtime.acting.shadow import Shadow, make_shadow, relabel
from robot_rl.runtime.assembly import make_env
from robot_rl.runtime.config import EnvConfig
from robot_rl.runtime.learning.training import Training
from robot_rl.runtime.run_folder import RunFolder
from robot_rl.specs import ArraySpec, EnvironmentSpec, ObservationSpec
from robot_rl.types import Observation, Source, StepRecord, restart, running, truncation
from tests import base_policies
from tests.runs import make_agent_config, make_people_cell, make_train_config, use_fake_envs

CORRECTED = make_agent_config(name="corrected", pretrain_updates=0, corrector=CorrectorConfig("additive", ensemble=2))


class Noting:
    """A runner that counts its answers, and writes down what it is told."""

    def __init__(self):
        self.calls, self.count = [], 0

    def reset(self, seed=None):
        self.calls.append(("reset", seed))

    def invalidate(self):
        self.calls.append("invalidate")

    def __call__(self, observation):
        self.calls.append("act")
        self.count += 1
        return np.full(6, self.count, np.float32)

    def close(self):
        pass


def observe():
    return Observation({"x": np.zeros(1, np.float32)}, {}, 0)


def step(source, make=running, **values):
    return replace(make(observe(), 0.0, np.zeros(6, np.float32), source), **values)


@pytest.fixture
def base(tmp_path):
    return base_policies.write(tmp_path / "base.pt", make_people_cell().env.spec)


def test_a_person_at_the_robot_and_a_pause_reach_the_base_policy_and_the_last_step_is_asked_about():
    runner = Noting()
    shadow = Shadow(ActionAnswers(runner))
    shadow.begin(7)
    steps = [
        restart(observe(), 6), step(Source.POLICY), step(Source.HUMAN), step(Source.HUMAN), step(Source.POLICY),
        step(Source.POLICY, is_resumed=True), step(Source.POLICY, truncation),
    ]  # fmt: skip
    actions = [shadow.attach(each).observation.base_action[0] for each in steps]
    assert actions == [1, 2, 3, 4, 5, 6, 7]
    assert runner.calls == [
        ("reset", 7), "act", "act", "invalidate", "act", "invalidate", "act", "act", ("reset", None), "act", "act",
    ]  # fmt: skip
    shadow.begin(8)
    shadow.attach(restart(observe(), 6))
    assert runner.calls[-2:] == [("reset", 8), "act"], "before the next action is drawn, also after a time limit"


def test_demonstrations_get_the_base_policys_actions_from_a_fresh_start_each():
    runner = Noting()
    records = [
        StepRecord(each, episode, number)
        for episode in (4, 5)
        for number, each in enumerate([restart(observe(), 6), step(Source.DEMO), step(Source.DEMO, truncation)])
    ]
    labelled = list(relabel(records, Shadow(ActionAnswers(runner))))
    assert [record.time_step.observation.base_action[0] for record in labelled] == [1, 2, 3, 4, 5, 6]
    assert [call for call in runner.calls if call[0] == "reset"] == [("reset", 4), ("reset", 5)]


def test_a_pause_of_a_stored_demonstration_reaches_the_base_policy(tmp_path):
    """As it did when it happened: what the robot did meanwhile nobody has seen."""
    spec = EnvironmentSpec(ObservationSpec({"x": ArraySpec("x", (1,), np.float32)}, {}), 6, 100, 10.0)
    steps = [
        restart(observe(), 6), step(Source.DEMO), step(Source.DEMO, is_resumed=True), step(Source.DEMO),
        step(Source.DEMO, truncation),
    ]  # fmt: skip
    with StoreWriter(tmp_path / "store", spec, {}) as store:
        for number, each in zip((0, 1, 3, 4, 5), steps, strict=True):
            store.append(StepRecord(each, 0, number))
    runners = Noting(), Noting()
    shadow = Shadow(ActionAnswers(runners[0]))
    shadow.begin(0)
    for each in steps:
        shadow.attach(each)
    assert len(list(relabel(StoreReader(tmp_path / "store").records(), Shadow(ActionAnswers(runners[1]))))) == 5
    assert runners[1].calls == runners[0].calls
    assert runners[0].calls.count(("reset", None)) == 1


def test_an_episode_that_is_played_again_has_the_same_base_actions(base):
    def play(seed):
        cell = make_people_cell("none")
        runner = make_runner(base, cell.env.spec, InferenceConfig(), cell.clock, 0, is_lock_step=True)
        cell.env.base = Shadow(ActionAnswers(runner))
        time_step, out = cell.env.reset(seed), []
        out.append(time_step.observation.base_action)
        while not time_step.is_last:
            time_step = cell.env.step(time_step.observation.base_action)
            out.append(time_step.observation.base_action)
        return np.stack(out)

    assert np.array_equal(play(3), play(3))
    assert not np.array_equal(play(3), play(4))


@pytest.mark.parametrize("corrector", [CORRECTED.corrector, CorrectorConfig("edit_select", 2, 2, ensemble=2)])
def test_a_run_stores_the_base_policys_action_with_every_row_and_goes_on_where_it_was_cut_off(
    corrector, base, tmp_path, monkeypatch, capfd
):
    use_fake_envs(monkeypatch)
    config = make_train_config(base=str(base), agent=replace(CORRECTED, corrector=corrector), steps=12)

    folder = RunFolder(tmp_path / "run")
    folder.create(config)
    training = Training(config, folder, [])
    assert training.run() is not None
    records = list(StoreReader(folder.experience).records())
    assert all(record.time_step.observation.base_action is not None for record in records)
    sources = [record.time_step.source for record in records]
    assert Source.HUMAN in sources, "asked also while a person had the robot"
    ring = training.learner.memory.replay.rings["online"]
    starts = np.flatnonzero(ring.has_successor(np.arange(len(ring))))
    windows = ring.windows(starts, 1, 0.9)
    assert np.array_equal(windows.next_base_actions, ring.base_action[windows.next_rows])
    assert np.array_equal(windows.base_actions, ring.base_action[starts])
    demonstrated = training.learner.memory.replay.rings["demonstration"]
    assert np.abs(demonstrated.base_action[: len(demonstrated)]).max() > 0.0
    resumed = Training(config, folder, [])
    assert resumed.is_resumed
    assert resumed.run() is not None
    again = resumed.learner.memory.replay.rings["online"]
    assert np.array_equal(again.base_action[: len(again)], ring.base_action[: len(ring)])
    assert np.array_equal(again.proprio[: len(again)], ring.proprio[: len(ring)])


def test_the_learner_keeps_its_threads_where_a_base_policy_is_asked_about_demonstrations(base, tmp_path, monkeypatch):
    use_fake_envs(monkeypatch)
    set_to = []
    monkeypatch.setattr("torch.set_num_threads", set_to.append)
    config = make_train_config(base=str(base), agent=CORRECTED, steps=0, threads=3)
    folder = RunFolder(tmp_path / "run")
    folder.create(config)
    Training(config, folder, []).run()
    assert 1 in set_to, "the base policy has one"
    assert set_to[-1] == 3


def test_before_the_gate_opens_a_run_executes_the_base_policy_bit_for_bit(tmp_path, monkeypatch):
    class Small(Noting):
        def __call__(self, observation):
            return np.sin(super().__call__(observation)) * np.float32(0.1)

    monkeypatch.setattr(
        "robot_rl.runtime.learning.training.make_shadow", lambda *_, **__: Shadow(ActionAnswers(Small()))
    )

    use_fake_envs(monkeypatch, lambda config: make_people_cell("none").env)
    config = make_train_config(base=str(base), agent=replace(CORRECTED, warmup_steps=1000), steps=12, demonstrations=0)
    folder = RunFolder(tmp_path / "run")
    folder.create(config)
    Training(config, folder, []).run()
    steps = [record.time_step for record in StoreReader(folder.experience).records()]
    pairs = [(a, b) for a, b in pairwise(steps) if not b.is_first]
    assert len(pairs) == 12
    for before, after in pairs:
        assert np.array_equal(after.applied_action, before.observation.base_action)


@pytest.mark.parametrize(
    ("values", "match"),
    [({"base": None}, "needs a base policy"), ({"base": "nowhere"}, "nowhere: there is no base policy")],
)
def test_a_corrector_without_a_base_policy_is_one_clear_line(values, match):
    cell = make_people_cell()
    with pytest.raises(ConfigError, match=match):
        make_shadow(make_train_config(agent=CORRECTED, **values), cell.env.spec, cell.clock, is_lock_step=True)
    assert make_shadow(make_train_config(), cell.env.spec, cell.clock, is_lock_step=True) is None
    with pytest.raises(ConfigError, match="rlpd would not look at it"):
        make_shadow(make_train_config(base="runs/base"), cell.env.spec, cell.clock, is_lock_step=True)


def test_the_words_of_a_user(tmp_path, capfd):
    reach = ("task=reach", "teleop=none", "task.episode.step_limit=6")

    file = base_policies.write(tmp_path / "policy.pt", make_env(configuration.load(EnvConfig, "env", reach)).spec)
    run = tmp_path / "run"
    words = ["corrector=additive", f"base={file}", *reach, "steps=12", "agent.warmup_steps=6", "final_episodes=2"]
    words += ["agent.corrector.critic_updates=2", "demonstrations=1", "agent.utd=1", f"run_dir={run}"]
    assert cli.main(["train", *words]) == 0
    assert json.loads(capfd.readouterr().out.splitlines()[-1])["updates"] == 2 + 6
    assert cli.main(["eval", f"policy={run}", "episodes=2"]) == 0
    assert json.loads(capfd.readouterr().out.splitlines()[-1])["episodes"] == 2
    refused = tmp_path / "refused"
    assert cli.main(["train", "corrector=additive", "task=reach", f"run_dir={refused}"]) == 2
    assert "base=RUN" in capfd.readouterr().err
    assert not refused.exists(), "nothing has happened in it"
