"""The set-up as far as it can be checked without doing it: names, versions and files that must agree."""

import ast
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
CORE = [Requirement(line) for line in PROJECT["dependencies"]]
EXTRAS = {extra: [Requirement(line) for line in lines] for extra, lines in PROJECT["optional-dependencies"].items()}
INSTALLED_BY_CI = CORE + EXTRAS["dev"] + [Requirement(line) for line in PYPROJECT["build-system"]["requires"]]

# Which distribution brings a module whose name differs, or that comes with another.
PROVIDED_BY = {
    "cv2": "opencv-python",
    "hydra": "hydra-core",
    "omegaconf": "hydra-core",
    "llvmlite": "numba",
    "mujoco_menagerie": "mujoco-menagerie",
    "yaml": "pyyaml",
    "zmq": "pyzmq",
}


def read_constraints():
    """Distribution -> exact version."""
    out = {}
    for line in (ROOT / ".ci" / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            requirement = Requirement(line)
            (specifier,) = requirement.specifier
            assert specifier.operator == "==", f"{line}: a constraint is an exact version"
            out[canonicalize_name(requirement.name)] = Version(specifier.version)
    return out


CONSTRAINTS = read_constraints()


# ------------------------------------------------------------------------------------ dependencies


@pytest.mark.parametrize("requirement", INSTALLED_BY_CI, ids=str)
def test_a_constraint_fixes_every_dependency_within_its_bounds(requirement):
    version = CONSTRAINTS[canonicalize_name(requirement.name)]
    assert version in requirement.specifier


def test_constraints_fix_the_transitive_dependencies_too():
    """What is installed here was installed under the constraints, as far as the project's needs reach."""
    todo, seen = [canonicalize_name(requirement.name) for requirement in INSTALLED_BY_CI], set()
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        assert name in CONSTRAINTS, f"{name} is needed, but not in .ci/constraints.txt"
        try:
            needs = [Requirement(line) for line in importlib.metadata.requires(name) or []]
        except importlib.metadata.PackageNotFoundError:
            continue
        needs = [need for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
        todo += [canonicalize_name(need.name) for need in needs]
    assert len(seen) > 40


def test_constraints_name_no_build_of_torch():
    """A "+cpu" would exist only where that build is at hand."""
    assert all(version.local is None for version in CONSTRAINTS.values())


def test_the_extras_stay_out_of_the_core():
    """A robot's drivers and ROS must not come with the product: they need machines, and clash with a sourced ROS."""
    core = {requirement.name for requirement in CORE}
    for extra in ("ros", "franka", "panda", "realsense", "spacemouse", "visual"):
        assert EXTRAS[extra]
        assert not core & {requirement.name for requirement in EXTRAS[extra]}


def test_every_imported_library_is_declared():
    declared = {canonicalize_name(requirement.name) for requirement in [*CORE, *EXTRAS["visual"]]}
    for path in (ROOT / "robot_rl").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            for top in {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"robot_rl"}:
                assert canonicalize_name(PROVIDED_BY.get(top, top)) in declared, f"{path.name} imports {top}"


def test_every_bound_says_why():
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    bounds = [
        line for line in lines if re.match(r'\s+"\w[\w\[\]-]*[<>=!~]=?', line) or line.startswith("requires-python")
    ]
    assert len(bounds) >= 5
    for line in bounds:
        assert re.search(r"# \w+", line), f"no reason beside {line.strip()}"


# ------------------------------------------------------------------------------------ entry points


def test_the_entry_point_leads_to_a_function():
    module, name = PROJECT["scripts"]["robot-rl"].split(":")
    assert (module, name) == ("robot_rl.cli", "main")
    tree = ast.parse((ROOT / Path(*module.split(".")).with_suffix(".py")).read_text())
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_the_version_has_three_numbers_and_is_the_installed_one():
    version = Version(PROJECT["version"])
    assert len(version.release) == 3
    try:
        installed = importlib.metadata.version("robot-rl")
    except importlib.metadata.PackageNotFoundError:
        return  # run from the sources, without a set-up
    assert Version(installed) == version


def test_the_changelog_has_a_place_for_the_next_release():
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text()


# ------------------------------------------------------------------------------------ the commands


def test_a_plain_make_prints_every_command():
    listed = run("make", "-C", ROOT).stdout
    makefile = (ROOT / "Makefile").read_text()
    (targets,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    for target in targets.split():
        assert re.search(rf"^  make {target} +\w", listed, re.MULTILINE), target


def test_make_test_lints_checks_types_and_tests():
    planned = run("make", "-n", "-C", ROOT, "test").stdout
    steps = [planned.index(step) for step in (".ci/setup", "ruff check", "ruff format --check", "mypy", "pytest -n 2")]
    assert steps == sorted(steps)
    for variable in ("OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1", "NUMBA_NUM_THREADS=1"):
        assert variable in planned


def test_make_passes_arguments_on():
    assert "-k geometry" in run("make", "-n", "-C", ROOT, "test", "ARGS=-k geometry").stdout
    assert "task=plug" in run("make", "-n", "-C", ROOT, "train", "ARGS=task=plug").stdout


def test_ci_runs_make_test_and_nothing_but_it():
    assert "\n    make test\n" in (ROOT / ".ci" / "run").read_text()
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert re.findall(r"run: (.*)", workflow) == [".ci/run"]


@pytest.mark.parametrize("script", [".ci/setup", ".ci/run"])
def test_scripts_are_executable_and_parse(script):
    assert os.access(ROOT / script, os.X_OK)
    run("bash", "-n", ROOT / script)


@pytest.mark.parametrize("status", [0, 3])
def test_ci_passes_the_exit_status_on(tmp_path, status):
    """In a repository where setting up succeeds and `make` is a stand-in."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    (tmp_path / ".ci" / "setup").write_text("exit 0")
    (tmp_path / "bin").mkdir()
    stand_in = tmp_path / "bin" / "make"
    stand_in.write_text(f'#!/bin/sh\necho "make $@"\nexit {status}\n')
    stand_in.chmod(0o755)
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    process = run("bash", tmp_path / ".ci" / "run", expect=status, env=os.environ | {"PATH": path})
    assert "make test" in process.stdout
    assert "tests took" in process.stdout


def test_ci_fails_when_the_set_up_fails(tmp_path):
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    (tmp_path / ".ci" / "setup").write_text("exit 7")
    process = run("bash", tmp_path / ".ci" / "run", expect=7)
    assert "exit status 7" in process.stdout
    assert "tests took" not in process.stdout


# ------------------------------------------------------------------------------------ the set-up's own refusals


@pytest.fixture
def bare_repository(tmp_path):
    """What .ci/setup reads, in a folder whose name has a space."""
    root = tmp_path / "a repository"
    (root / ".ci").mkdir(parents=True)
    for name in ("pyproject.toml", ".ci/setup", ".ci/constraints.txt"):
        shutil.copy(ROOT / name, root / name)
    return root


def test_setup_refuses_an_interpreter_that_does_not_exist(bare_repository):
    process = set_up(bare_repository, expect=1, PYTHON="python-that-is-not-there")
    assert "PYTHON=python-that-is-not-there is not Python 3.11 or later" in process.stderr


def test_setup_refuses_an_old_interpreter(bare_repository):
    old = bare_repository / "old python"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    old.chmod(0o755)
    process = set_up(bare_repository, expect=1, PYTHON=str(old))
    assert "is not Python 3.11 or later (Python 3.9.2)" in process.stderr


def test_setup_says_when_the_venv_module_is_missing(bare_repository):
    without = bare_repository / "python"
    without.write_text('#!/bin/sh\ncase "$2" in *venv*) exit 1;; esac\nexit 0\n')
    without.chmod(0o755)
    process = set_up(bare_repository, expect=1, PYTHON=str(without))
    assert "has no venv module" in process.stderr
    assert "apt-get install python3-venv" in process.stderr


def test_setup_does_not_touch_an_environment_of_someone_else(bare_repository):
    (bare_repository / ".venv").mkdir()
    (bare_repository / ".venv" / "precious").touch()
    process = set_up(bare_repository, expect=1, PYTHON=sys.executable, PATH=quiet_path(bare_repository))
    assert ".venv exists, but this set-up did not make it" in process.stderr
    assert (bare_repository / ".venv" / "precious").exists()


def quiet_path(root):
    """A PATH on which no system library can be installed, so that a test never changes the machine."""
    folder = root / "bin"
    folder.mkdir()
    for name, body in {"id": "echo 1000", "sudo": "exit 1"}.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def set_up(root, expect, **env):
    return run("bash", root / ".ci" / "setup", expect=expect, env=os.environ | env)


# ------------------------------------------------------------------------------------ the wheel


def test_the_wheel_holds_assets_configs_and_types(tmp_path):
    names = build_wheel(tmp_path)
    assert {"robot_rl/__init__.py", "robot_rl/py.typed", "robot_rl/geometry.py"} <= names
    for folder, pattern in (("robot_rl/sim/assets", "*.xml"), ("configs", "*.yaml")):
        files = [path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob(pattern)]
        assert files, f"no {pattern} in {folder}"
        for file in files:
            assert (f"robot_rl/{file}" if folder == "configs" else file) in names
    own = f"robot_rl-{PROJECT['version']}"
    assert {name.split("/")[0] for name in names} == {
        "robot_rl",
        "robot_rl_hardware",
        "robot_rl_ros",
        f"{own}.data",
        f"{own}.dist-info",
    }
    for place in ("share/ament_index/resource_index/packages/robot_rl", "share/robot_rl/package.xml"):
        assert f"{own}.data/data/{place}" in names


def build_wheel(folder):
    """Names of the files in the wheel, built without a network: hatchling is installed."""
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--disable-pip-version-check"]
    run(sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", folder, ROOT)
    (wheel,) = folder.glob("robot_rl-*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def run(*command, expect=0, env=None):
    """Run to the end and expect that exit status. make's own variables would change an inner make."""
    env = {name: value for name, value in (env or os.environ).items() if name not in {"MAKEFLAGS", "MAKELEVEL", "ARGS"}}
    process = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=env, check=False)
    assert process.returncode == expect, f"{command}\n{process.stdout}\n{process.stderr}"
    return process
