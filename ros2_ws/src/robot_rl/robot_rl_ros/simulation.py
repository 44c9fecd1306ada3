"""The simulated robot as a process: its devices as the nodes that a real robot would have, and the passing of time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from rclpy.node import Node
from rclpy.subscription import Subscription
from rosgraph_msgs.msg import Clock as ClockMsg

from robot_rl.clock import NS_PER_S, to_ns
from robot_rl.control.guard import Guard
from robot_rl.control.law import ImpedanceLaw
from robot_rl.env.robot_env import make_safety_filter
from robot_rl.rewards.config import RewardConfig
from robot_rl.robot.robot import RobotReading
from robot_rl.runtime.assembly import SimWorkcell, make_served_workcell
from robot_rl.runtime.config import EnvConfig, TeleopConfig
from robot_rl.sim.simulation import Simulation
from robot_rl_ros import convert, fci_workcell, process, qos
from robot_rl_ros.broadcast import Broadcast
from robot_rl_ros.clock import NodeClock, every
from robot_rl_ros.clock import now_ns as clock_now_ns
from robot_rl_ros.nodes.camera import CameraNode
from robot_rl_ros.nodes.gripper import GripperNode
from robot_rl_ros.nodes.impedance_controller import ImpedanceController
from robot_rl_ros.nodes.reset import ResetNode
from robot_rl_ros.nodes.safety import GuardedFilter, Safety
from robot_rl_ros.nodes.task import TaskNode
from robot_rl_ros.nodes.teleop import TeleopNode

MAX_ADVANCE_S = 2.0
"""Nobody waits so long for a policy: whoever asks for more has lost the thread of time."""
_SERVE_EVERY_S, _SERVE_S = 0.1, 0.002
_MAX_LAG_S = 0.5
"""A process that was suspended for longer goes on from where it was, instead of catching up in one leap."""
_MAX_LEAD_S = 0.05
"""Far more than rounding and resets bring: where simulated time is later than that, the system's clock was set back."""


class SimulationNode(Node):
    """Makes time pass, and has every device speak when it is its turn.

    In lock-step time passes when `~/advance` says until when; whoever asks for a time that was reached already hears
    the present once more. In real time it passes by itself. Arm and person speak after every passage of time (in
    lock-step the arm only where a period ends or the person moves), the others once a policy period, counted from the
    end of the last reset.
    """

    def __init__(self, cell: SimWorkcell, config: EnvConfig, is_lock_step: bool) -> None:
        super().__init__("simulation", start_parameter_services=False)
        self._cell, self._simulation = cell, cell.simulation
        episode = config.task.episode
        self._is_lock_step = is_lock_step
        self._period_ns = to_ns(1.0 / episode.rate_hz)
        self._period_start_ns = self._period_end_ns = 0
        self._told_ns = -1  # what speaks once a period has spoken of this moment
        filtered = make_safety_filter(episode)
        clock, robot = cell.env.clock, cell.env.robot
        self.safety = Safety(Guard(filtered.limits))
        # In real time a command is as old as the system's clock says: simulated time may lag where the machine is busy.
        judging = clock if is_lock_step else NodeClock(self)
        self.controller = ImpedanceController(robot.arm, self.safety, judging, config.graph.lease_s)
        assert robot.gripper is not None, "the simulated robot has a hand"
        self.gripper = GripperNode(robot.gripper, clock)
        self.cameras = [CameraNode(name, camera) for name, camera in robot.cameras.items()]
        self.task = TaskNode(cell.task)
        self.teleop = TeleopNode(cell.teleop, clock, is_scripted=True) if cell.teleop is not None else None
        self.reset = ResetNode(
            cell.reset,
            robot,
            clock,
            GuardedFilter(filtered, self.safety, robot.arm),
            on_start=self._begin_reset,
            on_step=self.controller.publish,  # which has the guard look at the arm
            on_end=self._end_reset,
            is_lock_step=is_lock_step,
        )
        self._time = Broadcast(self, ClockMsg, "/clock", qos.STREAM)
        self.hot: list[Subscription[Any]] = []
        """What comes in quick succession while time passes in lock-step."""
        if is_lock_step:
            advances = self.create_subscription(ClockMsg, "~/advance", self._advance, qos.STREAM)
            self.hot = [advances, self.controller.commands]
        else:
            self._simulation.start_ns = clock_now_ns(self)
            every(self, 1.0 / episode.teleop_rate_hz, self._follow)
        self._start_over()

    @property
    def nodes(self) -> list[Node]:
        """All nodes of the process."""
        optional = [] if self.teleop is None else [self.teleop]
        return [self, self.safety, self.controller, self.gripper, *self.cameras, self.task, *optional, self.reset]

    def _advance(self, message: ClockMsg) -> None:
        until_ns, now_ns = convert.from_time(message.clock), self._simulation.now_ns()
        if until_ns <= now_ns:
            self._repeat()
        elif until_ns - now_ns > MAX_ADVANCE_S * NS_PER_S:
            self.get_logger().error(
                f"asked to go on until {until_ns * 1e-9:.3f} s, but it is only {now_ns * 1e-9:.3f} s: not obeyed"
            )
        else:
            self._simulation.advance_to_ns(until_ns)
            self._speak()

    def _follow(self) -> None:
        """Let time pass until now; where the clock has leapt, in either direction, the world goes on as it was."""
        now_ns = clock_now_ns(self)
        lag_ns = now_ns - self._simulation.now_ns()
        if not -_MAX_LEAD_S * NS_PER_S <= lag_ns <= _MAX_LAG_S * NS_PER_S:
            self._simulation.start_ns += lag_ns
            self._period_start_ns = self._period_end_ns = now_ns
        self._simulation.advance_to_ns(now_ns)
        self._speak()

    def _speak(self) -> None:
        """Have everybody whose turn it is tell the present; the clock comes last."""
        now_ns = self._simulation.now_ns()
        is_period_over = now_ns >= self._period_end_ns
        if self.teleop is not None:
            self.teleop.publish()
        if is_period_over or not self._is_lock_step or (self.teleop is not None and not self.teleop.is_at_rest):
            self.controller.publish()
        else:  # who wants to know it nevertheless asks for it; each message is a tenth of a lock-step tick
            self.controller.watch()
        if is_period_over:
            self._period_end_ns = now_ns + self._period_ns - (now_ns - self._period_start_ns) % self._period_ns
            self._speak_of_period()
        if self._time.is_heard:
            self._time.send(convert.to_clock(now_ns))

    def _speak_of_period(self) -> None:
        robot = self._cell.env.robot
        assert robot.gripper is not None
        self._told_ns = self._simulation.now_ns()
        self.gripper.publish()
        for camera in self.cameras:
            camera.publish()
        self.task.publish(RobotReading(robot.arm.state(), robot.gripper.width(), {}))

    def _repeat(self) -> None:
        """Tell the present once more, also what is not due."""
        self.controller.publish()
        if self.teleop is not None:
            self.teleop.repeat()
        if self._told_ns != self._simulation.now_ns():
            self._speak_of_period()
        else:
            self.gripper.repeat()
            self.task.repeat()
            for camera in self.cameras:
                camera.repeat()
        self._time.send(convert.to_clock(self._simulation.now_ns()))

    def _begin_reset(self) -> None:
        self.controller.begin_reset()
        if self.teleop is not None:
            self.teleop.look_away()

    def _end_reset(self) -> None:
        self.controller.end_reset()
        self._start_over()

    def _start_over(self) -> None:
        """A period begins here."""
        self._period_start_ns = self._period_end_ns = self._simulation.now_ns()
        self._speak()


def _compile_law(simulation: Simulation) -> None:
    """Compile what moves and stops the arm: on a machine where nobody has, it takes a minute.

    A node that is there and does not answer for so long counts as dead. The simulation stays as it is, bit for bit.
    """
    law, pose = ImpedanceLaw(), simulation.tcp_pose()
    law.set_target(pose, 0.0)
    law.rest_at(pose)
    simulation.advance(0)


@contextmanager
def _opened(config: EnvConfig) -> Iterator[tuple[SimWorkcell, Callable[[float], None] | None]]:
    """The workcell, and what serves the connections of a robot that has any."""
    if config.robot.kind == "fci_sim":
        with fci_workcell.opened(config) as opened:
            yield opened
    else:
        cell = make_served_workcell(config)
        _compile_law(cell.simulation)  # that of `fci_sim` is its driver's, who has compiled it before they are here
        yield cell, None


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the simulated robot until told to end."""
    with process.started(__doc__, arguments) as config:
        if config.reward.kind == "classifier":  # whose process is another; here the task's own test stays to be seen
            config = replace(config, reward=RewardConfig())
        if config.teleop.is_device:  # likewise; and where a person judges, it is that one
            config = replace(config, teleop=TeleopConfig(), reward=RewardConfig())
        if config.camera.is_device:  # likewise
            config = replace(config, robot=replace(config.robot, cameras=()))
        config.check_device()
        with process.robot_claimed(), _opened(config) as (cell, serve_robot):
            node = SimulationNode(cell, config, config.graph.is_lock_step)
            if serve_robot is not None:
                every(node, _SERVE_EVERY_S, partial(serve_robot, _SERVE_S))
            process.serve(node.nodes, node.hot, node.controller.has_commander)
    return 0


if __name__ == "__main__":
    sys.exit(main())
