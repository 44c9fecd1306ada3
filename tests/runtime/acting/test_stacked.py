"""The policy of a training as the base policy of another: correctors stand on each other."""

from dataclasses import replace

import numpy as np
import pytest

from robot_rl.agents.correctors.config import CorrectorConfig
from robot_rl.errors import ConfigError
from robot_rl.runtime.acting.inference_config import InferenceConfig
from robot_rl.runtime.acting.shadow import make_shadow
from robot_rl.runtime.acting.trained_policy import load_policy
from robot_rl.runtime.learning.training import Training
from robot_rl.runtime.run_folder import RunFolder
from tests import base_policies
from tests.runs import make_agent_config, make_people_cell, make_train_config, use_fake_envs

CORRECTORS = {
    "additive": CorrectorConfig("additive", ensemble=2, critic_updates=2),
    "edit_select": CorrectorConfig("edit_select", candidates=2, chunk=2, ensemble=2, critic_updates=2),
    "noise_steer": CorrectorConfig("noise_steer", candidates=2, ensemble=2, critic_updates=2),
}


def make_corrected(base, corrector, **values):
    agent = make_agent_config(name="corrected", pretrain_updates=0, corrector=corrector)
    return make_train_config(base=str(base), agent=replace(agent, **values), steps=12)


def train(config, path):
    folder = RunFolder(path)
    folder.create(config)
    assert Training(config, folder, []).run() is not None
    return folder


@pytest.fixture
def base(tmp_path, monkeypatch):
    use_fake_envs(monkeypatch)
    return base_policies.write(tmp_path / "base.pt", make_people_cell().env.spec)


def open_shadow(config, cell):
    return make_shadow(config, cell.env.spec, cell.clock, is_lock_step=True)


@pytest.mark.parametrize("name", ["rlpd", *CORRECTORS])
def test_what_it_is_asked_is_what_the_other_run_would_do(name, base, tmp_path):
    below = make_train_config() if name == "rlpd" else make_corrected(base, CORRECTORS[name])
    folder = train(below, tmp_path / "below")
    alone, stacked = make_people_cell("none"), make_people_cell("none")
    shadow = open_shadow(below, alone)
    policy = load_policy(folder, alone.env.spec if shadow is None else shadow.extend(alone.env.spec), shadow)
    alone.env.base = shadow
    stacked.env.base = open_shadow(make_corrected(folder.path, CORRECTORS["additive"]), stacked)
    for seed in (3, 4):
        expected, seen = alone.env.reset(seed), stacked.env.reset(seed)
        policy.reset()
        while True:
            action = policy(expected.observation)
            np.testing.assert_array_equal(seen.observation.base_action, action)
            if expected.is_last:
                break
            expected, seen = alone.env.step(action), stacked.env.step(action)
        assert seen.is_last
        assert np.abs(action).max() > 0.0


def test_a_corrector_learns_on_a_corrector_and_goes_on_where_it_was_cut_off(base, tmp_path):
    below = train(make_corrected(base, CORRECTORS["noise_steer"]), tmp_path / "below")
    config = make_corrected(below.path, CORRECTORS["additive"])
    folder = RunFolder(tmp_path / "above")
    folder.create(config)
    training = Training(config, folder, [])
    assert training.run() is not None
    assert training.learner.budget.updates > 2, "it learned"
    resumed = Training(config, folder, [])
    assert resumed.is_resumed
    assert resumed.run() is not None
    rings = [each.learner.memory.replay.rings["online"] for each in (training, resumed)]
    assert np.array_equal(*(ring.base_action[: len(ring)] for ring in rings))


def test_what_cannot_be_corrected_is_one_clear_line(base, tmp_path):
    config, cell = make_train_config(), make_people_cell()
    folder = RunFolder(tmp_path / "below")
    folder.create(config)
    stacked = make_corrected(folder.path, CORRECTORS["additive"])
    with pytest.raises(ConfigError, match="its training has not ended, go on with it first: robot-rl resume"):
        open_shadow(stacked, cell)
    folder.mark_finished(config.steps - 1)  # and was then asked for another step
    with pytest.raises(ConfigError, match="its training has not ended"):
        open_shadow(stacked, cell)
    with pytest.raises(ConfigError, match=r"inference\.sampler=ddim is for a base policy"):
        open_shadow(replace(stacked, inference=InferenceConfig(sampler="ddim")), cell)
    for corrector in (CORRECTORS["edit_select"], CorrectorConfig("additive", plan_steps=2)):
        with pytest.raises(ConfigError, match=f"corrector={corrector.name} looks at a base policy's plans"):
            open_shadow(make_corrected(folder.path, corrector), cell)
    with pytest.raises(ConfigError, match="nowhere: there is no base policy"):
        open_shadow(make_corrected("nowhere", CORRECTORS["additive"]), cell)


def test_a_policy_of_another_rate_is_refused(base, tmp_path):
    config, cell = make_train_config(), make_people_cell()
    folder = RunFolder(tmp_path / "below")
    folder.create(config)
    folder.mark_finished(config.steps)
    faster = replace(cell.env.spec, rate_hz=20.0)
    with pytest.raises(ConfigError, match=r"below: it was trained at 10 Hz, .* 20 Hz: set task\.episode\.rate_hz=10"):
        make_shadow(make_corrected(folder.path, CORRECTORS["additive"]), faster, cell.clock, is_lock_step=True)
