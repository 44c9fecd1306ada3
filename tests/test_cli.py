"""The command `robot-rl`: help, clear errors, a last line for scripts, and Ctrl-C that loses nothing."""

import importlib.metadata
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import yaml

from robot_rl import cli
from robot_rl.config import to_plain
from robot_rl.env.robot_env import RobotEnv
from robot_rl.errors import DeviceError, SetupError
from robot_rl.robot.robot import Robot
from robot_rl.runtime.commands import record as record_command
from robot_rl.runtime.config import EnvConfig, RecordConfig
from robot_rl.runtime.learning import demonstrations, training
from robot_rl.runtime.policy_config import EvalConfig
from robot_rl.sim import gl
from robot_rl.types import Reason
from tests.runs import make_fake_env

ROOT = Path(__file__).parents[1]
FAST = ("task=reach", "episodes=1", "task.episode.step_limit=30")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """Commands write where they are told, and nowhere else."""
    monkeypatch.chdir(tmp_path)


def run(capsys, *words):
    """(exit code, standard output, standard error)."""
    try:
        code = cli.main(list(words))
    except SystemExit as end:
        code = int(end.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--help",), ["eval", "bench", "config", "examples:", "policy=expert"]),
        (("eval", "--help"), ["KEY=VALUE", "JSON", "success_rate", "ci95", "cycle_time_s", "config eval"]),
        (("config", "--help"), ["NAME", "eval", "env"]),
        (("bench", "--help"), ["control", "sim"]),
        (("train", "--help"), ["KEY=VALUE", "JSON", "demonstrations", "checkpoints", "config train"]),
        (("resume", "--help"), ["RUN", "newest checkpoint", "steps=20000"]),
        (("record", "--help"), ["KEY=VALUE", "demonstrations_from=STORE", "continued", "config record"]),
        (("convert-encoder", "--help"), ["SOURCE", "TARGET", "resnet10_params.pkl", "agent.encoder.weights"]),
        (("fci-sim", "--help"), ["--host", "--real-time", "--side-channel", "lock-step", "pylibfranka.Robot", "1337"]),
        (("make-keys", "--help"), ["FOLDER", "scp -r keys gpu:", "channel.keys=keys", "tcp://gpu:5588"]),
        (("where", "--help"), ["T_base_tcp", "--tool-length", "--domain", "--namespace", "ROS_DOMAIN_ID"]),
        (("recover", "--help"), ["--domain", "--namespace", "refuses"]),
        (("keyboard", "--help"), ["KEY=VALUE", "--domain", "--namespace", "teleop=keyboard"]),
        (("--version",), ["robot-rl "]),
    ],
)
def test_help_says_what_can_be_said(capsys, words, expected):
    code, out, _ = run(capsys, *words)
    assert code == 0
    for word in expected:
        assert word in out


def test_without_an_installation_there_is_no_version_and_no_crash(capsys, monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(cli, "version", missing)
    assert run(capsys, "--version")[:2] == (0, "robot-rl (not installed)\n")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("eval", "task=pegg"), "peg, peg_hard, pick_cube, plug, reach"),
        (("eval", "tsak=peg"), "Did you mean 'task'?"),
        (("eval", "policy=dance", *FAST), "blind, expert, random, zero"),
        (("eval", "episodes=0"), "at least 1"),
        (("eval", "task.name=welding"), "peg, pick_cube, plug, reach"),
        (("eval", "robot.cameras=[top]"), "side, wrist"),
        (("eval", "task.episode.impedance=feather"), "compliant"),
        (("eval", "task.episode.rate_hz=0"), "rate_hz must be positive"),
        (("eval", "task.scene.start_height_range_m=[5,6]", "episodes=1"), "cannot reach"),
        (("eval", "video=film.xyz", *FAST), "film.xyz"),
        (("eval", "sheet=sheet.xyz", *FAST), "sheet.xyz"),
        (("eval", "video=/proc/nowhere/a.mp4", *FAST), "/proc/nowhere"),
        (("eval", "video=.", *FAST), "Cannot write"),
        (("eval", "robot.cameras=[wrist]", "robot.image_size=2000", *FAST), "image_size"),
        (("bench", "nothing"), "control"),
        (("config", "eval", "episodes=many"), "valid integer"),
        (("eval", "policy=."), "holds no training run"),
        (("eval", "policy=runs/nowhere"), "there is no such folder"),
        (("train", "task=pegg"), "peg, peg_hard, pick_cube, plug, reach"),
        (("train", "agnet=rlpd"), "Did you mean 'agent'?"),
        (("train", "agent=sac"), "bc, hg_dagger, hil_serl, residual, rlpd"),
        (("train", "steps=-1"), "steps must not be negative"),
        (("train", "steps=many"), "valid integer"),
        (("train", "threads=0"), "threads must be from 1 to 256"),
        (("train", "threads=100000"), "threads must be from 1 to 256"),
        (("train", "agent.rlpd.gamma=2"), "gamma must be in [0, 1]"),
        (("eval", "seed=-1"), "seed must not be negative"),
        (("train", "agent.utd=0"), "utd must be at least 1"),
        (("train", "agent.hidden=[]"), "hidden"),
        (("train", "agent.rlpd.subsample=99"), "subsample"),
        (("train", "agent.rlpd.return_range=[1,0]"), "return_range"),
        (("train", "replay.shares.online=2"), "shares"),
        (("train", "robot.cameras=[top]", "demonstrations=0"), "side, wrist"),
        (("resume", "nowhere"), "nowhere holds no training run"),
        (("resume", "."), "holds no training run"),
        (("resume", "one", "two"), "one holds no training run"),
        (("record", "episodes=0"), "at least 1"),
        (("up", "record_demos", "episodes=0"), "at least 1"),
        (("recover", "--domain", "233"), "from 0 to 232"),
        (("record", "teleop=none"), "expert, blind, human"),
        (("record", "sotre=mine"), "Did you mean 'store'?"),
        (("record", "store=."), "its_own.txt"),
        (("record", "store=its_own.txt"), "is a file"),
        (("record-push-t", "mine", "--seed", "-1"), "seed not negative, got 200 and -1"),
        (("record-push-t", "mine", "--episodes", "0"), "episodes must be at least 1"),
        (("convert-encoder", "nowhere.pkl"), "nowhere.pkl"),
        (("convert-encoder", "its_own.txt"), "must be a .pkl"),
        (("convert-encoder", "broken.pkl"), "broken.pkl"),
        (("convert-encoder", "broken.safetensors"), "broken.safetensors"),
        (("convert-encoder", "its_own.txt", "store.json"), "Cannot write the encoder store.json: its name must end in"),
        (("convert-encoder", "its_own.txt", "."), "Cannot write the encoder"),
        (("convert-encoder", "its_own.txt", "/"), "Cannot write the encoder /"),
        (("convert-encoder", "its_own.txt", "a.safetensors"), "Cannot write the encoder a.safetensors: it is a folder"),
        (("convert-encoder", "its_own.txt", "/proc/nowhere/a.safetensors"), "Cannot write the encoder /proc/nowhere"),
    ],
)
def test_an_error_is_one_clear_line_and_exit_code_2(capsys, tmp_path, words, expected):
    for name in ("its_own.txt", "broken.pkl", "broken.safetensors"):
        (tmp_path / name).write_text("mine")
    (tmp_path / "a.safetensors").mkdir()
    code, _, error = run(capsys, *words)
    assert code == 2
    lines = [line for line in error.splitlines() if line.strip()]
    assert len(lines) == 1, error
    assert lines[0].startswith("robot-rl: ")
    assert expected in lines[0]
    assert "Traceback" not in error


@pytest.mark.parametrize(
    "words",
    [
        ("train", "run_dir=its_own.txt"),
        ("train", "run_dir=/proc/nowhere/run"),
        ("train", "run_dir=run", "device=tpu"),
        ("train", "run_dir=run", "seed=-1"),
        ("train", "run_dir=run", "demonstrations_from=nowhere"),
        ("train", "run_dir=run", "replay.capacity=1"),
        ("train", "run_dir=run", "agent.hidden=[0]"),
        ("train", "run_dir=run", "agent.hidden=[-3]"),
        ("train", "run_dir=run", "agent.std=-1"),
        ("train", "run_dir=run", "agent.warmup_steps=-5"),
        ("train", "run_dir=run", "agent.rlpd.initial_temperature=-1"),
        ("train", "run_dir=run", "agent.rlpd.learning_rate=-1"),
        ("record", "store=/proc/nowhere/store", "episodes=1"),
        ("record", "store=mine", "episodes=1", "seed=-1"),
        ("record-push-t", "mine", "--seed", "-1"),
    ],
)
def test_nonsense_that_shows_late_is_no_less_clear(capsys, tmp_path, monkeypatch, words):
    """What a machine or a library says no to must not come as a traceback, and must not train on nonsense."""
    for module in (training, demonstrations, record_command):
        monkeypatch.setattr(module, "make_env", make_fake_env)
    (tmp_path / "its_own.txt").write_text("mine")
    few = ("steps=6", "final_episodes=1", "agent.pretrain_updates=1", "agent.batch_size=8", "demonstrations=1")
    code, _, error = run(capsys, *words, *(few if words[0] == "train" else ()))
    assert code == 2
    assert error.startswith("robot-rl: ")
    assert len([line for line in error.splitlines() if line.strip()]) == 1, error


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("dance",),
        ("config", "nothing"),
        ("eval", "--fast"),
        ("train", "--fast"),
        ("up", "train_peg", "--dry-run", "nonsense"),
        ("resume",),
        ("convert-encoder",),
    ],
)
def test_a_wrong_command_is_answered_with_the_usage(capsys, words):
    code, _, error = run(capsys, *words)
    assert code == 2
    assert "usage: robot-rl" in error


@pytest.mark.parametrize(("name", "schema"), [("eval", EvalConfig), ("env", EnvConfig), ("record", RecordConfig)])
def test_config_prints_every_key_and_every_choice(capsys, name, schema):
    code, out, _ = run(capsys, "config", name)
    assert code == 0
    assert yaml.safe_load(out) == to_plain(schema())
    assert "# task: peg, peg_hard, pick_cube, plug, reach" in out
    assert "# teleop: blind, expert, gamepad, human, joy, keyboard, none, spacemouse, twist" in out


def test_words_may_stand_on_both_sides_of_an_option(capsys):
    code, out, _ = run(capsys, "up", "train_peg", "steps=7", "--dry-run", "task=reach")
    assert code == 0
    assert "steps=7 task=reach" in out


def test_config_prints_what_would_be_used(capsys):
    _, out, _ = run(capsys, "config", "eval", "task=pick_cube", "episodes=3")
    printed = yaml.safe_load(out)
    assert (printed["episodes"], printed["task"]["name"], printed["task"]["episode"]["has_gripper"]) == (
        3,
        "pick_cube",
        True,
    )


def test_the_last_line_of_an_evaluation_is_json(capsys):
    code, out, _ = run(capsys, "eval", "policy=expert", *FAST, "seed=3")
    assert code == 0
    result = json.loads(out.splitlines()[-1])
    assert result["success_rate"] == 1.0
    assert result["episodes"] == 1
    assert result["ci95"] == [0.2065, 1.0]
    assert 0.0 < result["cycle_time_s"] < 3.0
    assert (result["policy"], result["task"], result["seed"]) == ("expert", "reach", 3)


def test_an_evaluation_is_reproducible(capsys):
    results = [run(capsys, "eval", "policy=random", *FAST, "seed=5")[1].splitlines()[-1] for _ in range(2)]
    assert results[0] == results[1]
    assert json.loads(results[0])["success_rate"] == 0.0
    assert json.loads(results[0])["cycle_time_s"] is None


def frames(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_a_video_brings_its_contact_sheet(capsys, tmp_path):
    code, out, _ = run(capsys, "eval", "policy=expert", *FAST, "video=films/a.mp4")
    assert code == 0
    result = json.loads(out.splitlines()[-1])
    pictures = frames(tmp_path / "films" / "a.mp4")
    steps = round(result["cycle_time_s"] * 10)
    assert len(pictures) == steps + 1 + 5  # the start, every step, and half a second of result
    assert pictures[0].shape == (240, 640, 3)
    assert cv2.imread(str(tmp_path / "films" / "a.png")).shape == (120, 6 * 320, 3)
    assert "films/a.mp4" in out
    assert "films/a.png" in out


def test_a_sheet_that_could_not_be_written_is_said(capsys, tmp_path):
    (tmp_path / "sheet.png").mkdir()
    code, out, error = run(capsys, "eval", "policy=zero", f"sheet={tmp_path}/sheet.png", *FAST)
    assert code == 2
    assert "sheet.png: it is a folder" in error
    assert "success" not in out, "and that before anything was played"


def test_the_first_picture_of_an_episode_shows_its_own_scene(capsys, tmp_path):
    """Teleporting takes no simulated time: a picture kept by time would show the end of the episode before."""
    run(capsys, "eval", "policy=zero", "task=reach", "episodes=2", "task.episode.step_limit=2", "video=a.mp4")
    pictures = [picture[20:].astype(int) for picture in frames(tmp_path / "a.mp4")]
    assert len(pictures) == 2 * (1 + 2 + 5)
    end_of_one, start_of_two, second_of_two = pictures[7], pictures[8], pictures[9]
    assert np.abs(start_of_two - end_of_one).mean() > 4 * np.abs(second_of_two - start_of_two).mean()


def start(tmp_path, *words):
    return subprocess.Popen(
        [sys.executable, "-m", "robot_rl.cli", "eval", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(path, size, process):
    deadline = time.monotonic() + 90
    while not (path.is_file() and path.stat().st_size > size):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_ctrl_c_finishes_the_episode_the_video_and_the_result(tmp_path):
    video = tmp_path / "a.mp4"
    process = start(tmp_path, "policy=zero", "task=reach", "episodes=500", "task.episode.step_limit=8", "video=a.mp4")
    wait_for(video, 40, process)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert "Traceback" not in error
    result = json.loads(out.splitlines()[-1])
    assert 1 <= result["episodes"] < 500
    assert result["success_rate"] == 0.0
    assert "Interrupted after" in out
    assert len(frames(video)) == result["episodes"] * (1 + 8 + 5)
    assert (tmp_path / "a.png").is_file()


def test_ctrl_c_twice_ends_at_once_and_still_closes_the_video(tmp_path):
    video = tmp_path / "a.mp4"
    process = start(
        tmp_path, "policy=zero", "task=reach", "episodes=1", "task.episode.step_limit=100000", "video=a.mp4"
    )
    wait_for(video, 40, process)
    time.sleep(0.5)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in error
    assert "interrupted" in error
    assert len(frames(video)) > 1


def test_a_robot_that_stops_ends_the_evaluation_but_not_its_result(capsys, monkeypatch):
    resets = []
    real = RobotEnv.reset

    def reset(env, seed=None):
        resets.append(seed)
        if len(resets) == 3:
            env.robot.stop(Reason.WRENCH, "hit the table")
        return real(env, seed)

    monkeypatch.setattr(RobotEnv, "reset", reset)
    code, out, _ = run(capsys, "eval", "policy=zero", "task=reach", "episodes=9", "task.episode.step_limit=3")
    assert code == 3
    assert "Stopped after 2 of 9 episodes" in out
    assert "hit the table" in out
    assert json.loads(out.splitlines()[-1])["episodes"] == 2


def test_a_device_that_is_lost_ends_the_evaluation_but_not_its_result(capsys, monkeypatch):
    """As an arm over the wire: who cannot be asked cannot be stopped either."""
    resets = []
    real = RobotEnv.reset

    def lose(*_):
        raise DeviceError("the arm was silent for 20 s")

    def reset(env, seed=None):
        resets.append(seed)
        if len(resets) == 3:
            monkeypatch.setattr(Robot, "stop", lose)
            lose()
        return real(env, seed)

    monkeypatch.setattr(RobotEnv, "reset", reset)
    code, out, _ = run(capsys, "eval", "policy=zero", "task=reach", "episodes=9", "task.episode.step_limit=3")
    assert code == 3
    assert "Stopped after 2 of 9 episodes: the arm was silent for 20 s" in out
    assert json.loads(out.splitlines()[-1])["episodes"] == 2


def test_a_reader_that_has_seen_enough_is_no_error():
    words = f"{sys.executable} -m robot_rl.cli config env | head -1"
    result = subprocess.run(["bash", "-c", words], capture_output=True, text=True, cwd=ROOT, check=True)
    assert result.stdout == "robot:\n"
    assert result.stderr == ""


def test_a_way_of_drawing_that_is_not_installed_is_a_clear_error(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "osmesa")
    monkeypatch.setattr(gl.ctypes.util, "find_library", lambda name: None)
    with pytest.raises(SetupError, match="MUJOCO_GL=osmesa is set, but the library OSMesa"):
        gl.choose_backend()
