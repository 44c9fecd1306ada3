"""Which of the processes that a robot consists of are started again when they have failed."""

import signal

import pytest

from robot_rl import config as configuration
from robot_rl.errors import ConfigError, DeviceError
from robot_rl.runtime.config import TrainConfig
from robot_rl.runtime.processes.graph import list_processes
from robot_rl.runtime.run_folder import RunFolder

REAL = ("task.place.target_m=[0.5,0.0,0.05]", "teleop=spacemouse")


def find(name, graph, *words):
    (process,) = [each for each in list_processes(graph, words) if each.name == name]
    return process


@pytest.mark.parametrize(
    ("robot", "graph", "words"),
    [("fr3", "train_peg", ["demonstrations=0"]), ("panda", "record_demos", []), ("external", "teleop", [])],
)
def test_a_real_robot_is_not_started_again(robot, graph, words):
    """It may have been stopped; whoever comes after it does not know of that."""
    found = [find(name, graph, f"robot={robot}", *REAL, *words) for name in ("robot", "teleop")]
    for code in (1, DeviceError.exit_status, -signal.SIGKILL):
        may_restart = [process.may_restart(code) for process in found]
        assert may_restart == [False, True], "a person's device moves nothing by itself"


@pytest.mark.parametrize("robot", ["sim", "fci_sim"])
def test_a_simulated_robot_is_started_again(robot):
    assert find("simulation", "train_peg", f"robot={robot}").may_restart(1)
    assert not find("simulation", "evaluate", f"robot={robot}", "policy=expert").may_restart(1)


def test_the_policy_of_a_real_robot_is_evaluated_on_that_robot(tmp_path):
    words = ("robot=fr3", *REAL, "demonstrations=0")
    RunFolder(tmp_path).create(configuration.load(TrainConfig, "train", words))
    assert [each.name for each in list_processes("evaluate", [f"policy={tmp_path}"])] == ["robot", "teleop", "actor"]
    simulated = list_processes("evaluate", [f"policy={tmp_path}", "robot=sim"])
    assert [each.name for each in simulated] == ["simulation", "actor"]


def test_the_corrector_of_a_real_robot_is_distilled_on_that_robot(tmp_path):
    words = ("robot=fr3", *REAL, "demonstrations=0")
    RunFolder(tmp_path / "alone").create(configuration.load(TrainConfig, "train", words))
    RunFolder(tmp_path / "run").create(configuration.load(TrainConfig, "train", (*words, "corrector=additive")))
    processes = list_processes("distill", [f"policy={tmp_path / 'run'}"])
    assert [each.name for each in processes] == ["robot", "teleop", "recorder"]
    assert processes[-1].arguments == ("--config", "distill", f"policy={tmp_path / 'run'}")
    with pytest.raises(ConfigError, match="there is no base policy that was corrected"):
        list_processes("distill", [f"policy={tmp_path / 'alone'}"])


@pytest.mark.parametrize("graph", ["train_peg", "record_demos", "teleop"])
def test_what_has_explained_an_error_that_would_come_again_is_not_started_again(graph):
    """A process of a robot that comes back may be what the others wait for; a configuration is what it was."""
    for process in list_processes(graph, ["reward=task", "teleop=joy", "graph=real_time"]):
        assert not process.may_restart(0)
        assert not process.may_restart(ConfigError.exit_status)
        assert process.may_restart(DeviceError.exit_status)
        assert process.may_restart(-signal.SIGKILL)
