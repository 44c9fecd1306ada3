"""A training run in one process: demonstrations, imitation, then actor and learner in step."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from robot_rl.agents.agent import make_agent
from robot_rl.runtime.acting.actor import run_episodes
from robot_rl.runtime.acting.policy_runner import PolicyRunner
from robot_rl.runtime.acting.shadow import make_shadow
from robot_rl.runtime.assembly import make_env
from robot_rl.runtime.channels.channel import make_local_channels
from robot_rl.runtime.config import TeleopConfig, TrainConfig
from robot_rl.runtime.learning.learner_run import LearnerRun
from robot_rl.runtime.learning.lock_step import LockStep
from robot_rl.runtime.reporting.evaluation import Evaluation
from robot_rl.runtime.reporting.evaluation_schedule import EvaluationSchedule
from robot_rl.runtime.reporting.metrics_writer import newest_evaluation
from robot_rl.runtime.reporting.observers import Observer
from robot_rl.runtime.run_folder import RunFolder
from robot_rl.runtime.stopping import stopping


class Training:
    """A run that was set up: new, or resumed where its newest checkpoint left it."""

    def __init__(self, config: TrainConfig, folder: RunFolder, observers: Sequence[Observer]) -> None:
        """Set up everything; a folder with a checkpoint in it is resumed.

        Raises:
            ConfigError, SetupError, StoreError, CheckpointError: something does not fit; the message says what.
        """
        self.config, self._observers = config, observers
        self.env = make_env(config)
        self._evaluation_env = make_env(replace(config, teleop=TeleopConfig()))
        for env in (self.env, self._evaluation_env):
            env.base = make_shadow(config, env.spec, env.clock, is_lock_step=True)
        self.spec = self.env.spec
        self._channel, learner_channel = make_local_channels(self.spec)
        self._run = LearnerRun(config, folder, self.spec, learner_channel, observers)
        self.learner = self._run.learner

    @property
    def is_resumed(self) -> bool:
        """Whether the folder held a checkpoint."""
        return self._run.is_resumed

    @property
    def training_s(self) -> float:
        """Time spent on steps and updates, without demonstrations and evaluations."""
        return self._run.training_s

    def run(
        self,
        is_interrupted: Callable[[], bool] = lambda: False,
        on_pretrain: Callable[[int, int], None] = lambda update, total: None,  # noqa: ARG005
    ) -> Evaluation | None:
        """Train until the configured number of steps, and evaluate; None where interrupted."""
        try:
            if not self._run.prepare(on_pretrain, is_interrupted):
                return None
            self._train(is_interrupted)
            self._run.save()
            if is_interrupted():
                return None
            evaluation = self._schedule(is_interrupted).evaluate_at_end(self._run.steps)
            if evaluation is not None:
                self._run.folder.mark_finished(self._run.steps)
            return evaluation
        finally:
            try:
                self._run.close()
            finally:
                for observer in self._observers:
                    observer.close()

    def _train(self, is_interrupted: Callable[[], bool]) -> None:
        """Act and learn in step."""
        run, config = self._run, self.config
        schedule = self._schedule(is_interrupted)
        policy = make_agent(config.agent, self.spec, config.seed).policy
        runner = PolicyRunner(policy, config.agent.stack, base=self.env.base)
        started = time.monotonic()
        with LockStep(run.learner, run.log_if_due) as lock_step:

            def is_finished() -> bool:
                nonlocal started
                lock_step.wait()
                run.training_s += time.monotonic() - started
                run.save_if_due()
                schedule.evaluate_if_due(run.steps)
                started = time.monotonic()
                if is_interrupted() or run.steps >= config.steps:
                    return True
                run.learner.publish(is_forced=True)  # as a run does that is resumed here
                return False

            first_episode = run.learner.arrivals.first_episode()
            with stopping(self.env.robot):
                run_episodes(
                    self.env,
                    runner,
                    self._channel,
                    config.seed,
                    first_episode,
                    self._observers,
                    lock_step,
                    is_finished,
                    config.agent.corrector.probe_every,
                )

    def _schedule(self, is_interrupted: Callable[[], bool]) -> EvaluationSchedule:
        policy = self._run.agent.average_policy
        evaluated_at_step = newest_evaluation(self._run.folder.path)
        return EvaluationSchedule(
            self.config, self._evaluation_env, policy, self._observers, is_interrupted, evaluated_at_step
        )
