"""The base policy alone, then the corrector: when, and what is recorded of it."""

import json

import numpy as np
import pytest

from robot_rl import cli
from robot_rl import config as configuration
from robot_rl.agents.correctors.candidates import PLANS
from robot_rl.data.store_reader import StoreReader
from robot_rl.errors import SpecError
from robot_rl.runtime.acting.hybrid import Hybrid
from robot_rl.runtime.assembly import make_env
from robot_rl.runtime.config import EnvConfig
from robot_rl.runtime.recorder import record_demonstrations
from robot_rl.runtime.run_folder import RunFolder
from robot_rl.types import Observation
from tests import base_policies
from tests.runs import ConstantRunner, make_train_config

BASE = np.full(6, -0.5, np.float32)


def observe(base_action=BASE):
    return Observation({}, {}, 0, base_action)


def test_the_base_policy_acts_alone_for_a_random_time_and_then_never_again():
    hybrid, lengths = Hybrid(ConstantRunner(), 5, seed=0), []
    for _ in range(200):
        hybrid.reset()
        actions = [float(hybrid(observe())[0]) for _ in range(8)]
        alone = actions.count(-0.5)
        assert actions == [-0.5] * alone + [0.25] * (8 - alone)
        lengths.append(alone)
    assert set(lengths) == set(range(6))
    assert min(lengths.count(length) for length in range(6)) > 15


def test_after_a_pause_who_acted_goes_on():
    hybrid = Hybrid(ConstantRunner(), 5, seed=0)
    for _ in range(20):
        hybrid.reset()
        while float(hybrid(observe())[0]) == -0.5:
            pass
        hybrid.forget_past()
        assert [float(hybrid(observe())[0]) for _ in range(8)] == [0.25] * 8


def test_a_policy_that_looks_at_what_was_has_seen_what_the_base_policy_did():
    class Looking(ConstantRunner):
        """Its plan of three says how much it had seen."""

        seen, plan = 0, ()

        def invalidate(self):
            self.plan = ()

        def __call__(self, observation):
            self.seen += 1
            first, *self.plan = self.plan or [self.seen] * 3
            return np.full(6, first, np.float32)

    hybrid = Hybrid(Looking(), 10_000, seed=0)
    hybrid._left = 4
    assert [float(hybrid(observe())[0]) for _ in range(8)] == [-0.5] * 4 + [5.0] * 3 + [8.0]


def test_a_base_policy_whose_action_is_not_there_cannot_act_alone():
    hybrid = Hybrid(ConstantRunner(), 10_000, seed=0)
    hybrid.reset()
    with pytest.raises(SpecError, match="cannot act alone"):
        hybrid(observe(None))


@pytest.mark.parametrize("corrector", ["additive", "best_of_n"])
def test_what_a_user_types(corrector, tmp_path, capfd, monkeypatch):
    reach = ("task=reach", "teleop=none", "task.episode.step_limit=6")
    spec = make_env(configuration.load(EnvConfig, "env", reach)).spec
    file = base_policies.write(tmp_path / "policy.pt", spec)
    run, store = tmp_path / "run", tmp_path / "store"
    words = [f"corrector={corrector}", f"base={file}", *reach, "steps=6", "final_episodes=1", "demonstrations=1"]
    words += ["agent.warmup_steps=6", "agent.corrector.critic_updates=0", "agent.utd=1", f"run_dir={run}"]
    assert cli.main(["train", *words]) == 0
    distill = ["distill", f"policy={run}", f"store={store}"]
    assert cli.main([*distill, "episodes=0"]) == 2
    assert "episodes must be at least 1" in capfd.readouterr().err

    monkeypatch.setattr("robot_rl.runtime.commands.record.record_demonstrations", lambda *words, **values: 0)
    assert cli.main(distill) == 0
    assert "imitate it with" not in capfd.readouterr().err, "there is nothing to imitate"

    def record_all(*words, **values):  # a policy that learned nothing has no successes to keep
        return record_demonstrations(*words, **{**values, "is_success_only": False})

    monkeypatch.setattr("robot_rl.runtime.commands.record.record_demonstrations", record_all)
    assert cli.main([*distill, "episodes=2"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out.splitlines()[-1])["kept"] == 2
    assert f"imitate it with: robot-rl pretrain data={store}," in err
    reader = StoreReader(store)
    assert reader.spec == spec, "the next base policy is trained for the environment, not for this base policy's plans"
    assert reader.attributes["distilled_from"] == str(run)
    for record in reader.records():
        assert PLANS not in record.time_step.observation.proprio
        assert record.time_step.observation.base_action is not None


def test_a_run_without_a_corrector_cannot_be_distilled(tmp_path, capfd):
    folder = RunFolder(tmp_path / "run")
    folder.create(make_train_config())
    assert cli.main(["distill", f"policy={folder.path}", f"store={tmp_path / 'store'}"]) == 2
    assert "there is no base policy that was corrected" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "policy=RUN: say the folder of a training with a corrector"),
        (["policy=expert"], "policy=expert: say the folder of a training with a corrector"),
        (["policy=no/such"], "policy=no/such: there is no such folder"),
        (["policy=expert", "alone=1.5"], "alone must lie in [0, 1], got 1.5"),
    ],
)
def test_what_cannot_be_distilled_is_one_clear_line(words, message, capfd):
    assert cli.main(["distill", *words]) == 2
    assert f"robot-rl: {message}" in capfd.readouterr().err
