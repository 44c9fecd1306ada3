"""The simulated tasks as gymnasium environments: `gymnasium.make("robot_rl/Peg-v0")`."""

from __future__ import annotations

from typing import Any

import gymnasium

IDS = {
    "robot_rl/Reach-v0": "reach",
    "robot_rl/Peg-v0": "peg",
    "robot_rl/PegHard-v0": "peg_hard",
    "robot_rl/PickCube-v0": "pick_cube",
    "robot_rl/Plug-v0": "plug",
}


def register() -> None:
    """Register every task; gymnasium calls this by itself through its plug-in entry point."""
    for name, task in IDS.items():
        if name not in gymnasium.registry:
            gymnasium.register(name, entry_point="robot_rl.runtime.registration:make_gym_env", kwargs={"task": task})


def make_gym_env(
    task: str, overrides: tuple[str, ...] | list[str] = (), render_mode: str | None = None
) -> gymnasium.Env[Any, Any]:
    """The gymnasium environment of a task.

    Args:
        task: name of a file in `configs/task`.
        overrides: `key=value` words as on the command line, for example `("robot=sim_pixels", "teleop=human")`.
        render_mode: "rgb_array" or None.
    """
    # Imported here: gymnasium calls `register` at every import, also where nobody wants MuJoCo loaded.
    from robot_rl import config as configuration
    from robot_rl.env.gym_env import GymEnv
    from robot_rl.runtime.assembly import make_sim_workcell
    from robot_rl.runtime.config import EnvConfig

    workcell = make_sim_workcell(configuration.load(EnvConfig, "env", [f"task={task}", *overrides]))
    camera = workcell.make_camera("side", 480, 640)
    return GymEnv(workcell.env, lambda: camera.read()[1], render_mode)
