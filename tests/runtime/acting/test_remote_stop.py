"""An arm that is stopped in a run of two processes: what was made until then is the learner's."""

import threading
import time

import pytest

from robot_rl.errors import StoppedError
from robot_rl.runtime.channels.connection import make_actor_channel
from tests.runtime.acted import Notes, act, configure, places, use_fakes
from tests.runtime.served import TIMEOUT_S, Served


@pytest.fixture(autouse=True)
def _fakes(monkeypatch):
    use_fakes(monkeypatch)


def stop_after(notes, event, step=8):
    """Something happens after this step, and the arm is stopped after the ninth."""

    def on_step(time_step):
        notes.steps += not time_step.is_first
        if notes.steps == step:
            event()
        if notes.steps == 9:
            raise StoppedError("the user stop is pressed")

    return on_step


def test_what_was_made_before_a_stop_is_the_learners_before_the_actor_ends(tmp_path, caplog):
    """It may have been away until then, and everything is in the actor's memory."""
    config = configure(steps=60, channel={"is_synchronous": False, "patience_s": TIMEOUT_S})
    first, notes, servers = Served(tmp_path / "run", config), Notes(), []
    return_later = threading.Timer(0.5, lambda: servers.append(Served(tmp_path / "run", first.config)))

    def lose():
        first.end()
        return_later.start()

    with pytest.raises(StoppedError, match="user stop"):
        act(first.config, notes, on_step=stop_after(notes, lose))
    return_later.join()
    servers[0].end()
    assert places(tmp_path / "run") == [(0, s) for s in range(7)] + [(1, s) for s in range(4)]
    assert "the actor ends as soon as the learner has stored its last" in caplog.text
    assert "has not acknowledged" not in caplog.text, "the channel gave up nothing"


def test_a_stopped_actor_gives_up_a_learner_that_stays_away(tmp_path, caplog):
    config = configure(steps=60, channel={"is_synchronous": False, "patience_s": 0.3})
    served, notes = Served(tmp_path / "run", config), Notes()
    with pytest.raises(StoppedError, match="user stop"):
        act(served.config, notes, on_step=stop_after(notes, served.end))
    assert "the learner is not there; the robot holds: waiting for it to store the last steps" in caplog.text
    assert "the learner has not acknowledged" in caplog.text


def test_a_stopped_actor_whom_the_learner_refuses_still_says_why_it_was_stopped(tmp_path, caplog):
    served, notes = Served(tmp_path / "run", configure(steps=60, channel={"is_synchronous": False})), Notes()
    other = []

    def take_its_place():
        other.append(make_actor_channel(served.config, served.spec))
        end_s = time.monotonic() + TIMEOUT_S
        while "another actor with the number 0 has come" not in caplog.text and time.monotonic() < end_s:
            time.sleep(0.01)

    with pytest.raises(StoppedError, match="user stop"):
        act(served.config, notes, on_step=stop_after(notes, take_its_place, step=9))
    other[0].close()
    served.end()
    assert "the learner does not take the last steps" in caplog.text
