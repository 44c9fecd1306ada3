"""The robot's controller: modes, motions and their ends, errors and recovery. It knows neither sockets nor clocks."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Final

import numpy as np

from robot_rl.geometry import Array
from robot_rl_hardware.fci_sim import limits
from robot_rl_hardware.fci_sim.contact import Contact
from robot_rl_hardware.fci_sim.motion import CartesianMotion, JointMotion, Motion, TorqueMotion, make_motion
from robot_rl_hardware.fci_sim.plant import Plant
from robot_rl_hardware.fci_sim.servo import Servo
from robot_rl_hardware.fci_sim.settings import Settings
from robot_rl_hardware.fci_sim.vocabulary import ROBOT_ERRORS, Controller, Generator, Request, RobotMode, Status

SETTLING_LIMIT_MS: Final = 2000
"""After a motion the robot waits no longer than this until nothing moves any more."""


class RobotController:
    """One robot, in steps of a millisecond.

    Attributes:
        clock_ms: the robot's time; the number of its next state.
        mode: what the robot does.
        generator, controller: of the motion that is under way.
        errors: those in force, by their number. last_errors: those that ended the previous motion.
        cycle_count: milliseconds of motions. lost_count: those of them without a command.
    """

    def __init__(self, plant: Plant) -> None:
        """Stand where `plant` stands."""
        self.plant = plant
        self.settings = Settings(plant.model)
        self.contact = Contact()
        self.servo = Servo(plant)
        self.servo.hold_here(self.settings.joint_stiffness)
        self.clock_ms = 1
        self.mode = RobotMode.IDLE
        self.motion: Motion | None = None
        self.generator, self.controller = Generator.NONE, Controller.OTHER
        self.errors = np.zeros(len(ROBOT_ERRORS), bool)
        self.last_errors = np.zeros(len(ROBOT_ERRORS), bool)
        self.torque, self.torque_change = np.zeros(7), np.zeros(7)
        """Commanded without gravity [Nm], and its change since the millisecond before [Nm/s]. Shape (7,)."""
        self.cycle_count = self.lost_count = 0
        self.ordered_error: str | None = None
        """An error that a test wants in the next millisecond of a motion."""
        self._lost_in_a_row = 0
        self._received: deque[bool] = deque(maxlen=100)
        self._settling_ms = 0

    # --- what the world reads -----------------------------------------------------------------------------------

    @property
    def is_torque_motion(self) -> bool:
        """Whether a client commands torques."""
        return isinstance(self.motion, TorqueMotion)

    @property
    def success_rate(self) -> float:
        """Share of the last 100 commands that arrived; 0 when none is expected."""
        return self._received.count(True) / len(self._received) if self._received else 0.0

    # --- requests -----------------------------------------------------------------------------------------------

    def start(self, controller: Controller, generator: Generator) -> Status:
        """Begin a motion, if the mode allows it; STARTED, or why not."""
        if self.mode is not RobotMode.IDLE:
            return Status.NOT_POSSIBLE
        self.settle()
        self.contact.reset()  # what has stopped no motion does not stop this one; what still pushes is felt anew
        self.servo.stand_still()
        self.motion = make_motion(generator, self.servo, self.settings)
        if isinstance(self.motion, TorqueMotion):  # torques begin at zero, also those in the state
            self.torque[:] = 0.0
        self.mode, self.controller, self.generator = RobotMode.MOVE, controller, generator
        self.last_errors[:] = False
        self._lost_in_a_row = 0
        self._received.clear()
        return Status.STARTED

    def stop(self) -> Status | None:
        """The client wants the motion to end; how it ended, or None where there was none."""
        return self._end(RobotMode.IDLE, Status.PREEMPTED)

    def abort(self) -> Status | None:
        """The client is gone; how the motion ended, or None where there was none."""
        return self._end(RobotMode.IDLE, Status.ABORTED)

    def press_user_stop(self) -> Status | None:
        """Somebody presses the button; how the motion ended, or None where there was none."""
        ended = self._end(RobotMode.USER_STOPPED, Status.USER_STOP)
        self.mode = RobotMode.USER_STOPPED
        return ended

    def release_user_stop(self) -> None:
        """Somebody releases the button: what stopped the robot before it was pressed is still there."""
        if self.mode is RobotMode.USER_STOPPED:
            self.mode = RobotMode.REFLEX if self.errors.any() else RobotMode.IDLE

    def recover(self) -> Status:
        """Clear what stopped the robot, after it has come to rest."""
        if self.mode is RobotMode.USER_STOPPED:
            return Status.USER_STOP
        if self.mode is RobotMode.MOVE:
            return Status.NOT_POSSIBLE
        self.settle()
        if not limits.is_within_limits(self.plant.positions):
            return Status.NEEDS_MANUAL_RECOVERY
        self.errors[:] = False
        self.contact.reset()
        self.mode = RobotMode.IDLE
        return Status.SUCCESS

    def apply(self, request: Request, payload: Mapping[str, Array]) -> Status:
        """Take over settings, which a moving robot refuses."""
        if self.mode is RobotMode.MOVE:
            return Status.NOT_POSSIBLE
        if not self.settings.apply(request, payload):
            return Status.INVALID
        if request is Request.SET_JOINT_IMPEDANCE:
            self.servo.hold_here(self.settings.joint_stiffness)
        return Status.SUCCESS

    def place(self, joint_positions: Array) -> None:
        """Somebody guides the arm by hand to joint positions [rad], shape (7,), and lets go of it there."""
        self.plant.place(joint_positions)
        self.torque[:] = 0.0
        self.contact.let_go()
        self.servo.hold_here(self.settings.joint_stiffness)
        self._settling_ms = 0

    # --- time ---------------------------------------------------------------------------------------------------

    def step(self, command: np.void | None) -> Status | None:
        """A millisecond of a motion, with its command or without; how the motion ended, if it did."""
        motion = self.motion
        if motion is None:
            raise RuntimeError("no motion is under way: `rest` lets time pass")
        self._received.append(command is not None)
        if command is not None and _is_finished(command):
            error = motion.finish(command)
            ended = self._trip(error) if error else self._end(RobotMode.IDLE, Status.SUCCESS)
            self.rest(is_advancing=False)
            return ended
        error = self._lose() if command is None else self._take(motion, command)
        if error is not None:
            ended = self._trip(error)
            self.rest(is_advancing=False)
            return ended
        self._advance(motion.torque())
        error = self._find_error()
        return None if error is None else self._trip(error)

    def rest(self, is_advancing: bool) -> None:
        """A millisecond without a motion.

        Args:
            is_advancing: whether physics go on although everything is at rest.
        """
        if is_advancing or not self._is_settled():
            self._settling_ms += 1
            self._advance(self.servo.torque())
        else:
            self.clock_ms += 1

    def wait(self) -> None:
        """A millisecond of a motion that has not got its first command: nothing moves, only the clock."""
        self.clock_ms += 1

    def settle(self) -> None:
        """Let time pass until everything is at rest."""
        while not self._is_settled():
            self._settling_ms += 1
            self._advance(self.servo.torque())

    def _is_settled(self) -> bool:
        return self._settling_ms >= SETTLING_LIMIT_MS or self.plant.is_at_rest()

    def _take(self, motion: Motion, command: np.void) -> str | None:
        self._lost_in_a_row = 0
        return motion.follow(command)

    def _lose(self) -> str | None:
        self.lost_count += 1
        self._lost_in_a_row += 1
        if self._lost_in_a_row >= limits.LOST_COMMANDS_LIMIT:
            return "communication_constraints_violation"
        if self.motion is not None:
            self.motion.extrapolate()
        return None

    def _advance(self, torque: Array) -> None:
        np.subtract(torque, self.torque, out=self.torque_change)
        self.torque_change *= 1000.0
        self.torque[:] = torque
        self.plant.advance(torque)
        self.clock_ms += 1
        self.cycle_count += self.motion is not None
        is_accelerating = isinstance(self.motion, JointMotion) and self.servo.accelerations.any()
        thresholds = self.settings.accelerating if is_accelerating else self.settings.nominal
        self.contact.update(self.plant, self.settings.flange_to_stiffness, thresholds)

    def _find_error(self) -> str | None:
        plant = self.plant
        if plant.is_unstable:
            return "instability_detected"
        error = limits.joint_error(plant.positions, plant.velocities) or limits.contact_error(self.contact)
        if error is None and limits.may_tool_be_too_fast(plant.velocities):
            tool = plant.flange() @ self.settings.flange_to_tool
            error = limits.tool_error(plant.jacobian(tool[:3, 3]) @ plant.velocities)
        ordered, self.ordered_error = self.ordered_error, None
        return error or ordered

    def _trip(self, error: str) -> Status | None:
        """A reflex: the error stays in force until `recover`."""
        if error == Motion.INPUT_ERROR:
            return self._end(RobotMode.IDLE, Status.INPUT_ERROR)
        self.errors[ROBOT_ERRORS.index(error)] = True
        self.last_errors[:] = self.errors
        return self._end(RobotMode.REFLEX, Status.REFLEX)

    def _end(self, mode: RobotMode, status: Status) -> Status | None:
        """End a motion: from now on the robot holds the arm where it is."""
        if self.motion is None:
            return None
        if isinstance(self.motion, JointMotion) and status is Status.SUCCESS:
            self.servo.stand_still()
        else:
            self.servo.hold_here(self.settings.joint_stiffness)
        self.motion, self.mode = None, mode
        self.generator, self.controller = Generator.NONE, Controller.OTHER
        self._received.clear()
        self._settling_ms = 0
        return status

    @property
    def desired_twist(self) -> Array:
        """(v, omega) that a Cartesian motion wants of the tool, else zero. Shape (6,)."""
        return self.motion.twist if isinstance(self.motion, CartesianMotion) else np.zeros(6)


def _is_finished(command: np.void) -> bool:
    """Whether the client says that this command is the last one."""
    names = command.dtype.names or ()
    is_torque_end = bool(command["torque_command_finished"]) if "torque_command_finished" in names else False
    return bool(command["motion_generation_finished"]) or is_torque_end
