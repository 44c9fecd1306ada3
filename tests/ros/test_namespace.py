"""Names are relative, so that a namespace holds a second arm."""

import time

from rclpy.node import Node

from tests.ros import simulated

EVERYBODYS = {"/clock", "/diagnostics", "/rosout", "/parameter_events"}


def test_a_namespace_holds_everything_of_an_arm(tmp_path):
    with simulated.started("simulation", tmp_path, "task=reach", "--ros-args", "-r", "__ns:=/left_arm"):
        context = simulated.make_context()
        node = Node("looking", context=context)
        end = time.monotonic() + simulated.PATIENCE_S
        names = []
        while len(names) < 7:
            assert time.monotonic() < end, names
            time.sleep(0.1)
            names = [name for name, namespace in node.get_node_names_and_namespaces() if namespace == "/left_arm"]
        for name in names:
            topics = {topic for topic, _ in node.get_publisher_names_and_types_by_node(name, "/left_arm")}
            assert {topic for topic in topics if not topic.startswith("/left_arm/")} <= EVERYBODYS
        node.destroy_node()
        context.try_shutdown()
