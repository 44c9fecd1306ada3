"""What an evaluation takes from the training of its policy, and what from the words."""

import pytest
import torch

from robot_rl import config as configuration
from robot_rl.errors import ConfigError
from robot_rl.runtime.acting import named_policy
from robot_rl.runtime.config import EvalConfig, TrainConfig
from robot_rl.runtime.pretraining.policy_file import FILE_NAME
from robot_rl.runtime.run_folder import RunFolder

REAL = ("robot=fr3", "robot.cameras=[wrist]", "robot.image_size=64", "robot.franka.host=10.0.0.1")


def resolve(run, *words):
    words = (f"policy={run}", *words)
    return named_policy.resolve(configuration.load(EvalConfig, "eval", words), words)


def make_run(path, *words):
    RunFolder(path).create(configuration.load(TrainConfig, "train", words))
    return path


@pytest.fixture
def real(tmp_path):
    return make_run(tmp_path / "real", *REAL)


@pytest.fixture
def simulated(tmp_path):
    return make_run(tmp_path / "sim", "task=reach", "task.episode.step_limit=30", "task.scene.clearance_m=0.0007")


def test_without_a_word_the_robot_is_that_of_the_training(real):
    robot = resolve(real).robot
    assert (robot.kind, robot.franka.host, robot.cameras, robot.image_size) == ("franka", "10.0.0.1", ("wrist",), 64)


def test_a_robot_that_is_said_is_the_one_that_moves_and_the_policy_sees_what_it_saw(real):
    robot = resolve(real, "robot=sim").robot
    assert (robot.kind, robot.cameras, robot.image_size) == ("sim", ("wrist",), 64)
    robot = resolve(real, "robot=fr3", "robot.franka.host=10.0.0.2").robot
    assert (robot.kind, robot.franka.host, robot.cameras) == ("franka", "10.0.0.2", ("wrist",))


def test_a_word_about_the_robot_changes_that_of_the_training(real):
    robot = resolve(real, "robot.franka.host=10.0.0.2").robot
    assert (robot.kind, robot.franka.host, robot.cameras) == ("franka", "10.0.0.2", ("wrist",))


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (("robot=sim_pixels",), r"for \['wrist', 'side'\] with 128"),
        (("robot.cameras=[side]",), r"for \['side'\] with 64"),
        (("robot=sim", "robot.cameras=[]"), r"for \[\] with"),
        (("robot=sim", "robot.image_size=32"), r"for \['wrist'\] with 32"),
    ],
)
def test_other_cameras_than_the_policy_sees_are_refused(real, words, asked):
    with pytest.raises(ConfigError, match=r"sees the cameras \['wrist'\] with 64 pixels, .*" + asked):
        resolve(real, *words)


def test_words_within_the_task_change_that_of_the_training(simulated):
    task = resolve(simulated, "task.episode.step_limit=20").task
    assert (task.name, task.episode.step_limit, task.scene.clearance_m) == ("reach", 20, 0.0007)
    task = resolve(simulated, "task.episode={step_limit: 21}").task
    assert (task.name, task.episode.step_limit, task.scene.clearance_m) == ("reach", 21, 0.0007)


def test_a_task_that_is_said_is_not_that_of_the_training(simulated):
    task = resolve(simulated, "task=plug", "task.episode.step_limit=20").task
    assert (task.name, task.episode.step_limit) == ("plug", 20)
    assert task.scene.clearance_m != 0.0007


@pytest.mark.parametrize(("about", "expected"), [({"task": "plug"}, "plug"), ({"task": "dance"}, "peg"), ({}, "peg")])
def test_a_base_policy_is_evaluated_on_the_task_of_its_recordings_where_that_is_known(tmp_path, about, expected):
    torch.save({"about": about}, tmp_path / FILE_NAME)
    task = resolve(tmp_path, "task.episode.step_limit=20").task
    assert (task.name, task.episode.step_limit) == (expected, 20)
    assert resolve(tmp_path, "task=reach").task.name == "reach"
