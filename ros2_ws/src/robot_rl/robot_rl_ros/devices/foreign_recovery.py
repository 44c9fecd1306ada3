"""How a robot that somebody else's driver owns is freed of its errors: an action or a service, by name."""

from __future__ import annotations

import importlib
import time
from typing import Any

from action_msgs.msg import GoalStatus
from rclpy.action import ActionClient
from rclpy.client import Client
from rclpy.node import Node
from rclpy.task import Future
from std_srvs.srv import Trigger

from robot_rl.errors import DeviceError, SetupError
from robot_rl.runtime.external_config import TRIGGER

_POLL_S = 2e-3


class ForeignRecovery:
    """Asks, with a node that another thread spins."""

    def __init__(self, node: Node, name: str, type_name: str, patience_s: float) -> None:
        """Load the type, which need not be a dependency of ours, and look for the action or service.

        Args:
            node: whose.
            name: of the action or service.
            type_name: std_srvs/srv/Trigger, or PACKAGE/action/NAME.
            patience_s: how long it may take.

        Raises:
            SetupError: there is no such type.
        """
        self._name, self._patience_s = name, patience_s
        self._action: ActionClient[Any, Any, Any] | None = None
        self._service: Client[Any, Any] | None = None
        if type_name == TRIGGER:
            self._service = node.create_client(Trigger, name)
        else:
            self._goal = _load_action(type_name)
            self._action = ActionClient(node, self._goal, name)

    def ask(self) -> None:
        """Return once it has succeeded.

        Raises:
            DeviceError: nobody is there, or it was refused.
        """
        deadline_s = time.monotonic() + self._patience_s
        if self._service is not None:
            self._wait_until(self._service.service_is_ready, deadline_s, "is not there")
            answer = self._result(self._service.call_async(Trigger.Request()), deadline_s)
            if not answer.success:
                raise DeviceError(f"{self._name} was refused: {answer.message}.")
            return
        assert self._action is not None
        self._wait_until(self._action.server_is_ready, deadline_s, "is not there")
        handle = self._result(self._action.send_goal_async(self._goal.Goal()), deadline_s)
        if not handle.accepted:
            raise DeviceError(f"{self._name} was refused.")
        status = self._result(handle.get_result_async(), deadline_s).status
        if status != GoalStatus.STATUS_SUCCEEDED:
            raise DeviceError(f"{self._name} has not succeeded: its status is {status}.")

    def close(self) -> None:
        """Forget it; a node that is destroyed forgets its services, and not its actions."""
        if self._action is not None:
            self._action.destroy()

    def _result(self, future: Future[Any], deadline_s: float) -> Any:
        self._wait_until(future.done, deadline_s, "did not answer")
        return future.result()

    def _wait_until(self, is_reached: Any, deadline_s: float, failure: str) -> None:
        while not is_reached():
            if time.monotonic() > deadline_s:
                raise DeviceError(f"{self._name} {failure} within {self._patience_s:g} s.")
            time.sleep(_POLL_S)


def _load_action(type_name: str) -> Any:
    package, _, name = type_name.split("/")
    try:
        return getattr(importlib.import_module(f"{package}.action"), name)
    except (ImportError, AttributeError) as error:
        raise SetupError(
            f"There is no {type_name}: source the workspace that has {package}, or set external.recovery='' where "
            f"errors are cleared otherwise, or external.recovery_type={TRIGGER} for a service."
        ) from error
