"""`robot-rl fci-sim`: what it says, what it refuses, and how it ends."""

import signal
import socket
import subprocess
import sys

import pytest
from robot_rl_hardware.fci_sim.plant import SCENES
from robot_rl_hardware.fci_sim.wire import ARM_PORT, DIALECTS

from robot_rl import cli
from tests.hardware.fci_sim.clients import make_host


def test_the_help_names_every_scene_and_robot(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["fci-sim", "--help"])
    assert end.value.code == 0
    words = capsys.readouterr().out.replace(",", " ").split()
    assert {*SCENES, *DIALECTS} <= set(words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--scene", "moon"], "scene must be one of table, probe, reach, peg, pick_cube, plug, got 'moon'"),
        (["--robot", "ur5"], "Unknown robot 'ur5'. Valid are: fr3, panda"),
        (["--host", "0.0.0.0"], "host must be an address in 127.0.0.0/8, got '0.0.0.0'"),
        (["--host", "robot.local"], "host must be an address in 127.0.0.0/8, got 'robot.local'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(capsys, words, message):
    assert cli.main(["fci-sim", *words]) == 2
    assert message in capsys.readouterr().err.strip()


def test_an_address_that_is_taken_is_said(capsys):
    host = make_host()
    with socket.create_server((host, ARM_PORT)):
        assert cli.main(["fci-sim", "--host", host]) == 2
    assert f"Cannot listen on {host}" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(number):
    process = subprocess.Popen(
        [sys.executable, "-m", "robot_rl.cli", "fci-sim", "--host", make_host()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline().startswith("listening on 127.")
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert out.splitlines()[-1] == "ended"
    assert err == ""
