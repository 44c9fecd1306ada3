"""What an evaluation takes from the training of its policy, and what from the words."""

from types import SimpleNamespace

import pytest
import torch

from robot_rl import config as configuration
from robot_rl.errors import CheckpointError, ConfigError
from robot_rl.runtime.acting import named_policy
from robot_rl.runtime.config import TrainConfig
from robot_rl.runtime.policy_config import EvalConfig
from robot_rl.runtime.pretraining.policy_file import FILE_NAME
from robot_rl.runtime.run_folder import RunFolder

REAL = (
    "robot=fr3",
    "robot.cameras=[wrist]",
    "robot.image_size=64",
    "robot.franka.host=10.0.0.1",
    "camera=realsense",
    "camera.realsense=[{name: wrist, serial: '1303'}]",
    "task.place.target_m=[0.5,0.0,0.05]",
    "teleop=gamepad",
    "teleop.gamepad.buttons={success: 1, failure: 2, close_gripper: null, open_gripper: null}",
    "reset.lift_m=0.07",
    "graph.patience_s=3.0",
    "demonstrations=0",
)


def resolve(run, *words):
    words = (f"policy={run}", *words)
    return named_policy.resolve(configuration.load(EvalConfig, "eval", words), "eval", words)


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


@pytest.mark.parametrize("words", [(), ("robot=fr3",)])
def test_a_policy_of_a_real_robot_is_evaluated_on_that_robot_as_it_was_trained(real, words):
    trained, config = RunFolder(real).load_config(), resolve(real, *words, "graph.lease_s=0.2", "reset.lift_m=0.08")
    config.check_device()
    assert config.robot == trained.robot
    assert (config.camera, config.teleop, config.reward) == (trained.camera, trained.teleop, trained.reward)
    assert (config.teleop.kind, config.reward.kind) == ("gamepad", "button")
    assert (config.graph.mode, config.graph.patience_s, config.graph.lease_s) == ("real_time", 3.0, 0.2)
    assert (config.reset.kind, config.reset.lift_m) == ("scripted", 0.08)


def test_what_is_said_beside_the_robot_of_the_training_is_not_that_of_the_training(real):
    config = resolve(real, "teleop=spacemouse", "reward=classifier", "reward.file=wrist.pt")
    assert (config.teleop.kind, config.reward.kind, config.reward.file) == ("spacemouse", "classifier", "wrist.pt")
    assert (config.graph.mode, config.reset.lift_m) == ("real_time", 0.07)


@pytest.mark.parametrize("word", ["robot=panda", "robot=external", "robot=fci_sim"])
def test_another_robot_is_told_nothing_of_what_the_first_was(real, word):
    config, alone = resolve(real, word), configuration.load(EvalConfig, "eval", (word,))
    assert (config.robot.franka, config.robot.external) == (alone.robot.franka, alone.robot.external)
    assert (config.camera, config.graph, config.reset) == (alone.camera, alone.graph, alone.reset)
    assert (config.teleop, config.reward) == (alone.teleop, alone.reward)


def test_the_simulated_interface_resets_as_in_the_training_and_nobody_helps(tmp_path):
    run = make_run(tmp_path / "fci", "robot=fci_sim", "reset.lift_m=0.07", "teleop=human")
    config = resolve(run)
    config.check_device()
    assert (config.robot.kind, config.reset.kind, config.reset.lift_m) == ("fci_sim", "scripted", 0.07)
    assert config.teleop.kind == "none"


def test_a_policy_of_the_simulation_is_evaluated_by_the_task_and_without_a_person(tmp_path):
    run = make_run(tmp_path / "run", "reward=button", "teleop=human", "reset=scripted", "graph=real_time")
    config, plain = resolve(run), EvalConfig()
    assert (config.reward, config.teleop, config.reset) == (plain.reward, plain.teleop, plain.reset)
    assert config.graph.is_lock_step


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


def test_a_policy_that_does_not_fit_leaves_no_base_policy_open(simulated, monkeypatch):
    """Its threads would keep the process from ending."""

    def refuse(*arguments):
        raise CheckpointError("it was trained for another environment.")

    base = SimpleNamespace(is_closed=False)
    base.close = lambda: setattr(base, "is_closed", True)
    monkeypatch.setattr(named_policy, "make_shadow", lambda *arguments, **words: base)
    monkeypatch.setattr(named_policy, "load_policy", refuse)
    env = SimpleNamespace(spec=None, clock=None, base=None)
    with pytest.raises(CheckpointError), named_policy.opened(env, resolve(simulated)):
        pass
    assert base.is_closed


@pytest.mark.parametrize("word", ["zero", "trained"])
def test_what_acts_has_one_thread(simulated, monkeypatch, word):
    """A second one on a busy machine brings tails of hundreds of milliseconds."""
    set_to = []
    monkeypatch.setattr("torch.set_num_threads", set_to.append)
    monkeypatch.setattr(named_policy, "make_shadow", lambda *arguments, **words: None)
    acting = SimpleNamespace(close=lambda: None)
    monkeypatch.setattr(named_policy, "load_policy", lambda *arguments: acting)
    monkeypatch.setattr(named_policy, "make_policy", lambda *arguments: acting)
    env = SimpleNamespace(spec=None, clock=None, base=None)
    with named_policy.opened(env, resolve(simulated if word == "trained" else word)) as policy:
        assert (policy, set_to) == (acting, [1])
