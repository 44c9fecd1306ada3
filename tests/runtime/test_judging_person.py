"""Where a person judges, somebody can: whoever waits for a button that nobody has, learns from failures alone."""

import pytest

from robot_rl import config as configuration
from robot_rl.errors import ConfigError
from robot_rl.runtime.config import RecordConfig
from robot_rl.runtime.processes.graph import list_processes

PLACE = ("task.place.target_m=[0.5,0.0,0.05]",)


def names(graph, *words):
    return [process.name for process in list_processes(graph, words)]


@pytest.mark.parametrize("robot", ["fr3", "panda", "external"])
@pytest.mark.parametrize("teleop", ["spacemouse", "twist", "gamepad", "joy", "keyboard"])
def test_on_a_real_robot_every_device_can_say_success(robot, teleop):
    config = configuration.load(RecordConfig, "record", (f"robot={robot}", f"teleop={teleop}", *PLACE))
    config.check_device()
    assert config.reward.kind == "button"
    buttons = config.teleop.buttons
    assert (buttons is None) == (teleop == "keyboard")
    if teleop in ("spacemouse", "twist"):
        assert (buttons.success, buttons.failure) == (0, 1)
        assert buttons.to_gripper(frozenset({0, 1})) == 0.0


@pytest.mark.parametrize(
    ("graph", "words", "message"),
    [
        (
            "evaluate",
            ("robot=fr3", *PLACE, "policy=random", "teleop=none"),
            "teleop=none: nobody is there to say success",
        ),
        ("train_peg", ("robot=fr3", *PLACE, "demonstrations=0", "teleop=none"), "teleop=none: nobody is there"),
        (
            "record_demos",
            ("robot=fr3", *PLACE, "teleop.spacemouse.buttons.success=null"),
            r"no button of teleop=spacemouse .* teleop.spacemouse.buttons.success=NUMBER",
        ),
        ("record_demos", ("robot=fr3", *PLACE, "teleop=twist", "teleop.twist.buttons_topic=''"), "teleop=twist says"),
        (
            "train_peg",
            ("robot=fr3", *PLACE, "demonstrations=0", "teleop=joy", "teleop.joy.buttons.success=null"),
            "joy",
        ),
        ("teleop", ("robot=fr3", *PLACE, "teleop=gamepad", "teleop.gamepad.buttons.success=null"), "gamepad"),
        ("record_demos", ("reward=button", "teleop=spacemouse", "graph=real_time"), "teleop=spacemouse says success"),
    ],
)
def test_nobody_who_could_say_success_is_an_error(graph, words, message):
    with pytest.raises(ConfigError, match=message) as raised:
        names(graph, *words)
    assert "\n" not in str(raised.value)


def test_a_scripted_person_needs_no_button_and_another_judge_no_person():
    assert "simulation" in names("evaluate", "reward=button", "policy=expert")
    words = ("robot=fr3", *PLACE, "policy=random", "teleop=none", "reward=task", "task.place.success_depth_m=0.02")
    assert "teleop" not in names("evaluate", *words)


def test_who_demonstrates_a_grasp_has_buttons_for_the_gripper():
    words = ("robot=fr3", *PLACE, "task=pick_cube")
    with pytest.raises(ConfigError, match=r"task=pick_cube needs a gripper, and teleop=spacemouse has no buttons"):
        names("record_demos", *words)
    buttons = "{close_gripper: 0, open_gripper: 1, success: 2, failure: 3}"
    assert "recorder" in names("record_demos", *words, f"teleop.spacemouse.buttons={buttons}")
    assert "recorder" in names("record_demos", *words, "teleop=gamepad")
    assert "recorder" in names("record_demos", *words, "teleop=keyboard")
