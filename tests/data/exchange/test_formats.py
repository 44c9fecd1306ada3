"""What all layouts promise: nothing is lost, nothing overwritten, nothing half-made looks whole."""

import importlib
import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from robot_rl.data.exchange import FORMATS
from robot_rl.errors import ExchangeError
from tests.data.exchange.samples import assert_same_episode, make_episode, make_episodes


@pytest.fixture(params=sorted(FORMATS))
def layout(request):
    return importlib.import_module(FORMATS[request.param])


def export(layout, episodes, path, rate_hz=10.0):
    layout.export_episodes(episodes, path, rate_hz=rate_hz, task="insert the peg")


def assert_round_trip(layout, episodes, path):
    export(layout, iter(episodes), path)
    read = list(layout.import_episodes(path))
    assert len(read) == len(episodes)
    for before, after in zip(episodes, read, strict=True):
        assert_same_episode(before, after)


@pytest.mark.parametrize("has_base", [False, True])
def test_episodes_come_back_bit_by_bit(layout, tmp_path, has_base):
    assert_round_trip(layout, make_episodes(has_base=has_base), tmp_path / "new" / "set")


@pytest.mark.parametrize("kept", ["proprio", "images"])
def test_episodes_without_images_or_without_proprio_come_back(layout, tmp_path, kept):
    removed = {"proprio", "images"} - {kept}
    episodes = [replace(episode, **{name: {} for name in removed}) for episode in make_episodes()]
    assert_round_trip(layout, episodes, tmp_path / "set")


def test_values_that_are_no_numbers_come_back(layout, tmp_path):
    episode = make_episode(length=4, is_success=False)
    episode.proprio["arm"][:, 0] = [np.nan, np.inf, -0.0, 1e-45, np.finfo(np.float32).max]
    episode.rewards[:] = [0.1, -np.inf, -0.0, np.nan]
    assert_round_trip(layout, [episode], tmp_path / "set")


def test_an_action_of_one_number_comes_back(layout, tmp_path):
    episode = make_episode(length=3, actions=np.ones((3, 1), np.float32), base_actions=np.ones((4, 1), np.float32))
    episode = replace(episode, proprio={"one": np.arange(4, dtype=np.float32)[:, None]})
    assert_round_trip(layout, [episode], tmp_path / "set")


def test_contradictory_endings_come_back(layout, tmp_path):
    flags = [(a, b, c) for a in (False, True) for b in (False, True) for c in (False, True)]
    episodes = [make_episode(k, 2, is_terminal=a, is_success=b, is_complete=c) for k, (a, b, c) in enumerate(flags)]
    assert_round_trip(layout, episodes, tmp_path / "set")


def test_episodes_are_drawn_one_at_a_time_and_read_one_at_a_time(layout, tmp_path):
    export(layout, (make_episode(k) for k in range(3)), tmp_path / "set")
    reader = layout.import_episodes(tmp_path / "set")
    assert_same_episode(next(reader), make_episode(0))
    reader.close()


def test_an_existing_target_is_not_touched(layout, tmp_path):
    path = tmp_path / "set"
    path.write_text("mine")
    with pytest.raises(ExchangeError, match="set exists already"):
        export(layout, make_episodes(), path)
    assert path.read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir()] == ["set"]


def test_a_target_that_appears_while_writing_is_not_touched(layout, tmp_path):
    def draw():
        yield make_episode()
        (tmp_path / "set").mkdir()

    with pytest.raises(ExchangeError, match="set exists already"):
        export(layout, draw(), tmp_path / "set")
    assert list((tmp_path / "set").iterdir()) == []


def test_a_failed_export_leaves_nothing(layout, tmp_path):
    def draw():
        yield make_episode()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(layout, draw(), tmp_path / "set")
    assert list(tmp_path.iterdir()) == []


KILLED = """
import importlib, os, signal, sys
from pathlib import Path
from tests.data.exchange.samples import make_episode
def draw():
    yield make_episode()
    os.kill(os.getpid(), signal.SIGKILL)
layout = importlib.import_module(sys.argv[1])
layout.export_episodes(draw(), Path(sys.argv[2]), rate_hz=10.0, task="x")
"""


def test_a_killed_export_leaves_no_target(layout, tmp_path):
    command = [sys.executable, "-c", KILLED, layout.__name__, str(tmp_path / "set")]
    process = subprocess.run(command, check=False, env=os.environ | {"PYTHONPATH": "."}, timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "set").exists()
    export(layout, make_episodes(), tmp_path / "set")
    assert len(list(layout.import_episodes(tmp_path / "set"))) == 4


def test_nothing_to_export_is_an_error(layout, tmp_path):
    with pytest.raises(ExchangeError, match="at least one episode"):
        export(layout, [], tmp_path / "set")


def test_an_episode_that_differs_from_the_first_is_an_error_and_leaves_nothing(layout, tmp_path):
    with pytest.raises(ExchangeError, match="episode 1 differs from episode 0"):
        export(layout, [make_episode(), make_episode(has_base=False)], tmp_path / "set")
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_there_cannot_be_imported(layout, tmp_path):
    with pytest.raises(ExchangeError, match="nowhere"):
        next(layout.import_episodes(tmp_path / "nowhere"))


def test_what_is_something_else_cannot_be_imported(layout, tmp_path):
    (tmp_path / "file").write_bytes(b"something else")
    (tmp_path / "folder").mkdir()
    for name in ("file", "folder"):
        with pytest.raises(ExchangeError, match=name):
            next(layout.import_episodes(tmp_path / name))
