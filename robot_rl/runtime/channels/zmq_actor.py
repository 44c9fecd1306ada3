"""The actor's end of the channel over ZeroMQ."""

from __future__ import annotations

import logging
import threading
import time
import uuid

import zmq
from zmq.utils.monitor import recv_monitor_message

from robot_rl.errors import RefusedError, WireError
from robot_rl.runtime.channels.address import parse_address
from robot_rl.runtime.channels.channel import DEFAULT_ADDRESS, Progress, validate_record
from robot_rl.runtime.channels.curve import CurveKeys, load_keys
from robot_rl.runtime.channels.mailbox import CAPACITY, Outbox, warn_of_loss
from robot_rl.runtime.channels.weights import Weights
from robot_rl.runtime.channels.wire import (
    MAX_RECORD_BYTES,
    MAX_WEIGHTS_BYTES,
    Delivery,
    Goodbye,
    Hello,
    Message,
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

SILENCE_S = 1.8
"""Without an answer for so long, the learner counts as gone."""
RESEND_S = 1.0
"""Records that have not arrived after so long are sent again."""
WEIGHTS_TIMEOUT_S = 60.0
"""Weights that have not arrived after so long are asked for again, over a new connection."""

_LINGER_MS = 500  # for the goodbye
_RETRY_S = 0.02  # while there is something to send and no connection takes it
_log = logging.getLogger(__name__)


class ZmqActorChannel(ZmqEnd):
    """The actor's end: an ActorChannel to one learner, which may come, go and come back."""

    def __init__(
        self,
        spec: EnvironmentSpec,
        configuration: str,
        address: str = DEFAULT_ADDRESS,
        keys: CurveKeys | None = None,
        capacity: int = CAPACITY,
        actor: int = 0,
    ) -> None:
        """Begin to connect.

        Args:
            spec: of the environment whose records are sent.
            configuration: text of what actor and learner must agree upon beside it.
            address: the learner's, tcp://HOST:PORT.
            keys: needed where the learner has them.
            capacity: records that are kept until they are acknowledged.
            actor: number among the actors of the learner, each with another.

        Raises:
            ConfigError: the address has another form, or a certificate is unusable.
        """
        parse_address(address)
        self._keys = load_keys(keys) if keys is not None else None
        super().__init__("actor channel")
        self._address, self._spec = address, spec
        self._hello = (configuration, spec_fingerprint(spec))
        self._session = uuid.uuid4().hex
        self._outbox = Outbox(capacity)
        self._failure: str | None = None
        self._actor = actor
        self._has_finished = False
        self._changed = threading.Condition()  # held where what `wait_taken` looks at changes
        self._taken = 0
        self._has_announced = False  # the present learner; the progress may be that of the one before
        self._progress: Progress | None = None
        self._slot: list[Weights] = []  # at most one; append and pop are atomic
        self._learner = ""
        self._version = -1
        self._held = ("", -1)  # learner and version of the weights that arrived last
        self._asked_s: float | None = None  # when weights were asked for that have not come yet
        self._received = self._limit = self._cursor = 0  # the cursor is the number of the next record to send
        self._heard_s = self._greeted_s = -1e9
        self._progress_s = 0.0
        self._records = self._connect(MAX_RECORD_BYTES)
        self._monitor = self._records.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_AUTH)
        self._weights = self._connect(MAX_WEIGHTS_BYTES)
        self._poller.register(self._monitor, zmq.POLLIN)
        self._thread.start()

    @property
    def acknowledged(self) -> int:
        """How many records are safe with the learner."""
        return self._outbox.first

    @property
    def unacknowledged(self) -> int:
        """How many records are kept here because they are not."""
        return len(self._outbox)

    @property
    def learner_version(self) -> int:
        """Newest version that the learner has published, as far as is known; -1 where none."""
        return self._version

    @property
    def is_connected(self) -> bool:
        """Whether the learner was heard within the last two seconds, and takes this actor."""
        return self._failure is None and not self._is_closing and time.monotonic() - self._heard_s < SILENCE_S

    @property
    def progress(self) -> Progress | None:
        """How far the run has come, as far as is known; None before the learner was heard."""
        return self._progress

    def send(self, record: StepRecord) -> None:
        """Queue a record, whose arrays must not change any more."""
        self._check()
        validate_record(record, self._spec)
        self._outbox.append(record)
        self._wake()

    def latest(self) -> Weights | None:
        """Newest complete weights since the last call, or None; the arrays are the caller's."""
        self._check()
        try:
            return self._slot.pop()
        except IndexError:
            return None

    def flush(self, timeout_s: float) -> bool:
        """Wait until every record is acknowledged; whether that happened in time."""
        end_s = time.monotonic() + timeout_s
        while True:
            self._check()
            left_s = end_s - time.monotonic()
            if self._outbox.wait(min(max(left_s, 0.0), HEARTBEAT_S)):
                return True
            if left_s <= 0.0:
                return False

    def wait_taken(self, timeout_s: float) -> bool:
        """Wait until the learner has announced all that was sent, and the weights that it had by then are here."""
        end_s = time.monotonic() + timeout_s
        with self._changed:
            while not self._is_taken():
                self._check()
                left_s = end_s - time.monotonic()
                if left_s <= 0.0:
                    return False
                self._changed.wait(min(left_s, HEARTBEAT_S))
            self._check()
        return True

    def _is_taken(self) -> bool:
        learner, version = self._held
        has_weights = learner == self._learner and version >= self._version >= 0
        return has_weights and self._has_announced and self._taken >= self._outbox.end

    def close(self, *, has_finished: bool = False) -> None:
        """Give up what is not acknowledged, with a warning in the log, say goodbye, and release everything."""
        self._has_finished = has_finished
        if self._close():
            self._records.disable_monitor()
            for socket in (self._monitor, self._records, self._weights):
                socket.close(linger=_LINGER_MS if socket is self._records else 0)
            self._context.term()
            warn_of_loss(self.unacknowledged)

    def _check(self) -> None:
        if self._failure is not None:
            raise RefusedError(self._failure)
        super()._check()

    def _fail(self, reason: str) -> None:
        failure = f"the channel to the learner at {self._address} has failed: {shorten(reason)}"
        _log.error(failure)  # before anyone is told: who ends of it has its reason in the log
        self._failure = failure
        with self._changed:
            self._changed.notify_all()

    def _connect(self, limit_bytes: int) -> zmq.Socket[bytes]:
        socket = self._context.socket(zmq.DEALER)
        socket.maxmsgsize = limit_bytes
        socket.immediate = True  # queue for a learner that is there, not for the next one
        socket.reconnect_ivl, socket.reconnect_ivl_max = 50, 500
        socket.ipv6 = "[" in self._address
        if self._keys is not None:
            socket.curve_publickey, socket.curve_secretkey, (socket.curve_serverkey, *_) = self._keys
        if limit_bytes == MAX_RECORD_BYTES:
            # A cable that was pulled is no end of a connection. Large weights may be slower than this.
            socket.heartbeat_ivl, socket.heartbeat_timeout = int(1000 * HEARTBEAT_S), 2000
        socket.connect(self._address)
        self._poller.register(socket, zmq.POLLIN)
        return socket

    def _run(self) -> None:
        while not self._is_closing and self._failure is None:
            try:
                is_sent = self._greet() and self._push()
                self._ask_for_weights()
                events = self._poll(HEARTBEAT_S / 2 if is_sent else _RETRY_S)
                if self._monitor in events:
                    recv_monitor_message(self._monitor)
                    self._fail("the learner does not know this actor's public key")
                for socket in (self._records, self._weights):
                    if socket in events:
                        self._receive(socket)
            except WireError as error:
                self._fail(str(error))
        while not self._is_closing:
            self._poll(HEARTBEAT_S)
        if self._failure is None:
            self._try_send(self._records, Goodbye(self._session, self._has_finished))

    def _try_send(self, socket: zmq.Socket[bytes], message: Message) -> bool:
        """Whether a connection took the message."""
        try:
            socket.send_multipart(to_frames(message), zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return False
        return True

    def _greet(self) -> bool:
        """Send a heartbeat when it is time; False if no connection took it."""
        now_s = time.monotonic()
        if now_s - self._greeted_s < HEARTBEAT_S:
            return True
        if not self._try_send(self._records, Hello(self._session, self._actor, self._outbox.first, *self._hello)):
            return False
        self._greeted_s = now_s
        return True

    def _push(self) -> bool:
        """Send what the learner has room for; False if no connection took it."""
        while self._cursor < min(self._outbox.end, self._limit):
            parcel = Parcel(self._session, self._cursor, self._outbox.get(self._cursor))
            if not self._try_send(self._records, parcel):
                return False
            self._cursor += 1
        return True

    def _ask_for_weights(self) -> None:
        learner, version = self._held
        if self._version < 0 or (learner == self._learner and version >= self._version):
            return
        now_s = time.monotonic()
        if self._asked_s is not None:
            if now_s - self._asked_s < WEIGHTS_TIMEOUT_S:
                return
            self._poller.unregister(self._weights)
            self._weights.close(linger=0)
            self._weights = self._connect(MAX_WEIGHTS_BYTES)
        self._asked_s = now_s if self._try_send(self._weights, Request(self._session)) else None

    def _receive(self, socket: zmq.Socket[bytes]) -> None:
        while True:
            try:
                frames = socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            message = from_frames([frame.buffer for frame in frames])
            if isinstance(message, Status):
                self._follow(message)
            elif isinstance(message, Delivery):
                with self._changed:
                    self._asked_s, self._held = None, (message.learner, message.weights.version)
                    self._slot[:] = [message.weights]
                    self._changed.notify_all()
            elif isinstance(message, Refusal):
                self._fail(message.reason)
            else:
                raise WireError(f"an actor takes no {type(message).__name__}.")

    def _follow(self, status: Status) -> None:
        """Forget what is safe, and decide what to send next."""
        now_s = self._heard_s = time.monotonic()
        self._outbox.forget(status.acknowledged)
        is_new = status.learner != self._learner
        has_stalled = self._cursor > status.received and now_s - self._progress_s > RESEND_S
        if is_new:
            self._asked_s = None
        if is_new or has_stalled:
            self._cursor = status.received
        self._cursor = max(self._cursor, status.received, self._outbox.first)  # what arrived need not go again
        if is_new or has_stalled or status.received > self._received or self._cursor == status.received:
            self._progress_s = now_s
        self._received, self._limit = status.received, status.limit
        with self._changed:
            self._learner, self._version, self._taken = status.learner, status.version, status.taken
            self._has_announced = status.steps >= 0
            if self._has_announced:
                self._progress = Progress(status.steps, status.next_episode, status.is_over)
            self._changed.notify_all()
