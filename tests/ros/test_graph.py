"""The graph as documented is the graph as seen: nodes, topics, types and quality of service."""

import re
import time
from pathlib import Path

import pytest
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.parameter_client import AsyncParameterClient
from rclpy.qos import QoSDurabilityPolicy, QoSReliabilityPolicy
from robot_rl_ros.driver import GraphObserver

from tests.ros import simulated

DOCUMENT = (Path(__file__).parents[2] / "docs" / "ros_graph.md").read_text()
WORDS = ("task=peg", "teleop=human", "robot.cameras=[side,wrist]", "robot.image_size=32")
EVERYBODYS = re.compile(
    r"/(rosout|parameter_events)$|/_action/|/(get_type_description|\w*_parameters\w*|get_parameter_types)$"
)


def table(heading):
    """The rows of the table under a heading, without backquotes."""
    text = DOCUMENT.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [
        [cell.strip().replace("`", "") for cell in line.split("|")[1:-1]] for line in text.splitlines() if "|" in line
    ]
    return rows[2:]


def absolute(name):
    return name if name.startswith("/") else f"/{name}"


def split(cell):
    return frozenset(name.strip() for name in cell.split(",") if name.strip())


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """Somebody who looks at a graph whose actor is this process."""
    with simulated.graph(tmp_path_factory.mktemp("graph"), *WORDS) as (_, here):
        GraphObserver(here.node, here.cell)
        here.cell.env.reset(0)
        node = Node("looking", context=here.node.context, start_parameter_services=False, enable_rosout=False)
        time.sleep(1.0)  # discovery
        yield node
        node.destroy_node()


def test_the_nodes_are_those_documented(node):
    listed = split(table("Processes")[0][1].replace("(scripted person)", "")) - {"camera_NAME"}
    assert set(node.get_node_names()) - {"looking"} == listed | {"camera_side", "camera_wrist", "actor"}


def test_topics_types_and_quality_of_service_are_those_documented(node):
    seen = {}
    for topic, types in node.get_topic_names_and_types(no_demangle=False):
        if not EVERYBODYS.search(topic):
            publishers = node.get_publishers_info_by_topic(topic)
            subscribers = node.get_subscriptions_info_by_topic(topic)
            durability = {each.qos_profile.durability for each in publishers}
            assert {each.qos_profile.reliability for each in publishers + subscribers} == {
                QoSReliabilityPolicy.RELIABLE
            }
            names = [frozenset(each.node_name for each in some) for some in (publishers, subscribers)]
            seen[topic] = (types[0], *names, durability)
    kinds = {"volatile": QoSDurabilityPolicy.VOLATILE, "latched": QoSDurabilityPolicy.TRANSIENT_LOCAL}
    listed = {
        absolute(topic): (kind, split(publisher), split(subscriber), {kinds[durability]})
        for topic, kind, publisher, subscriber, durability in table("Topics")
    }
    assert seen == listed


def test_services_are_those_documented(node):
    def served(name):
        return node.get_service_names_and_types_by_node(name, "/")

    def asked(name):
        return node.get_client_names_and_types_by_node(name, "/")

    listed = {
        (absolute(service), kind, owner, client) for service, kind, owner, client in table("Services and actions")
    }
    seen = set()
    for owner in set(node.get_node_names()) - {"looking"}:
        for service, types in served(owner):
            if not EVERYBODYS.search(service):
                clients = [name for name in node.get_node_names() if service in dict(asked(name))]
                seen |= {(service, types[0], owner, client) for client in clients}
    assert seen == listed


def test_names_are_relative_so_that_a_namespace_holds_a_second_arm(tmp_path):
    with simulated.started("simulation", tmp_path, "task=reach", "--ros-args", "-r", "__ns:=/left_arm"):
        context = simulated.make_context()
        node = Node("looking", context=context)
        end = time.monotonic() + simulated.PATIENCE_S
        while "/left_arm/impedance_controller/state" not in dict(node.get_topic_names_and_types()):
            assert time.monotonic() < end
            time.sleep(0.1)
        topics = {topic for topic, _ in node.get_topic_names_and_types() if not EVERYBODYS.search(topic)}
        assert {topic for topic in topics if not topic.startswith("/left_arm/")} <= {"/clock", "/diagnostics"}
        node.destroy_node()
        context.try_shutdown()


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
        with pytest.raises(Exception, match="step too large"):
            here.cell.robot.arm.set_equilibrium_pose(far, here.cell.env.clock.now_ns())
