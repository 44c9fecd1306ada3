"""Who is gone, in real time: the arm holds, then stops, and says why."""

import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
from robot_rl_msgs.msg import ArmState as ArmStateMsg
from robot_rl_msgs.msg import Stop as StopMsg
from robot_rl_ros import convert, qos
from sensor_msgs.msg import Image

from robot_rl.errors import DeviceError
from robot_rl.types import Reason
from tests.ros import simulated

REAL_TIME = ("task=reach", "graph=real_time", "teleop=none")
SIZE = 32


def test_a_camera_that_freezes_stops_the_arm(tmp_path):
    """The simulation has no camera here: the test plays one."""
    seen = simulated.load(*REAL_TIME, "robot.cameras=[wrist]", f"robot.image_size={SIZE}")
    has_frozen = threading.Event()
    with simulated.started("simulation", tmp_path, *REAL_TIME), simulated.joined(seen) as here:
        stops = here.hear(StopMsg, "safety/stopped", qos.LATCHED)
        camera = here.node.create_publisher(Image, "camera_wrist/color/image_raw", qos.STREAM)

        def film():
            while not has_frozen.wait(0.03):
                camera.publish(convert.to_image(np.zeros((SIZE, SIZE, 3), np.uint8), time.time_ns(), "camera"))

        thread = threading.Thread(target=film)
        thread.start()
        try:
            here.cell.robot.arm.recover()
            env = here.cell.env
            env.reset(0)
            before = [env.step(np.zeros(env.action_map.action_size)) for _ in range(3)]
        finally:
            has_frozen.set()
            thread.join()
        assert not any(step.is_last for step in before)
        steps = [env.step(np.zeros(env.action_map.action_size))]
        while not steps[-1].is_last:
            steps.append(env.step(np.zeros(env.action_map.action_size)))
        assert len(steps) < 20
        here.wait_for(lambda: stops and stops[-1].is_stopped)
        assert stops[-1].reason == Reason.STALE_IMAGE.value


def test_a_commander_that_is_killed_leaves_an_arm_that_holds_and_then_stops(tmp_path):
    with simulated.graph(tmp_path, *REAL_TIME) as (_, here):
        stops = here.hear(StopMsg, "safety/stopped", qos.LATCHED)
        states = here.hear(ArmStateMsg, "impedance_controller/state")
        commander = subprocess.Popen(
            [sys.executable, "-m", "tests.ros.commander", *REAL_TIME], stdout=subprocess.PIPE, env=dict(os.environ)
        )
        try:
            for _ in range(5):
                assert b"commanded" in commander.stdout.readline()
            here.wait_for(lambda: states and states[-1].commands >= 5)
        finally:
            commander.kill()
            commander.wait()
            commander.stdout.close()
        here.wait_for(lambda: any(stop.is_stopped for stop in stops))
        # On a busy machine its last command may have come too late, and been refused for that.
        assert stops[-1].reason in {Reason.WATCHDOG.value, Reason.STALE_COMMAND.value}
        assert_held_after_the_last_command(here, states)


def assert_held_after_the_last_command(here, states):
    """100 ms after it, the arm is where it will stay."""
    end = time.monotonic() + 1.0
    here.wait_for(lambda: time.monotonic() > end)
    count = states[-1].commands
    last_ns = next(convert.from_time(state.header.stamp) for state in states if state.commands == count)
    settled = [
        convert.from_arm_state_msg(state).tcp_pose.position
        for state in states
        if convert.from_time(state.header.stamp) > last_ns + 200_000_000
    ]
    assert len(settled) > 20
    assert np.linalg.norm(np.ptp(settled, axis=0)) < 2e-3


@contextmanager
def killed_in_an_episode(tmp_path):
    """This process, joined to a robot whose process dies after two steps, and what goes on acting."""
    with simulated.graph(tmp_path, *REAL_TIME, "graph.recovers=true") as (process, here):
        env = here.cell.env

        def act(count):
            for _ in range(count):
                env.step(np.zeros(env.action_map.action_size))

        here.cell.robot.arm.recover()
        env.reset(0)
        act(2)
        process.kill()
        yield here, act


def test_an_arm_that_falls_silent_is_an_error_and_not_a_robot_at_rest(tmp_path):
    with killed_in_an_episode(tmp_path) as (here, act):
        here.link.patience_s = 1.0
        with pytest.raises(DeviceError, match="state was silent"):
            act(20)


def test_an_arm_whose_controller_was_started_again_is_not_commanded_on(tmp_path):
    with (
        killed_in_an_episode(tmp_path) as (_, act),
        simulated.started("simulation", tmp_path, *REAL_TIME),
        pytest.raises(DeviceError, match="started again"),
    ):
        act(20)
