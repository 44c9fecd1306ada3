"""A learner on another machine than the robot's, which nobody can start from here."""

import socket
from pathlib import Path

import pytest

from robot_rl import cli
from robot_rl import config as configuration
from robot_rl.errors import ConfigError
from robot_rl.runtime.channels.address import parse_address
from robot_rl.runtime.channels.channel_config import ChannelConfig
from robot_rl.runtime.config import TrainConfig
from robot_rl.runtime.processes.graph import list_processes

ELSEWHERE = "channel.address=tcp://192.0.2.7:5588"  # an address that no machine has (RFC 5737)
KEYS = "channel.keys=keys"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "*"])
def test_this_machine_is_not_elsewhere(host):
    assert not parse_address(f"tcp://{host}:5588").is_elsewhere


@pytest.mark.parametrize("host", ["192.0.2.7", "[2001:db8::7]"])
def test_what_cannot_be_bound_here_is_elsewhere(host):
    address = parse_address(f"tcp://{host}:5588")
    assert address.is_elsewhere
    assert address == (host.strip("[]"), "5588")


def test_a_name_that_nobody_knows_is_elsewhere(monkeypatch):
    def fail(*_, **__):
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert parse_address("tcp://gpu:5588").is_elsewhere


def test_the_learner_is_told_to_a_person_who_starts_it_there():
    """In a folder of the same name there, where this machine's paths say nothing, and at the port that was said."""
    *here, learner = list_processes("train_peg", [ELSEWHERE, KEYS, "seed=3", "task=reach"])
    assert [process.name for process in here] == ["simulation", "actor"]
    assert not any(process.machine for process in here)
    assert (learner.name, learner.machine, learner.program) == ("learner", "192.0.2.7", ("robot-rl", "learner"))
    words = list(learner.arguments)
    assert words == [KEYS, "seed=3", "task=reach", "run_dir=runs/reach-rlpd-3", "channel.address=tcp://*:5588"]
    there = configuration.load(TrainConfig, "train", words)
    assert there.run_dir == "runs/reach-rlpd-3"
    assert there.channel == ChannelConfig("tcp://*:5588", keys="keys")


def test_up_says_what_to_start_there(capsys):
    assert cli.main(["up", "train_peg", "--dry-run", ELSEWHERE, KEYS, "run_dir=runs/mine"]) == 0
    *_, last = capsys.readouterr().out.splitlines()
    assert last == f"learner: robot-rl learner {KEYS} run_dir=runs/mine 'channel.address=tcp://*:5588'"


@pytest.mark.parametrize("address", ["tcp://gpu", "gpu:5588", "tcp://gpu:many"])
def test_what_is_no_address_is_refused_before_anything_is_started(address):
    with pytest.raises(ConfigError, match=r"must be tcp://HOST:PORT"):
        list_processes("train_peg", [f"channel.address={address}", KEYS])


def test_without_keys_nobody_would_be_let_in():
    with pytest.raises(ConfigError, match=r"another machine \(192\.0\.2\.7\) needs channel\.keys=FOLDER"):
        list_processes("train_peg", [ELSEWHERE])


def test_keys_are_made_and_never_overwritten(tmp_path, capsys):
    folder = tmp_path / "keys"
    assert cli.main(["make-keys", str(folder)]) == 0
    assert f"channel.keys={folder}" in capsys.readouterr().out
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["actor.key", "actor.key_secret", "learner.key", "learner.key_secret"]
    before = Path(folder, "actor.key").read_text()
    assert cli.main(["make-keys", str(folder)]) == 2
    assert Path(folder, "actor.key").read_text() == before
