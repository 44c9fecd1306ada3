"""Checkpoints are whole or not there, are data and not code, and the older ones make room."""

import pickle

import numpy as np
import pytest
import torch

from robot_rl.data import durable
from robot_rl.errors import CheckpointError
from robot_rl.runtime.learning import checkpoint
from tests.runs import differing


def make_state(value=0.0):
    generator = np.random.default_rng(3)
    generator.normal(size=5)
    return {
        "agent": {"weights": torch.full((3, 2), value), "step": torch.tensor(4)},
        "generator": generator.bit_generator.state,  # its numbers have 128 bits
        "torch": torch.Generator().manual_seed(1).get_state(),
        "steps": 12,
        "is_fitted": True,
        "nothing": None,
    }


def test_what_is_read_is_what_was_written_bit_for_bit(tmp_path):
    path = checkpoint.save(tmp_path / "new" / "folder", 12, make_state())
    assert path.name == "step_000000012.pt"
    assert differing(checkpoint.load(path), make_state()) == []
    generator = np.random.default_rng()
    generator.bit_generator.state = checkpoint.load(path)["generator"]
    expected = np.random.default_rng(3)
    expected.normal(size=5)
    assert generator.normal() == expected.normal()


def test_the_newest_are_kept_oldest_first(tmp_path):
    for step in (5, 200, 30, 1000, 99):
        checkpoint.save(tmp_path, step, make_state(step), keep=3)
    assert [path.name for path in checkpoint.find(tmp_path)] == [f"step_{step:09d}.pt" for step in (99, 200, 1000)]
    assert len(list(tmp_path.iterdir())) == 3


def test_the_same_step_again_replaces_it(tmp_path):
    checkpoint.save(tmp_path, 5, make_state(1.0))
    path = checkpoint.save(tmp_path, 5, make_state(2.0))
    assert checkpoint.find(tmp_path) == [path]
    assert checkpoint.load(path)["agent"]["weights"][0, 0] == 2.0


def test_without_a_folder_there_are_none(tmp_path):
    assert checkpoint.find(tmp_path / "nothing") == []


@pytest.mark.parametrize("moment", ["save", "fsync", "replace"])
def test_a_kill_in_the_middle_leaves_the_one_before(tmp_path, monkeypatch, moment):
    older = checkpoint.save(tmp_path, 5, make_state(1.0))

    def kill(*arguments, **named):
        raise KeyboardInterrupt

    def write_half(state, file):
        file.write(b"PK half of it")
        kill()

    if moment == "save":
        monkeypatch.setattr(checkpoint.torch, "save", write_half)
    elif moment == "fsync":
        monkeypatch.setattr(durable.os, "fsync", kill)
    else:
        monkeypatch.setattr(type(tmp_path), "replace", kill)
    for step in (5, 6):
        with pytest.raises(KeyboardInterrupt):
            checkpoint.save(tmp_path, step, make_state(2.0))
    assert checkpoint.find(tmp_path) == [older]
    assert checkpoint.load(older)["agent"]["weights"][0, 0] == 1.0
    monkeypatch.undo()
    checkpoint.save(tmp_path, 6, make_state(3.0))
    assert len(checkpoint.find(tmp_path)) == 2


def test_what_cannot_be_written_is_a_clear_error_that_says_how_to_go_on(tmp_path, monkeypatch):
    older = checkpoint.save(tmp_path, 5, make_state(1.0))

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(durable.os, "fsync", fail)
    with pytest.raises(
        CheckpointError, match=r"No space left on device; free space, then `robot-rl resume RUN`"
    ) as raised:
        checkpoint.save(tmp_path, 6, make_state(2.0))
    assert str(tmp_path / "step_000000006.pt") in str(raised.value)
    assert list(tmp_path.iterdir()) == [older]


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(CheckpointError, match="cannot be written: Not a directory; free space, then begin again"):
        checkpoint.save(tmp_path / "file" / "checkpoints", 6, make_state())


def test_what_a_kill_left_half_makes_room_for_the_next(tmp_path, monkeypatch):
    def kill(descriptor):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(durable.os, "fsync", kill)
        with pytest.raises(KeyboardInterrupt):
            checkpoint.save(tmp_path, 5, make_state())
    of_others = tmp_path / "mine.pt.partial"
    of_others.write_text("not ours")
    assert len(list(tmp_path.iterdir())) == 2
    path = checkpoint.save(tmp_path, 7, make_state())
    assert sorted(tmp_path.iterdir()) == [of_others, path]


def test_older_ones_go_only_after_the_new_one_is_there(tmp_path, monkeypatch):
    older = checkpoint.save(tmp_path, 5, make_state(), keep=1)

    def kill(self, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(type(tmp_path), "replace", kill)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(tmp_path, 6, make_state(), keep=1)
    assert checkpoint.find(tmp_path) == [older]


@pytest.mark.parametrize("keep_bytes", [0, 1, 100, -1])
def test_half_a_file_is_a_clear_error_that_names_it(tmp_path, keep_bytes):
    path = checkpoint.save(tmp_path, 5, make_state())
    path.write_bytes(path.read_bytes()[:keep_bytes])
    with pytest.raises(CheckpointError, match="There is none before it: begin anew") as raised:
        checkpoint.load(path)
    assert str(path) in str(raised.value)
    checkpoint.save(tmp_path, 6, make_state())
    with pytest.raises(CheckpointError, match="There is none before it"):
        checkpoint.load(path)
    checkpoint.save(tmp_path, 4, make_state())
    with pytest.raises(CheckpointError, match="Remove it to go on from the one before") as raised:
        checkpoint.load(path)
    assert str(path) in str(raised.value)


def test_another_file_and_no_file_are_clear_errors(tmp_path):
    other = tmp_path / "step_000000001.pt"
    other.write_text("not a checkpoint")
    for path in (other, tmp_path / "step_000000002.pt"):
        with pytest.raises(CheckpointError, match=path.name):
            checkpoint.load(path)


class Bomb:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return open, (str(self.target), "w")


@pytest.mark.parametrize("is_raw", [True, False])
def test_code_in_a_file_is_not_run(tmp_path, is_raw):
    target, path = tmp_path / "exploded", tmp_path / "step_000000001.pt"
    if is_raw:
        path.write_bytes(pickle.dumps({"agent": Bomb(target)}))
    else:
        torch.save({"agent": Bomb(target)}, path)
    with pytest.raises(CheckpointError):
        checkpoint.load(path)
    assert not target.exists()


def test_something_that_is_no_checkpoint_but_can_be_read_is_a_clear_error(tmp_path):
    path = tmp_path / "step_000000001.pt"
    torch.save(torch.zeros(3), path)
    with pytest.raises(CheckpointError, match=path.name):
        checkpoint.load(path)
