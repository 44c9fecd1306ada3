"""The channel between processes and machines, over ZeroMQ.

The learner has one ROUTER socket. An actor connects to it twice, once for records and heartbeats and once for weights,
so that large weights stand in nobody's way. Sockets live in one thread at each end; callers only touch queues.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import threading
import uuid
from abc import ABC, abstractmethod
from collections.abc import Sequence

import zmq
from zmq.auth.thread import ThreadAuthenticator

from robot_rl.errors import ChannelError, ConfigError, SpecError, WireError
from robot_rl.runtime.channel import Weights, check_weights, validate_record
from robot_rl.runtime.curve import CurveKeys, load_keys
from robot_rl.runtime.mailbox import INBOX_LIMIT, Inbox
from robot_rl.runtime.wire import (
    MAX_RECORD_BYTES,
    Buffer,
    Delivery,
    Hello,
    Parcel,
    Refusal,
    Request,
    Status,
    from_frames,
    spec_fingerprint,
    to_frames,
)
from robot_rl.specs import EnvironmentSpec
from robot_rl.types import StepRecord

DEFAULT_ADDRESS = "tcp://127.0.0.1:47100"
HEARTBEAT_S = 0.5
"""Each side speaks at least so often."""

_DOMAIN = "robot_rl"
_LINGER_MS = 500  # for the last acknowledgements of a learner that is closed
_log = logging.getLogger(__name__)


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach an address; ConfigError unless it is tcp://HOST:PORT."""
    scheme, _, rest = address.partition("://")
    host, _, port = rest.rpartition(":")
    if scheme != "tcp" or not host or not (port == "*" or (port.isdecimal() and int(port) < 2**16)):
        raise ConfigError(f"The address of a channel must be tcp://HOST:PORT, got {address!r}.")
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class ZmqEnd(ABC):
    """What both ends have: a context, a thread that alone touches the sockets, and a way to wake it."""

    def __init__(self, name: str) -> None:
        """Prepare everything but the sockets; the subclass starts the thread."""
        self._context = zmq.Context(io_threads=2)
        self._context.linger = 0
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._wake_lock = threading.Lock()
        self._is_closing = False
        self._poller = zmq.Poller()
        self._poller.register(self._wake_fd, zmq.POLLIN)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @abstractmethod
    def _run(self) -> None:
        """What the thread does until `_is_closing`."""

    def _wake(self) -> None:
        with self._wake_lock:
            if not self._is_closing:
                os.eventfd_write(self._wake_fd, 1)

    def _poll(self, timeout_s: float) -> dict[object, int]:
        """Sockets that have something; what woke the thread is cleared."""
        events: dict[object, int] = dict(self._poller.poll(max(0, int(1000 * timeout_s) + 1)))
        if self._wake_fd in events:
            os.eventfd_read(self._wake_fd)
        return events

    def _check(self) -> None:
        if self._is_closing:
            raise ChannelError("the channel is closed.")
        if not self._thread.is_alive():
            raise ChannelError("the channel's thread has died; the log says of what.")

    def _close(self) -> bool:
        """Stop the thread, which closes its sockets; False if that has happened before."""
        with self._wake_lock:
            was_closing, self._is_closing = self._is_closing, True
            if not was_closing:
                os.eventfd_write(self._wake_fd, 1)
        if not was_closing:
            self._thread.join()
            os.close(self._wake_fd)
        return not was_closing


class ZmqLearnerChannel(ZmqEnd):
    """The learner's end: a LearnerChannel for any number of actors."""

    def __init__(
        self,
        spec: EnvironmentSpec,
        configuration: str,
        address: str = DEFAULT_ADDRESS,
        keys: CurveKeys | None = None,
        inbox_limit: int = INBOX_LIMIT,
    ) -> None:
        """Bind the address.

        Args:
            spec: of the environment whose records arrive.
            configuration: fingerprint of what actor and learner must agree upon beside it.
            address: tcp://HOST:PORT, port 0 for any that is free.
            keys: needed where others than this machine can reach the address.
            inbox_limit: records that may wait before the actors are asked to keep the rest.

        Raises:
            ConfigError: the address cannot be bound, is open to others without keys, or a certificate is unusable.
        """
        if keys is None and not is_loopback(address):
            raise ConfigError(
                f"Binding {address} lets other machines in, which needs CURVE keys (make_keys); "
                f"without them only a loopback address is allowed, such as {DEFAULT_ADDRESS}."
            )
        loaded = load_keys(keys) if keys is not None else None
        super().__init__("learner channel")
        self.rejected = 0
        """Messages that were dropped because they were malformed or did not fit."""
        self._spec = spec
        self._fingerprints = (configuration, spec_fingerprint(spec))
        self._inbox = Inbox(inbox_limit)
        self._peers: dict[str, bytes] = {}  # session -> the connection that it was last heard on
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
        self._inbox.acknowledge(count)
        self._wake()

    def publish(self, weights: Weights) -> None:
        """Offer a copy of these weights instead of all earlier ones."""
        self._check()
        check_weights(weights, self._newest[0])
        self._newest = (weights.version, to_frames(Delivery(self._id, weights.copy())))
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
            for session in self._peers if self._wake_fd in events else heard:
                self._answer(session)
        for session in self._peers:
            self._answer(session)

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
                    _log.warning("rejected message %d: %s", self.rejected, error)
                self._reply(identity, Refusal(f"the learner cannot take a message of this actor: {error}"))
        return heard

    def _take(self, identity: bytes, frames: Sequence[Buffer]) -> set[str]:
        message = from_frames(frames)
        if isinstance(message, Hello):
            reason = self._mismatch(message)
            if reason:
                self._reply(identity, Refusal(reason))
                return set()
            self._inbox.open(message.session, message.first)
            self._peers[message.session] = identity
        elif isinstance(message, Parcel):
            if message.session not in self._peers:
                return set()  # sent to an earlier learner: it comes again after the actor's next heartbeat
            validate_record(message.record, self._spec)
            self._inbox.accept(message.session, message.number, message.record)
        elif isinstance(message, Request):
            frames = self._newest[1]
            if frames:
                self._socket.send_multipart([identity, *frames], copy=False)
            return set()
        else:
            raise WireError(f"a learner takes no {type(message).__name__}.")
        return {message.session}

    def _mismatch(self, hello: Hello) -> str:
        """What an actor expects that is not so, or nothing."""
        expected = zip(
            ("configuration", "environment spec"), self._fingerprints, (hello.configuration, hello.spec), strict=True
        )
        return "; ".join(
            f"the learner's {name} is {ours!r}, this actor's is {theirs!r}"
            for name, ours, theirs in expected
            if ours != theirs
        )

    def _answer(self, session: str) -> None:
        received, acknowledged, limit = self._inbox.positions(session)
        self._reply(self._peers[session], Status(self._id, received, acknowledged, limit, self._newest[0]))

    def _reply(self, identity: bytes, message: Status | Refusal) -> None:
        self._socket.send_multipart([identity, *to_frames(message)])
