"""The gymnasium environments pass gymnasium's own examination, and tell what the robot executed."""

import re
import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from robot_rl.errors import ActionError, UnknownNameError
from robot_rl.runtime.registration import IDS, make_gym_env

# Poses and wrenches have no bounds worth the name; gymnasium would rather see some.
pytestmark = pytest.mark.filterwarnings("ignore:.*infinity.*:UserWarning")


@pytest.mark.parametrize("name", list(IDS))
def test_every_task_passes_gymnasiums_own_check(name):
    env = gymnasium.make(name)
    check_env(env.unwrapped, skip_render_check=True)


def test_pixels_a_person_and_rendering_pass_the_check_too():
    env = gymnasium.make(
        "robot_rl/Peg-v0",
        overrides=("robot=sim_pixels", "robot.image_size=32", "teleop=human"),
        render_mode="rgb_array",
    )
    check_env(env.unwrapped)
    observation, _ = env.reset(seed=0)
    assert observation["wrist"].shape == (32, 32, 3)
    assert observation["side"].std() > 5.0
    assert env.render().shape == (480, 640, 3)


def test_a_video_of_it_runs_as_fast_as_the_robot_did():
    env = gymnasium.make("robot_rl/Reach-v0", overrides=("task.episode.rate_hz=20",), render_mode="rgb_array")
    assert env.unwrapped.metadata["render_fps"] == 20


def test_the_lines_of_the_readme_run_in_a_program_that_imports_nothing_else():
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    (lines,) = re.findall(r"```python\n(import gymnasium\n.*?)```", readme, re.DOTALL)
    program = lines + '\nassert info["applied_action"].shape == (6,)\nassert info["source"] in ("policy", "human")\n'
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr


def test_info_tells_the_applied_action_and_its_source():
    env = make_gym_env("peg", ["teleop=expert"])
    env.reset(seed=0)
    asked = np.array([-1.0, 0.0, 0.0, 0.0, 0.0, 0.0], np.float32)
    _, _, _, _, info = env.step(asked)
    assert info["source"] == "human"
    assert not np.allclose(info["applied_action"], asked)
    assert np.abs(info["applied_action"]).max() <= 1.0


def test_corrections_are_told_in_words():
    env = make_gym_env("reach")
    env.reset(seed=0)
    _, _, _, _, info = env.step(np.full(6, 3.0, np.float32))
    reason, detail = info["corrections"][0]
    assert reason == "action outside [-1, 1]"
    assert "3." in detail


def test_success_terminates_and_time_truncates():
    env = make_gym_env("reach", ["teleop=expert"])
    env.reset(seed=0)
    while True:
        _, reward, terminated, truncated, info = env.step(np.zeros(6, np.float32))
        if terminated or truncated:
            break
    assert (reward, terminated, truncated, info["is_success"]) == (1.0, True, False, True)

    env = make_gym_env("reach", ["task.episode.step_limit=3"])
    env.reset(seed=0)
    ends = [env.step(np.zeros(6, np.float32))[2:4] for _ in range(3)]
    assert ends == [(False, False), (False, False), (False, True)]


def test_a_wrong_action_and_a_wrong_task_are_clear_errors():
    env = make_gym_env("reach")
    env.reset(seed=0)
    with pytest.raises(ActionError, match=r"shape \(6,\), got \(7,\)"):
        env.step(np.zeros(7, np.float32))
    with pytest.raises(UnknownNameError, match="peg_hard"):
        make_gym_env("pegg")
    with pytest.raises(ValueError, match="rgb_array"):
        make_gym_env("reach", render_mode="human")
