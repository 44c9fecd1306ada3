"""The learner's side of a training run: what is made of its configuration, folder and past."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch

from robot_rl.agents.agent import Agent, make_agent
from robot_rl.data.replay import FeatureShape, Replay
from robot_rl.data.store_reader import StoreReader
from robot_rl.data.store_writer import StoreWriter
from robot_rl.errors import CheckpointError, ConfigError, DivergenceError
from robot_rl.runtime.channels.channel import LearnerChannel
from robot_rl.runtime.config import TrainConfig
from robot_rl.runtime.learning import checkpoint
from robot_rl.runtime.learning.batches import BatchMaker
from robot_rl.runtime.learning.demonstrations import load_demonstrations
from robot_rl.runtime.learning.learner import Learner
from robot_rl.runtime.reporting.observers import Observer
from robot_rl.runtime.run_folder import RunFolder, describe
from robot_rl.runtime.torch_device import find_device
from robot_rl.specs import EnvironmentSpec

_FLUSH_TIMEOUT_S = 60.0
_UNSEEN_VERSIONS = 1000
"""More than a learner can have published of which no row had reached the disk when it was killed."""


class LearnerRun:
    """A learner, its store and its checkpoints: of a new run, or of one resumed where its newest checkpoint left it.

    Attributes:
        is_resumed: whether the folder held a checkpoint.
        training_s: time spent on steps and updates, without demonstrations and evaluations, as far as it was counted.
    """

    def __init__(
        self,
        config: TrainConfig,
        folder: RunFolder,
        spec: EnvironmentSpec,
        channel: LearnerChannel,
        observers: Sequence[Observer] = (),
    ) -> None:
        """Set up everything; nothing is learned before `prepare`.

        Raises:
            ConfigError, SetupError, StoreError, CheckpointError: something does not fit; the message says what.
        """
        torch.set_num_threads(config.threads)
        self.config, self.folder, self._spec, self._observers = config, folder, spec, observers
        device = find_device(config.device)
        self.agent = make_agent(config.agent, spec, config.seed, device)
        self.is_resumed = bool(checkpoint.find(folder.checkpoints))
        self.training_s = 0.0
        self._logged_at_step = 0
        self._saved = (0, 0)  # environment steps and updates that the newest checkpoint has seen
        self._store = StoreWriter(folder.experience, spec, describe(config))
        try:
            if self._store.acknowledged and not self.is_resumed:
                raise CheckpointError(
                    f"{folder.path} holds experience but no checkpoint to go on from; start another run, with "
                    f"demonstrations_from={folder.demonstrations} to keep those."
                )
            self.learner = make_learner(config, spec, self.agent, channel, self._store, folder, device)
        except BaseException:
            self._store.close()
            raise

    def prepare(
        self, on_pretrain: Callable[[int, int], None], is_interrupted: Callable[[], bool] = lambda: False
    ) -> bool:
        """Take in the demonstrations and imitate them, or go on from the newest checkpoint; False where interrupted.

        A run that can go on has its configuration from now on.

        Args:
            on_pretrain: hears (update of the imitation, of how many).
            is_interrupted: ends it; nothing is kept of an imitation, and the run begins anew when it goes on.

        Raises:
            ConfigError: the demonstrations do not fit, or there are none where nothing else is learned from.
            DivergenceError: the imitation has left the finite numbers.
        """
        demonstrations = load_demonstrations(
            self.config, self.folder, self._spec, is_resumed=self.is_resumed, is_interrupted=is_interrupted
        )
        self.learner.add(demonstrations, "demonstration")
        torch.set_num_threads(self.config.threads)  # a base policy that was asked about them took one
        if self.is_resumed:
            self._resume()
        else:
            self._check_can_begin()
            self.learner.pretrain(on_pretrain, is_interrupted)
            if is_interrupted():
                return False
            self.save()
        self.folder.update(self.config)  # not before it is sure that it goes on with it
        return True

    def _check_can_begin(self) -> None:
        """Raise ConfigError where only people's steps are learned from, and nobody has shown any yet."""
        shares, held = self.config.replay.shares, self.learner.memory.replay.rings["demonstration"]
        is_shown = held.has_transition and shares.get("demonstration", 0.0) > 0.0
        if is_shown or shares.get("online", 0.0) + shares.get("anchor", 0.0) > 0.0:
            return
        raise ConfigError(
            f"agent={self.config.agent.name} learns from people alone, as replay.shares say, and there is no "
            "demonstration in what it begins with: say demonstrations=20 or demonstrations_from=FOLDER, and give "
            "them a share."
        )

    def _resume(self) -> None:
        """Go on from the newest checkpoint, with all that was stored."""
        state = checkpoint.load(checkpoint.find(self.folder.checkpoints)[-1])
        reader = StoreReader(self.folder.experience)
        self.learner.add(reader.records(), "online")
        try:
            self.learner.restore(state)
            self.training_s = float(state["training_s"])
            self._saved = (int(state["steps"]), int(state["updates"]))
        except (KeyError, RuntimeError, ValueError) as error:
            raise CheckpointError(
                f"the newest checkpoint of {self.folder.path} does not fit its configuration."
            ) from error
        self.learner.budget.steps = reader.count_steps()
        if self.learner.budget.steps > self._saved[0]:  # it was killed: weights that are gone have acted since
            self.learner.version = max(self.learner.version, reader.newest_version()) + _UNSEEN_VERSIONS
        self._logged_at_step = self.learner.budget.steps
        self.learner.catch_up()  # before the robot moves

    @property
    def steps(self) -> int:
        """Environment steps of the run."""
        return self.learner.budget.steps

    @property
    def has_all(self) -> bool:
        """Whether the run has the configured number of steps, and was learned from."""
        return self.steps >= self.config.steps and self.learner.budget.owed == 0

    def save(self) -> None:
        """Write a checkpoint, after everything that it has seen.

        Raises:
            DivergenceError: a number in it is not finite; the checkpoint before stays the newest.
        """
        state = {**self.learner.state(), "training_s": self.training_s}
        self._check_finite(state["agent"], state["updates"])
        self.flush()  # after the state was taken: what it has seen is among what is written
        checkpoint.save(self.folder.checkpoints, state["steps"], state)
        self._saved = (state["steps"], state["updates"])

    def _check_finite(self, state: Mapping[str, object], updates: int) -> None:
        broken = [name for name, tensor in _tensors(state) if not bool(torch.isfinite(tensor).all())]
        if not broken:
            return
        advice = "begin another run with a smaller learning rate"
        if checkpoint.find(self.folder.checkpoints):
            advice = f"go on from the newest checkpoint, which is sound, or {advice}"
        more = f" and {len(broken) - 3} more" if len(broken) > 3 else ""
        raise DivergenceError(
            f"after {updates} updates {', '.join(broken[:3])}{more} are not finite, and are not saved: {advice}, and "
            "look for rewards or observations that are not finite."
        )

    def flush(self) -> None:
        """Wait until everything that was taken in is on the disk."""
        self._store.flush(_FLUSH_TIMEOUT_S)

    @property
    def is_saved(self) -> bool:
        """Whether the newest checkpoint has seen all steps, and all updates."""
        return self._saved == (self.steps, self.learner.budget.updates)

    def save_if_due(self) -> None:
        """Write a checkpoint if enough steps have passed since the last one, or the policy has become a frozen one.

        Of a checkpoint from before it would be learned again, from other experience.
        """
        budget = self.learner.budget
        is_frozen_unsaved = budget.is_frozen and self._saved[1] < budget.updates
        if is_frozen_unsaved or self.steps - self._saved[0] >= self.config.checkpoint_every_steps:
            self.save()

    def log_if_due(self) -> None:
        """Tell the observers what was measured, if enough steps have passed since the last time."""
        if self.steps - self._logged_at_step >= self.config.log_every_steps:
            self._logged_at_step = self.steps
            metrics = self.learner.take_metrics()
            for observer in self._observers:
                observer.on_metrics(self.steps, metrics)

    def close(self) -> None:
        """End the learner's thread and close the store."""
        self.learner.close()
        self._store.close()


def _tensors(state: object, name: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """The floating tensors of a checkpoint and their names, "critic.head.weight"."""
    if isinstance(state, torch.Tensor):
        if state.is_floating_point():
            yield name, state
    elif isinstance(state, Mapping):
        for key, value in state.items():
            yield from _tensors(value, f"{name}.{key}" if name else str(key))


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
    has_base = config.agent.is_corrector
    replay = Replay(spec, config.replay, config.agent.stack, features, folder.frames, has_base=has_base)
    batches = BatchMaker(replay, config.agent, config.agent.gamma, config.seed, device)
    return Learner(agent, config.agent, replay, batches, channel, store, config.publish_every_steps, config.steps)
