"""A base policy over the wire: as in process in lock-step, and in real time without holding up the robot."""

import time

import numpy as np

from robot_rl.inference.ladder import Rung
from robot_rl.runtime.acting.base_policies import EngineRunner, make_runner
from robot_rl.runtime.acting.inference_config import InferenceConfig
from robot_rl.runtime.assembly import make_sim_workcell
from robot_rl.runtime.pretraining.config import BasePolicyConfig
from tests import base_policies
from tests.ros import simulated
from tests.ros.test_lock_step import assert_same

WORDS = ("task=reach", "teleop=none", "task.episode.step_limit=12")


def play(env, policy, seeds):
    steps = []
    for seed in seeds:
        policy.reset()
        steps.append(env.reset(seed))
        while not steps[-1].is_last:
            steps.append(env.step(policy(steps[-1].observation)))
    return steps


def test_in_lock_step_its_episodes_are_those_in_process(tmp_path):
    here = make_sim_workcell(simulated.load(*WORDS)).env
    file = base_policies.write(tmp_path / "policy.pt", here.spec)

    def runner(env):
        return make_runner(file, env.spec, InferenceConfig(), env.clock, 3, is_lock_step=True)

    expected = play(here, runner(here), [5, 6])
    assert any(step.applied_action.any() for step in expected)
    with simulated.graph(tmp_path, *WORDS) as (_, there):
        assert_same(play(there.cell.env, runner(there.cell.env), [5, 6]), expected)


def test_in_real_time_a_network_that_is_too_slow_holds_up_nobody(tmp_path):
    """Each evaluation takes four periods; the robot is commanded in every one, from what was planned for it."""
    words = (*WORDS, "graph=real_time", "graph.patience_s=30.0", "graph.lease_s=10.0", "graph.recovers=true")
    with simulated.graph(tmp_path, *words) as (_, there):
        env = there.cell.env
        trained = BasePolicyConfig(network=base_policies.TINY, horizon=16)
        file = base_policies.write(tmp_path / "policy.pt", env.spec, trained)
        config = InferenceConfig(sampler="ddim", steps=1)
        policy = make_runner(file, env.spec, config, env.clock, 3, is_lock_step=False)
        assert isinstance(policy, EngineRunner)
        quick = policy.policy.denoiser
        rungs = []

        class Slow:
            schedule, is_prefix_trained, prepare = quick.schedule, False, staticmethod(quick.prepare)

            def __call__(self, *asked):
                time.sleep(0.4)
                return quick(*asked)

        serve = policy.engine.serve

        def noting(stamp_ns):
            rungs.append(serve(stamp_ns))
            return rungs[-1]

        policy.policy.denoiser, policy.engine.serve = Slow(), noting
        try:
            policy.reset()
            steps = [env.reset(5)]
            policy(steps[-1].observation)  # the first waits for its warm-up
            for _ in range(12):
                steps.append(env.step(policy(steps[-1].observation)))
        finally:
            policy.close()
    passed_s = (steps[-1].observation.stamp_ns - steps[1].observation.stamp_ns) / 1e9
    assert passed_s < 3.0, "eleven evaluations would take 4.4 s"
    assert rungs[0].rung is Rung.HOLDING
    assert Rung.LATE in {each.rung for each in rungs}, "what was planned for this moment, from an older observation"
    assert all(np.isfinite(each.action).all() for each in rungs)
