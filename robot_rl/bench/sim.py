"""`robot-rl bench sim`: how fast the simulated environment runs on one core, and what its parts take.

| key | what |
|---|---|
| env_steps_per_s | control steps of the task `peg` a second, no pictures, random actions, no teleop; with resets |
| env_steps_per_s_2cams_128 | the same with the wrist's and the side camera's 128 x 128 pictures in every step |
| reset_ms | one reset, without pictures; part of both rates |
| law_tick_us | one tick of the impedance law in a compiled loop, at postures that change each tick |
| law_call_us | the same through `ImpedanceLaw.torque`, called from Python |
| mj_step_us | one millisecond of physics alone, in a compiled loop |
| peak_rss_mb | largest memory of this process |
| cpu, load_1m | of the machine: on a busy one the numbers are worth less |

Times are of the wall clock, medians of several repeats after a warm-up, the process bound to one core.
Options: repeats=N, steps=N control steps a repeat, picture_steps=N with pictures.
"""

from __future__ import annotations

import os
import platform
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from robot_rl import config as configuration
from robot_rl.bench.report import Targets, judge, make_progress, print_report, read_options
from robot_rl.control import impedance
from robot_rl.control.kernels import compiled
from robot_rl.control.law import ImpedanceLaw
from robot_rl.env.robot_env import RobotEnv
from robot_rl.geometry import Array, Pose
from robot_rl.runtime.assembly import SimWorkcell, make_sim_workcell
from robot_rl.runtime.config import EnvConfig
from robot_rl.sim import franka
from robot_rl.sim.simulation import Simulation

TARGETS: Final[Targets] = {
    "env_steps_per_s": (">=", 200.0),
    "env_steps_per_s_2cams_128": (">=", 40.0),
    "law_tick_us": ("<=", 10.0),
}
"""What a laptop's core should reach."""

CAMERAS: Final = ("wrist", "side")

_POSTURES: Final = 64
_LAW_TICKS: Final = 20_000
_LAW_CALLS: Final = 2_000
_PHYSICS_TICKS: Final = 2_000
_WARM_UP_STEPS: Final = 20


def run(options: list[str]) -> int:
    """Measure, print the table and the JSON object; returns the exit code 0.

    Raises:
        UnknownNameError: no such option.
    """
    values = read_options(options, {"repeats": 5, "steps": 200, "picture_steps": 60})
    result = measure(values["repeats"], values["steps"], values["picture_steps"])
    print_report("Simulated environment on one core", ["", "value", "target"], judge(result, TARGETS), [], result)
    return 0


def measure(repeats: int, steps: int, picture_steps: int) -> dict[str, Any]:
    """Every key of the table above."""
    with _one_core(), make_progress() as progress:
        task = progress.add_task("measuring", total=5 * repeats)

        def median(measure_once: Callable[[], float]) -> float:
            measure_once()  # compiles, fills caches
            values = []
            for _ in range(repeats):
                values.append(measure_once())
                progress.advance(task)
            return float(np.median(values))

        plain = make_workcell(())
        episodes = _Episodes(plain.env)
        result: dict[str, Any] = {"env_steps_per_s": round(median(lambda: episodes.rate(steps)), 1)}
        pictures = _Episodes(make_workcell(CAMERAS).env)
        result["env_steps_per_s_2cams_128"] = round(median(lambda: pictures.rate(picture_steps)), 1)
        result["reset_ms"] = round(1e3 * float(np.median(episodes.reset_seconds)), 2)
        inputs = law_inputs(plain.simulation)
        law = _started_law(inputs)
        result["law_tick_us"] = round(median(lambda: _time_ticks(law, inputs)), 2)
        result["law_call_us"] = round(median(lambda: _time_calls(law, inputs)), 2)
        result["mj_step_us"] = round(median(lambda: _time_physics(plain.simulation)), 2)
    result["peak_rss_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0, 1)
    return result | {"cpu": _cpu_name(), "load_1m": round(os.getloadavg()[0], 2)}


def make_workcell(cameras: tuple[str, ...]) -> SimWorkcell:
    """The task `peg` as it comes, with these cameras."""
    overrides = ["task=peg", "teleop=none", f"robot.cameras=[{','.join(cameras)}]", "robot.image_size=128"]
    return make_sim_workcell(configuration.load(EnvConfig, "env", overrides))


@contextmanager
def _one_core() -> Iterator[None]:
    """Bind this process, and the threads that it will start, to its first core."""
    if not hasattr(os, "sched_setaffinity"):  # not on macOS: it is measured on whatever core it gets
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


class _Episodes:
    """Episodes of random actions, one after the other."""

    def __init__(self, env: RobotEnv) -> None:
        self._env, self._generator = env, np.random.default_rng(0)
        self.reset_seconds: list[float] = []
        env.reset(seed=0)
        self._walk(_WARM_UP_STEPS)
        self.reset_seconds.clear()
        self._reset()

    def rate(self, steps: int) -> float:
        """Control steps a second, the resets between them included."""
        begin = time.perf_counter()
        self._walk(steps)
        return steps / (time.perf_counter() - begin)

    def _walk(self, steps: int) -> None:
        for _ in range(steps):
            action = self._generator.uniform(-1.0, 1.0, self._env.action_map.action_size)
            if self._env.step(action).is_last:
                self._reset()

    def _reset(self) -> None:
        begin = time.perf_counter()
        self._env.reset()
        self.reset_seconds.append(time.perf_counter() - begin)


LawInputs = tuple[Array, Array, Array, Array, Array, Array, Array]
"""Of several postures: joint positions, velocities, TCP position, rotation, Jacobian, inertia, Coriolis torques."""


def law_inputs(simulation: Simulation) -> LawInputs:
    """Postures about the home pose in motion, as the arrays that the law takes, one posture a row.

    The inertia is that of a 6 kg tool on the rotors: the arm's own, as far as its cost to the law goes.
    """
    generator = np.random.default_rng(0)
    inputs = tuple(np.empty((_POSTURES, *shape)) for shape in ((7,), (7,), (3,), (3, 3), (6, 7), (7, 7), (7,)))
    tool = np.diag([6.0, 6.0, 6.0, 0.1, 0.1, 0.1])
    for i in range(_POSTURES):
        simulation.place_robot(franka.HOME_JOINTS + 0.02 * generator.uniform(-1.0, 1.0, 7), 0.016)
        pose, jacobian = simulation.tcp_pose(), simulation.tcp_jacobian()
        inertia = jacobian.T @ tool @ jacobian + np.diag([0.195] * 4 + [0.074] * 3)
        values = (simulation.joint_positions, 0.1 * generator.uniform(-1.0, 1.0, 7), pose.position, pose.rotation,
                  jacobian, inertia, generator.normal(size=7))  # fmt: skip
        for array, value in zip(inputs, values, strict=True):
            array[i] = value
    return inputs  # type: ignore[return-value]


def _started_law(inputs: LawInputs) -> ImpedanceLaw:
    law = ImpedanceLaw()
    pose = Pose.from_matrix(inputs[3][0], inputs[2][0])
    law.start(inputs[0][0], pose)
    law.set_target(Pose(pose.position + [0.002, 0.0, 0.0], pose.quaternion), 0.1)
    return law


@compiled
def tick_loop(
    count: int,
    parameters: np.void,
    state: np.void,
    joint_positions: Array,
    joint_velocities: Array,
    positions: Array,
    rotations: Array,
    jacobians: Array,
    inertias: Array,
    coriolis: Array,
    torque: Array,
) -> None:
    """`count` ticks of the law, at one posture after the other."""
    for k in range(count):
        i = k % len(joint_positions)
        impedance.tick(
            parameters, state, joint_positions[i], joint_velocities[i], positions[i], rotations[i], jacobians[i],
            inertias[i], coriolis[i], torque, 1e-3, torque,
        )  # fmt: skip


def _time_ticks(law: ImpedanceLaw, inputs: LawInputs) -> float:
    torque = np.zeros(7)
    begin = time.perf_counter()
    tick_loop(_LAW_TICKS, law.parameters_record, law.state_record, *inputs, torque)
    return 1e6 * (time.perf_counter() - begin) / _LAW_TICKS


def _time_calls(law: ImpedanceLaw, inputs: LawInputs) -> float:
    q, qd, positions, rotations, jacobians, inertias, coriolis = inputs
    torque = np.zeros(7)
    begin = time.perf_counter()
    for k in range(_LAW_CALLS):
        i = k % _POSTURES
        torque = law.torque(q[i], qd[i], positions[i], rotations[i], jacobians[i], inertias[i], coriolis[i], torque)
    return 1e6 * (time.perf_counter() - begin) / _LAW_CALLS


def _time_physics(simulation: Simulation) -> float:
    simulation.place_robot(franka.HOME_JOINTS, 0.016)
    begin = time.perf_counter()
    simulation.advance_physics(_PHYSICS_TICKS)
    return 1e6 * (time.perf_counter() - begin) / _PHYSICS_TICKS


def _cpu_name() -> str:
    """Model name of the processor, as the system tells it."""
    cpu_file = Path("/proc/cpuinfo")
    if cpu_file.is_file():
        for line in cpu_file.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
