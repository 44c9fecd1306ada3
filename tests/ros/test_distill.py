"""What a corrector has learned, recorded over the wire: the same episodes as in process."""

import pytest

from robot_rl import cli
from robot_rl.data.store_reader import StoreReader
from robot_rl.runtime.assembly import make_sim_workcell
from robot_rl.runtime.commands import distill, record
from robot_rl.runtime.policy_config import DistillConfig
from robot_rl.runtime.recorder import record_demonstrations
from tests import base_policies
from tests.ros import simulated
from tests.runs import numbers

WORDS = ("task=reach", "teleop=none", "task.episode.step_limit=6")


@pytest.fixture
def run(tmp_path):
    """Of a corrector that has learned nothing."""
    file = base_policies.write(tmp_path / "policy.pt", make_sim_workcell(simulated.load(*WORDS)).env.spec)
    words = [*WORDS, "corrector=additive", f"base={file}", f"run_dir={tmp_path / 'run'}", "demonstrations=1"]
    words += ["steps=6", "final_episodes=1", "agent.warmup_steps=6", "agent.corrector.critic_updates=0", "agent.utd=1"]
    assert cli.main(["train", *words, "agent.pretrain_updates=1"]) == 0
    return tmp_path / "run"


def test_in_lock_step_its_episodes_are_those_in_process(run, tmp_path, monkeypatch):
    def record_all(*words, **values):  # there are no successes to keep
        return record_demonstrations(*words, **{**values, "is_success_only": False})

    monkeypatch.setattr(record, "record_demonstrations", record_all)

    def distilled(env, name):
        store = tmp_path / name
        assert distill.run_on(env, DistillConfig(policy=str(run), store=str(store), episodes=2, seed=3)) == 0
        return [numbers(each) for each in StoreReader(store).records()]

    expected = distilled(make_sim_workcell(simulated.load(*WORDS)).env, "here")
    assert len(expected) == 14
    with simulated.graph(tmp_path, *WORDS) as (_, there):
        assert distilled(there.cell.env, "there") == expected
