"""The graph as documented is the graph as seen: nodes, topics, types and quality of service."""

import re
import time
from pathlib import Path

import pytest
from rclpy.node import Node
from rclpy.qos import QoSDurabilityPolicy, QoSReliabilityPolicy
from robot_rl_ros import assembly
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


def assert_soon(see, expected):
    """What is seen becomes what is expected; discovery takes its time."""
    end = time.monotonic() + simulated.PATIENCE_S / 3
    while see() != expected and time.monotonic() < end:
        time.sleep(0.1)
    assert see() == expected


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """Somebody who looks at a graph whose actor is this process."""
    with simulated.graph(tmp_path_factory.mktemp("graph"), *WORDS) as (_, here):
        observer = GraphObserver(here.node, here.cell)
        here.cell.env.reset(0)
        node = Node("looking", context=here.node.context, start_parameter_services=False, enable_rosout=False)
        yield node
        node.destroy_node()
        del observer


def test_the_nodes_are_those_documented(node):
    listed = split(table("Processes")[0][1].replace("(scripted person)", "")) - {"camera_NAME"}
    expected = listed | {"camera_side", "camera_wrist", "actor"}
    assert_soon(lambda: set(node.get_node_names()) - {"looking"}, expected)


def test_every_node_that_a_process_makes_is_in_the_table():
    """Those of devices that no graph here has, too."""
    package = Path(assembly.__file__).parent
    sources = [path.read_text() for folder in (".", "nodes", "devices") for path in (package / folder).glob("*.py")]
    made = {name for text in sources for name in re.findall(r'(?:\bNode|__init__)\(f?"(\w+?)(?:_{|")', text)}
    listed = set(re.findall(r"\w+", " ".join(row[1] for row in table("Processes"))))
    assert {"external_arm", "teleop_source", "camera"} <= made
    assert made - {"ask", "camera", "claim"} <= listed, "the others only come to look, or have a name of their own"
    assert "camera_NAME" in listed


def test_topics_types_and_quality_of_service_are_those_documented(node):
    kinds = {"volatile": QoSDurabilityPolicy.VOLATILE, "latched": QoSDurabilityPolicy.TRANSIENT_LOCAL}
    reliable = {QoSReliabilityPolicy.RELIABLE}
    listed = {
        absolute(topic): (kind, split(publisher), split(subscriber), {kinds[durability]}, reliable)
        for topic, kind, publisher, subscriber, durability in table("Topics")
    }

    def see():
        return {
            topic: (types[0], *describe(topic))
            for topic, types in node.get_topic_names_and_types()
            if not EVERYBODYS.search(topic)
        }

    def describe(topic):
        publishers, subscribers = node.get_publishers_info_by_topic(topic), node.get_subscriptions_info_by_topic(topic)
        names = [frozenset(each.node_name for each in some) for some in (publishers, subscribers)]
        durability = {each.qos_profile.durability for each in publishers}
        return *names, durability, {each.qos_profile.reliability for each in publishers + subscribers}

    assert_soon(see, listed)


def test_services_are_those_documented(node):
    def see():
        names = [name for name in node.get_node_names() if name != "looking"]
        asked = {name: dict(node.get_client_names_and_types_by_node(name, "/")) for name in names}
        return {
            (service, types[0], owner, client)
            for owner in names
            for service, types in node.get_service_names_and_types_by_node(owner, "/")
            for client in names
            if service in asked[client] and not EVERYBODYS.search(service)
        }

    assert_soon(see, {(absolute(service), *others) for service, *others in table("Services and actions")})
