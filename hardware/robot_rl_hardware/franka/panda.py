"""An older Panda (FER), through panda-python, whose libfranka runs the torque loop and calls us in each cycle."""

from __future__ import annotations

from typing import Any, Final

from robot_rl.errors import DeviceError, SetupError
from robot_rl_hardware.franka.library import Model, Step
from robot_rl_hardware.franka.panda_model import PandaModel

_NO_FILTER_HZ: Final = 1000.0


class PandaLibrary:
    """panda-python; see `library.Library`."""

    purpose = "this panda-python, which is for the Panda with system 4.2.1 and later"
    advice = "set robot='fr3' for a Franka Research 3, or install the panda-python that its system needs"

    def __init__(self) -> None:
        try:
            from panda_py import libfranka
        except ImportError as error:
            raise SetupError(f"A Panda needs panda-python ({error}): pip install 'robot-rl[panda]'.") from error
        self._franka: Any = libfranka
        self._model = PandaModel()  # compiled before a robot waits for it
        # also for its own kinds of errors the library raises RuntimeErrors
        self.errors: tuple[type[Exception], ...] = (RuntimeError, DeviceError)

    def connect(self, host: str) -> Panda:
        """Connect to an arm. Raises one of `errors`."""
        return Panda(self._franka, host, self._model)

    def connect_hand(self, host: str) -> Any:
        """The library's `Gripper`. Raises one of `errors`."""
        return self._franka.Gripper(host)


class Panda:
    """A connection; see `library.Connection`."""

    def __init__(self, franka: Any, host: str, model: Model) -> None:
        self._franka = franka
        self.model: Model = model
        self.robot: Any = franka.Robot(host, franka.RealtimeConfig.kIgnore)

    def set_stiffness_frame(self, tool_to_stiffness: list[float]) -> None:
        """Set where the robot estimates forces: a transform, by columns, shape (16,)."""
        self.robot.set_k(tool_to_stiffness)

    def move(self, step: Step) -> None:
        """Command torques until the last ones."""
        command = self._franka.Torques([0.0] * 7)

        def answer(state: Any, elapsed: Any) -> Any:
            command.tau_J, command.motion_finished = step(state, round(1e3 * elapsed.to_sec()))
            return command

        is_rate_limited = False  # by the law already
        self.robot.control(answer, is_rate_limited, _NO_FILTER_HZ)
