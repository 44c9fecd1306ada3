"""A training run in one process: demonstrations, imitation, then actor and learner in step."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from robot_rl.agents.agent import Agent, make_agent
from robot_rl.data import store_spec
from robot_rl.data.replay import FeatureShape, Replay
from robot_rl.data.store_reader import StoreReader
from robot_rl.data.store_writer import StoreWriter
from robot_rl.errors import CheckpointError, ConfigError
from robot_rl.runtime import checkpoint
from robot_rl.runtime.actor import run_actor
from robot_rl.runtime.assembly import make_env
from robot_rl.runtime.batches import BatchMaker
from robot_rl.runtime.channel import LearnerChannel, make_local_channels
from robot_rl.runtime.config import TeleopConfig, TrainConfig
from robot_rl.runtime.evaluation import Evaluation, evaluate
from robot_rl.runtime.learner import Learner
from robot_rl.runtime.lock_step import LockStep
from robot_rl.runtime.observers import Observer
from robot_rl.runtime.policy_runner import PolicyRunner
from robot_rl.runtime.recorder import record_demonstrations
from robot_rl.runtime.run_folder import RunFolder, describe
from robot_rl.specs import EnvironmentSpec

EVALUATION_SEED = 1_000_000
"""Of the scenes that policies are evaluated on: the same for all of them, and none of those in training."""
_FLUSH_TIMEOUT_S = 60.0


class Training:
    """A run that was set up: new, or resumed where its newest checkpoint left it."""

    def __init__(self, config: TrainConfig, folder: RunFolder, observers: Sequence[Observer]) -> None:
        """Set up everything; a folder with a checkpoint in it is resumed.

        Raises:
            ConfigError, SetupError, StoreError, CheckpointError: something does not fit; the message says what.
        """
        torch.set_num_threads(config.threads)
        self.config, self.folder, self._observers = config, folder, observers
        device = find_device(config.device)
        self.env = make_env(config)
        self._evaluation_env = make_env(replace(config, teleop=TeleopConfig()))
        self.spec = self.env.spec
        self._agent = make_agent(config.agent, self.spec, config.seed, device)
        actor_channel, learner_channel = make_local_channels(self.spec)
        self._channel = actor_channel
        self.is_resumed = bool(checkpoint.find(folder.checkpoints))
        self._store = StoreWriter(folder.experience, self.spec, describe(config))
        try:
            if self._store.acknowledged and not self.is_resumed:
                raise CheckpointError(
                    f"{folder.path} holds experience but no checkpoint to go on from; start another run, with "
                    f"demonstrations_from={folder.demonstrations} to keep those."
                )
            self.learner = make_learner(config, self.spec, self._agent, learner_channel, self._store, folder, device)
        except BaseException:
            self._store.close()
            raise
        self._first_episode = 0
        self._saved_at_step = self._evaluated_at_step = self._logged_at_step = 0
        self.training_s = 0.0
        """Time spent on steps and updates, without demonstrations and evaluations."""

    def run(
        self,
        is_interrupted: Callable[[], bool] = lambda: False,
        on_pretrain: Callable[[int, int], None] = lambda update, total: None,  # noqa: ARG005
    ) -> Evaluation | None:
        """Train until the configured number of steps, and evaluate; None where interrupted."""
        try:
            return self._run(is_interrupted, on_pretrain)
        finally:
            self.learner.close()
            try:
                self._store.close()
            finally:
                for observer in self._observers:
                    observer.close()

    def _run(self, is_interrupted: Callable[[], bool], on_pretrain: Callable[[int, int], None]) -> Evaluation | None:
        learner, config = self.learner, self.config
        self._load_demonstrations()
        if self.is_resumed:
            self._resume()
        else:
            learner.pretrain(on_pretrain)
            self._save()
        runner = PolicyRunner(make_agent(config.agent, self.spec, config.seed).policy, config.agent.stack)
        started = time.monotonic()
        with LockStep(learner, self._log_if_due) as lock_step:

            def is_finished() -> bool:
                nonlocal started
                lock_step.wait()
                self.training_s += time.monotonic() - started
                self._between_episodes(is_interrupted)
                started = time.monotonic()
                if is_interrupted() or learner.budget.steps >= config.steps:
                    return True
                learner.publish(is_forced=True)  # as a run does that is resumed here
                return False

            run_actor(
                self.env,
                runner,
                self._channel,
                config.seed,
                self._first_episode,
                self._observers,
                lock_step,
                is_finished,
            )
        self._save()
        if is_interrupted():
            return None
        evaluation = self.evaluate(config.final_episodes, is_interrupted)
        return None if is_interrupted() else evaluation

    def _load_demonstrations(self) -> None:
        """Record the demonstrations of a new run, and read them."""
        config = self.config
        path = self.folder.demonstrations
        if config.demonstrations_from is not None:
            path = Path(config.demonstrations_from)
        elif config.demonstrations and not self.is_resumed:
            record_expert(config, path)
        elif not config.demonstrations:
            return
        reader = StoreReader(path)
        if reader.spec != self.spec:
            found = store_spec.differences(store_spec.to_json(reader.spec), store_spec.to_json(self.spec))
            differing = "; ".join(list(found)[:5])
            raise ConfigError(f"the recording {path} is of another environment than this run: {differing}.")
        task = reader.attributes.get("task", config.task.name)
        if task != config.task.name:
            raise ConfigError(f"the recording {path} is of the task {task}, this run of {config.task.name}.")
        self.learner.add(reader.records(), "demonstration")

    def _resume(self) -> None:
        """Go on from the newest checkpoint, with all that was stored."""
        state = checkpoint.load(checkpoint.find(self.folder.checkpoints)[-1])
        reader = StoreReader(self.folder.experience)
        self.learner.add(reader.records(), "online")
        try:
            self.learner.restore(state)
            self.training_s = float(state["training_s"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise CheckpointError(
                f"the newest checkpoint of {self.folder.path} does not fit its configuration."
            ) from error
        newest = reader.newest_steps()
        self.learner.budget.steps = sum(newest.values())
        self._first_episode = max(newest, default=-1) + 1
        self._saved_at_step = self._evaluated_at_step = self._logged_at_step = self.learner.budget.steps
        self.learner.catch_up()  # before the robot moves

    def _between_episodes(self, is_interrupted: Callable[[], bool]) -> None:
        """What is due: a checkpoint, an evaluation."""
        steps, config = self.learner.budget.steps, self.config
        if steps - self._saved_at_step >= config.checkpoint_every_steps:
            self._save()
        every = config.evaluate_every_steps
        if every and steps // every > self._evaluated_at_step // every and steps < config.steps:
            self._evaluated_at_step = steps
            self.evaluate(config.evaluation_episodes, is_interrupted)

    def _save(self) -> None:
        self._store.flush(_FLUSH_TIMEOUT_S)
        self._saved_at_step = self.learner.budget.steps
        state = {**self.learner.state(), "training_s": self.training_s}
        checkpoint.save(self.folder.checkpoints, self._saved_at_step, state)

    def evaluate(self, episodes: int, is_interrupted: Callable[[], bool]) -> Evaluation:
        """Evaluate the slow average of the policy, without a person."""
        runner = PolicyRunner(self._agent.average_policy, self.config.agent.stack)
        evaluation = evaluate(self._evaluation_env, runner, episodes, EVALUATION_SEED, is_interrupted=is_interrupted)
        for observer in self._observers if len(evaluation.episodes) == episodes else ():
            observer.on_evaluation(self.learner.budget.steps, evaluation)
        return evaluation

    def _log_if_due(self) -> None:
        steps = self.learner.budget.steps
        if steps - self._logged_at_step >= self.config.log_every_steps:
            self._logged_at_step = steps
            metrics = self.learner.take_metrics()
            for observer in self._observers:
                observer.on_metrics(steps, metrics)


def record_expert(config: TrainConfig, path: Path) -> None:
    """Let the scripted expert record the demonstrations of a run; a recording that was cut off is completed."""
    recorded = sum(episode.is_complete for _, episode in StoreReader(path).episodes()) if path.exists() else 0
    if recorded >= config.demonstrations:
        return
    record_demonstrations(
        make_env(replace(config, teleop=TeleopConfig(kind="expert"))),
        path,
        describe(config),
        config.demonstrations - recorded,
        config.seed + 1,  # other scenes than those of the run
        is_success_only=True,
        on_episode=lambda kept, is_success: True,  # noqa: ARG005
    )


def find_device(name: str) -> str:
    """The device of a configuration: "auto" is a GPU where there is one."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:  # the latter where torch was built without it
        raise ConfigError(f"device={name} cannot be used here: {str(error).splitlines()[0]}") from error
    return name


def make_learner(
    config: TrainConfig,
    spec: EnvironmentSpec,
    agent: Agent,
    channel: LearnerChannel,
    store: StoreWriter | None,
    folder: RunFolder,
    device: str,
) -> Learner:
    """The learner of a configuration."""
    features = None
    encoder = agent.policy.encoder
    if encoder is not None and encoder.is_frozen:
        features = FeatureShape(config.agent.encoder.copies, encoder.backbone.places, encoder.backbone.channels)
    replay = Replay(spec, config.replay, config.agent.stack, features, folder.frames)
    batches = BatchMaker(replay, config.agent, config.agent.rlpd.gamma, config.seed, device)
    return Learner(agent, config.agent, replay, batches, channel, store, config.publish_every_steps)
