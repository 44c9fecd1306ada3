"""`robot-rl show` and `robot-rl copy`: what is in a recording, and parts of it."""

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from robot_rl import cli
from robot_rl.data.store_reader import StoreReader
from robot_rl.data.store_writer import StoreWriter
from robot_rl.runtime.channels.channel import make_local_channels
from robot_rl.runtime.run_folder import RunFolder
from tests.fakes import make_cell
from tests.runs import FINISH, PUSH, STEP_LIMIT, act, make_people_cell, numbers, play_records

ATTRIBUTES = {"task": "peg", "revision": "abc123"}


def write(path, env, records):
    with StoreWriter(path, env.spec, ATTRIBUTES) as store:
        for record in records:
            store.append(record)
    return path


@pytest.fixture
def recording(tmp_path, monkeypatch):
    """One episode that a person brings to its end, one that they only touch, and one that has no end."""
    monkeypatch.chdir(tmp_path)
    records = [*play_records(1, "expert"), *play_records(1, first_episode=4), *play_records(1, first_episode=5)[:4]]
    return write("mine", make_people_cell().env, records)


def show(capsys, *words, code=0):
    assert cli.main(["show", *words]) == code
    read = capsys.readouterr()
    return read.err if code else read.out


def test_every_episode_has_a_line_and_all_of_them_one(recording, capsys):
    first, header, *rows, last = show(capsys, recording).splitlines()
    assert first == "mine: peg, 10 Hz, 16 time steps, code abc123"
    assert header.split("  ")[-1] == "acted"
    assert [row.split()[:4] for row in rows] == [
        ["0", "4", "0.4", "success"],
        ["4", "6", "0.6", "out"],
        ["5", "3", "0.3", "no"],
    ]
    assert rows[0].endswith("  policy 50%, human 50%")
    assert last == "2 episodes, 1 of them successes (median 0.4 s); 1 part without an end: a pause, or it goes on"


def test_of_a_run_its_experience_is_shown(recording, capsys):
    folder = RunFolder(Path("run"))
    folder.path.mkdir()
    StoreWriter(folder.experience, make_people_cell().env.spec, ATTRIBUTES).close()
    assert "run/experience holds no episode yet" in show(capsys, "run", code=2)


def test_of_an_episode_that_has_only_begun_there_is_nothing_to_show(recording, capsys):
    write("begun", make_people_cell().env, play_records(1)[:1])
    assert "begun holds no whole step of these episodes yet" in show(capsys, "begun", "--picture", "a.png", code=2)


def test_some_of_the_episodes_are_asked_for_by_their_numbers(recording, capsys):
    _, _, *rows, last = show(capsys, recording, "--episodes", "0", "4-5").splitlines()
    assert [row.split()[0] for row in rows] == ["0", "4", "5"]
    _, _, row, last = show(capsys, recording, "--episodes", "4").splitlines()
    assert row.split()[0] == "4"
    assert last == "1 episode, 0 of them successes"
    _, _, *rows, last = show(capsys, recording, "--episodes", "0-5").splitlines()
    assert [row.split()[0] for row in rows] == ["0", "4", "5"], "what was not kept has no number"
    assert "mine has no episode 1: it has 0 to 5" in show(capsys, recording, "--episodes", "0-1", code=2)


@pytest.mark.parametrize("word", ["x", "3-x", "-1", "3-", "7-5"])
def test_a_number_that_is_none_is_said_to_be_none(recording, capsys, word):
    with pytest.raises(SystemExit):
        cli.main(["show", recording, "--episodes", word])
    assert "--episodes" in capsys.readouterr().err


def test_a_picture_is_drawn_of_any_environment(recording, capsys, tmp_path):
    assert "wrote new/a.png" in show(capsys, recording, "--picture", "new/a.png")
    assert (tmp_path / "new" / "a.png").stat().st_size > 10_000
    assert "its name must end in .png" in show(capsys, recording, "--picture", "a.jpg", code=2)


def test_a_video_needs_images(recording, capsys, tmp_path):
    assert "recorded without cameras" in show(capsys, recording, "--video", "a.mp4", code=2)
    assert not (tmp_path / "a.mp4").exists()


def test_a_video_has_every_time_step_and_half_a_second_of_each_end(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    env = make_cell([PUSH, FINISH], step_limit=STEP_LIMIT, takeover_hold_s=0.05, has_camera=True).env
    actor, learner = make_local_channels(env.spec)
    act(env, actor, 2)
    write("filmed", env, [replace(record, episode=record.episode + 1) for record in learner.drain()])
    assert "cameras wrist" in show(capsys, "filmed", "--video", "a.mp4")
    with av.open("a.mp4") as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(pictures) == 2 * (5 + 5)
    assert pictures[0].shape == (256, 320, 3), "of 8 x 10"
    show(capsys, "filmed", "--episodes", "2", "--video", "b.mp4")
    with av.open("b.mp4") as container:
        assert len(list(container.decode(video=0))) == 5 + 5
    assert np.asarray(pictures).std() > 0.0


# ------------------------------------------------------------------------------------ copies


def copied(path):
    return [(record.episode, record.step, numbers(record)[2:]) for record in StoreReader(path).records()]


def test_a_copy_has_the_episodes_that_have_an_end_and_says_where_they_are_from(recording, capsys):
    assert cli.main(["copy", recording, "new/whole"]) == 0
    assert "wrote 2 episodes to new/whole" in capsys.readouterr().out
    whole = copied(recording)
    assert copied("new/whole") == [(int(e == 4), *rest) for e, *rest in whole if e != 5]
    attributes = StoreReader("new/whole").attributes
    assert (attributes["task"], attributes["copied_from"]) == ("peg", recording)
    assert cli.main(["copy", recording, "one", "--episodes", "4"]) == 0
    assert copied("one") == [(0, *rest) for e, *rest in whole if e == 4]
    assert copied(recording) == whole


def test_what_a_pause_has_divided_is_copied_in_its_parts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    records = play_records(1, "expert")
    write("paused", make_people_cell().env, [*records[:2], *records[3:]])
    assert cli.main(["copy", "paused", "copy"]) == 0
    assert copied("copy") == copied("paused")


def test_an_end_right_after_a_pause_is_one(tmp_path, monkeypatch, capsys):
    """There is no step before it that could be shown or learned from."""
    monkeypatch.chdir(tmp_path)
    records = play_records(1, "expert")
    write("paused", make_people_cell().env, [*records[:3], records[-1]])
    last = show(capsys, "paused").splitlines()[-1]
    assert last == "1 episode, 1 of them successes; 1 part without an end: a pause, or it goes on"
    assert cli.main(["copy", "paused", "copy"]) == 0
    assert copied("copy") == copied("paused")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("mine", "there"), "there exists already"),
        (("mine", "new", "--episodes", "0", "5"), "episode 5 of mine has no end"),
        (("mine", "new", "--episodes", "7"), "mine has no episode 7: it has 0 to 5"),
        (("there", "new"), "there is no stored run"),
    ],
)
def test_what_cannot_be_copied_leaves_nothing_behind(recording, capsys, tmp_path, words, message):
    (tmp_path / "there").mkdir()
    assert cli.main(["copy", *words]) == 2
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "there"]


def test_a_recording_is_of_one_task(recording, capsys):
    with StoreWriter(recording, make_people_cell().env.spec, {"task": "plug"}) as store:
        for record in play_records(1, first_episode=9):
            store.append(record)
    assert cli.main(["copy", recording, "new"]) == 2
    assert "mine is of several tasks, peg and plug: a recording is of one" in capsys.readouterr().err
