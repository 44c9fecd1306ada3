"""The simulated workcell behind the network interface of the real robot: libfranka and the real driver move it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from robot_rl.robot.protocols import Arm, Gripper
from robot_rl.runtime.assembly import SimWorkcell, make_served_workcell
from robot_rl.runtime.config import EnvConfig
from robot_rl.sim.simulation import TICK_NS, Simulation
from robot_rl_ros import franka_devices


@contextmanager
def opened(config: EnvConfig) -> Iterator[tuple[SimWorkcell, Callable[[float], None]]]:
    """The workcell, and what serves its robot's connections for some seconds.

    The robot is served by this thread alone, while time passes or something of the driver is waited for: so the scene
    stands still whenever somebody looks at it. The clients' connections are to be served now and then beside that, or
    they break after a second.

    Raises:
        ConfigError: a value that the driver or the robot refuses.
        SetupError: libfranka's client is missing, or the robot's address is taken.
        DeviceError: arm or hand did not begin.
    """
    from robot_rl_hardware.fci_sim.plant import Plant
    from robot_rl_hardware.fci_sim.server import FciServer, ServerConfig

    with ExitStack() as stack:
        servers: list[FciServer] = []

        def make_devices(simulation: Simulation, config: EnvConfig) -> tuple[Arm, Gripper]:
            server = FciServer(Plant(simulation), ServerConfig(config.robot.franka.host))
            servers.append(server)
            stack.callback(server.close)
            arm, gripper = stack.enter_context(franka_devices.opened(config, pause=server.serve_for))
            clock = arm.clock

            def pass_time(ticks: int) -> None:
                clock.sleep_until_ns(clock.now_ns() + ticks * TICK_NS)

            simulation.start_ns += clock.now_ns() - simulation.now_ns()
            simulation.controller = pass_time
            return arm, gripper

        cell = make_served_workcell(config, make_devices)
        yield cell, servers[0].serve_for
