"""The limits of the safety node are parameters: with units and ranges, and to be tightened only."""

import pytest
from rclpy.parameter import Parameter
from rclpy.parameter_client import AsyncParameterClient

from robot_rl.errors import StoppedError
from tests.ros import simulated


def test_the_limits_are_parameters_that_can_be_tightened_and_not_widened(tmp_path):
    with simulated.graph(tmp_path, "task=reach", "teleop=none") as (_, here):
        client = AsyncParameterClient(here.node, "safety")
        ask = lambda future: here.link.wait(future, "safety")  # noqa: E731
        assert here.link.spin_until(client.services_are_ready, simulated.PATIENCE_S)
        (about,) = ask(client.describe_parameters(["max_force_n"])).descriptors
        (force,) = ask(client.get_parameters(["max_force_n"])).values
        assert "N" in about.description
        assert about.floating_point_range[0].to_value == force.double_value
        change = lambda value: ask(client.set_parameters([Parameter("max_step_m", value=value)])).results[0]  # noqa: E731
        assert not change(1.0).successful
        assert not ask(client.set_parameters([Parameter("box_lower_m", value=[0.0, 0.0, 0.0])])).results[0].successful
        assert change(0.01).successful
        pose = here.cell.robot.arm.state().tcp_pose
        far = type(pose)(pose.position + [0.04, 0.0, 0.0], pose.quaternion)
        with pytest.raises(StoppedError, match="step too large"):
            here.cell.robot.arm.set_equilibrium_pose(far, here.cell.env.clock.now_ns())
