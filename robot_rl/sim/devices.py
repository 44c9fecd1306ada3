"""The simulated robot's devices: what the protocols of `robot_rl.robot` ask for, on top of one `Simulation`."""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray

from robot_rl.clock import NS_PER_S
from robot_rl.errors import SpecError, UnknownNameError
from robot_rl.geometry import Array, Pose
from robot_rl.sim import franka
from robot_rl.sim.rendering import make_renderer
from robot_rl.sim.simulation import Simulation
from robot_rl.types import ArmState, Reason, StopRecord, check_not_stopped


class SimClock:
    """Simulated time: sleeping is what makes physics happen."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def now_ns(self) -> int:
        """Simulated time [ns]."""
        return self._simulation.now_ns()

    def sleep_until_ns(self, stamp_ns: int) -> None:
        """Simulate until `stamp_ns`."""
        self._simulation.advance_to_ns(stamp_ns)


class SimArm:
    """The simulated arm under the project's own impedance law."""

    def __init__(self, simulation: Simulation, period_s: float = 0.1) -> None:
        self._simulation = simulation
        self._period_s = period_s

    def state(self) -> ArmState:
        """State at the present simulated time."""
        simulation = self._simulation
        velocities = simulation.joint_velocities.copy()
        return ArmState(
            stamp_ns=simulation.now_ns(),
            joint_positions=simulation.joint_positions.copy(),
            joint_velocities=velocities,
            joint_torques=simulation.torque.copy(),
            tcp_pose=simulation.tcp_pose(),
            tcp_twist_base=simulation.tcp_jacobian() @ velocities,
            tcp_wrench=simulation.wrench.copy(),
            stop=simulation.stop_record,
        )

    def set_equilibrium_pose(self, pose: Pose, stamp_ns: int) -> None:
        """Reach `pose` one policy period after `stamp_ns`: a command that was under way for long has less time left."""
        check_not_stopped(self._simulation.stop_record)
        if not np.isfinite(pose.to_vector()).all():
            raise SpecError(f"equilibrium pose must be finite, got {pose}.")
        age_s = (self._simulation.now_ns() - stamp_ns) / NS_PER_S
        self._simulation.law.set_target(pose, float(np.clip(self._period_s - age_s, 0.0, self._period_s)))

    def set_impedance(self, preset: str) -> None:
        """Change to a named preset, smoothly."""
        self._simulation.law.set_preset(preset)

    def set_posture(self, joint_positions: Array) -> None:
        """Have the null space return to these joint positions [rad], shape (7,)."""
        self._simulation.law.set_posture(joint_positions)

    def tare(self) -> bool:
        """Nothing to take off: what is felt here is contact alone. A reset takes the same time as on a real arm."""
        return True

    def stop(self, reason: Reason = Reason.REQUESTED, detail: str = "") -> StopRecord:
        """Hold softly here."""
        return self._simulation.stop(reason, detail)

    def recover(self) -> None:
        """Allow motion again."""
        self._simulation.recover()


class SimGripper:
    """The simulated Franka Hand."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def width(self) -> float:
        """Present opening [m]."""
        return float(np.clip(self._simulation.width_m, 0.0, franka.MAX_GRIPPER_WIDTH_M))

    def max_width(self) -> float:
        """Largest opening [m]."""
        return franka.MAX_GRIPPER_WIDTH_M

    def set_width(self, width_m: float) -> None:
        """Start moving to an opening [m]; refused while the arm is stopped, so that nothing is dropped."""
        if not np.isfinite(width_m):
            raise SpecError(f"gripper width must be finite, got {width_m}.")
        check_not_stopped(self._simulation.stop_record)
        self._simulation.set_width(float(np.clip(width_m, 0.0, franka.MAX_GRIPPER_WIDTH_M)))


class SimCamera:
    """A camera of the scene, rendered when it is read."""

    def __init__(self, simulation: Simulation, name: str, height: int, width: int) -> None:
        """Choose a camera; the renderer is made at the first read.

        Raises:
            UnknownNameError: the scene has no such camera.
        """
        model = simulation.model
        names = [model.camera(i).name for i in range(model.ncam)]
        if name not in names:
            raise UnknownNameError("camera", name, names)
        self._simulation, self._name = simulation, name
        self._height, self._width = height, width
        self._renderer: mujoco.Renderer | None = None

    def read(self) -> tuple[int, NDArray[np.uint8]]:
        """(simulated time, RGB image) now."""
        simulation = self._simulation
        view = simulation.view
        if self._renderer is None:
            self._renderer = make_renderer(view.model, self._height, self._width)
        view.follow(simulation.model, simulation.data)
        self._renderer.update_scene(view.data, self._name)
        return simulation.now_ns(), self._renderer.render()

    def close(self) -> None:
        """Free the renderer's memory."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None
