"""Real cameras in the configuration and in the list of processes, and where there can be none."""

from dataclasses import asdict

import pytest
from robot_rl_hardware.realsense.settings import Settings

from robot_rl import config as configuration
from robot_rl.errors import ConfigError
from robot_rl.runtime.assembly import make_env
from robot_rl.runtime.camera_config import RealSenseConfig
from robot_rl.runtime.config import EnvConfig
from robot_rl.runtime.processes.graph import list_processes

REAL = ("camera=realsense", "graph=real_time", "robot.cameras=[wrist]")
ONE = "camera.realsense=[{name: wrist, serial: '130322272869'}]"


def names(*words, graph="train_peg"):
    return [process.name for process in list_processes(graph, words)]


@pytest.mark.parametrize("graph", ["teleop", "record_demos", "train_peg", "evaluate"])
def test_real_cameras_are_a_process_of_their_own(graph):
    person = [] if graph == "evaluate" else ["teleop=joy"]
    assert "cameras" in names(*REAL, ONE, *person, graph=graph)


def test_where_nobody_looks_there_is_no_process():
    assert "cameras" not in names("camera=realsense", "graph=real_time", ONE)
    assert "cameras" not in names("robot.cameras=[wrist]", "graph=real_time")


def test_a_device_is_what_its_entry_says():
    entry = "{name: side, file: /data/side.db3, width: 848, crop: [0, 0, 480, 480], exposure: 80}"
    camera = configuration.load(EnvConfig, "env", (f"camera.realsense=[{entry}]", "camera=realsense")).camera
    assert camera.find(["side"]) == [
        RealSenseConfig("side", file="/data/side.db3", width=848, crop=(0, 0, 480, 480), exposure=80.0)
    ]


def test_the_driver_takes_what_can_be_configured():
    assert asdict(Settings()) == asdict(RealSenseConfig())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("camera=realsense", "robot.cameras=[wrist]", ONE), "camera=realsense are real cameras: they need graph=real"),
        ((*REAL, "robot.cameras=[wrist,side]", ONE), "has 'side', but camera.realsense is wrist"),
        (REAL, "has 'wrist', but camera.realsense is empty"),
        ((*REAL, "camera.realsense=[{serial: '1'}, {serial: '2'}]"), "two cameras of one name: wrist, wrist"),
        ((*REAL, "camera.realsense=[{serial_number: '1'}]"), "serial_number"),
        ((*REAL, "camera.realsense=[{serial: 130322272869}]"), "serial.*valid string"),
    ],
)
def test_what_makes_no_sense_is_refused(words, message):
    with pytest.raises(ConfigError, match=message):
        list_processes("teleop", words)


def test_in_one_process_there_are_none():
    with pytest.raises(ConfigError, match="robot-rl up"):
        make_env(configuration.load(EnvConfig, "env", (*REAL, ONE, "task=reach")))
