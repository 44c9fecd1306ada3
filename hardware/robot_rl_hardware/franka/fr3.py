"""A Franka Research 3, through pylibfranka."""

from __future__ import annotations

import struct
from typing import Any, Final

from robot_rl.errors import DeviceError, SetupError
from robot_rl.geometry import Array
from robot_rl_hardware.franka.axes import JointAxes
from robot_rl_hardware.franka.library import Model, Step

_NUMBERS: Final = struct.Struct(f"={49 + 7}d")


class FR3Library:
    """pylibfranka; see `library.Library`."""

    purpose = "pylibfranka 0.21, which is for the FR3 with system 5.9 and later"
    advice = "set robot='panda' for the older Panda, or install the pylibfranka that its system needs"

    def __init__(self) -> None:
        try:
            import pylibfranka
        except ImportError as error:
            raise SetupError(f"An FR3 needs pylibfranka ({error}): pip install 'robot-rl[franka]'.") from error
        self._franka: Any = pylibfranka
        # the rest of its errors are RuntimeErrors
        self.errors: tuple[type[Exception], ...] = (pylibfranka.FrankaException, RuntimeError, DeviceError)

    def connect(self, host: str) -> FR3:
        """Connect to an arm. Raises one of `errors`."""
        return FR3(self._franka, host)

    def connect_hand(self, host: str) -> Any:
        """The library's `Gripper`. Raises one of `errors`."""
        return self._franka.Gripper(host)


class FR3:
    """A connection; see `library.Connection`."""

    def __init__(self, franka: Any, host: str) -> None:
        self._franka = franka
        self.robot: Any = franka.Robot(host, franka.RealtimeConfig.kIgnore)
        self.model: Model = FR3Model(self.robot.load_model())

    def set_stiffness_frame(self, tool_to_stiffness: list[float]) -> None:
        """Set where the robot estimates forces: a transform, by columns, shape (16,)."""
        self.robot.set_K(tool_to_stiffness)

    def move(self, step: Step) -> None:
        """Command torques until the last ones. What of the motion is still there when this is left, is stopped."""
        control = self.robot.start_torque_control()
        command = self._franka.Torques([0.0] * 7)
        while not command.motion_finished:
            state, elapsed = control.readOnce()
            command.tau_J, command.motion_finished = step(state, round(1e3 * elapsed.to_sec()))
            control.writeOnce(command)


class FR3Model:
    """What libfranka computes from the robot's own description; see `library.Model`."""

    def __init__(self, model: Any) -> None:
        self._model, self._axes = model, JointAxes()

    def read(self, state: Any, numbers: Array) -> Array:
        """Write what belongs to a state."""
        model = self._model
        _NUMBERS.pack_into(numbers.data, 0, *model.mass(state), *model.coriolis(state))
        return self._axes.read(state, model.zero_jacobian)
