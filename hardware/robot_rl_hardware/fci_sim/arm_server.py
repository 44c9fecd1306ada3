"""The robot's side of the wire: requests over TCP, a state and a command every millisecond over UDP.

In lock-step the robot's time stands still until the command for the state that was sent last arrives, and between
motions as soon as everything is at rest: what happens in a motion depends on its commands alone, not on how fast
anybody is. In real time a command counts if it arrives within its millisecond.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np

from robot_rl.errors import WireError
from robot_rl.sim.urdf import to_urdf
from robot_rl_hardware.fci_sim.connection import Connection, accept, listen
from robot_rl_hardware.fci_sim.controller import RobotController
from robot_rl_hardware.fci_sim.link import Link
from robot_rl_hardware.fci_sim.loop import Loop
from robot_rl_hardware.fci_sim.plant import PERIOD_S
from robot_rl_hardware.fci_sim.report import Report
from robot_rl_hardware.fci_sim.vocabulary import Controller, Generator, Request, Status
from robot_rl_hardware.fci_sim.wire import ARM_PORT, CONNECT_REQUEST, HEADER, SETTERS, Dialect, to_record

_log = logging.getLogger(__name__)

_SECOND_STATE_S = 0.005
_NEXT_STATE_S = 0.1


class ArmServer:
    """Serves one client at a time; while one is connected, others are refused."""

    def __init__(self, loop: Loop, robot: RobotController, dialect: Dialect, host: str, is_lock_step: bool) -> None:
        """Listen on `host`.

        Raises:
            OSError: the port is taken.
        """
        self._loop, self.robot, self._dialect, self._host = loop, robot, dialect, host
        self._is_lock_step = is_lock_step
        self._silence = loop.add_timer(PERIOD_S, self._end_silence)
        self._listen()
        self.link = Link(host)
        self._report = Report(robot, dialect)
        self._urdf = to_urdf(robot.plant.model, has_hand=False).encode()
        self._client: Connection | None = None
        self._move_number: int | None = None
        self._awaited: int | None = None  # number of the state whose command lets time pass, in lock-step
        self._command: np.void | None = None  # for the state that was sent last, in real time
        self._orders: list[tuple[int, Callable[[], None]]] = []
        self.is_advancing_at_rest: Callable[[], bool] = lambda: not is_lock_step
        """Whether physics go on between motions although the arm is at rest."""
        self._timer = loop.add_timer(PERIOD_S, self._tick)
        loop.watch(self.link.socket, self._take_command)
        self._timer.start()

    # --- connections --------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        self._listener = listen(self._host, ARM_PORT)
        if not self._silence.is_running:
            self._loop.watch(self._listener, self._accept)

    def _accept(self) -> None:
        self._client = accept(self._listener, HEADER)
        if self._client is None:
            return
        self._loop.watch(self._client.socket, self._take_requests)
        # a second client is refused, as by the robot, rather than left waiting for an answer
        self._loop.forget(self._listener)
        self._listener.close()

    def hang_up(self) -> None:
        """Close the client's connection, whatever it waits for."""
        if self._client is None:
            return
        self._loop.forget(self._client.socket)
        self._client.socket.close()
        self._client = None
        self.link.connect(None)
        self._end(self.robot.abort())
        self._listen()

    def close(self) -> None:
        """End a motion, tell the client so, and close everything."""
        self._end(self.robot.abort())
        self._loop.forget(self.link.socket)
        self.hang_up()
        self._loop.forget(self._listener)
        self._listener.close()
        self.link.socket.close()
        self._timer.stop()

    # --- requests -----------------------------------------------------------------------------------------------

    def _take_requests(self) -> None:
        client = self._client
        if client is None or not client.receive():
            self.hang_up()
            return
        try:
            for command, number, payload in client.messages():
                if command >= len(self._dialect.requests):
                    raise WireError(
                        f"request {command} does not exist; valid are 0 to {len(self._dialect.requests) - 1}."
                    )
                self._answer(client, self._dialect.requests[command], number, payload)
        except WireError as error:
            _log.warning("the client is sent away: %s", error)
            self.hang_up()

    def _answer(self, client: Connection, request: Request, number: int, payload: bytes) -> None:
        dialect, robot = self._dialect, self.robot
        if request is Request.CONNECT:
            client.send(dialect.to_message(request, number, self._connect(client, payload)))
        elif request is Request.MOVE:
            status = self._move(number, to_record(payload, dialect.move))
            client.send(dialect.to_reply(request, number, status))
        elif request is Request.STOP_MOVE:
            ended = robot.stop()
            self._show()
            client.send(dialect.to_reply(request, number, Status.SUCCESS))
            if ended is not None:
                self._answer_move(ended)
        elif request is Request.AUTOMATIC_ERROR_RECOVERY:
            status = robot.recover()
            self._show()
            client.send(dialect.to_reply(request, number, status))
        elif request is Request.GET_ROBOT_MODEL:
            client.send(dialect.to_reply(request, number, Status.SUCCESS, self._urdf))
        elif request in SETTERS:
            record = to_record(payload, SETTERS[request])
            fields = {name: record[name] for name in SETTERS[request].names or ()}
            status = robot.apply(request, fields)
            self._show()
            client.send(dialect.to_reply(request, number, status))
        else:
            _log.warning("%s is refused: the simulated robot does not have it", request.value)
            client.send(dialect.to_reply(request, number, Status.NOT_POSSIBLE))

    def _connect(self, client: Connection, payload: bytes) -> bytes:
        asked = to_record(payload, CONNECT_REQUEST)
        is_compatible = int(asked["version"]) == self._dialect.version
        if is_compatible:
            self.link.connect((client.host, int(asked["udp_port"])))
        else:
            _log.warning(
                "a client of version %d was refused; this robot's is %d", asked["version"], self._dialect.version
            )
        return bytes([not is_compatible]) + self._dialect.version.to_bytes(2, "little")

    def _move(self, number: int, asked: np.void) -> Status:
        try:
            controller = Controller(int(asked["controller_mode"]))
            generator = Generator(int(asked["motion_generator_mode"]))
        except ValueError:
            return Status.INVALID
        is_torque = controller is Controller.EXTERNAL and generator is self._dialect.torque_generator
        is_async = "use_async_motion_generator" in (asked.dtype.names or ()) and asked["use_async_motion_generator"]
        if is_async or not (
            is_torque or (controller is Controller.JOINT_IMPEDANCE and generator is not Generator.NONE)
        ):
            _log.warning(
                "a motion is refused: %s with %s%s is not simulated; torques, and motions with joint impedance, are",
                controller.name,
                generator.name,
                " (asynchronous)" if is_async else "",
            )
            return Status.NOT_POSSIBLE
        status = self.robot.start(controller, Generator.NONE if is_torque else generator)
        if status is Status.STARTED:
            self._move_number, self._command = number, None
            if self._is_lock_step:
                self._begin_lock_step()
        return status

    def _begin_lock_step(self) -> None:
        """Show the motion, in such a way that every run has the same first cycle.

        A client takes the first state of a motion without answering it, and answers the next one: so the first is
        sent before the reply, and the next when the client is past it. More than these two would be answered or not
        as it happens; they are sent only to a client that has missed the second one.
        """
        self.robot.wait()
        self._awaited = self._publish()
        self._timer.start(_SECOND_STATE_S)

    # --- time ---------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        """A millisecond of the wall clock, while it is the clock."""
        robot = self.robot
        if self._silence.is_running:
            return
        if robot.motion is None:
            robot.rest(self.is_advancing_at_rest())
            self._publish()
        elif self._is_lock_step:
            robot.wait()
            self._awaited = self._publish()
            self._timer.start(_NEXT_STATE_S)
        else:
            command, self._command = self._command, None
            self._cycle(command)

    def _take_command(self) -> None:
        datagram = self.link.receive()
        if datagram is None or len(datagram) != self._dialect.command.itemsize or self.robot.motion is None:
            return
        command: np.void = np.frombuffer(datagram, self._dialect.command)[0]
        number = int(command["message_id"])
        if self._is_lock_step:
            if number == self._awaited:
                self._timer.stop()
                is_late = number != self.robot.clock_ms
                self._cycle(None if is_late or self.link.is_command_lost() else command)
        elif number == self.robot.clock_ms and not self.link.is_command_lost():
            self._command = command

    def _cycle(self, command: np.void | None) -> None:
        """A millisecond of a motion; in lock-step also those after it in which no state reaches the client."""
        while True:
            self._follow_orders()
            if self.robot.motion is None:  # ended by an order
                return
            ended = self.robot.step(command)
            self._awaited = self._publish()
            if ended is not None:
                self._answer_move(ended)
                return
            if not self._is_lock_step or self._awaited is not None or self._silence.is_running:
                return
            command = None

    def _publish(self) -> int | None:
        return self.link.publish(self.robot.clock_ms, self._report.write()) if self.link.client is not None else None

    def _show(self) -> None:
        """Send what has changed between two milliseconds, so that whoever changed it finds it in the next state."""
        if self.robot.motion is None:
            self.robot.rest(is_advancing=False)
            self._publish()

    def _end(self, ended: Status | None) -> None:
        """A motion has ended between two milliseconds."""
        if ended is not None:
            self._show()
            self._answer_move(ended)

    def _answer_move(self, ended: Status) -> None:
        number, self._move_number = self._move_number, None
        self.link.behave()  # what is left of an order does not reach into the next motion
        if self._client is not None and number is not None:
            self._client.send(self._dialect.to_reply(Request.MOVE, number, ended))
        self._timer.start(PERIOD_S)

    # --- what may go wrong --------------------------------------------------------------------------------------

    def order(self, at_cycle: int, act: Callable[[], None]) -> None:
        """Have something happen before a millisecond of motion, counted from 0 over all motions."""
        self._orders.append((at_cycle, act))
        self._orders.sort(key=lambda one: one[0])

    def _follow_orders(self) -> None:
        while self._orders and self._orders[0][0] <= self.robot.cycle_count:
            self._orders.pop(0)[1]()

    def press_user_stop(self) -> None:
        """Somebody presses the button."""
        self._end(self.robot.press_user_stop())

    def fall_silent(self, duration_s: float) -> None:
        """Neither send nor receive anything for a while; the robot's time stands still, too."""
        self._silence.start(duration_s)  # first: what is no duration changes nothing
        self.link.is_silent = True
        for source in (self.link.socket, self._listener):
            self._loop.forget(source)
        if self._client is not None:
            self._client.is_silent = True
            self._loop.forget(self._client.socket)

    def _end_silence(self) -> None:
        self._silence.stop()
        self.link.is_silent = False
        self._loop.watch(self.link.socket, self._take_command)
        if self._client is None:
            self._loop.watch(self._listener, self._accept)
            return
        self._loop.watch(self._client.socket, self._take_requests)
        self._show()  # before the reply to a motion that has ended meanwhile
        self._client.is_silent = False
        self._client.send()
        if self._is_lock_step and self.robot.motion is not None and self._awaited is None:
            # silence fell after this millisecond's command, so the client waits for its state; unless it is lost, too
            self._awaited = self._publish()
            if self._awaited is None:
                self._cycle(None)
