"""`robot-rl export` and `robot-rl import`: what is written comes back, what does not fit leaves nothing behind."""

import re
import subprocess
import sys
from dataclasses import replace
from functools import partial
from itertools import groupby

import h5py
import numpy as np
import pytest

from robot_rl import cli
from robot_rl.data.exchange import FORMATS
from robot_rl.data.exchange.reading import read_episodes
from robot_rl.data.store_reader import StoreReader
from robot_rl.data.store_writer import StoreWriter
from robot_rl.errors import ExchangeError, StoreError
from robot_rl.runtime.commands import exchange, record
from robot_rl.runtime.pretraining.sources import open_sources
from tests.runs import make_fake_env, make_people_cell, play_records


@pytest.fixture
def recording(tmp_path, monkeypatch):
    """A recording of two episodes, and the same in another layout."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(record, "make_env", make_fake_env)
    assert record.run(["task=reach", "episodes=2", "store=mine"]) == 0
    assert cli.main(["export", "mine", "robomimic", "mine.hdf5"]) == 0
    return tmp_path


def read(path):
    return [episode for _, episode in StoreReader(path).episodes()]


def test_what_was_exported_is_imported_and_a_recording_continued(recording, capsys):
    for count in (2, 4):
        assert cli.main(["import", "mine.hdf5", "robomimic", "taken", "task=reach"]) == 0
        assert "wrote 2 episodes to taken" in capsys.readouterr().out
        assert len(read(recording / "taken")) == count
    for before, after in zip(2 * read(recording / "mine"), read(recording / "taken"), strict=True):
        np.testing.assert_array_equal(before.actions, after.actions)


def test_what_a_pause_has_divided_is_exported_in_its_parts(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    records = play_records(2, "expert")
    first, second = (list(steps) for _, steps in groupby(records, key=lambda record: record.episode))
    env = make_people_cell().env
    with StoreWriter("paused", env.spec, {"task": "peg"}) as store:
        for record in [*first[:2], *first[3:], *second[:-1]]:  # the second one has no end yet
            store.append(record)
    assert cli.main(["export", "paused", "robomimic", "paused.hdf5"]) == 0
    assert "each of them what was before a pause: 1" in capsys.readouterr().out
    episodes = list(read_episodes("robomimic", tmp_path / "paused.hdf5"))
    assert [episode.is_complete for episode in episodes] == [False, True]
    assert [len(episode) for episode in episodes] == [1, len(first) - 4]
    np.testing.assert_array_equal(episodes[0].actions, [first[1].time_step.applied_action])


@pytest.mark.parametrize("layout", sorted(FORMATS))
def test_what_a_recording_says_of_itself_comes_along(recording, capsys, layout):
    """Else its actions would be taken for whatever the importing words mean by an action."""
    target, words = f"exported.{layout}", ("task=reach", "task.episode.translation_scale_m=0.005")
    assert cli.main(["record", *words, "episodes=1", "store=small"]) == 0
    assert cli.main(["export", "small", layout, target]) == 0
    for differing in (["task=reach"], ["task=peg", words[1]], ["task=peg_hard", words[1]]):
        assert cli.main(["import", target, layout, "taken", *differing]) == 2
        assert f"robot-rl: {target}" in capsys.readouterr().err.replace("an action of ", "")
        assert not (recording / "taken").exists()
    assert cli.main(["import", target, layout, "taken", *words]) == 0
    before, after = (StoreReader(recording / name).attributes for name in ("small", "taken"))
    assert after == {**before, "imported_from": f"{target} ({layout})"}
    source = open_sources([target], rate_hz=10.0) if layout == "lerobot" else None
    assert source is None or (source.task, source.meaning["translation_scale_m"]) == ("reach", 0.005)


def test_another_rate_is_told(recording, capsys):
    with h5py.File("mine.hdf5", "r+") as file:
        stamps_ns = file["data/demo_0/stamps_ns"]
        stamps_ns[...] = np.arange(len(stamps_ns)) * 50_000_000
    assert cli.main(["import", "mine.hdf5", "robomimic", "taken", "task=reach"]) == 0
    assert "Its times say 20 Hz, and this environment runs at 10 Hz" in capsys.readouterr().out


def test_episodes_of_which_nobody_says_whether_they_succeeded_are_kept_as_successes(recording, capsys):
    with h5py.File("mine.hdf5", "r+") as file:
        del file["data"].attrs["robot_rl"]
        for demo in file["data"].values():
            demo["rewards"][...] = 0.0
    assert cli.main(["import", "mine.hdf5", "robomimic", "taken", "task=reach"]) == 0
    assert "2 of 2 episodes do not say whether they succeeded; they are kept as successes" in capsys.readouterr().out
    assert [episode.is_success for episode in read(recording / "taken")] == [True, True]


PAYS_NOTHING = (
    "pay nothing and do not end with the task: good for imitation, but critics learn from them that success is"
)


def set_end(demo, reward, is_terminal, is_success=True):
    demo["rewards"][...] = 0.0
    demo["rewards"][-1] = reward
    demo.attrs["is_terminal"], demo.attrs["is_success"] = is_terminal, is_success


@pytest.mark.parametrize("reward", [0.0, -0.1])
def test_successes_from_which_critics_learn_the_contrary_are_counted(recording, capsys, reward):
    with h5py.File("mine.hdf5", "r+") as file:
        set_end(file["data/demo_1"], reward, is_terminal=False)
    assert cli.main(["import", "mine.hdf5", "robomimic", "taken", "task=reach"]) == 0
    assert f"1 of 2 {PAYS_NOTHING} worth 0." in " ".join(capsys.readouterr().out.split())


def test_what_pays_or_ends_with_the_task_or_failed_is_no_such_success(recording, capsys):
    for end in ((1.0, False), (0.0, True), (0.0, False, False)):
        with h5py.File("mine.hdf5", "r+") as file:
            set_end(file["data/demo_1"], *end)
        assert cli.main(["import", "mine.hdf5", "robomimic", "taken", "task=reach"]) == 0
        assert "pay nothing" not in capsys.readouterr().out


def break_rows(file):
    del file["data/demo_1/rewards"]
    file["data/demo_1/rewards"] = np.zeros(2)


def break_arguments(file):
    file["data"].attrs["env_args"] = "[{"


def break_marks(file):
    file["data"].attrs["robot_rl"] = "3"


@pytest.mark.parametrize("break_file", [break_rows, break_arguments, break_marks])
def test_what_is_damaged_is_one_clear_line(recording, capsys, break_file):
    with h5py.File("mine.hdf5", "r+") as file:
        break_file(file)
    assert cli.main(["import", "mine.hdf5", "robomimic", "taken", "task=reach"]) == 2
    assert "robot-rl: mine.hdf5" in capsys.readouterr().err
    assert not (recording / "taken").exists()


def test_another_environment_is_named_and_nothing_is_left_behind(recording, capsys):
    assert cli.main(["import", "mine.hdf5", "robomimic", "taken", "task=reach", "robot=sim_pixels"]) == 2
    problem = capsys.readouterr().err
    assert "mine.hdf5: episode 0 is not of the environment of task=reach: observation.images must have" in problem
    assert not (recording / "taken").exists()


def test_a_late_episode_that_is_damaged_leaves_nothing_behind(recording, capsys):
    with h5py.File("mine.hdf5", "r+") as file:
        del file["data/demo_1/actions"]
    assert cli.main(["import", "mine.hdf5", "robomimic", "taken", "task=reach"]) == 2
    assert "demo_1" in capsys.readouterr().err
    assert not (recording / "taken").exists()


WRONG_VALUES = {
    "an observation that is no number": ("obs/task", np.nan, "proprio/task must be finite, got nan"),
    "an action that is no number": ("actions", np.nan, "applied_action must be finite and from -1 to 1, got nan"),
    "an action of another scale": ("actions", -50.0, "applied_action must be finite and from -1 to 1, got -50"),
    "a reward without an end": ("rewards", np.inf, "reward must be finite, got inf"),
}


@pytest.mark.parametrize("case", WRONG_VALUES)
def test_numbers_that_nobody_can_learn_from_are_refused_with_their_place(recording, capsys, case):
    name, value, words = WRONG_VALUES[case]
    with h5py.File("mine.hdf5", "r+") as file:
        file[f"data/demo_1/{name}"][2] = value
    assert cli.main(["import", "mine.hdf5", "robomimic", "taken", "task=reach"]) == 2
    step = 2 if name.startswith("obs") else 3  # what an action and its reward led to is the next time step
    assert capsys.readouterr().err == f"robot-rl: mine.hdf5: episode 1, step {step}: {words}.\n"
    assert not (recording / "taken").exists()


def test_another_order_of_the_same_names_is_no_difference(recording, monkeypatch):
    def reversed_episodes(layout, path):
        for episode in read_episodes(layout, path):
            yield replace(episode, proprio=dict(reversed(episode.proprio.items())))

    monkeypatch.setattr(exchange, "read_episodes", reversed_episodes)
    assert cli.main(["import", "mine.hdf5", "robomimic", "taken", "task=reach"]) == 0
    assert len(read(recording / "taken")) == 2


def test_an_episode_longer_than_the_queue_of_the_disk_is_imported_whole(recording, monkeypatch):
    monkeypatch.setattr(exchange, "StoreWriter", partial(StoreWriter, queue_rows=4, interval_s=60.0))
    assert cli.main(["import", "mine.hdf5", "robomimic", "taken", "task=reach"]) == 0
    assert [len(episode) for episode in read(recording / "taken")] == [4, 4], "five rows each"


def fail_to_append(monkeypatch, count):
    """The disk is full after so many records."""
    appended, append = [], StoreWriter.append

    def append_or_fail(store, record):
        if len(appended) == count:
            raise StoreError("No space left on device")
        appended.append(record)
        return append(store, record)

    monkeypatch.setattr(StoreWriter, "append", append_or_fail)


def test_an_import_that_fails_half_way_leaves_no_target(recording, monkeypatch, capsys):
    before = sorted(recording.iterdir())
    fail_to_append(monkeypatch, 7)
    assert cli.main(["import", "mine.hdf5", "robomimic", "taken", "task=reach"]) == 2
    assert "robot-rl: No space left on device" in capsys.readouterr().err
    assert sorted(recording.iterdir()) == before


def test_an_import_that_fails_half_way_leaves_the_recording_that_it_should_continue(recording, monkeypatch):
    fail_to_append(monkeypatch, 2)
    assert cli.main(["import", "mine.hdf5", "robomimic", "mine", "task=reach"]) == 2
    assert [len(episode) for episode in read(recording / "mine") if episode.is_complete] == [4, 4]


def test_a_target_that_cannot_be_made_is_a_clear_error(recording, capsys):
    assert cli.main(["import", "mine.hdf5", "robomimic", "mine.hdf5/taken", "task=reach"]) == 2
    assert "robot-rl: mine.hdf5/taken cannot be made: " in capsys.readouterr().err


@pytest.mark.parametrize("layout", sorted(FORMATS))
def test_a_full_disk_is_one_clear_line_and_leaves_nothing(recording, layout):
    """In a process of its own: HDF5 used to take that with it."""
    before = sorted(recording.iterdir())
    words = f"ulimit -f 3; exec {sys.executable} -m robot_rl.cli export mine {layout} full"
    process = subprocess.run(["bash", "-c", words], capture_output=True, text=True, check=False)
    assert process.returncode == ExchangeError.exit_status, process.stderr
    assert re.fullmatch(r"robot-rl: full cannot be written: .*File too large; free space\.\n", process.stderr)
    assert sorted(recording.iterdir()) == before


def test_bytes_that_were_lost_are_one_clear_line(recording, capsys):
    for layout, pattern in (("lerobot", "data/**/*.parquet"), ("diffusion_policy", "data/action/0.0")):
        assert cli.main(["export", "mine", layout, layout]) == 0
        (file,) = (recording / layout).glob(pattern)
        content = bytearray(file.read_bytes())
        content[20:-200] = bytes(len(content) - 220) if len(content) > 220 else b""
        file.write_bytes(content if len(content) > 220 else b"\x00" * 16)
        capsys.readouterr()
        assert cli.main(["import", layout, layout, "taken", "task=reach"]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"robot-rl: {layout}")
        assert error.count("\n") == 1
        assert not (recording / "taken").exists()


def test_a_part_that_was_not_copied_is_not_taken_for_zeros(recording, capsys):
    assert cli.main(["export", "mine", "diffusion_policy", "copied"]) == 0
    (recording / "copied" / "data" / "action" / "0.0").unlink()
    assert cli.main(["import", "copied", "diffusion_policy", "taken", "task=reach"]) == 2
    assert "robot-rl: copied: data/action lacks a part: it was not copied to its end." in capsys.readouterr().err
    assert not (recording / "taken").exists()
