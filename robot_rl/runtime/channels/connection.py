"""The two ends of the channel of a configured run."""

from __future__ import annotations

from pathlib import Path

from robot_rl.errors import ConfigError
from robot_rl.runtime.channels.agreement import describe_difference, to_agreement
from robot_rl.runtime.channels.channel_config import ChannelConfig
from robot_rl.runtime.channels.curve import CurveKeys
from robot_rl.runtime.channels.zmq_actor import ZmqActorChannel
from robot_rl.runtime.channels.zmq_channel import ZmqLearnerChannel
from robot_rl.runtime.config import TrainConfig
from robot_rl.specs import EnvironmentSpec

_LEARNER, _ACTOR = "learner", "actor"


def make_learner_channel(config: TrainConfig, spec: EnvironmentSpec) -> ZmqLearnerChannel:
    """The learner's end; binds the address.

    Raises:
        ConfigError: it cannot be bound, is open to others without keys, or a certificate is unusable.
    """
    return ZmqLearnerChannel(
        spec,
        to_agreement(config),
        config.channel.address,
        _find_keys(config.channel, _LEARNER),
        describe_mismatch=describe_difference,
    )


def make_actor_channel(config: TrainConfig, spec: EnvironmentSpec) -> ZmqActorChannel:
    """The actor's end; begins to connect, also where no learner is there yet.

    Raises:
        ConfigError: the address has another form, or a certificate is unusable.
    """
    return ZmqActorChannel(
        spec,
        to_agreement(config),
        config.channel.address,
        _find_keys(config.channel, _ACTOR),
        actor=config.channel.actor,
    )


def _find_keys(config: ChannelConfig, own: str) -> CurveKeys | None:
    """The certificates of one side: the learner admits everybody else's, an actor knows the learner's alone."""
    if config.keys is None:
        return None
    folder = Path(config.keys)
    if own == _LEARNER:
        peers = tuple(path for path in sorted(folder.glob("*.key")) if path.stem != _LEARNER)
    else:
        peers = (folder / f"{_LEARNER}.key",)
    if not peers:
        raise ConfigError(f"{folder} must hold the public certificate NAME.key of each actor, and holds none.")
    return CurveKeys(folder / f"{own}.key_secret", peers)
