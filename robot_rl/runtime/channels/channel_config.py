"""How an actor finds its learner."""

from __future__ import annotations

from dataclasses import dataclass

from robot_rl.errors import ConfigError
from robot_rl.runtime.channels.address import parse_address
from robot_rl.runtime.channels.channel import DEFAULT_ADDRESS


@dataclass(frozen=True)
class ChannelConfig:
    """How an actor and a learner in processes of their own are joined.

    Attributes:
        address: of the learner, tcp://HOST:PORT; it binds it, actors connect to it.
        is_synchronous: whether, in lock-step, an actor waits for the learner after each time step. Then a run is the
            same for the same seed, as in one process. In real time nobody waits.
        keys: folder of CURVE certificates, needed where HOST is not this machine: the learner reads learner.key_secret
            and admits whose public NAME.key lies beside it; an actor reads actor.key_secret and learner.key.
        actor: number of this actor among those of the learner, each of which needs another.
        patience_s: a learner whose run is over waits so long for an actor that has fallen silent, and an actor that an
            error ends, for a learner that is away and lacks what was made [s].
    """

    address: str = DEFAULT_ADDRESS
    is_synchronous: bool = True
    keys: str | None = None
    actor: int = 0
    patience_s: float = 30.0

    def __post_init__(self) -> None:
        parse_address(self.address)
        if not 0 <= self.actor < 2**30:
            raise ConfigError(f"channel.actor must be a whole number from 0 to 2^30 - 1, got {self.actor}.")
        if not self.patience_s > 0.0:
            raise ConfigError(f"channel.patience_s must be positive, got {self.patience_s} s.")
