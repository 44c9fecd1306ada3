"""The simulated tasks, by name."""

from robot_rl.errors import UnknownNameError
from robot_rl.sim.tasks.peg import Peg
from robot_rl.sim.tasks.pick_cube import PickCube
from robot_rl.sim.tasks.plug import Plug
from robot_rl.sim.tasks.reach import Reach
from robot_rl.sim.tasks.scene import SceneConfig
from robot_rl.sim.tasks.task import SimTask

TASKS: dict[str, type[SimTask]] = {task.name: task for task in (Reach, Peg, PickCube, Plug)}


def make_task(name: str, config: SceneConfig) -> SimTask:
    """The simulated task of that name.

    Raises:
        UnknownNameError: no such task.
    """
    if name not in TASKS:
        raise UnknownNameError("simulated task", name, TASKS)
    return TASKS[name](config)
