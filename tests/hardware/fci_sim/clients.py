"""Clients of libfranka as processes of their own, with a hard limit of time: one that waits cannot be interrupted."""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import subprocess
import sys

import pytest
from robot_rl_hardware.fci_sim.process import RunningRobot

_numbers = itertools.count(1)

FRANKA = """
import json, math, sys, time
import numpy as np
import pylibfranka as franka

host = sys.argv[1]
robot = franka.Robot(host, franka.RealtimeConfig.kIgnore)


def say(**answer):
    print(json.dumps(answer))


def attempt(act):
    "What an action raises, as text; empty where it succeeds."
    try:
        act()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def move(count, torque, states=None):
    "Torque control: `torque(tick, state)` for each of so many cycles."
    control = robot.start_torque_control()
    for tick in range(count):
        state, duration = control.readOnce()
        if states is not None:
            states.append((state, duration))
        command = franka.Torques([float(one) for one in torque(tick, state)])
        command.motion_finished = tick == count - 1
        control.writeOnce(command)


def still(tick, state):
    return [0.0] * 7


def wave(tick, state):
    return [0.3 * math.sin(0.01 * tick * (joint + 1)) for joint in range(7)]


class Press:
    "Pushes down with a force that grows to a limit."

    def __init__(self, limit):
        self.limit, self.model = limit, robot.load_model()

    def __call__(self, tick, state):
        jacobian = np.array(self.model.zero_jacobian(state)).reshape(7, 6).T
        damping = np.array([200.0, 200.0, 200.0, 20.0, 20.0, 20.0]) * (jacobian @ np.array(state.dq))
        torque = jacobian.T @ (np.array([0.0, 0.0, -min(0.02 * tick, self.limit), 0.0, 0.0, 0.0]) - damping)
        last = np.array(state.tau_J_d)
        return np.clip(torque, last - 0.9, last + 0.9)
"""

PANDA = """
import json, math, sys
from panda_py import libfranka as franka

robot = franka.Robot(sys.argv[1], franka.RealtimeConfig.kIgnore)


def say(**answer):
    print(json.dumps(answer))


def attempt(act):
    try:
        act()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""
"""


def make_host() -> str:
    """An address of this machine that no other test has."""
    process = os.getpid()
    return f"127.{64 + process % 64}.{process // 64 % 256}.{next(_numbers)}"


def start(robot: RunningRobot, code: str, prelude: str = FRANKA) -> subprocess.Popen[str]:
    """A client that runs `code` after `prelude`; skips the test where its library is missing, which it is not in CI."""
    library = "panda_py" if "panda_py" in prelude else "pylibfranka"
    if importlib.util.find_spec(library) is None and not os.environ.get("CI"):
        pytest.skip(f"needs {library}, whose wheels do not exist everywhere")
    words = [sys.executable, "-c", prelude + code, robot.host]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(client: subprocess.Popen[str], limit_s: float = 30.0) -> dict:
    """What the client says in its last line."""
    try:
        out, err = client.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        client.kill()
        out, err = client.communicate()
        raise AssertionError(f"the client did not end within {limit_s} s\n{out}\n{err}") from None
    assert client.returncode == 0, f"{out}\n{err}"
    return json.loads(out.splitlines()[-1])


def ask(robot: RunningRobot, code: str, prelude: str = FRANKA) -> dict:
    """Run `code` in a client to its end; what it says."""
    return finish(start(robot, code, prelude))
