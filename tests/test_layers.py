"""Imports only point inwards, and the house style that a machine can see.

The tables below are the rules. They are held twice: in the syntax trees, where an import inside a function counts
like any other, and by importing each ring in a fresh process and looking at what got loaded with it.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# ------------------------------------------------------------------------------------ the rules, as data

BASE = ("types", "specs", "geometry", "errors", "clock", "config")
INNER = ("base", "control", "robot", "data", "inference", "rewards")

# ring -> the rings that it may import beside itself; "robot.protocols" is one module of a ring
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "base": (),
    "control": ("base",),
    "robot": ("base",),
    "data": ("base",),
    "inference": ("base",),
    "rewards": ("base",),
    "sim": INNER,
    "env": INNER,
    "policies": INNER,
    "agents": ("base", "policies", "inference"),
    "runtime": (*INNER, "sim", "env", "policies", "agents", "bench"),
    "bench": (*INNER, "sim", "env", "policies", "agents", "runtime"),  # measurements: the runtime ring, in a folder
    "cli": (*INNER, "sim", "env", "policies", "agents", "runtime", "bench"),
    "hardware": ("base", "control", "robot.protocols"),
}

# ring -> what it may import from outside; the standard library is free
LIBRARIES: dict[str, set[str]] = {
    "base": {"numpy"},
    "control": {"numpy", "numba"},
    "robot": {"numpy"},
    "data": {"numpy", "zarr", "numcodecs", "h5py", "pyarrow", "av", "cv2"},
    "inference": {"numpy", "torch"},
    "rewards": {"numpy"},
    "sim": {"numpy", "scipy", "numba", "llvmlite", "mujoco", "mujoco_menagerie", "cv2"},
    "env": {"numpy", "scipy"},
    "policies": {"numpy", "torch", "scipy"},
    "agents": {"numpy", "torch", "safetensors"},
    "runtime": {
        "numpy",
        "yaml",
        "scipy",
        "torch",
        "mujoco",
        "hydra",
        "omegaconf",
        "gymnasium",
        "rich",
        "av",
        "cv2",
        "zmq",
        "tensorboard",
        "matplotlib",
    },
    "bench": {"numpy", "scipy", "torch", "rich"},
    "cli": {"numpy", "hydra", "omegaconf", "rich"},
}

# module, or package with all that is in it -> what it alone may import in addition
EXCEPTIONS: dict[str, set[str]] = {
    "robot_rl.config": {"hydra", "omegaconf", "pydantic", "yaml"},  # configuration is read at one place
    "robot_rl.env.gym_env": {"gymnasium"},  # the adapter; the environment itself does without
    "robot_rl.rewards.classifier": {"torch"},  # a network, among plain tests of a task
    "robot_rl.runtime.classifier.file": {"safetensors"},  # the layout of its file
    "robot_rl_hardware.fci_sim": {"robot_rl.sim"},  # a package: a simulated robot behind the real wire
}

ROS = {"rclpy", "rcl_interfaces", "std_msgs", "geometry_msgs", "sensor_msgs", "std_srvs", "diagnostic_msgs"}
ROS |= {"launch", "launch_ros", "ament_index_python", "robot_rl_msgs", "robot_rl_ros", "tf2_ros"}
DEVICES = {"pylibfranka", "panda_python", "panda_py", "pyrealsense2", "pyspacemouse", "easyhid", "hid", "usb"}
# What is heavy or needs a machine: a fresh process must not find it loaded by a ring that may not import it.
HEAVY = ROS | DEVICES | {"torch", "mujoco", "cv2", "hydra", "omegaconf", "gymnasium", "zarr", "av", "zmq", "rich"}
HEAVY |= {"pydantic", "robot_rl_hardware", "numba", "h5py", "pyarrow"}

# The launch files describe processes and import one function that lists them.
LAUNCH_LIBRARIES = {"launch", "launch_ros", "ament_index_python"}

FUNCTION_LINES = 80
FILE_LINES = 350
FORBIDDEN_WORDS = {"done", "info", "util", "utils", "misc", "helper", "helpers", "manager"}

# ------------------------------------------------------------------------------------ reading sources


def sources_under(folder: Path) -> dict[str, str]:
    """Module name -> source of every Python file of the package in `folder`."""
    return {
        ".".join(path.relative_to(folder.parent).with_suffix("").parts).removesuffix(".__init__"): path.read_text()
        for path in sorted(folder.rglob("*.py"))
    }


def imports_of(module: str, source: str, is_package: bool = False) -> Iterator[tuple[int, str, str]]:
    """(line, module, name or "") of every import, wherever it stands; relative ones are made absolute."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, ""
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                package = module.split(".")[: len(module.split(".")) - node.level + is_package]
                origin = ".".join([*package, origin] if origin else package)
            for alias in node.names:
                yield node.lineno, origin, alias.name
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in {"import_module", "__import__"} and isinstance(node.args[0].value, str):
                yield node.lineno, node.args[0].value, ""


def ring_of(module: str) -> str:
    """The ring of a module of ours; "" for anything else, or for a folder that the table does not know."""
    parts = module.split(".")
    if parts[0] == "robot_rl_hardware":
        return "hardware"
    if parts[0] != "robot_rl":
        return ""
    if len(parts) == 1 or parts[1] in BASE:
        return "base"
    return parts[1] if parts[1] in MAY_IMPORT else ""


def is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def is_allowed(importer: str, target: str) -> bool:
    ring, own = ring_of(importer), ring_of(target)
    allowed_here = set[str]().union(*(extra for package, extra in EXCEPTIONS.items() if is_within(importer, package)))
    if any(is_within(target, package) for package in allowed_here):
        return True
    if own:
        rings = (ring, *MAY_IMPORT[ring])
        return own in rings or any(is_within(target, f"robot_rl.{one}") for one in rings if "." in one)
    top = target.split(".")[0]
    if top in {"robot_rl", "robot_rl_ros"}:
        return False
    if top in sys.stdlib_module_names:
        return True
    return top in LIBRARIES.get(ring, set()) or (ring == "hardware" and top not in ROS)


def layer_violations(sources: Mapping[str, str]) -> list[str]:
    """One line for every import in `sources` (module name -> source) that the tables do not allow."""
    out = []
    packages = {module.rpartition(".")[0] for module in sources} | {"robot_rl"}
    for module, source in sources.items():
        if not ring_of(module):
            out.append(f"{module} belongs to no ring: add it to the table, on purpose")
            continue
        for line, origin, name in imports_of(module, source, module in packages):
            submodule = f"{origin}.{name}" if name else origin
            # `from robot_rl import sim` names a ring, `from robot_rl.sim import make` a function of one
            is_ring_name = origin == "robot_rl" and name and ring_of(submodule) != "base"
            candidates = [submodule] if is_ring_name and name in MAY_IMPORT else [origin, submodule]
            if not any(is_allowed(module, candidate) for candidate in candidates):
                out.append(f"{module}:{line} ({ring_of(module)}) must not import {submodule}")
    return out


def launch_violations(sources: Mapping[str, str]) -> list[str]:
    """Launch files import launch, launch_ros and one function of robot_rl.runtime."""
    out = []
    for module, source in sources.items():
        ours = [(origin, name) for _, origin, name in imports_of(module, source) if origin.split(".")[0] == "robot_rl"]
        if len(ours) > 1 or any(not is_within(origin, "robot_rl.runtime") or not name for origin, name in ours):
            out.append(f"{module} may import one function of robot_rl.runtime, not {ours}")
        out += [
            f"{module}:{line} must not import {origin}"
            for line, origin, _ in imports_of(module, source)
            if origin.split(".")[0] not in LAUNCH_LIBRARIES | sys.stdlib_module_names | {"robot_rl"}
        ]
    return out


# ------------------------------------------------------------------------------------ house style


def words_of(name: str) -> set[str]:
    """The words of snake_case, CamelCase and dotted names, in lower case."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def public_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, name) of what a reader outside may meet: classes, functions, their arguments, attributes, constants."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield node.lineno, node.name
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            arguments = node.args
            for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
                yield argument.lineno, argument.arg
        if isinstance(node, ast.Module | ast.ClassDef):
            for statement in node.body:
                targets = statement.targets if isinstance(statement, ast.Assign) else []
                targets = [statement.target] if isinstance(statement, ast.AnnAssign) else targets
                for target in targets:
                    if isinstance(target, ast.Name) and not target.id.startswith("_"):
                        yield target.lineno, target.id


def style_violations(sources: Mapping[str, str]) -> list[str]:
    """Files and functions that are too long, and words that say nothing."""
    out = []
    for module, source in sources.items():
        tree = ast.parse(source)
        if len(source.splitlines()) > FILE_LINES:
            out.append(f"{module} has {len(source.splitlines())} lines, at most {FILE_LINES}")
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > FUNCTION_LINES:
                    out.append(f"{module}:{node.lineno} {node.name} has {lines} lines, at most {FUNCTION_LINES}")
        # Gymnasium's interface has an `info`: its adapter may say so
        is_adapter = any(origin.split(".")[0] == "gymnasium" for _, origin, _ in imports_of(module, source))
        forbidden = FORBIDDEN_WORDS - ({"info"} if is_adapter else set())
        out += [f"{module}: the file's name says {word!r}" for word in sorted(words_of(module) & forbidden)]
        for line, name in public_names(tree):
            out += [f"{module}:{line} {name} says {word!r}" for word in sorted(words_of(name) & forbidden)]
    return out


# ------------------------------------------------------------------------------------ what an import loads


def loaded_by(modules: list[str], watched: set[str]) -> set[str]:
    """Which of `watched` a fresh process has loaded after importing `modules`."""
    code = (
        "import importlib, sys\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        f"print('loaded:', *sorted({watched!r} & set(sys.modules)))"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert process.returncode == 0, process.stderr
    return set(process.stdout.splitlines()[-1].split()[1:])


def reachable_rings(ring: str) -> set[str]:
    """`ring` and all that it may import, directly or not."""
    out, todo = set(), [ring]
    while todo:
        one = todo.pop().split(".")[0]
        if one not in out:
            out.add(one)
            todo += MAY_IMPORT[one]
    return out


def must_not_load(ring: str, modules: list[str]) -> set[str]:
    """What importing `modules` of `ring` must leave unloaded: outer rings, and libraries that it has no right to."""
    inside = reachable_rings(ring)
    libraries = set().union(*(LIBRARIES.get(one, set()) for one in inside))
    exceptions = set().union(*(EXCEPTIONS.get(module, set()) for module in modules))
    if "base" in inside and ring != "base":
        exceptions |= EXCEPTIONS["robot_rl.config"]
    outer = {f"robot_rl.{one}" for one in MAY_IMPORT if one not in inside}
    return (HEAVY - libraries - exceptions) | outer


SOURCES = sources_under(ROOT / "robot_rl")
HARDWARE = sources_under(ROOT / "hardware" / "robot_rl_hardware")
LAUNCH = sources_under(ROOT / "launch")
RINGS = sorted({ring_of(module) for module in SOURCES} - {""})

# ------------------------------------------------------------------------------------ the repository


def test_the_sources_are_found():
    assert {"robot_rl", "robot_rl.geometry", "robot_rl.robot.protocols"} <= set(SOURCES)
    assert {"base", "control", "robot"} <= set(RINGS)


def test_imports_only_point_inwards():
    assert layer_violations(SOURCES | HARDWARE) == []


def test_nobody_imports_the_ros_package():
    for module, source in (SOURCES | HARDWARE | LAUNCH).items():
        assert "robot_rl_ros" not in {origin.split(".")[0] for _, origin, _ in imports_of(module, source)}, module


def test_launch_files_only_describe():
    assert launch_violations(LAUNCH) == []


def test_launch_does_not_shadow_the_launch_of_ros():
    assert not (ROOT / "launch" / "__init__.py").exists()


def test_house_style():
    assert style_violations(SOURCES | HARDWARE) == []


@pytest.mark.parametrize("ring", RINGS)
def test_a_ring_loads_nothing_that_it_may_not_import(ring):
    modules = [module for module in SOURCES if ring_of(module) == ring and not module.endswith("__main__")]
    assert loaded_by(modules, must_not_load(ring, modules)) == set()


def test_control_and_robot_stay_light_for_the_robots_own_computer():
    light = [module for module in SOURCES if ring_of(module) in {"base", "control", "robot"}]
    assert loaded_by([module for module in light if module not in EXCEPTIONS], HEAVY - {"numba"}) == set()


# ------------------------------------------------------------------------------------ the checkers themselves

FORBIDDEN_IMPORTS = [
    ("robot_rl.types", "import torch"),
    ("robot_rl.types", "from scipy.spatial import transform"),
    ("robot_rl.types", "import hydra"),
    ("robot_rl.geometry", "from robot_rl.control import safety"),
    ("robot_rl.geometry", "from .robot.protocols import Arm"),
    ("robot_rl.control.safety", "from robot_rl import sim"),
    ("robot_rl.control.safety", "import robot_rl.sim.franka"),
    ("robot_rl.control.safety", "import torch.nn"),
    ("robot_rl.control.safety", "from robot_rl.robot.protocols import Arm"),
    ("robot_rl.robot.robot", "import numba"),
    ("robot_rl.robot.robot", "from ..control.action_map import ActionMap"),
    ("robot_rl.sim.arm", "from robot_rl.env import RobotEnv"),
    ("robot_rl.sim.arm", "from ..env.robot_env import RobotEnv"),
    ("robot_rl.sim.arm", "def f():\n    from robot_rl.env.robot_env import RobotEnv"),
    ("robot_rl.sim.arm", "if TYPE_CHECKING:\n    import robot_rl.env"),
    ("robot_rl.sim.arm", "import torch"),
    ("robot_rl.env.robot_env", "from robot_rl.sim import arm"),
    ("robot_rl.env.robot_env", "import mujoco"),
    ("robot_rl.env.robot_env", "importlib.import_module('robot_rl.sim')"),
    ("robot_rl.env.robot_env", "__import__('rclpy')"),
    ("robot_rl.agents.rlpd", "from robot_rl.data import replay"),
    ("robot_rl.agents.rlpd", "from robot_rl.runtime import learner"),
    ("robot_rl.rewards.task_test", "import torch"),
    ("robot_rl.runtime.acting.actor", "import rclpy"),
    ("robot_rl.runtime.acting.actor", "def f():\n    import pyrealsense2 as rs"),
    ("robot_rl.runtime.acting.actor", "from robot_rl.cli import main"),
    ("robot_rl.runtime.acting.actor", "import robot_rl_hardware"),
    ("robot_rl.cli", "from robot_rl_hardware.franka import FrankaArm"),
    ("robot_rl.cli", "import pylibfranka"),
    ("robot_rl.cli", "import robot_rl_ros.convert"),
    ("robot_rl.utilities.things", "x = 1"),
    ("robot_rl_hardware.franka", "import rclpy"),
    ("robot_rl_hardware.franka", "from robot_rl.robot.robot import Robot"),
    ("robot_rl_hardware.franka", "from robot_rl.sim import franka"),
    ("robot_rl_hardware.fci_simple", "from robot_rl.sim import franka"),
    ("robot_rl_hardware.franka", "from robot_rl.runtime import actor"),
]

ALLOWED_IMPORTS = [
    ("robot_rl.types", "import enum, json\nfrom collections.abc import Mapping\nimport numpy.typing"),
    ("robot_rl.types", "from robot_rl.geometry import Pose\nfrom robot_rl import errors\nimport robot_rl"),
    ("robot_rl.config", "import hydra\nfrom omegaconf import DictConfig"),
    ("robot_rl.control.safety", "from numba import njit\nfrom robot_rl.control import kernels\nfrom . import kernels"),
    ("robot_rl.robot", "from .protocols import Arm\nfrom robot_rl.types import ArmState"),
    ("robot_rl.rewards.classifier", "import torch"),
    ("robot_rl.sim.arm", "import mujoco\nfrom robot_rl.robot import fake\nfrom robot_rl.control.impedance import tick"),
    ("robot_rl.env.robot_env", "from robot_rl.robot.robot import Robot\nfrom robot_rl.rewards import button"),
    ("robot_rl.agents.rlpd", "import torch\nfrom robot_rl.policies import chunk\nfrom robot_rl import inference"),
    ("robot_rl.runtime.acting.actor", "from robot_rl import sim, env, agents\nfrom robot_rl.bench import rates"),
    ("robot_rl.bench.rates", "from robot_rl.runtime import actor"),
    ("robot_rl.cli", "from robot_rl.runtime import processes\nimport robot_rl.sim\nimport hydra"),
    (
        "robot_rl_hardware.franka",
        "import pylibfranka\nfrom robot_rl.robot.protocols import Arm\nimport robot_rl.control",
    ),
    ("robot_rl_hardware.franka", "from robot_rl.robot import protocols\nfrom robot_rl_hardware import limits"),
    ("robot_rl_hardware.fci_sim", "from robot_rl.sim import franka\nimport robot_rl.sim.arm"),
    ("robot_rl_hardware.fci_sim.plant", "from robot_rl.sim import franka\nimport robot_rl.sim.arm"),
]


@pytest.mark.parametrize(("module", "source"), FORBIDDEN_IMPORTS)
def test_the_checker_catches_a_forbidden_import(module, source):
    assert len(layer_violations({module: source})) == 1


@pytest.mark.parametrize(("module", "source"), ALLOWED_IMPORTS)
def test_the_checker_passes_an_allowed_import(module, source):
    sources = {module: source} | ({"robot_rl.robot.protocols": ""} if module == "robot_rl.robot" else {})
    assert layer_violations(sources) == []


def test_the_checker_says_where_and_what():
    sources = {"robot_rl.sim.arm": "import mujoco\n\nfrom robot_rl.env import task\n"}
    assert layer_violations(sources) == ["robot_rl.sim.arm:3 (sim) must not import robot_rl.env.task"]


def test_one_statement_may_break_several_rules():
    assert len(layer_violations({"robot_rl.control.safety": "from robot_rl import sim, env, errors, runtime"})) == 3


@pytest.mark.parametrize(
    "source",
    [
        "import torch",
        "from robot_rl.sim import franka",
        "from robot_rl.runtime.processes import list_processes, run",
        "import robot_rl.runtime",
        "from robot_rl.runtime.processes import list_processes\ndef f():\n    from robot_rl.config import load",
    ],
)
def test_the_checker_catches_a_launch_file_that_does_more(source):
    assert launch_violations({"launch.train_peg": source})


def test_the_checker_passes_a_launch_file():
    source = "import launch_ros.actions\nfrom launch import LaunchDescription\n"
    assert launch_violations({"x": source + "from robot_rl.runtime.processes import list_processes"}) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("robot_rl.env.utils", ""),
        ("robot_rl.env.camera_manager", ""),
        ("robot_rl.env.x", "class CameraManager: pass"),
        ("robot_rl.env.x", "def make_helper(): pass"),
        ("robot_rl.env.x", "def step(self, done: bool): pass"),
        ("robot_rl.env.x", "def step(self, *, info): pass"),
        ("robot_rl.env.x", "class Step:\n    done: bool = False"),
        ("robot_rl.env.x", "EPISODE_INFO = 1"),
        ("robot_rl.env.x", "class A:\n    def is_done(self): pass"),
        ("robot_rl.env.x", "x = 1\n" * (FILE_LINES + 1)),
        ("robot_rl.env.x", "def f():\n" + "    x = 1\n" * FUNCTION_LINES),
        ("robot_rl.env.x", "class A:\n    async def f(self):\n" + "        x = 1\n" * FUNCTION_LINES),
        ("robot_rl.env.x", "import gymnasium\ndef step(done): pass"),
    ],
)
def test_the_checker_catches_bad_style(module, source):
    assert len(style_violations({module: source})) == 1


@pytest.mark.parametrize(
    "source",
    [
        "def step(information, abandoned, hinfo): pass",
        "def _step(info): pass",
        "def f():\n    done = 1",
        "import gymnasium\ndef step(info): pass",
        "x = 1\n" * FILE_LINES,
        "def f():\n" + "    x = 1\n" * (FUNCTION_LINES - 1),
    ],
)
def test_the_checker_passes_good_style(source):
    assert style_violations({"robot_rl.env.x": source}) == []


def test_the_fresh_process_sees_what_an_import_loads():
    assert loaded_by(["robot_rl.geometry", "gymnasium"], HEAVY) >= {"gymnasium"}
    assert loaded_by(["robot_rl.robot.protocols"], {"robot_rl.robot", "robot_rl.sim"}) == {"robot_rl.robot"}


def test_the_forbidden_set_of_a_ring_is_what_it_may_not_reach():
    assert {"rclpy", "mujoco", "robot_rl.sim", "robot_rl.runtime"} <= must_not_load("env", ["robot_rl.env.task"])
    assert {"torch", "mujoco", "cv2", "rclpy", "robot_rl.env"} <= must_not_load("control", [])
    assert {"rclpy", "pylibfranka", "pyrealsense2", "pyspacemouse"} <= must_not_load("cli", ["robot_rl.cli"])
    assert "hydra" in must_not_load("base", ["robot_rl.types"])
    assert "hydra" not in must_not_load("base", ["robot_rl.types", "robot_rl.config"])
