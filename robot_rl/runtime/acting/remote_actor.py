"""An actor whose learner is another process: the same run as `Training`, from the robot's side."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from robot_rl.agents.agent import make_agent
from robot_rl.env.robot_env import RobotEnv
from robot_rl.errors import ChannelError
from robot_rl.runtime.acting.actor import load_newest, run_episodes
from robot_rl.runtime.acting.policy_runner import PolicyRunner
from robot_rl.runtime.channels.channel import ActorChannel, Progress
from robot_rl.runtime.config import TrainConfig
from robot_rl.runtime.reporting.evaluation import Evaluation
from robot_rl.runtime.reporting.evaluation_schedule import EvaluationSchedule
from robot_rl.runtime.reporting.observers import Observer
from robot_rl.runtime.stopping import stopping
from robot_rl.types import TimeStep

_ASK_EVERY_S = 0.1  # whether it was interrupted, while it waits
_SAY_EVERY_S = 10.0
_log = logging.getLogger(__name__)


def run_remote_actor(
    env: RobotEnv,
    evaluation_env: RobotEnv,
    config: TrainConfig,
    channel: ActorChannel,
    observers: Sequence[Observer] = (),
    is_interrupted: Callable[[], bool] = lambda: False,
    evaluated_at_step: int = 0,
) -> Evaluation | None:
    """Run what is left of a training run, and evaluate; whatever happens, the robot is stopped then.

    What was made is the learner's before an error is raised, of a stopped robot for example: it cannot be made again.
    A learner that is away is waited for, for `config.channel.patience_s` at most.

    Waits for the learner's first weights, goes on with the run where the learner says it is, and evaluates the slow
    average of the policy on the scenes that `Training` evaluates it on. With `config.waits_for_learner` it waits
    for the learner after each time step, also for one that has died and comes back; without it the robot goes on with
    the weights that it has, and what happens is kept for the learner.

    Args:
        env: with the person; nobody else uses it meanwhile.
        evaluation_env: without a person; may be of the same robot.
        config: of the run, as the learner has it.
        channel: to the learner; closed by the caller, with `has_finished` where an evaluation was returned.
        observers: told everything, with `on_start` first; closed by the caller.
        is_interrupted: ends the run after its episode, and all waiting at once.
        evaluated_at_step: where the run was evaluated last, 0 if never.

    Returns:
        The last evaluation; None where interrupted.

    Raises:
        RefusedError: the learner refuses this actor; the message says why.
        KeyboardInterrupt: it was interrupted while it waited for the learner in the middle of an episode.
    """
    actor = None
    try:
        with ExitStack() as stack:
            for robot in {id(each.robot): each.robot for each in (env, evaluation_env)}.values():
                stack.enter_context(stopping(robot))
            actor = _RemoteActor(env, evaluation_env, config, channel, observers, is_interrupted, evaluated_at_step)
            return actor.run()
    except ChannelError:
        raise
    except Exception as error:  # not Ctrl-C in a hurry, which waits for nobody
        if actor is not None:
            actor.hand_over(error)
        raise


class _StepCounter(Observer):
    """Counts the environment steps that this actor has made."""

    def __init__(self) -> None:
        self.steps = 0

    def on_step(self, time_step: TimeStep) -> None:
        self.steps += not time_step.is_first


class _RemoteActor:
    """What `run_remote_actor` needs to remember."""

    def __init__(
        self,
        env: RobotEnv,
        evaluation_env: RobotEnv,
        config: TrainConfig,
        channel: ActorChannel,
        observers: Sequence[Observer],
        is_interrupted: Callable[[], bool],
        evaluated_at_step: int,
    ) -> None:
        self._env, self._config, self._channel = env, config, channel
        self._is_interrupted = is_interrupted
        self._counter = _StepCounter()
        self._observers = [self._counter, *observers]
        agent = make_agent(config.agent, env.spec, config.seed)
        self._runner = PolicyRunner(agent.policy, config.agent.stack, agent.average_policy, env.base)
        self._schedule = EvaluationSchedule(
            config, evaluation_env, agent.average_policy, self._observers, is_interrupted, evaluated_at_step
        )
        self._first_step = 0

    def run(self) -> Evaluation | None:
        """The whole run."""
        if not self._wait(lambda: self._channel.wait_taken(_ASK_EVERY_S), "its first weights"):
            return None
        progress = self._progress
        self._first_step = progress.steps
        _log.info("the learner is here: %d of %d steps are made", progress.steps, self._config.steps)
        for observer in self._observers:
            observer.on_start(progress.steps)
        run_episodes(
            self._env,
            self._runner,
            self._channel,
            self._config.seed,
            progress.next_episode,
            self._observers,
            self._pace,
            self._is_finished,
            self._config.agent.corrector.probe_every,
        )
        # What was made is the learner's before anything else happens, also where the run ends early.
        has_all = self._wait(lambda: self._channel.flush(_ASK_EVERY_S), "it to store the last steps", can_end=False)
        if self._is_interrupted() or not has_all:
            return None
        if not self._wait(self._is_over, "its last weights"):
            return None
        load_newest(self._runner, self._channel)
        return self._schedule.evaluate_at_end(self._progress.steps)

    def hand_over(self, error: Exception) -> None:
        """Wait until the learner has stored what was made before an error, if it can; the robot is stopped already."""
        try:
            if self._channel.flush(0.0):
                return
            count = self._channel.unacknowledged
            _log.warning("the actor ends as soon as the learner has stored its last %d records: %s", count, error)
            self._wait(
                lambda: self._channel.flush(_ASK_EVERY_S),
                "it to store the last steps",
                can_end=False,
                patience_s=self._config.channel.patience_s,
            )
        except ChannelError as refusal:  # it must not hide the first error
            _log.warning("the learner does not take the last steps: %s", refusal)

    @property
    def _progress(self) -> Progress:
        progress = self._channel.progress
        if progress is None:
            raise ChannelError("the learner has sent weights and has not said how far the run is.")
        return progress

    @property
    def _steps(self) -> int:
        """Environment steps of the run; a learner that is not waited for may not know of the newest yet."""
        known = self._progress.steps
        return known if self._config.waits_for_learner else max(known, self._first_step + self._counter.steps)

    def _pace(self) -> None:
        """After each time step: wait for the learner, if this run does that."""
        if not self._config.waits_for_learner:
            return
        if not self._wait(lambda: self._channel.wait_taken(_ASK_EVERY_S), "it to take in a time step", can_end=False):
            raise KeyboardInterrupt

    def _is_finished(self) -> bool:
        """Between two episodes: evaluate if due, and say whether the next is made."""
        load_newest(self._runner, self._channel)
        self._schedule.evaluate_if_due(self._steps)
        return self._is_interrupted() or self._steps >= self._config.steps

    def _is_over(self) -> bool:
        """Wait for a moment; whether the newest weights are here, and are the run's last."""
        if not self._channel.wait_taken(_ASK_EVERY_S):
            return False
        if not self._progress.is_over:
            time.sleep(_ASK_EVERY_S)
            return False
        return self._channel.wait_taken(0.0)  # the last weights were announced since

    def _wait(
        self, has_come: Callable[[], bool], what: str, *, can_end: bool = True, patience_s: float = math.inf
    ) -> bool:
        """Wait for the learner, also for one that is not there, and say so in the log; False where that was cut short.

        Args:
            has_come: waits for a moment, and says whether what is waited for has come.
            what: is waited for, in words.
            can_end: whether an interruption ends the wait while the learner is there; while it is not, it always does.
            patience_s: a learner that is not there for so long ends it, too.
        """
        started_s = here_s = time.monotonic()
        said_s: float | None = None
        was_gone = False
        while not has_come():
            is_gone = not self._channel.is_connected
            if self._is_interrupted() and (is_gone or can_end):
                return False
            now_s = time.monotonic()
            here_s = here_s if is_gone else now_s
            if now_s - here_s >= patience_s:
                return False
            if (is_gone and not was_gone) or now_s - (said_s or started_s) > _SAY_EVERY_S:
                reason = "the learner is not there; the robot holds" if is_gone else "the learner is busy"
                _log.warning("%s: waiting for %s since %.0f s", reason, what, now_s - started_s)
                said_s = now_s
            was_gone |= is_gone
        if was_gone:
            _log.warning("the learner is back after %.0f s", time.monotonic() - started_s)
        return True
