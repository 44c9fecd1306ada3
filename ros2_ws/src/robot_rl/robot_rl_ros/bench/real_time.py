"""Delays in a graph whose time passes by itself, at the policy's own rate."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from rclpy.node import Node
from robot_rl_msgs.msg import TeleopCommand

from robot_rl.agents.agent import make_agent
from robot_rl.errors import DeviceError, SetupError
from robot_rl.runtime.acting.actor import load_newest, run_episodes
from robot_rl.runtime.acting.policy_runner import PolicyRunner
from robot_rl.runtime.channels.connection import make_actor_channel
from robot_rl.types import Command
from robot_rl_ros import convert, qos
from robot_rl_ros.bench.listener import listening
from robot_rl_ros.bench.processes import Graph, running
from robot_rl_ros.nodes.impedance_controller import BASE_FRAME

_WORDS = ("task=peg", "graph=real_time", "graph.recovers=true")
_LEARNER_S = 300.0  # it records and imitates first
_MOVED_M = 1e-4  # less than a push asks for in one tick, more than a resting arm drifts
_PUSH = np.array([0.5, 0.0, 0.0, 0.0, 0.0, 0.0])


def measure_commands(duration_s: float) -> list[float]:
    """Delays [ms] from the stamp of an observation's arm state to the arrival of the command made of it.

    The policy is the network of `agent=rlpd`, and its actions are exchanged for random ones.
    """
    with running([*_WORDS, "teleop=none"]) as graph, listening(graph.config.graph.lease_s) as listener:
        env = graph.cell.env
        runner = PolicyRunner(make_agent(graph.config.agent, env.spec, seed=0).policy, graph.config.agent.stack)
        generator = np.random.default_rng(0)
        delays_ms: list[float] = []
        end_s = time.monotonic() + duration_s
        while time.monotonic() < end_s:
            time_step = env.reset(0)
            runner.reset()
            while not time_step.is_last and time.monotonic() < end_s:
                count = len(listener.commands)
                stamp_ns = time_step.observation.stamp_ns
                runner(time_step.observation)
                time_step = env.step(generator.uniform(-0.5, 0.5, env.action_map.action_size))
                if len(listener.commands) > count:
                    delays_ms.append((listener.commands[count].stamp_ns - stamp_ns) * 1e-6)
        return delays_ms[1:]


def measure_takeovers(count: int) -> list[float]:
    """Delays [ms] from the first message of a deflected device to the first commanded pose that follows it."""
    words = [*_WORDS, "teleop=joy", "task.episode.step_limit=100000"]
    with running(words) as graph, listening(graph.config.graph.lease_s) as listener:
        device = _Device(graph)
        env, nothing = graph.cell.env, np.zeros(graph.cell.env.action_map.action_size)
        delays_ms: list[float] = []
        try:
            env.reset(0)
            generator = np.random.default_rng(0)
            hold_s = graph.config.task.episode.takeover_hold_s
            for _ in range(count):
                device.release()
                _act_for(env, nothing, hold_s + 0.3)
                device.push_after(float(generator.uniform(0.0, 0.1)))
                _act_for(env, nothing, 0.3)
                if device.pushed_ns is None:
                    raise DeviceError("the device's thread has not come to push within 0.2 s: this machine is too busy")
                moved_ns = listener.first_move_ns(device.pushed_ns, _MOVED_M)
                if moved_ns is None:
                    raise DeviceError("a push of the device was not followed by a command")
                delays_ms.append((moved_ns - device.pushed_ns) * 1e-6)
                env.reset(0)
        finally:
            device.close()
        return delays_ms


def _act_for(env: Any, action: Any, duration_s: float) -> None:
    end_s = time.monotonic() + duration_s
    while time.monotonic() < end_s:
        env.step(action)


class _Device:
    """A person's device, played by a thread that publishes at the device's rate."""

    def __init__(self, graph: Graph) -> None:
        self._node = Node("teleop", context=graph.link.node.context)
        self._commands = self._node.create_publisher(TeleopCommand, "~/command", qos.PRESSES)
        self._period_s = 1.0 / graph.config.task.episode.teleop_rate_hz
        self._push_at_s = float("inf")
        self._has_ended = threading.Event()
        self.pushed_ns: int | None = None
        """When the first message of the newest push was published, on the system's clock."""
        self._thread = threading.Thread(target=self._publish, name="device")
        self._thread.start()

    def push_after(self, delay_s: float) -> None:
        """Deflect it after a while."""
        self._push_at_s = time.monotonic() + delay_s

    def release(self) -> None:
        """Let it go."""
        self._push_at_s, self.pushed_ns = float("inf"), None

    def close(self) -> None:
        """End it."""
        self._has_ended.set()
        self._thread.join()
        self._node.destroy_node()

    def _publish(self) -> None:
        while not self._has_ended.wait(self._period_s):
            is_pushed = time.monotonic() >= self._push_at_s
            stamp_ns = time.time_ns()
            command = Command(_PUSH if is_pushed else np.zeros(6), stamp_ns)
            message = convert.to_teleop_command(command, stamp_ns, BASE_FRAME)
            if is_pushed and self.pushed_ns is None:
                self.pushed_ns = time.time_ns()
            self._commands.publish(message)


def measure_weights(duration_s: float, words: Sequence[str]) -> list[float]:
    """Ages [s] of the acting weights at each control step of a training run: the time since the policy took them."""
    words = [*_WORDS, "teleop=human", *words]
    ages_s: list[float] = []
    taken_s = {-1: time.monotonic()}  # by version

    def note(runner: PolicyRunner) -> None:
        now_s = time.monotonic()
        ages_s.append(now_s - taken_s.setdefault(runner.version, now_s))

    with running(words, ("simulation", "learner")) as graph:
        act_beside_learner(graph, duration_s, note)
    return ages_s


def act_beside_learner(graph: Graph, duration_s: float, note: Callable[[PolicyRunner], None] | None = None) -> None:
    """Make episodes of a graph's training run in the place of its actor, as long as told.

    Args:
        graph: with a learner.
        duration_s: after it no episode begins.
        note: told after each time step who acts.

    Raises:
        SetupError: the learner is not there.
    """
    env, config = graph.cell.env, graph.config
    runner = PolicyRunner(make_agent(config.agent, env.spec, seed=0).policy, config.agent.stack, base=env.base)
    channel = make_actor_channel(config, env.spec)
    try:
        if not channel.wait_taken(_LEARNER_S) or channel.progress is None:
            raise SetupError(f"the learner was not ready within {_LEARNER_S:g} s.")
        load_newest(runner, channel)
        end_s = time.monotonic() + duration_s
        first = channel.progress.next_episode

        def is_over() -> bool:
            return time.monotonic() > end_s

        def on_step() -> None:
            if note is not None:
                note(runner)

        run_episodes(env, runner, channel, config.seed, first, [], on_step, is_over)
    finally:
        channel.close(has_finished=False)


def to_percentiles(name: str, values: Sequence[float]) -> Mapping[str, float]:
    """The median and the 99th percentile under NAME_p50 and NAME_p99."""
    return {f"{name}_p{share}": round(float(np.percentile(values, share)), 3) for share in (50, 99)}
