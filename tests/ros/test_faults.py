"""What breaks on the wire: the arm holds or stops, the reason is published, and no row is wrong."""

import math
import time

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import PoseStamped
from robot_rl_msgs.msg import Estimate
from robot_rl_msgs.msg import Stop as StopMsg
from robot_rl_ros import convert, hot_wait, qos
from robot_rl_ros.clock import LockStepClock
from sensor_msgs.msg import Image

from robot_rl.errors import DeviceError
from robot_rl.runtime.assembly import make_sim_workcell
from robot_rl.types import Reason
from tests.ros import simulated
from tests.ros.test_lock_step import assert_same, play

SIZE = 32


# ------------------------------------------------------------------------------------ messages that do not arrive


@pytest.mark.parametrize("fault", ["lost", "late"])
def test_messages_that_are_lost_or_late_change_nothing(fault, tmp_path, monkeypatch):
    words = ("task=peg", "task.episode.step_limit=8", "teleop.human.patience_s=0.2")
    expected = play(make_sim_workcell(simulated.load(*words)).env, 1)
    generator, take = np.random.default_rng(0), hot_wait._take
    faults = []

    def take_with_faults(subscription):
        for message in take(subscription):
            if generator.random() < 0.1:
                faults.append(subscription.topic_name)
                if fault == "lost":
                    continue
                time.sleep(float(generator.uniform(0.0, 0.05)))
            yield message

    with simulated.graph(tmp_path, *words) as (_, here):
        monkeypatch.setattr(hot_wait, "_take", take_with_faults)
        if fault == "lost":
            lose_some_advances(monkeypatch, generator)
        assert_same(play(here.cell.env, 1), expected)
    assert len(faults) > 10


def lose_some_advances(monkeypatch, generator):
    ask = LockStepClock._ask
    monkeypatch.setattr(LockStepClock, "_ask", lambda clock: generator.random() < 0.1 or ask(clock))


# ------------------------------------------------------------------------------------ nonsense


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    words = ("task=reach", "robot=sim_pixels", f"robot.image_size={SIZE}", "teleop=none")
    with simulated.graph(tmp_path_factory.mktemp("graph"), *words) as (_, here):
        yield here


@pytest.fixture
def here(graph):
    arm = graph.cell.robot.arm
    while True:  # that the test before has taken its commander away may be noticed after a recovery
        arm.recover()
        graph.link.spin_until(lambda: arm.state().stop is not None, 0.2)
        if arm.state().stop is None:
            break
    graph.cell.env.reset(0)
    return graph


def to_message(here, **changes):
    state = here.cell.robot.arm.state()
    message = convert.to_pose_stamped(state.tcp_pose, state.stamp_ns, "base")
    for name, value in changes.items():
        if name == "frame_id":
            message.header.frame_id = value
        else:
            setattr(message.pose.position, name, value)
    return message


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"x": math.nan}, Reason.NOT_FINITE),
        ({"z": math.inf}, Reason.NOT_FINITE),
        ({"frame_id": "world"}, Reason.NOT_FINITE),
        ({"x": 3.0}, Reason.STEP),  # far outside the workspace
    ],
    ids=lambda value: str(value),
)
def test_a_command_that_makes_no_sense_stops_the_arm_and_says_why(here, changes, reason):
    stops = here.hear(StopMsg, "safety/stopped", qos.LATCHED)
    diagnoses = here.hear(DiagnosticArray, "/diagnostics")
    before = here.cell.robot.arm.state()
    commander = here.node.create_publisher(
        PoseStamped, "impedance_controller/equilibrium_pose", qos.make_command_qos(2)
    )
    here.wait_for(lambda: commander.get_subscription_count() > 0)
    commander.publish(to_message(here, **changes))
    here.wait_for(lambda: any(stop.is_stopped for stop in stops))
    here.wait_for(lambda: here.cell.robot.arm.state().stop is not None)
    stop = here.cell.robot.arm.state().stop
    assert stop.reason is reason
    assert stops[-1].reason == reason.value
    assert stop.stamp_ns - before.stamp_ns <= 100_000_000
    here.advance(0.5)
    assert np.linalg.norm(here.cell.robot.arm.state().tcp_pose.position - before.tcp_pose.position) < 1e-3
    here.wait_for(lambda: diagnoses and diagnoses[-1].status[0].level == DiagnosticStatus.ERROR)
    assert reason.value in diagnoses[-1].status[0].message
    here.node.destroy_publisher(commander)


def test_a_picture_whose_size_is_a_lie_is_an_error_that_names_the_topic(here):
    camera = here.node.create_publisher(Image, "camera_wrist/color/image_raw", qos.STREAM)
    here.wait_for(lambda: camera.get_subscription_count() > 0)
    liar = convert.to_image(np.zeros((SIZE, SIZE, 3), np.uint8), here.cell.env.clock.now_ns(), "c")
    liar.height = 2 * SIZE
    camera.publish(liar)
    with pytest.raises(DeviceError, match="camera_wrist/color/image_raw carries nonsense"):
        read_until_it_fails(here.cell.robot.cameras["wrist"].read)
    here.node.destroy_publisher(camera)


def test_an_estimate_of_another_size_is_an_error(here):
    liar = here.node.create_publisher(Estimate, "task/estimate", qos.STREAM)
    here.wait_for(lambda: liar.get_subscription_count() > 0)
    liar.publish(convert.to_estimate(np.zeros(2), here.cell.env.clock.now_ns()))
    reading = here.cell.robot.observe()
    with pytest.raises(DeviceError, match=r"must have .* values, got"):
        read_until_it_fails(lambda: here.cell.env.task.estimate(reading))
    here.node.destroy_publisher(liar)


def read_until_it_fails(read):
    for _ in range(500):
        read()
        time.sleep(0.01)
