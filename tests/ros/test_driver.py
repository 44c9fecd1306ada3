"""Who drives joins one robot that nobody else drives, or leaves the graph as it is."""

import pytest
from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from robot_rl_msgs.msg import ArmState
from robot_rl_ros import driver, qos
from robot_rl_ros.link import Link

from robot_rl.errors import DeviceError
from tests.ros import simulated

STATE, COMMAND = "impedance_controller/state", "impedance_controller/equilibrium_pose"


@pytest.fixture
def join():
    """Makes nodes, each in a process as far as the others can tell."""
    contexts, nodes = [], []

    def make(name, namespace=""):
        contexts.append(simulated.make_context())
        nodes.append(Node(name, namespace=namespace, context=contexts[-1]))
        return nodes[-1]

    yield make
    for node, context in zip(nodes, contexts, strict=True):
        node.destroy_node()
        context.try_shutdown()


@pytest.fixture
def join_link(join):
    """Makes links of nodes of their own."""
    links = []

    def make(namespace="", patience_s=simulated.PATIENCE_S):
        links.append(Link(join("drive", namespace), patience_s))
        return links[-1]

    yield make
    for link in links:
        link.close()


def serve(node):
    node.create_publisher(ArmState, STATE, qos.STREAM)


def command(node):
    return node.create_publisher(PoseStamped, COMMAND, qos.make_commander_qos(2.0))


def test_a_robot_that_nobody_drives_is_joined(join, join_link):
    serve(join("robot"))
    command(join("left", "/left_arm"))
    link = join_link()
    driver.wait_alone(link)
    command(link.node)
    driver.check_alone(link.node, own=1)


def test_a_robot_that_somebody_drives_is_left_alone(join, join_link):
    serve(join("robot"))
    command(join("actor"))
    with pytest.raises(DeviceError, match=r"somebody else publishes /impedance_controller/equilibrium_pose.*DOMAIN_ID"):
        driver.wait_alone(join_link())


def test_one_of_two_robots_is_left_alone(join, join_link):
    for name in ("robot", "another"):
        serve(join(name, "/left_arm"))
    with pytest.raises(DeviceError, match="2 controllers publish /left_arm/impedance_controller/state"):
        driver.wait_alone(join_link("/left_arm"))


def test_who_comes_while_the_robot_is_joined_is_seen(join, join_link):
    serve(join("robot"))
    link = join_link()
    driver.wait_alone(link)
    command(link.node)
    command(join("late"))
    assert link.spin_until(lambda: bool(driver.find_rival(link.node, own=1)), simulated.PATIENCE_S)
    with pytest.raises(DeviceError, match="somebody else publishes"):
        driver.check_alone(link.node, own=1)


def test_without_a_robot_nobody_drives(join_link):
    with pytest.raises(DeviceError, match=r"No robot has joined within 0\.5 s"):
        driver.wait_alone(join_link(patience_s=0.5))


WORDS = ("task=reach", "teleop=expert")


def test_a_second_driver_does_not_recover_the_arm_of_the_first(tmp_path):
    """As a process, which ends with one line; the arm stays stopped, and counts no command."""
    with simulated.graph(tmp_path, *WORDS) as (_, here):
        arm = here.cell.robot.arm
        arm.stop()
        with simulated.started("drive", tmp_path, "--config", "env", *WORDS) as second:
            assert second.popen.wait(simulated.PATIENCE_S) == DeviceError.exit_status
        assert "Another graph runs in ROS domain" in second.output()
        assert "Traceback" not in second.output()
        here.advance(0.1)
        assert arm.state().stop is not None
