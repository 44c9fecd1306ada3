"""Certificates that encrypt a channel between machines and say who may use it (CurveZMQ)."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import zmq
from zmq.auth import load_certificate

from robot_rl.errors import ConfigError


@dataclass(frozen=True)
class CurveKeys:
    """Certificates that encrypt a channel and say who may use it.

    Attributes:
        own: this side's secret certificate.
        peers: public certificates: of the actors that a learner admits, or of an actor's learner alone.
    """

    own: Path
    peers: tuple[Path, ...]


def make_keys(directory: Path, names: Collection[str] = ("learner", "actor")) -> None:
    """Write NAME.key (public) and NAME.key_secret into `directory`, readable by the owner only.

    Raises:
        ConfigError: a file of that name exists already, or cannot be written.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in names:
            public, secret = (key.decode() for key in zmq.curve_keypair())
            text = f'curve\n    public-key = "{public}"\n'
            for suffix, content in (("key", text), ("key_secret", f'{text}    secret-key = "{secret}"\n')):
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
                with open(os.open(directory / f"{name}.{suffix}", flags, 0o600), "w") as file:
                    file.write(content)
    except OSError as error:
        raise ConfigError(f"Cannot write keys into {directory}: {error}.") from error


def load_keys(keys: CurveKeys) -> tuple[bytes, bytes, list[bytes]]:
    """(own public key, own secret key, public keys of the peers), in Z85."""
    try:
        public, secret = load_certificate(keys.own)
        peers = [load_certificate(path)[0] for path in keys.peers]
    except (OSError, ValueError) as error:
        raise ConfigError(f"Cannot read a CURVE certificate: {error}.") from error
    if secret is None or not peers:
        raise ConfigError(f"CURVE needs a secret certificate and at least one peer, got {keys.own} and {keys.peers}.")
    return public, secret, peers
