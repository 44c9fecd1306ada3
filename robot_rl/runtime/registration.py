"""The simulated tasks as gymnasium environments: `gymnasium.make("robot_rl.runtime.registration:robot_rl/Peg-v0")`.

gymnasium imports what stands before the colon, and the import registers them.
"""

from __future__ import annotations

from typing import Any

import gymnasium

from robot_rl import config as configuration
from robot_rl.env.gym_env import GymEnv
from robot_rl.runtime.assembly import make_sim_workcell
from robot_rl.runtime.config import EnvConfig

IDS = {
    "robot_rl/Reach-v0": "reach",
    "robot_rl/Peg-v0": "peg",
    "robot_rl/PegHard-v0": "peg_hard",
    "robot_rl/PickCube-v0": "pick_cube",
    "robot_rl/Plug-v0": "plug",
}


def make_gym_env(
    task: str, overrides: tuple[str, ...] | list[str] = (), render_mode: str | None = None
) -> gymnasium.Env[Any, Any]:
    """The gymnasium environment of a task.

    Args:
        task: name of a file in `configs/task`.
        overrides: `key=value` words as on the command line, for example `("robot=sim_pixels", "teleop=human")`.
        render_mode: "rgb_array" or None.
    """
    workcell = make_sim_workcell(configuration.load(EnvConfig, "env", [f"task={task}", *overrides]))
    camera = workcell.make_camera("side", 480, 640)
    return GymEnv(workcell.env, lambda: camera.read()[1], render_mode)


for _name, _task in IDS.items():
    gymnasium.register(_name, entry_point=f"{__name__}:make_gym_env", kwargs={"task": _task})
