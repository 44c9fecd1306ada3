"""The limits of the safety node are parameters: with units and ranges, and to be tightened only."""

import pytest
from rclpy.parameter import Parameter
from rclpy.parameter_client import AsyncParameterClient

from robot_rl.errors import StoppedError
from tests.ros import simulated


class Parameters:
    """The parameters of a node, asked for and answered."""

    def __init__(self, here, node):
        self._link, self._client = here.link, AsyncParameterClient(here.node, node)
        assert here.link.spin_until(self._client.services_are_ready, simulated.PATIENCE_S)

    def describe(self, name):
        return self._link.wait(self._client.describe_parameters([name]), name).descriptors[0]

    def get(self, name):
        return self._link.wait(self._client.get_parameters([name]), name).values[0]

    def change(self, name, value):
        """Whether the node took it."""
        future = self._client.set_parameters([Parameter(name, value=value)])
        return self._link.wait(future, name).results[0].successful


def test_the_limits_are_parameters_that_can_be_tightened_and_not_widened(tmp_path):
    with simulated.graph(tmp_path, "task=reach", "teleop=none", "reset=scripted") as (_, here):
        limits = Parameters(here, "safety")
        about = limits.describe("max_force_n")
        assert "beyond this the arm stops" in about.description
        assert limits.get("max_force_n").double_value == 2.0 * here.config.task.episode.max_force_n
        assert about.floating_point_range[0].to_value == limits.get("max_force_n").double_value
        assert not limits.change("max_step_m", 1.0)
        assert not limits.change("box_lower_m", [0.0, 0.0, 0.0])
        assert limits.change("max_step_m", 0.01)
        pose = here.cell.robot.arm.state().tcp_pose
        far = type(pose)(pose.position + [0.04, 0.0, 0.0], pose.quaternion)
        with pytest.raises(StoppedError, match="step too large"):
            here.cell.robot.arm.set_equilibrium_pose(far, here.cell.env.clock.now_ns())
        here.cell.robot.arm.recover()
        with pytest.raises(StoppedError, match="step too large"):  # lifting, faster than that
            here.cell.env.reset(0)
