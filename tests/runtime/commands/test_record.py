"""`robot-rl record`, with fakes: what it keeps, what it says, and Ctrl-C."""

import json
import os
import signal
from pathlib import Path

import pytest

from robot_rl import cli
from robot_rl.data.store_reader import StoreReader
from robot_rl.data.store_writer import StoreWriter
from robot_rl.env.robot_env import RobotEnv
from robot_rl.errors import ConfigError
from robot_rl.runtime import interruption, run_folder
from robot_rl.runtime.commands import push_t
from robot_rl.runtime.commands import record as record_command
from robot_rl.sim.push_t.push_t import PushT
from tests.fakes import make_cell
from tests.runs import make_fake_env


@pytest.fixture(autouse=True)
def _fakes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(record_command, "make_env", make_fake_env)
    monkeypatch.setattr(run_folder, "find_revision", lambda: "abc123")


def record(capsys, *words):
    """(exit code, result, everything printed)."""
    code = record_command.run(["task=reach", *words])
    out = capsys.readouterr().out
    return code, json.loads(out.splitlines()[-1]), out


def episodes(path="demonstrations"):
    return [number for number, _ in StoreReader(Path(path)).episodes()]


def test_it_keeps_as_many_as_were_asked_for_and_continues(capsys):
    code, result, _ = record(capsys, "episodes=2", "store=mine")
    assert (code, result) == (0, {"store": "mine", "kept": 2, "failed": 0, "task": "reach"})
    assert episodes("mine") == [0, 1]
    record(capsys, "episodes=1", "store=mine")
    assert episodes("mine") == [0, 1, 2]
    assert "name: reach" in StoreReader(Path("mine")).attributes["config_yaml"]


def test_episodes_of_another_task_do_not_join_those_that_are_there(capsys):
    record(capsys, "episodes=1", "store=mine")
    assert cli.main(["record", "task=peg", "episodes=1", "store=mine"]) == 2
    assert "mine holds episodes of the task reach, and these are of peg: choose" in capsys.readouterr().err
    assert StoreReader(Path("mine")).tasks == ("reach",)


def test_episodes_whose_actions_mean_another_motion_do_not_join_those_that_are_there(capsys):
    record(capsys, "episodes=1", "store=mine")
    assert cli.main(["record", "task=reach", "episodes=1", "store=mine", "task.episode.action_frame=base"]) == 2
    said = "of mine means another motion than one of these episodes: task.episode.action_frame=tcp, and here base"
    assert said in capsys.readouterr().err
    assert episodes("mine") == [0]


def test_failures_are_counted_and_kept_only_where_that_is_wanted(capsys, monkeypatch):
    cells = []

    def make_env(config):
        cells.append(make_cell([], step_limit=3))
        return cells[-1].env

    monkeypatch.setattr(record_command, "make_env", make_env)
    _, result, _ = record(capsys, "episodes=2", "is_success_only=false")
    assert (result["kept"], result["failed"]) == (2, 2)
    assert episodes() == [0, 1]


def test_ctrl_c_keeps_what_was_kept_and_says_so(capsys, monkeypatch):
    steps, step = [], RobotEnv.step

    def interrupt(env, action):
        steps.append(1)
        if len(steps) == 6:  # in the second episode
            os.kill(os.getpid(), signal.SIGINT)
        return step(env, action)

    monkeypatch.setattr(RobotEnv, "step", interrupt)
    code, result, out = record(capsys, "episodes=9")
    assert code == 130
    assert result["kept"] == 2, "the running episode is finished and kept"
    assert "Interrupted" in out
    assert episodes() == [0, 1]


def test_ctrl_c_twice_ends_at_once_and_what_was_kept_is_whole(capsys, monkeypatch):
    monkeypatch.setattr(interruption, "_SAME_S", 0.0)  # the two come at once
    steps, step = [], RobotEnv.step

    def interrupt(env, action):
        steps.append(1)
        if len(steps) in (6, 7):
            os.kill(os.getpid(), signal.SIGINT)
        return step(env, action)

    monkeypatch.setattr(RobotEnv, "step", interrupt)
    assert cli.main(["record", "episodes=9"]) == 130
    assert "interrupted" in capsys.readouterr().err
    assert episodes() == [0]


def test_a_person_who_never_succeeds_does_not_keep_the_program_for_ever(capsys, monkeypatch):
    """A step limit that is too short for the script, say: nobody would ever hear why nothing happens."""
    resets = []

    def make_env(config):
        env = make_cell([], step_limit=2).env
        reset = env.reset

        def count(seed):
            resets.append(seed)
            if len(resets) > 500:
                pytest.fail("500 failures in a row, and it goes on")
            return reset(seed)

        env.reset = count
        return env

    monkeypatch.setattr(record_command, "make_env", make_env)
    assert cli.main(["record", "episodes=1"]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_push_t_is_not_added_to_a_recording_of_another_task(tmp_path):
    with StoreWriter(tmp_path / "reach", PushT.spec, {"task": "reach"}):
        pass
    with pytest.raises(ConfigError, match="reach holds episodes of the task reach, and these are of push_t"):
        push_t.run(tmp_path / "reach", 1, 0)
