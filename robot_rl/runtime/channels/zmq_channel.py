"""The learner's end of the channel between processes and machines, over ZeroMQ.

The learner has one ROUTER socket. An actor connects to it twice, once for records and heartbeats and once for weights,
so that large weights stand in nobody's way. Sockets live in one thread at each end; callers only touch queues.
"""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import zmq
from zmq.auth.thread import ThreadAuthenticator

from robot_rl.errors import ConfigError, SpecError, WireError
from robot_rl.runtime.channels.address import parse_address
from robot_rl.runtime.channels.channel import DEFAULT_ADDRESS, validate_record
from robot_rl.runtime.channels.curve import CurveKeys, load_keys
from robot_rl.runtime.channels.mailbox import INBOX_LIMIT, Inbox
from robot_rl.runtime.channels.weights import Weights, check_weights
from robot_rl.runtime.channels.wire import (
    MAX_RECORD_BYTES,
    Buffer,
    Delivery,
    Goodbye,
    Hello,
    Parcel,
    Refusal,
    Request,
    Status,
    from_frames,
    spec_fingerprint,
    to_frames,
)
from robot_rl.runtime.channels.zmq_end import HEARTBEAT_S, ZmqEnd, shorten
from robot_rl.specs import EnvironmentSpec
from robot_rl.types import StepRecord

_DOMAIN = "robot_rl"
_PARTING_S = 2.0  # that a learner waits for its actors to have understood what is safe
_LINGER_MS = 500  # for the last acknowledgements of a learner that is closed
_log = logging.getLogger(__name__)


@dataclass
class _Peer:
    """A session of an actor: the connection that it was last heard on, when, and the oldest record that it keeps."""

    identity: bytes
    actor: int
    heard_s: float
    first: int


def _tell_both(ours: str, theirs: str) -> str:
    return f"the learner's configuration is {ours!r}, this actor's is {theirs!r}"


class ZmqLearnerChannel(ZmqEnd):
    """The learner's end: a LearnerChannel for any number of actors."""

    def __init__(
        self,
        spec: EnvironmentSpec,
        configuration: str,
        address: str = DEFAULT_ADDRESS,
        keys: CurveKeys | None = None,
        inbox_limit: int = INBOX_LIMIT,
        describe_mismatch: Callable[[str, str], str] = _tell_both,
    ) -> None:
        """Bind the address.

        Args:
            spec: of the environment whose records arrive.
            configuration: text of what actor and learner must agree upon beside it.
            address: tcp://HOST:PORT, port 0 for any that is free.
            keys: needed where others than this machine can reach the address.
            inbox_limit: records that may wait before the actors are asked to keep the rest.
            describe_mismatch: says in what two configurations differ, ours and an actor's.

        Raises:
            ConfigError: the address cannot be bound, is open to others without keys, or a certificate is unusable.
        """
        if keys is None and not parse_address(address).is_loopback:
            raise ConfigError(
                f"Binding {address} lets other machines in, which needs CURVE keys (robot-rl make-keys); "
                f"without them only a loopback address is allowed, such as {DEFAULT_ADDRESS}."
            )
        loaded = load_keys(keys) if keys is not None else None
        super().__init__("learner channel")
        self.rejected = 0
        """Messages that were dropped because they were malformed or did not fit."""
        self._spec = spec
        self._fingerprints = (configuration, spec_fingerprint(spec))
        self._inbox = Inbox(inbox_limit)
        self._describe_mismatch = describe_mismatch
        self._peers: dict[str, _Peer] = {}  # by session
        self._replaced: set[str] = set()  # sessions whose actor has started again
        self._progress: tuple[int, Mapping[int, int], bool] = (-1, {}, False)
        self.finished_actors = 0
        """How many actors have said goodbye because the run is over."""
        self._id = uuid.uuid4().hex
        self._newest: tuple[int, list[Buffer]] = (-1, [])
        self._authorised: list[bytes] = []
        self._authenticator: ThreadAuthenticator | None = None
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.maxmsgsize = MAX_RECORD_BYTES
        self._socket.ipv6 = "[" in address
        if loaded is not None:
            self._socket.curve_publickey, self._socket.curve_secretkey, self._authorised = loaded
            self._socket.curve_server = True
            self._socket.zap_domain = _DOMAIN.encode()
            self._socket.zap_enforce_domain = True  # without the authenticator nobody is let in
            self._authenticator = ThreadAuthenticator(self._context)
            self._authenticator.configure_curve_callback(_DOMAIN, self)
            self._authenticator.start()
        try:
            self._socket.bind(address)
        except zmq.ZMQError as error:
            self._release()
            os.close(self._wake_fd)
            raise ConfigError(f"Cannot bind {address}: {error}.") from error
        self.address = self._socket.get_string(zmq.LAST_ENDPOINT)
        """Where actors connect."""
        self._poller.register(self._socket, zmq.POLLIN)
        self._thread.start()

    def callback(self, _domain: str, key: bytes) -> bool:
        """Whether a public key is admitted: what the authenticator asks."""
        if key not in self._authorised:
            _log.warning("an actor with the unknown public key %s was turned away", key.decode())
        return key in self._authorised

    def count_actors(self, within_s: float) -> int:
        """How many actors were heard within that time and have not said goodbye."""
        now_s = time.monotonic()
        return sum(now_s - peer.heard_s < within_s for peer in list(self._peers.values()))

    def wait(self, timeout_s: float) -> bool:
        """Wait until a record can be drained; whether that happened in time."""
        self._check()
        return self._inbox.wait(timeout_s)

    def drain(self) -> list[StepRecord]:
        """Everything that arrived since the last call, in order for each actor."""
        self._check()
        records = self._inbox.drain()
        if records:
            self._wake()
        return records

    def acknowledge(self, count: int | None = None) -> None:
        """Say that the first `count` of all records ever drained (all of them, without it) are safe."""
        self._check()
        if self._inbox.acknowledge(count):  # a learner that waits says it every few milliseconds
            self._wake()

    def publish(self, weights: Weights) -> None:
        """Offer a copy of these weights instead of all earlier ones."""
        self._check()
        check_weights(weights, self._newest[0])
        self._newest = (weights.version, to_frames(Delivery(self._id, weights.copy())))
        self._wake()

    def announce(self, steps: int, next_episodes: Mapping[int, int], *, is_over: bool = False) -> None:
        """Tell the actors that all that was drained is taken in, after what was published before."""
        self._check()
        self._progress = (steps, dict(next_episodes), is_over)
        self._inbox.announce()
        self._wake()

    def close(self) -> None:
        """Send the last acknowledgements and release everything."""
        if self._close():
            self._release()

    def _release(self) -> None:
        self._socket.close(linger=_LINGER_MS)
        if self._authenticator is not None:
            self._authenticator.stop()
        self._context.term()

    def _run(self) -> None:
        while not self._is_closing:
            events = self._poll(HEARTBEAT_S)
            heard = self._receive() if self._socket in events else set()
            for session in list(self._peers) if self._wake_fd in events else heard:
                self._answer(session)
        self._part()

    def _part(self) -> None:
        """Give the last answers, and stay until they were understood: ZeroMQ drops what an actor has not read yet."""
        for session in self._peers:
            self._answer(session)
        end_s = time.monotonic() + _PARTING_S
        while self._owes_answers() and time.monotonic() < end_s:
            if self._socket in self._poll(_PARTING_S / 20):
                for session in self._receive():
                    self._answer(session)

    def _owes_answers(self) -> bool:
        """Whether an actor that is still there keeps records that it need not keep."""
        since_s = time.monotonic() - 2 * HEARTBEAT_S
        return any(
            peer.heard_s > since_s and peer.first < self._inbox.positions(session)[1]
            for session, peer in self._peers.items()
        )

    def _receive(self) -> set[str]:
        """Take up to 100 messages; the sessions that want an answer."""
        heard = set()
        for _ in range(100):
            try:
                identity, *frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            try:
                heard |= self._take(identity, frames)
            except (WireError, SpecError) as error:
                self.rejected += 1
                if self.rejected <= 10 or self.rejected % 1000 == 0:
                    _log.warning("rejected message %d: %s", self.rejected, shorten(str(error)))
                self._refuse(identity, f"the learner cannot take a message of this actor: {error}")
        return heard

    def _take(self, identity: bytes, frames: Sequence[Buffer]) -> set[str]:
        message = from_frames(frames)
        if isinstance(message, Hello):
            return self._greet(identity, message)
        if isinstance(message, Goodbye):
            self.finished_actors += message.has_finished and message.session in self._peers
            self._peers.pop(message.session, None)
            return set()
        if isinstance(message, Parcel):
            if message.session not in self._peers:
                return set()  # sent to an earlier learner: it comes again after the actor's next heartbeat
            validate_record(message.record, self._spec)
            self._inbox.accept(message.session, message.number, message.record)
            self._peers[message.session].heard_s = time.monotonic()
        elif isinstance(message, Request):
            frames = self._newest[1]
            if frames:
                self._socket.send_multipart([identity, *frames], copy=False)
            return set()
        else:
            raise WireError(f"a learner takes no {type(message).__name__}.")
        return {message.session}

    def _greet(self, identity: bytes, hello: Hello) -> set[str]:
        """Let an actor in, in the place of whoever had its number before, or refuse it."""
        reason = self._mismatch(hello)
        if hello.session in self._replaced:
            reason = f"another actor with the number {hello.actor} has come; give each a channel.actor of its own"
        if reason:
            self._refuse(identity, reason)
            return set()
        for session, peer in list(self._peers.items()):
            if peer.actor == hello.actor and session != hello.session:
                del self._peers[session]
                self._replaced.add(session)
        self._inbox.open(hello.session, hello.first)
        self._peers[hello.session] = _Peer(identity, hello.actor, time.monotonic(), hello.first)
        return {hello.session}

    def _mismatch(self, hello: Hello) -> str:
        """What an actor expects that is not so, or nothing."""
        configuration, spec = self._fingerprints
        reasons = []
        if hello.configuration != configuration:
            reasons.append(self._describe_mismatch(configuration, hello.configuration))
        if hello.spec != spec:
            reasons.append(f"the learner's environment spec is {spec!r}, this actor's is {hello.spec!r}")
        return "; ".join(reasons)

    def _answer(self, session: str) -> None:
        peer = self._peers.get(session)
        if peer is None:
            return
        taken = self._inbox.taken(session)  # read before what was published earlier
        steps, next_episodes, is_over = self._progress
        received, acknowledged, limit = self._inbox.positions(session)
        next_episode = max(next_episodes.get(peer.actor, 0), self._inbox.next_episode(peer.actor))
        status = Status(self._id, received, acknowledged, limit, self._newest[0], taken, steps, next_episode, is_over)
        self._reply(peer.identity, status)

    def _refuse(self, identity: bytes, reason: str) -> None:
        self._reply(identity, Refusal(shorten(reason)))

    def _reply(self, identity: bytes, message: Status | Refusal) -> None:
        self._socket.send_multipart([identity, *to_frames(message)])
