"""The reset over the wire: it says what it does, may be called off, and has its limits."""

import numpy as np
import pytest
from rclpy.action import ActionClient
from robot_rl_msgs.action import Reset
from robot_rl_ros.devices.reset import RosReset

from robot_rl.errors import DeviceError, StoppedError
from robot_rl.types import Button, Command, Reason
from tests.ros import simulated

SCRIPTED = ("task=pick_cube", "reset=scripted")


class Asker:
    """Sends goals of its own, beside those of the environment."""

    def __init__(self, here):
        self.here, self.heard = here, []
        self.client = ActionClient(here.node, Reset, "reset/reset")
        assert here.link.spin_until(self.client.server_is_ready, simulated.PATIENCE_S)

    def ask(self, seed):
        goal = self.client.send_goal_async(
            Reset.Goal(seed=seed), feedback_callback=lambda message: self.heard.append(message.feedback)
        )
        return self.here.link.wait(goal, "the reset")

    def wait(self, handle):
        return self.here.link.wait(handle.get_result_async(), "the reset").result


def test_it_says_what_it_does_and_when_it_dies_that_is_an_error_and_not_a_hang(tmp_path):
    with simulated.graph(tmp_path, *SCRIPTED) as (process, here):
        asker = Asker(here)
        handle = asker.ask(1)
        assert handle.accepted
        assert asker.wait(handle).success
        here.link.spin_until(lambda: asker.heard[-1].phase == "settling" and asker.heard[-1].progress == 1.0, 10.0)
        phases = list(dict.fromkeys(feedback.phase for feedback in asker.heard))
        assert phases[:5] == ["letting go", "lifting", "returning", "lowering", "settling"]
        here.cell.env.reset(seed=2)
        process.kill()
        here.link.patience_s = 1.0
        with pytest.raises(DeviceError, match="reset node"):
            here.cell.env.reset(seed=3)


def test_cancelled_the_arm_holds_where_it_is_and_the_next_reset_goes_on(tmp_path):
    words = (*SCRIPTED, "reset.settle_s=1000.0", "reset.timeout_s=2000.0")  # to be cancelled in
    with simulated.graph(tmp_path, *words) as (_, here):
        asker = Asker(here)
        handle = asker.ask(1)
        assert here.link.spin_until(lambda: bool(asker.heard), simulated.PATIENCE_S)
        here.link.wait(handle.cancel_goal_async(), "the reset")
        result = asker.wait(handle)
        assert not result.success
        assert "cancelled while letting go; the arm holds" in result.message
        arm = here.cell.robot.arm
        here.cell.env.clock.take_over(result.stamp.sec * 10**9 + result.stamp.nanosec)
        before = arm.state()
        assert before.stop is None
        here.advance(0.5)
        assert np.linalg.norm(arm.state().tcp_pose.position - before.tcp_pose.position) < 1e-3
        arm.set_equilibrium_pose(arm.state().tcp_pose, arm.state().stamp_ns)  # it may move
        handle = asker.ask(2)
        assert handle.accepted, "and may be reset again"
        assert not asker.ask(3).accepted, "but once at a time"
        here.link.wait(handle.cancel_goal_async(), "the reset")


def test_a_reset_that_takes_too_long_fails_with_a_clear_line_and_stops_the_arm(tmp_path):
    with simulated.graph(tmp_path, *SCRIPTED, "reset.timeout_s=0.8") as (_, here):
        with pytest.raises(StoppedError, match=r"not over after 0\.8 s, but still \w+"):
            here.cell.env.reset(seed=0)
        stop = here.cell.robot.arm.state().stop
        assert stop.reason is Reason.TIMEOUT
        assert "0.8 s" in stop.detail
        with pytest.raises(StoppedError, match="took too long"):
            here.cell.env.reset(seed=0)


def test_in_real_time_a_scripted_reset_takes_its_time_and_may_be_cancelled(tmp_path):
    words = (*SCRIPTED, "graph=real_time", "graph.patience_s=20.0", "graph.recovers=true")
    with simulated.graph(tmp_path, *words) as (_, here):
        asker = Asker(here)
        start_ns = here.cell.env.clock.now_ns()
        assert asker.wait(asker.ask(1)).success
        assert here.cell.env.clock.now_ns() - start_ns > 1.5e9, "half a second each to let go and to settle, and moves"
        asker.heard.clear()
        handle = asker.ask(2)
        assert here.link.spin_until(lambda: any(one.phase == "lifting" for one in asker.heard), 20.0)
        here.link.wait(handle.cancel_goal_async(), "the reset")
        result = asker.wait(handle)
        assert "cancelled while" in result.message
        before = here.cell.robot.arm.state()
        assert before.stop is None


def test_who_watches_may_call_a_reset_off_and_have_it_begin_anew(tmp_path):
    words = (*SCRIPTED, "graph=real_time", "graph.patience_s=20.0", "graph.recovers=true")
    with simulated.graph(tmp_path, *words) as (_, here):
        arm, heard = here.cell.robot.arm, []
        held = []

        class Watching:
            """Presses for half a second when the arm is lifted, and again when it has rested."""

            def read(self):
                heard.append(arm.state().tcp_pose.position[2])
                since = len(heard)
                is_down = 20 <= since < 25 or 60 <= since < 65
                if 40 <= since < 60:
                    held.append(heard[-1])
                return Command(np.zeros(6), 0, 0.0, frozenset({Button.PAUSE} if is_down else ()))

        RosReset(here.link, Watching()).run(here.cell.robot, here.cell.env.clock, None, 1)
        assert len(heard) > 65, "it began anew"
        assert np.ptp(held) < 2e-3, "it held"
        assert arm.state().stop is None
