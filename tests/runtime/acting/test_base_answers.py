"""A base policy's plans as parts of observations, and how a policy that decides on chunks or noise is executed."""

import json
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch

from robot_rl import cli
from robot_rl import config as configuration
from robot_rl.agents.agent import make_agent
from robot_rl.agents.correctors.candidates import NOISE, PLANS, CandidateLayout
from robot_rl.agents.correctors.config import CorrectorConfig
from robot_rl.agents.correctors.plan_input import PHASE, REMAINING
from robot_rl.clock import MonotonicClock
from robot_rl.data.store_reader import StoreReader
from robot_rl.errors import ConfigError, SpecError
from robot_rl.inference.engine_config import EngineConfig
from robot_rl.policies.chunk_executor import ExecutorConfig, Tick
from robot_rl.policies.spec import BasePolicySpec
from robot_rl.runtime.acting.base_answers import ActionAnswers, CandidateAnswers, NoiseAnswers
from robot_rl.runtime.acting.base_policies import load_base_policy, make_runner
from robot_rl.runtime.acting.inference_config import InferenceConfig
from robot_rl.runtime.acting.policy_runner import PolicyRunner
from robot_rl.runtime.acting.shadow import Shadow, make_shadow
from robot_rl.runtime.assembly import make_env, make_run_spec
from robot_rl.runtime.channels.channel import make_local_channels
from robot_rl.runtime.config import EnvConfig
from robot_rl.runtime.pretraining.config import BasePolicyConfig, NetworkConfig
from robot_rl.types import Observation, Source
from tests import base_policies
from tests.fakes import Notes
from tests.runs import ConstantRunner, act, make_agent_config, make_people_cell, make_train_config

N, K, A = 3, 4, 6
LAYOUT, STEERED = CandidateLayout(N, K, A), CandidateLayout(N, K, A, has_noise=True)


@pytest.fixture
def env():
    return make_people_cell("none").env


@pytest.fixture
def base(tmp_path, env):
    return base_policies.write(tmp_path / "base.pt", env.spec)


def make_answers(base, env, layout=LAYOUT):
    if layout.has_noise:
        return NoiseAnswers(load_base_policy(base, InferenceConfig()), layout, seed=0)
    runner = make_runner(base, env.spec, InferenceConfig(), env.clock, 0, layout.count, is_lock_step=True)
    return CandidateAnswers(runner, layout, runner.policy.spec, last_phase=0)


def make_config(name, **values):
    candidates = {"candidates": N, "chunk": K} if name != "additive" else {}
    corrector = CorrectorConfig(name, ensemble=2, **{**candidates, **values})
    return make_agent_config(name="corrected", pretrain_updates=0, corrector=corrector)


def test_every_observation_has_plans_the_first_of_which_begins_with_the_base_policys_action(env, base):
    answers = make_answers(base, env)
    env.base = Shadow(answers)
    spec = env.spec
    assert spec.observation.proprio[PLANS].shape == (N * K * A,)
    time_step = env.reset(1)
    for _ in range(3):
        observation = time_step.observation
        spec.observation.validate(observation)
        plans = observation.proprio[PLANS].reshape(N, K, A)
        assert np.array_equal(plans[0, 0], observation.base_action)
        assert len({each.tobytes() for each in plans}) == N, "each of noise of its own"
        time_step = env.step(observation.base_action)
    answers.reset(5)
    first = answers.answer(observation).proprio[PLANS]
    answers.reset(5)
    assert np.array_equal(answers.answer(observation).proprio[PLANS], first)


def test_in_lock_step_every_plan_goes_on_as_that_of_the_base_policy_alone(env, base):
    """A plan that is made anew at every time step would be another policy than the one that is corrected."""
    config = make_train_config(base=str(base), agent=make_config("edit_select"))
    shadow = make_shadow(config, env.spec, env.clock, is_lock_step=True)
    shadow.begin(5)
    observation = env.reset(1).observation
    plans = [shadow.attach(replace(env.reset(1), observation=observation)).observation for _ in range(4)]
    before, after = (each.proprio[PLANS].reshape(N, K, A) for each in plans[-2:])
    moved, apart = np.abs(after[:, :-1] - before[:, 1:]).mean(), np.abs(after[:, None] - after[None]).mean()
    assert moved < apart, "each plan goes on, where they differ from each other"


def test_the_rest_of_the_plan_is_seen_with_its_age_and_zeros_beyond_its_end(env, base):
    config = make_train_config(base=str(base), agent=make_config("additive", plan_steps=5))
    config = replace(config, inference=replace(config.inference, executor=ExecutorConfig(execute=4)))
    env.base = make_shadow(config, env.spec, env.clock, is_lock_step=True)
    assert make_run_spec(config).observation.proprio[REMAINING].shape == (30,)
    time_step, phases, plans = env.reset(1), [], []
    while not time_step.is_last:
        env.spec.observation.validate(time_step.observation)
        proprio = time_step.observation.proprio
        phases.append(float(proprio[PHASE][0]))
        plans.append(proprio[REMAINING].reshape(5, 6))
        assert np.array_equal(plans[-1][0], time_step.observation.base_action)
        time_step = env.step(time_step.observation.base_action)
    assert phases == [0, 1, 2, 3, 0, 1]
    assert np.array_equal(plans[1][:4], plans[0][1:])
    assert np.abs(plans[3][:4]).min() > 0.0
    assert np.array_equal(plans[3][4], np.zeros(6)), "7 positions are planned, of which 3 are over"


def test_a_plan_can_be_made_again_from_its_noise(env, base):
    answers = make_answers(base, env, STEERED)
    observation = answers.answer(env.reset(1).observation)
    plans = observation.proprio[PLANS].reshape(N, K, A)
    for noise, plan in zip(observation.proprio[NOISE].reshape(N, A), plans, strict=True):
        np.testing.assert_allclose(answers.replan(noise), plan, atol=1e-5)


def test_the_first_of_the_plans_that_noise_is_known_of_is_that_of_none(env, base):
    """As who steers begins: so the base policy alone does not dither between what it makes of one noise and another."""
    answers, observation = make_answers(base, env, STEERED), env.reset(1).observation
    first, second = (answers.answer(observation) for _ in range(2))
    noise = first.proprio[NOISE].reshape(N, A)
    assert np.array_equal(noise[0], np.zeros(A))
    assert np.abs(noise[1:]).min() > 0.0
    assert np.array_equal(first.base_action, second.base_action)
    assert not np.array_equal(first.proprio[NOISE], second.proprio[NOISE])


def test_a_sampler_that_goes_on_with_a_plan_gives_way_where_every_plan_begins_anew(env, base):
    first, plans = env.reset(1), []
    for inference in (InferenceConfig(), InferenceConfig(sampler="ddim"), InferenceConfig(sampler="ddim", steps=3)):
        config = make_train_config(base=str(base), agent=make_config("noise_steer"), inference=inference)
        shadow = make_shadow(config, env.spec, env.clock, is_lock_step=True)
        shadow.begin(1)
        plans.append(shadow.attach(first).observation.proprio[PLANS])
    assert np.array_equal(plans[0], plans[1])
    assert not np.array_equal(plans[0], plans[2])


@pytest.mark.parametrize(("layout", "noise"), [(LAYOUT, None), (STEERED, np.ones((N, A), np.float32))])
def test_what_is_split_is_what_was_packed(layout, noise):
    plans = np.random.default_rng(0).random((N, K, A)).astype(np.float32)
    row = torch.from_numpy(np.concatenate([np.float32([7.0, 8.0]), *layout.pack(plans, noise).values()]))[None]
    own, found, made_of = layout.split(row)
    assert own.tolist() == [[7.0, 8.0]]
    assert np.array_equal(found[0].numpy(), plans.reshape(N, -1))
    assert np.array_equal(made_of[0].numpy(), np.ones((N, 0)) if noise is None else noise)


def test_a_chunk_is_executed_to_its_end_unless_a_person_takes_over(env, base):
    env.base = Shadow(make_answers(base, env))
    config = make_config("best_of_n")
    runner = PolicyRunner(make_agent(config, env.spec, 0).policy, 1)
    runner.reset()
    observation = env.reset(1).observation
    chunk = observation.proprio[PLANS].reshape(N, K, A)
    first = runner(observation)
    which = [np.array_equal(first, each[0]) for each in chunk].index(True)
    others = [env.step(first).observation for _ in range(K)]
    for k in range(1, K):
        assert np.array_equal(runner(others[k]), chunk[which, k])
    decided = runner(others[-1])
    assert decided.tolist() in others[-1].proprio[PLANS].reshape(N, K, A)[:, 0].tolist()
    runner.invalidate()
    again = runner(others[0])
    assert again.tolist() in others[0].proprio[PLANS].reshape(N, K, A)[:, 0].tolist()


def test_while_a_person_has_the_robot_every_decision_is_made_anew():
    class Noting(ConstantRunner):
        def __init__(self):
            super().__init__()
            self.voided = 0

        def invalidate(self):
            self.voided += 1

    cell, runner, notes = make_people_cell(), Noting(), Notes()
    actor, _ = make_local_channels(cell.env.spec)
    act(cell.env, actor, 2, runner=runner, observers=[notes])
    assert runner.voided == sum(step.source is Source.HUMAN for step in notes.steps) > 0


def test_a_steered_base_policy_executes_what_it_makes_of_the_chosen_noise(env, base):
    answers = make_answers(base, env, STEERED)
    env.base = Shadow(answers)
    policy = make_agent(make_config("noise_steer"), env.spec, 0).policy
    observation = env.reset(1).observation
    runner = PolicyRunner(policy, 1, base=env.base)
    runner.reset()
    assert np.array_equal(runner(observation), answers.replan(np.zeros(A, np.float32))[0])
    runner.reset(exploration_seed=1)  # the gate is shut
    np.testing.assert_allclose(runner(observation), observation.base_action, atol=1e-5)
    alone = PolicyRunner(policy, 1)
    with pytest.raises(SpecError, match="cannot act without one"):
        alone(observation)


def test_a_base_policy_that_is_not_asked_for_plans_cannot_be_steered():
    with pytest.raises(SpecError, match="asked for plans"):
        Shadow(ActionAnswers(ConstantRunner())).replan(np.zeros(A, np.float32))


def test_a_chunk_longer_than_the_plans_is_one_clear_line(env, base):
    with pytest.raises(
        ConfigError,
        match="chunk must be from 1 to 7, what is left of the base policy's plans until it makes another, got 9",
    ):
        make_answers(base, env, CandidateLayout(2, 9, A))
    config = make_train_config(base=str(base), agent=make_config("edit_select", chunk=9))
    with pytest.raises(
        ConfigError,
        match="chunk must be from 1 to 7, what is left of the base policy's plans until it makes another, got 9",
    ):
        make_shadow(config, env.spec, env.clock, is_lock_step=False)
    late = replace(config, inference=InferenceConfig(executor=ExecutorConfig(execute=4)))
    late = replace(late, agent=make_config("edit_select", chunk=5))
    with pytest.raises(ConfigError, match="chunk must be from 1 to 4, what is left"):
        make_shadow(late, env.spec, env.clock, is_lock_step=True)


class PlansOfAGripper:
    """Two plans of three actions of an arm's element and a gripper's, in which the gripper's is between its values."""

    spec = BasePolicySpec((("x", 1),), 2, (1,), horizon=3, past=0)

    def __init__(self, action):
        self.action = np.array(action, np.float32)

    def reset(self, seed=None):
        pass

    invalidate = close = reset

    def tick(self, observation):
        remaining = np.array([[[0.1, 0.06], [0.2, -0.3], [0.3, 0.0]], [[0.4, -0.9], [0.5, 0.9], [0.6, 0.2]]])
        return Tick(self.action, remaining.astype(np.float32), 0)


@pytest.mark.parametrize(
    ("action", "second"),
    [([[0.1, -1.0], [0.4, -1.0]], -1.0), ([[0.1, -1.0]], -1.0)],
    ids=["each plan's hysteresis", "in real time the first one's"],
)
def test_candidates_close_a_gripper_as_the_base_policy_alone_would(action, second):
    planned = PlansOfAGripper(action)
    answers = CandidateAnswers(planned, CandidateLayout(2, 2, 2), planned.spec, last_phase=0)
    observation = answers.answer(Observation({"x": np.zeros(1, np.float32)}, {}, 0))
    plans = observation.proprio[PLANS].reshape(2, 2, 2)
    assert observation.base_action.tolist() == pytest.approx([0.1, -1.0]), (
        "its hysteresis holds, though 0.06 is planned"
    )
    assert plans[:, :, 0].tolist() == [pytest.approx([0.1, 0.2]), pytest.approx([0.4, 0.5])]
    assert plans[:, :, 1].tolist() == [[-1.0, -1.0], [second, 1.0]]


def test_what_is_executed_at_a_hand_back_was_planned_there(env, base):
    config = make_train_config(base=str(base), agent=make_config("additive", plan_steps=5))
    config = replace(config, inference=replace(config.inference, executor=ExecutorConfig(execute=6)))
    shadow = make_shadow(config, env.spec, env.clock, is_lock_step=True)
    shadow.begin(0)
    first = env.reset(1)
    sources = [Source.POLICY, Source.POLICY, Source.HUMAN, Source.HUMAN, Source.HUMAN, Source.POLICY, Source.POLICY]
    phases = [float(shadow.attach(replace(first, source=each)).observation.proprio[PHASE][0]) for each in sources]
    assert phases == [0, 1, 0, 0, 0, 1, 2], "whenever the person lets go, the plan is of that moment"


def test_noise_that_is_planned_from_while_a_command_waits_is_refused_in_real_time(env, base):
    config = make_train_config(base=str(base), agent=make_config("noise_steer"))
    with pytest.raises(ConfigError, match="graph=lock_step"):
        make_shadow(config, env.spec, env.clock, is_lock_step=False)


@contextmanager
def shadow_in_real_time(config, spec, clock):
    """Waits for every decision."""
    engine = EngineConfig(wait_s=5.0)
    shadow = make_shadow(
        replace(config, inference=replace(config.inference, engine=engine)), spec, clock, is_lock_step=False
    )
    try:
        yield shadow
    finally:
        shadow.close()


def test_in_real_time_an_engine_goes_on_with_every_plan(env, base):
    config, clock = make_train_config(base=str(base), agent=make_config("edit_select")), MonotonicClock()
    observation, begin_ns, seen = env.reset(1).observation, clock.now_ns(), []
    with shadow_in_real_time(config, env.spec, clock) as shadow:
        spec = shadow.extend(env.spec)
        for step in range(3):
            stamp_ns = begin_ns + step * 100_000_000  # at 10 Hz
            time_step = replace(env.reset(1), observation=replace(observation, stamp_ns=stamp_ns))
            attached = shadow.attach(time_step).observation
            spec.observation.validate(attached)
            seen.append(attached.proprio[PLANS].reshape(N, K, A))
            assert np.array_equal(seen[-1][0, 0], attached.base_action)
    assert len({plan.tobytes() for plan in seen[0]}) == N, "each of noise of its own"
    moved, apart = np.abs(seen[2][:, :-1] - seen[1][:, 1:]).mean(), np.abs(seen[2][:, None] - seen[2][None]).mean()
    assert moved < apart, "each plan goes on, where they differ from each other"


def test_in_real_time_the_rest_of_the_plan_is_seen(env, base):
    config, clock = make_train_config(base=str(base), agent=make_config("additive", plan_steps=5)), MonotonicClock()
    observation = replace(env.reset(1).observation, stamp_ns=clock.now_ns())
    with shadow_in_real_time(config, env.spec, clock) as shadow:
        proprio = shadow.attach(replace(env.reset(1), observation=observation)).observation.proprio
    assert proprio[PHASE] == 0.0
    assert np.abs(proprio[REMAINING].reshape(5, A)).min(axis=1).max() > 0.0


@pytest.mark.parametrize("name", ["best_of_n", "noise_steer"])
def test_a_base_policy_that_plans_the_same_of_any_noise_is_refused(name, tmp_path, env):
    cloning = BasePolicyConfig("cloning", NetworkConfig("mlp", widths=(16,)), horizon=8)
    base = base_policies.write(tmp_path / "cloning.pt", env.spec, cloning)
    config = make_train_config(base=str(base), agent=make_config(name))
    with pytest.raises(ConfigError, match="plans the same of any"):
        make_shadow(config, env.spec, env.clock, is_lock_step=True)


def test_the_learner_knows_the_spec_without_the_base_policy():
    config = make_train_config(base="nowhere", agent=make_config("noise_steer"))
    spec = make_run_spec(config)
    assert spec.observation.proprio[NOISE].shape == (N * A,)
    unsteered = make_run_spec(make_train_config(base="nowhere", agent=make_config("edit_select")))
    assert NOISE not in unsteered.observation.proprio
    assert PLANS not in make_run_spec(make_train_config()).observation.proprio


@pytest.mark.parametrize("name", ["edit_select", "best_of_n", "noise_steer"])
def test_the_words_of_a_user(name, tmp_path, capfd):
    reach = ("task=reach", "task.episode.step_limit=8")
    file = base_policies.write(tmp_path / "policy.pt", make_env(configuration.load(EnvConfig, "env", reach)).spec)
    run = tmp_path / "run"
    words = [f"corrector={name}", f"base={file}", *reach, "steps=24", "agent.warmup_steps=8", "final_episodes=2"]
    words += ["agent.corrector.critic_updates=2", "demonstrations=1", "agent.utd=1", f"run_dir={run}"]
    words += ["agent.corrector.candidates=2", "agent.corrector.chunk=3", "agent.corrector.gate_steps=0"]
    assert cli.main(["train", *words]) == 0
    assert json.loads(capfd.readouterr().out.splitlines()[-1])["updates"] > 8
    records = list(StoreReader(run / "experience").records())
    assert all(PLANS in record.time_step.observation.proprio for record in records)
    assert cli.main(["eval", f"policy={run}", "episodes=2"]) == 0
    assert json.loads(capfd.readouterr().out.splitlines()[-1])["episodes"] == 2
