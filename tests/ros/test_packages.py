"""The two ROS packages: ROS finds them, they work there, and what they say of themselves is true."""

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest

from robot_rl.runtime.processes.ros_domain import reserve_domain

ROOT = Path(__file__).parents[2]
PACKAGES = {name: ROOT / "ros2_ws" / "src" / name for name in ("robot_rl", "robot_rl_msgs")}
MODULE = PACKAGES["robot_rl"] / "robot_rl_ros"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXECUTABLES = sorted(path.name for path in (PACKAGES["robot_rl"] / "executables").iterdir())
LAUNCH_FILES = sorted(path.name for path in (ROOT / "launch").glob("*.launch.py"))
PATIENCE_S = 20.0

# Never in CI, where the set-up has installed them.
needs_wheels = pytest.mark.skipif(
    importlib.util.find_spec("robot_rl_ros_paths") is None and not os.environ.get("CI"),
    reason="ROS is not from wheels that .ci/setup installed",
)

# ------------------------------------------------------------------------------------ what a package says of itself


def manifest(package):
    return ElementTree.parse(PACKAGES[package] / "package.xml").getroot()


def dependencies(package, *kinds):
    return {element.text for kind in kinds for element in manifest(package).findall(kind)}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_manifest_is_complete(package):
    root = manifest(package)
    assert root.get("format") == "3"
    assert root.findtext("name") == package
    assert root.findtext("version") == PROJECT["version"]
    assert root.findtext("license") == PROJECT["license"] == "Apache-2.0"
    assert root.findtext("description")
    (maintainer,) = root.findall("maintainer")
    assert maintainer.text
    assert re.fullmatch(r"[\w.+-]+@[\w-]+(\.[\w-]+)*\.[a-z]{2,}", maintainer.get("email"))


@pytest.mark.parametrize("package", PACKAGES)
def test_a_manifest_is_what_ros_takes_for_one(package):
    from catkin_pkg import package as parser

    warnings = []
    parsed = parser.parse_package(str(PACKAGES[package]), warnings=warnings)
    parsed.validate(warnings=warnings)
    assert warnings == []
    assert parsed.get_build_type() == {"robot_rl": "ament_python", "robot_rl_msgs": "ament_cmake"}[package]


def imported_by(path):
    """Top-level names of every import in a file, wherever it stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0]


def test_the_nodes_declare_what_they_and_the_launch_files_import():
    paths = [*MODULE.rglob("*.py"), *(ROOT / "launch").glob("*.launch.py")]
    assert len(paths) > 10
    imported = {name for path in paths for name in imported_by(path)} - sys.stdlib_module_names
    # The library and what it needs comes from pip, which reads pyproject.toml.
    from_pip = {re.match(r"[\w-]+", line)[0].lower() for line in PROJECT["dependencies"]} | {"robot_rl", "robot_rl_ros"}
    from_pip.add("robot_rl_hardware")
    assert dependencies("robot_rl", "depend", "exec_depend") == imported - from_pip


def test_the_messages_declare_whose_messages_they_contain():
    used = set()
    for folder in ("msg", "srv", "action"):
        for path in (PACKAGES["robot_rl_msgs"] / folder).iterdir():
            used |= set(re.findall(r"^(\w+)/\w+", path.read_text(), re.MULTILINE))
    used -= {"robot_rl_msgs"}
    cmake = (PACKAGES["robot_rl_msgs"] / "CMakeLists.txt").read_text()
    (generated_with,) = re.findall(r"DEPENDENCIES ([\w ]+)\)", cmake)
    assert dependencies("robot_rl_msgs", "depend") == used == set(generated_with.split())
    found = set(re.findall(r"find_package\((\w+) REQUIRED\)", cmake))
    assert dependencies("robot_rl_msgs", "depend", "buildtool_depend") == found


def test_every_module_that_can_be_started_is_an_executable_and_the_reverse():
    has_main = {
        path.stem
        for path in MODULE.glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name == "main"
    }
    assert set(EXECUTABLES) == has_main


# ------------------------------------------------------------------------------------ installed


@pytest.mark.parametrize("package", PACKAGES)
def test_ros_finds_the_package(package):
    from ament_index_python import get_package_share_path

    installed = get_package_share_path(package) / "package.xml"
    assert installed.read_bytes() == (PACKAGES[package] / "package.xml").read_bytes()


def test_the_launch_files_are_installed_as_they_are():
    from ament_index_python import get_package_share_path

    assert {"train_peg.launch.py", "record_demos.launch.py", "evaluate.launch.py"} <= set(LAUNCH_FILES)
    installed = get_package_share_path("robot_rl") / "launch"
    assert sorted(path.name for path in installed.glob("*.launch.py")) == LAUNCH_FILES
    for name in LAUNCH_FILES:
        assert (installed / name).read_bytes() == (ROOT / "launch" / name).read_bytes()


STAND_IN = """
import os, sys
def main():
    print(sys.executable, sys.prefix, *sys.argv, sys.path[0] == os.path.dirname(sys.argv[0]), sep="|")
    return 3
"""


def put_in_place_of(name, module, folder):
    """Path of an executable, which runs this module with PYTHONPATH=folder."""
    from ament_index_python import get_package_prefix

    package = folder / "robot_rl_ros"
    package.mkdir()
    (package / "__init__.py").touch()
    shutil.copy(MODULE / "executable.py", package)
    (package / f"{name}.py").write_text(module)
    return f"{get_package_prefix('robot_rl')}/lib/robot_rl/{name}"


@pytest.mark.parametrize("name", EXECUTABLES)
def test_an_executable_runs_its_module_with_the_python_of_its_environment(name, tmp_path):
    """A stand-in module tells who runs it; its exit status is that of the executable."""
    executable = put_in_place_of(name, STAND_IN, tmp_path)
    process = run(executable, "--ros-args", expect=3, cwd="/", PYTHONPATH=str(tmp_path))
    python, prefix, program, argument, is_its_folder_searched = process.stdout.strip().split("|")
    assert os.path.samefile(python, sys.executable)
    assert os.path.samefile(prefix, sys.prefix)
    assert (program, argument) == (executable, "--ros-args")
    assert is_its_folder_searched == "False", "`import camera` would find the executable's neighbour"


INTERRUPTED = """
import os, signal, time
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)
except KeyboardInterrupt as error:
    raise ImportError("a library has caught it") from error
"""
INTERRUPTED_LATER = """
import os, signal, time
def main():
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)
    except KeyboardInterrupt:
        return 7
"""


def test_ctrl_c_while_a_node_is_imported_ends_it_silently_and_is_its_own_from_then_on(tmp_path):
    for number, (module, status) in enumerate(((INTERRUPTED, 130), (INTERRUPTED_LATER, 7))):
        folder = tmp_path / str(number)
        folder.mkdir()
        process = run(put_in_place_of("actor", module, folder), expect=status, cwd="/", PYTHONPATH=str(folder))
        assert (process.stdout, process.stderr) == ("", "")


def test_a_message_goes_from_one_context_to_another(monkeypatch):
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from robot_rl_msgs.action import Reset
    from robot_rl_msgs.msg import ArmState, Stop
    from robot_rl_msgs.srv import SetWidth

    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    received = []
    with reserve_domain() as domain:
        contexts = [rclpy.Context(), rclpy.Context()]
        for context in contexts:
            rclpy.init(context=context, domain_id=domain)
        speaker, listener = (rclpy.create_node("test", context=context) for context in contexts)
        publisher = speaker.create_publisher(ArmState, "arm_state", 1)
        listener.create_subscription(ArmState, "arm_state", received.append, 1)
        executor = SingleThreadedExecutor(context=contexts[1])
        executor.add_node(listener)
        end = time.monotonic() + PATIENCE_S
        while not received and time.monotonic() < end:
            publisher.publish(ArmState(commands=2**40, stop=Stop(reason="wrench"), joint_positions=[0.5] * 7))
            executor.spin_once(timeout_sec=0.1)
        executor.shutdown()
        for node, context in zip((speaker, listener), contexts, strict=True):
            node.destroy_node()
            context.shutdown()
    message = received[0]
    assert (message.commands, message.stop.reason, list(message.joint_positions)) == (2**40, "wrench", [0.5] * 7)
    assert SetWidth.Request(width_m=0.04).width_m == 0.04
    assert Reset.Goal(seed=1).seed == 1


def test_rclpy_starts_without_a_warning_of_ours():
    """In a fresh process, where nothing has been imported before and only pytest's own exceptions hold."""
    (known,) = [line for line in pytest_filters() if line.startswith("ignore")]
    code = "import rclpy, robot_rl_msgs.msg as m; m.ArmState.__import_type_support__(); print('ready')"
    process = run(sys.executable, "-W", "error", "-W", known, "-c", code)
    assert (process.stdout, process.stderr) == ("ready\n", "")


def pytest_filters():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return settings["tool"]["pytest"]["ini_options"]["filterwarnings"]


# ------------------------------------------------------------------------------------ built with colcon


@pytest.mark.parametrize("options", [[], ["--symlink-install"]], ids=["copies", "links"])
def test_colcon_builds_the_nodes(options, tmp_path):
    """The messages are built by the set-up, as colcon would do it."""
    for folder in ("launch", "ros2_ws/src"):
        shutil.copytree(ROOT / folder, tmp_path / folder, symlinks=True)
    before = (tmp_path / "launch" / "train_peg.launch.py").read_bytes()
    workspace = tmp_path / "ros2_ws"
    command = [sys.executable, "-m", "colcon", "--log-base", os.devnull, "build", "--base-paths", "src/robot_rl"]
    run(*command, *options, cwd=workspace)

    installed = workspace / "install" / "robot_rl"
    assert (installed / "share/ament_index/resource_index/packages/robot_rl").is_file()
    assert (installed / "share/robot_rl/package.xml").is_file()
    assert sorted(path.name for path in (installed / "share/robot_rl/launch").iterdir()) == LAUNCH_FILES
    assert sorted(path.name for path in (installed / "lib/robot_rl").iterdir()) == EXECUTABLES
    for name in EXECUTABLES:
        first = (installed / "lib/robot_rl" / name).read_text().splitlines()[0]
        assert os.path.samefile(first.removeprefix("#!").strip('"'), sys.executable)
    source = tmp_path / "launch" / "train_peg.launch.py"
    assert not source.is_symlink()
    assert source.read_bytes() == before


# ------------------------------------------------------------------------------------ beside another ROS

SHOW = (
    "import os, rclpy; print(rclpy.__file__); "
    "[print(name, os.environ.get(name)) for name in ('AMENT_PREFIX_PATH', 'PYTHONPATH', 'LD_LIBRARY_PATH')]"
)


@needs_wheels
@pytest.mark.parametrize("is_child", [True, False], ids=["a child of this Python", "from a shell"])
def test_the_wheels_are_not_mixed_with_a_sourced_ros(tmp_path, is_child):
    """A stand-in for /opt/ros/…, and an overlay of it; what else is on the paths stays."""
    ros, overlay, mine = (tmp_path / name for name in ("ros", "overlay", "mine"))
    (ros / "share/ament_index/resource_index/packages").mkdir(parents=True)
    (ros / "share/ament_index/resource_index/packages/rclpy").touch()
    (ros / "python/rclpy").mkdir(parents=True)
    (ros / "python/rclpy/__init__.py").write_text("raise ImportError('this is the other one')")
    overlay.mkdir()
    process = run(
        *(sys.executable, "-c", SHOW),
        AMENT_PREFIX_PATH=f"{overlay}:{ros}",
        PYTHONPATH=f"{ros}/python:{mine}",
        LD_LIBRARY_PATH=f"{ros}/lib:{overlay}/lib:{mine}",
        _ROS_WHEELS_BOOTSTRAP_COMPLETE="1" if is_child else None,
    )
    assert str(ros) not in process.stdout
    assert str(overlay) not in process.stdout
    module, prefixes, modules, libraries = process.stdout.splitlines()
    assert Path(module).is_relative_to(sys.prefix)
    assert prefixes == f"AMENT_PREFIX_PATH {os.path.realpath(sys.prefix)}"
    assert modules == f"PYTHONPATH {mine}"
    assert {str(mine), f"{sys.prefix}/lib"} <= set(libraries.split()[1].split(":"))


@needs_wheels
def test_what_was_built_for_the_wheels_comes_first(tmp_path):
    overlay = str(tmp_path)
    for before in (overlay, f"{overlay}:{sys.prefix}", f"{overlay}:{tmp_path / 'not there'}"):
        process = run(sys.executable, "-c", SHOW, AMENT_PREFIX_PATH=before, PYTHONPATH=overlay)
        _, prefixes, modules, _ = process.stdout.splitlines()
        assert prefixes.split()[1].split(":")[0] == overlay
        assert prefixes.split(":")[-1] == os.path.realpath(sys.prefix)
        assert modules == f"PYTHONPATH {overlay}"


def run(*command, expect=0, cwd=None, **changes):
    """Run to the end and expect that exit status; a change to None takes a variable away."""
    env = {name: value for name, value in (os.environ | changes).items() if value is not None}
    process = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, env=env, cwd=cwd, check=False
    )
    assert process.returncode == expect, f"{command}\n{process.stdout}\n{process.stderr}"
    return process
