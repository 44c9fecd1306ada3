"""A real person's device in the list of processes, and where there can be none."""

import pytest

from robot_rl import config as configuration
from robot_rl.errors import ConfigError
from robot_rl.runtime.assembly import make_env
from robot_rl.runtime.config import EnvConfig, RecordConfig
from robot_rl.runtime.processes.graph import list_processes

DEVICES = ("gamepad", "joy", "keyboard", "spacemouse", "twist")


def names(*words, graph="teleop"):
    return [process.name for process in list_processes(graph, words)]


@pytest.mark.parametrize("teleop", ["gamepad", "joy", "spacemouse", "twist"])
@pytest.mark.parametrize("graph", ["teleop", "record_demos", "train_peg"])
def test_a_device_is_a_process_of_its_own(teleop, graph):
    assert "teleop" in names(f"teleop={teleop}", "graph=real_time", graph=graph)


@pytest.mark.parametrize("teleop", ["keyboard", "human", "expert", "none"])
def test_who_has_no_device_has_no_process(teleop):
    assert "teleop" not in names(f"teleop={teleop}", "graph=real_time", graph="train_peg")


@pytest.mark.parametrize("words", [[], ["teleop=none"]])
def test_nobody_drives_where_there_is_nobody(words):
    with pytest.raises(ConfigError, match="nobody drives; choose one of: blind, expert, gamepad, human, joy"):
        list_processes("teleop", words)


def test_a_keyboard_is_a_person_with_a_terminal():
    """Who has to be told how it is started: with what concerns it, and nothing that its configuration does not know."""
    words = ("teleop=keyboard", "graph=real_time", "store=demos", "teleop.keyboard.strength=0.3", "task=reach")
    processes = list_processes("record_demos", words, "/left_arm")
    assert [(process.name, process.needs_terminal) for process in processes] == [
        ("simulation", False),
        ("recorder", False),
        ("keyboard", True),
    ]
    assert (*processes[-1].program, *processes[-1].arguments) == (
        "robot-rl",
        "keyboard",
        "teleop.keyboard.strength=0.3",
        "--namespace",
        "left_arm",
    )


DAY_STEPS = 24 * 60 * 60 * 10


def step_limit(graph, *words):
    """What all processes of the graph are told, as they read it."""
    schema, name = {"teleop": (EnvConfig, "env"), "record_demos": (RecordConfig, "record")}[graph]
    (told,) = {process.arguments[2:] for process in list_processes(graph, words)}
    return configuration.load(schema, name, told).task.episode.step_limit


@pytest.mark.parametrize(
    "words",
    [("teleop=joy", "graph=real_time", "task=peg_hard"), ("robot=fr3", "task.place.target_m=[0.5,0.0,0.05]")],
)
def test_a_person_who_drives_has_all_the_time_they_want(words):
    assert step_limit("teleop", *words) > DAY_STEPS
    assert step_limit("teleop", *words, "task.episode.step_limit=70") == 70
    assert step_limit("record_demos", *words) in (100, 150), "a demonstration is as long as the task"


def test_a_script_that_drives_begins_anew_where_it_gets_nowhere():
    assert step_limit("teleop", "teleop=expert", "task=peg_hard") == 150


@pytest.mark.parametrize("teleop", DEVICES)
def test_a_real_person_does_not_wait_for_the_actor(teleop):
    with pytest.raises(ConfigError, match="needs graph=real_time"):
        list_processes("teleop", [f"teleop={teleop}"])


@pytest.mark.parametrize("teleop", DEVICES)
def test_in_one_process_there_is_no_device(teleop):
    with pytest.raises(ConfigError, match="robot-rl up"):
        make_env(configuration.load(EnvConfig, "env", (f"teleop={teleop}", "task=reach")))


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("teleop.spacemouse.devices=[0,0]", "different numbers"),
        ("teleop.spacemouse.devices=[]", "different numbers"),
        ("teleop.joy.axes.dead_band=1", "dead_band"),
        ("teleop.joy.axes.numbers=[0,1,2]", "teleop.joy.axes.numbers"),
        ("teleop.twist.buttons.pause=-1", "counted from 0"),
        ("teleop.gamepad.hold_s=0", "hold_s must be positive"),
        ("teleop.twist.silence_s=0", "silence_s must be positive"),
        ("teleop.keyboard.strength=1.5", "strength"),
        ("teleop.keyboard.release_s=0", "release_s must be positive"),
    ],
)
def test_an_impossible_device_is_refused(word, message):
    with pytest.raises(ConfigError, match=message):
        configuration.load(EnvConfig, "env", (word,))


def test_maps_are_chosen_by_words():
    words = ("teleop=joy", "teleop.joy.axes.numbers=[null,2,1,null,null,0]", "teleop.joy.buttons.pause=9")
    joy = configuration.load(EnvConfig, "env", words).teleop.joy
    assert joy.axes.numbers == (None, 2, 1, None, None, 0)
    assert (joy.buttons.pause, joy.buttons.success) == (9, 3)
