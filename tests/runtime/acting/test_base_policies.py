"""Base policies as `robot-rl eval` uses them."""

import dataclasses
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from robot_rl import cli
from robot_rl import config as configuration
from robot_rl.clock import MonotonicClock
from robot_rl.errors import CheckpointError, ConfigError, UnknownNameError
from robot_rl.inference.ladder import Rung
from robot_rl.inference.noise_level import NoiseLevel
from robot_rl.inference.rerank import BackwardCoherence, PastAgreement, Rerank
from robot_rl.inference.samplers.ddim import DDIM
from robot_rl.inference.samplers.relay import Relay
from robot_rl.inference.samplers.rtc import RTC
from robot_rl.inference.schedule import ScheduleSpec
from robot_rl.runtime.acting.base_policies import EngineRunner, ExecutorRunner, find_base_policy, make_runner
from robot_rl.runtime.acting.inference_config import InferenceConfig
from robot_rl.runtime.assembly import make_env
from robot_rl.runtime.config import EnvConfig
from robot_rl.runtime.policy_config import EvalConfig
from robot_rl.runtime.pretraining.config import BasePolicyConfig, NetworkConfig
from robot_rl.runtime.reporting.evaluation import evaluate
from robot_rl.types import Source
from tests import base_policies
from tests.fakes import Act, make_cell

REACH = ("task=reach", "teleop=none", "task.episode.step_limit=6")


@pytest.fixture(scope="module")
def env():
    return make_env(configuration.load(EnvConfig, "env", REACH))


@pytest.fixture(scope="module")
def file(env, tmp_path_factory):
    return base_policies.write(tmp_path_factory.mktemp("base") / "policy.pt", env.spec)


@pytest.fixture(scope="module")
def other(env, tmp_path_factory):
    """Another policy that acts alike: another network, another prediction."""
    config = BasePolicyConfig(
        network=NetworkConfig("residual_mlp", width=16, layers=1),
        schedule=ScheduleSpec(prediction="velocity"),
        horizon=8,
    )
    return base_policies.write(tmp_path_factory.mktemp("other") / "policy.pt", env.spec, config)


def test_eval_takes_the_file_or_its_folder(file, capfd):
    for path in (file, file.parent):
        assert cli.main(["eval", f"policy={path}", *REACH, "episodes=2", "inference.sampler=ddim"]) == 0
        found = json.loads(capfd.readouterr().out.splitlines()[-1])
        assert (found["episodes"], found["task"]) == (2, "reach")
    assert find_base_policy(file.parent) == find_base_policy(file) == file
    assert find_base_policy(file.parent.parent) is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["task=pick_cube"], "trained with .*was it trained on another task"),
        ([*REACH, "inference.sampler=rely"], "Unknown sampler 'rely'.*Valid are"),
        ([*REACH, "inference.sampler=ddpm", "inference.steps=3"], "has no steps"),
        ([*REACH, "inference.sampler=ddim", "inference.sigma=0.3"], "ddim has no sigma"),
        ([*REACH, "inference.sampler=ddim", "inference.score=past"], "say candidates=N, too"),
        ([*REACH, "inference.executor.execute=20"], "a chunk has 7 positions"),
        (
            [*REACH, "inference.sampler=ddim", "inference.steps=500"],
            r"steps=500: .* levels, and no more steps",
        ),
    ],
)
def test_what_does_not_fit_is_one_clear_line(file, capfd, words, message):
    assert cli.main(["eval", f"policy={file}", *words]) == 2
    lines = capfd.readouterr().err.strip().splitlines()
    assert lines[-1].startswith("robot-rl: ")
    assert re.search(message, lines[-1])


def test_eval_composes_two_policies(file, other, env, capfd):
    """The ends of the scale act as the policies themselves."""

    def act(path, **more):
        runner = make_runner(path, env.spec, InferenceConfig("ddim", 4, **more), env.clock, 3, is_lock_step=True)
        runner.reset()
        time_step = env.reset(4)
        return np.stack([runner(time_step.observation) for _ in range(4)])

    folder = str(other.parent)
    first, half, second = (act(file, compose=folder, compose_weight=weight) for weight in (0.0, 0.5, 1.0))
    assert np.array_equal(first, act(file))
    assert np.array_equal(second, act(other))
    assert not np.array_equal(half, first)
    assert not np.array_equal(half, second)
    words = [
        "eval",
        f"policy={file}",
        f"inference.compose={other}",
        "inference.compose_weight=0.3",
        *REACH,
        "episodes=1",
    ]
    assert cli.main(words) == 0
    assert json.loads(capfd.readouterr().out.splitlines()[-1])["episodes"] == 1


def test_what_cannot_be_composed_is_one_clear_line(file, other, env, tmp_path, capfd):
    cloning = BasePolicyConfig(kind="cloning", network=NetworkConfig("mlp", widths=(16,)), horizon=4)
    cloned = base_policies.write(tmp_path / "cloned.pt", env.spec, cloning)
    short = base_policies.write(
        tmp_path / "short.pt", env.spec, BasePolicyConfig(network=base_policies.TINY, horizon=4)
    )
    compose, weight = "inference.compose=", "inference.compose_weight="
    train = ["train", f"run_dir={tmp_path / 'run'}", "demonstrations=0"]
    for words, message in (
        (
            ["eval", f"policy={file}", f"{compose}{short}"],
            "short.pt does not go with .*policy.pt: horizon=8 of the one",
        ),
        (
            ["eval", f"policy={file}", f"{compose}{cloned}"],
            "cloned.pt does not go .*: it does not denoise; policy=diff",
        ),
        (["eval", f"policy={cloned}", f"{compose}{file}"], "does not go with .*cloned.pt: it does not denoise"),
        (["eval", f"policy={file}", f"{compose}runs/none"], "inference.compose=runs/none .* is no base policy"),
        (["eval", f"policy={file}", f"{weight}0.3"], "compose_weight=0.3 needs .*inference.compose=RUN"),
        (["eval", f"policy={file}", f"{compose}{other}", f"{weight}2"], "compose_weight must be from 0 to 1, got 2.0"),
        (["eval", "policy=expert", f"{compose}{file}"], "inference.compose=.* is for .* not policy=expert"),
        (["eval", "policy=zero", "inference.sampler=ddim"], "inference.sampler=ddim is for .* not policy=zero"),
        (["eval", f"policy={cloned}", "inference.steps=3"], "inference.steps=3 does not go with .*cloned.pt"),
        ([*train, "inference.sigma=0.5"], "inference.sigma=0.5 is for a base policy: base=RUN"),
        ([*train, f"{compose}{file}"], "inference.compose=.* is for a base policy: base=RUN"),
        ([*train, f"base={file}", f"{compose}{short}", "corrector=additive"], "short.pt does not go with"),
    ):
        assert cli.main([*words, *REACH]) == 2
        lines = capfd.readouterr().err.strip().splitlines()
        assert re.search(rf"^robot-rl: .*{message}", lines[-1]), lines


def test_a_training_that_has_not_ended_is_no_policy_yet(tmp_path, capfd):
    (tmp_path / "pretrain.yaml").write_text("steps: 3\n")
    assert cli.main(["eval", f"policy={tmp_path}", *REACH]) == 2
    assert "go on with it" in capfd.readouterr().err


def test_the_same_seed_is_the_same_episodes(file, env):
    def actions():
        runner = make_runner(file, env.spec, InferenceConfig(), env.clock, 3, is_lock_step=True)
        assert isinstance(runner, ExecutorRunner)
        runner.reset()
        time_step = env.reset(4)
        out = []
        while not time_step.is_last:
            time_step = env.step(runner(time_step.observation))
            out.append(time_step.applied_action)
        return np.stack(out)

    first = actions()
    assert first.any()
    assert np.array_equal(first, actions())


def test_cloning_needs_no_engine(env, tmp_path):
    config = BasePolicyConfig(kind="cloning", network=NetworkConfig("mlp", widths=(16,)), horizon=4)
    file = base_policies.write(tmp_path / "policy.pt", env.spec, config)
    runner = make_runner(file, env.spec, InferenceConfig(), env.clock, 0, is_lock_step=False)
    assert isinstance(runner, ExecutorRunner)
    assert runner(env.reset(0).observation).shape == (6,)


def test_against_a_deadline_it_acts_holds_after_a_reset_and_ends_its_thread(file, env):
    clock = MonotonicClock()
    config = configuration.load(EvalConfig, "eval", ["inference.engine.wait_s=5.0"]).inference
    runner = make_runner(file, env.spec, config, clock, 0, is_lock_step=False)
    assert isinstance(runner, EngineRunner)
    try:
        observation = dataclasses.replace(env.reset(0).observation, stamp_ns=clock.now_ns())
        assert runner(observation).any()
        runner.invalidate()
        assert runner.engine.serve(observation.stamp_ns).rung is Rung.HOLDING
        assert runner(observation).any(), "what was seen is kept, the plan is new"
        runner.invalidate()
        assert runner.engine.serve(observation.stamp_ns).rung is not Rung.HOLDING, "the person still has the robot"
        assert runner(observation).any()
        assert runner(observation).any()
        runner.invalidate()
        assert runner.engine.serve(observation.stamp_ns).rung is Rung.HOLDING, "another takeover"
    finally:
        runner.close()


def test_an_episode_that_waited_for_its_plans_is_told(file, env, caplog):
    """To a person it looks like a bad policy."""
    config = configuration.load(EvalConfig, "eval", ["inference.engine.wait_s=5.0"]).inference
    clock = MonotonicClock()
    runner = make_runner(file, env.spec, config, clock, 0, is_lock_step=False)
    first = env.reset(0).observation

    def play(seen_ns, steps):
        for step in range(steps):
            runner.tick(dataclasses.replace(first, stamp_ns=seen_ns + step * 100_000_000))
        runner.reset()

    try:
        play(clock.now_ns(), 5)
        assert "commands of the episode" not in caplog.text
        runner.engine.wait = lambda: None
        runner.engine.decide = lambda: False
        play(clock.now_ns() + 10**9, 5)
        assert "of 5 commands of the episode 5 were not of a plan in time" in caplog.text
        assert "holding 5" in caplog.text
    finally:
        runner.close()


def test_while_a_person_has_the_robot_the_plan_is_void():
    class Noting:
        def __init__(self, size):
            self.calls, self.size = [], size

        def reset(self):
            self.calls.append("reset")

        def invalidate(self):
            self.calls.append("invalidate")

        def __call__(self, observation):
            self.calls.append("act")
            return np.zeros(self.size, np.float32)

    cell = make_cell([Act(0.15, 0.32, (1.0, 0, 0, 0, 0, 0))], step_limit=9)
    noting, sources = Noting(cell.env.spec.action_size), []

    class Watcher:
        def on_step(self, time_step):
            sources.append(time_step.source)

        def on_episode_end(self, episode):
            pass

    evaluate(cell.env, noting, 1, 0, [Watcher()])
    helped = [index for index, source in enumerate(sources) if source is Source.HUMAN]
    assert helped
    assert noting.calls.count("invalidate") == len(helped)
    acted = [index for index, call in enumerate(call for call in noting.calls if call != "reset") if call == "act"]
    assert len(acted) == len(sources) - 1
    assert noting.calls[0] == "reset"


def test_the_sampler_knows_what_the_file_says_of_its_noise():
    level = NoiseLevel(spread=0.05, motion=0.2, mode_distance=9.0, share_of_two=0.0)
    relay = InferenceConfig(steps=3).make_sampler(level, 1)
    assert relay == Relay(sigma=level.sigma, steps=3, spread=0.05)
    assert InferenceConfig(sigma=0.5).make_sampler(level, 1).sigma == 0.5
    assert InferenceConfig().make_sampler(None, 1) == Relay()
    assert InferenceConfig(sampler="rtc").make_sampler(level, 1) == RTC(executed=1)
    with pytest.raises(UnknownNameError):
        InferenceConfig(sampler="nothing").make_sampler(None, 1)
    with pytest.raises(ConfigError, match="must not be negative"):
        InferenceConfig(steps=-1)


def test_candidates_are_ranked_by_the_plan_or_by_what_was_done():
    ranked = InferenceConfig(sampler="ddim", steps=5, candidates=8)
    assert ranked.make_sampler(None, 2) == Rerank(DDIM(5), 8, BackwardCoherence())
    assert replace(ranked, score="past").make_sampler(None, 2) == Rerank(DDIM(5), 8, PastAgreement(2))
    with pytest.raises(ConfigError, match=r"inference\.score=past .* has none of them \(past=0\)"):
        replace(ranked, score="past").make_sampler(None, 0)
    assert ranked.make_sampler(None, 0) == Rerank(DDIM(5), 8, BackwardCoherence())
    with pytest.raises(ConfigError, match="ddim, ddpm"):
        InferenceConfig(sampler="relay", candidates=2)
    with pytest.raises(ConfigError, match="at least 1"):
        InferenceConfig(candidates=0)


def test_a_damaged_file_is_named(tmp_path, env):
    (tmp_path / "policy.pt").write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match=r"policy\.pt cannot be read"):
        make_runner(tmp_path / "policy.pt", env.spec, InferenceConfig(), env.clock, 0, is_lock_step=True)
