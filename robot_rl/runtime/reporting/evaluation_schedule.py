"""When a run's policy is evaluated, and on which scenes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from robot_rl.agents.policy_network import PolicyNetwork
from robot_rl.env.robot_env import RobotEnv
from robot_rl.runtime.acting.policy_runner import PolicyRunner
from robot_rl.runtime.config import TrainConfig
from robot_rl.runtime.reporting.evaluation import Evaluation, evaluate
from robot_rl.runtime.reporting.observers import Observer

EVALUATION_SEED = 1_000_000
"""Of the scenes that policies are evaluated on: the same for all of them, and none of those in training."""


class EvaluationSchedule:
    """Evaluates the slow average of a policy: now and then, and at the end."""

    def __init__(
        self,
        config: TrainConfig,
        env: RobotEnv,
        average_policy: PolicyNetwork,
        observers: Sequence[Observer],
        is_interrupted: Callable[[], bool],
        evaluated_at_step: int,
    ) -> None:
        """Prepare.

        Args:
            config: of the run.
            env: without a person in it.
            average_policy: whose weights others change between two evaluations.
            observers: told of each evaluation that was completed.
            is_interrupted: ends one after its episode.
            evaluated_at_step: where the run was evaluated last, 0 if never. One that was cut off is made up for.
        """
        self._config, self._env, self._policy = config, env, average_policy
        self._observers, self._is_interrupted = observers, is_interrupted
        self._evaluated_at_step = evaluated_at_step

    def evaluate_if_due(self, step: int) -> None:
        """Evaluate, if the run of now `step` environment steps has passed the next mark and is not at its end."""
        every = self._config.evaluate_every_steps
        if every and step // every > self._evaluated_at_step // every and step < self._config.steps:
            self._evaluated_at_step = step
            self._evaluate(step, self._config.evaluation_episodes)

    def evaluate_at_end(self, step: int) -> Evaluation | None:
        """The last evaluation, after `step` environment steps; None where interrupted."""
        evaluation = self._evaluate(step, self._config.final_episodes)
        return None if self._is_interrupted() else evaluation

    def _evaluate(self, step: int, episodes: int) -> Evaluation:
        runner = PolicyRunner(self._policy, self._config.agent.stack, base=self._env.base)
        evaluation = evaluate(self._env, runner, episodes, EVALUATION_SEED, is_interrupted=self._is_interrupted)
        for observer in self._observers if episodes and len(evaluation.episodes) == episodes else ():
            observer.on_evaluation(step, evaluation)
        return evaluation
