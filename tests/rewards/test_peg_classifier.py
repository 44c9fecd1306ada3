"""The simulated peg, for real: recorded episodes, a trained classifier, and what it says of episodes it never saw."""

import json

import numpy as np

from robot_rl.env.judged_task import JudgedReset, JudgedTask
from robot_rl.env.robot_env import RobotEnv
from robot_rl.rewards.debounce import DebounceConfig
from robot_rl.rewards.reward import ClassifierReward
from robot_rl.runtime.classifier.file import load_classifier
from robot_rl.runtime.commands import train_classifier as train_classifier_command
from robot_rl.runtime.recorder import record_demonstrations
from tests import simcells

PIXELS = ("task=peg", "robot=sim_pixels", "robot.image_size=64")
FAST = ("backbone.name=small_cnn", "backbone.copies=2", "fit.max_updates=150", "labels.ambiguous_steps=1", "device=cpu")
RECORDINGS = {"expert": (20, 0, 40), "none": (4, 1000, 10), "blind": (6, 2000, 25)}
"""Who acts -> (episodes, seed, step limit); with nobody at the device the robot stays where it is."""


def record(folder):
    for kind, (episodes, seed, limit) in RECORDINGS.items():
        cell = simcells.make(*PIXELS, f"teleop={kind}", f"task.episode.step_limit={limit}")
        record_demonstrations(
            cell.env, folder / kind, {}, episodes, seed, is_success_only=False, on_episode=lambda kept, is_success: True
        )
    return ",".join(str(folder / kind) for kind in RECORDINGS)


def play(classifier, kind, seed):
    """(rewards, whether the classifier says success, whether the peg is in) of an episode that the classifier ends."""
    cell = simcells.make(*PIXELS, f"teleop={kind}", "task.episode.step_limit=20")
    judge = ClassifierReward(classifier, DebounceConfig(2, 3))
    task, reset = JudgedTask(cell.task, judge), JudgedReset(cell.reset, judge)
    env = RobotEnv(cell.env.robot, task, reset, cell.env.clock, cell.env.config, cell.teleop)
    time_step, rewards = env.reset(seed=seed), []
    while not time_step.is_last:
        time_step = env.step(np.zeros(env.action_map.action_size))
        rewards.append(time_step.reward)
    return rewards, env.outcome.is_success, cell.task.is_success()


def test_it_tells_success_on_held_out_episodes_and_pays_for_it_in_a_new_scene(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(train_classifier_command, "draw_report", lambda *arguments: None)
    out = tmp_path / "peg.safetensors"
    assert train_classifier_command.run([f"data={record(tmp_path)}", f"out={out}", *FAST]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["episodes"]["test"] >= 6
    assert result["accuracy"] >= 0.97
    assert result["balanced_accuracy"] >= 0.9
    assert result["precision"] == 1.0
    assert result["calibration_error"] < 0.06

    classifier = load_classifier(out)
    rewards, is_success, is_in = play(classifier, "expert", 77)
    assert (sum(rewards), rewards[-1], is_success, is_in) == (1.0, 1.0, True, True)
    rewards, is_success, is_in = play(classifier, "none", 78)
    assert (sum(rewards), len(rewards), is_success, is_in) == (0.0, 20, False, False)
