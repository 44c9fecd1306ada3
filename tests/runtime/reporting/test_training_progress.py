"""What a person sees of a training: a live display in a terminal, plain lines elsewhere."""

import io
import re

import numpy as np
import pytest
from rich.console import Console

from robot_rl.clock import NS_PER_S
from robot_rl.runtime.reporting.evaluation import EpisodeResult, Evaluation
from robot_rl.runtime.reporting.training_progress import TrainingProgress
from robot_rl.types import Observation, Source, restart, running

OBSERVATION = Observation({}, {}, 0)
FIRST = restart(OBSERVATION, 6)
STEP = running(OBSERVATION, 0.0, np.zeros(6, np.float32), Source.POLICY)
HALF = Evaluation([EpisodeResult(0, True, 30, 0, 3.0), EpisodeResult(1, False, 100, 0, 10.0)])


class HandClock:
    def __init__(self):
        self.now_s = 0.0

    def now_ns(self):
        return int(self.now_s * NS_PER_S)

    def sleep_until_ns(self, stamp_ns):
        raise AssertionError("a display must not wait")


def watch(total, first_step=0, *, is_terminal=False):
    """A display, what it writes to, and its clock."""
    file, clock = io.StringIO(), HandClock()
    console = Console(file=file, force_terminal=is_terminal, width=120, color_system=None)
    return TrainingProgress(total, first_step, console, clock), file, clock


def take_steps(progress, count):
    progress.on_step(FIRST)
    for _ in range(count):
        progress.on_step(STEP)


def tell_everything(progress, clock):
    """25 episodes of 10 steps, of which the last 20 are 2 with a person (5 steps each), 12 without, 6 failures."""
    results = [(False, 10)] * 5 + [(True, 5)] * 2 + [(True, 0)] * 12 + [(False, 0)] * 6
    for index, (is_success, human_steps) in enumerate(results):
        progress.on_episode_end(EpisodeResult(index, is_success, 10, human_steps, 1.0))
    progress.on_metrics(100, {"learner/updates": 1000.0, "learner/behind_steps": 0.0})
    clock.now_s += 4.0
    progress.on_metrics(200, {"learner/updates": 1090.0, "learner/behind_steps": 2.5, "actor/weights_age_steps": 12.0})


STATE = {
    "success": "14 of the last 20 episodes, 12 without a person",
    "intervention": "5.0% of their steps",  # 10 of 200
    "learner": "22.5 updates/s",  # 90 in 4 s
    "updates owed": "those of 2.5 steps",
    "acting weights": "12 steps old",
}


def test_without_a_terminal_there_is_a_line_every_thousand_steps():
    progress, file, clock = watch(2500)
    with progress:
        take_steps(progress, 1000)
        tell_everything(progress, clock)
        take_steps(progress, 1500)
    state = "; ".join(f"{name} {value}" for name, value in STATE.items())
    assert file.getvalue() == f"step 1000 of 2500: no episode has ended\nstep 2000 of 2500: {state}\n"


def test_episodes_of_the_base_policy_alone_are_counted_by_themselves():
    progress, file, clock = watch(1000)
    with progress:
        tell_everything(progress, clock)
        for index, is_success in enumerate([True, False, False]):
            progress.on_episode_end(EpisodeResult(index, is_success, 10, 0, 1.0, is_probe=True))
        take_steps(progress, 1000)
    assert "success 14 of the last 20 episodes" in file.getvalue()
    assert "base policy alone 1 of the last 3 episodes" in file.getvalue()


def test_without_a_terminal_every_evaluation_is_a_line():
    progress, file, _ = watch(2500)
    with progress:
        progress.on_evaluation(1203, HALF)
    expected = "evaluation at step 1203 of 2500: success 50.0% (95 %: 9.5% to 90.5%, 2 episodes)\n"
    assert file.getvalue() == expected


def test_without_a_terminal_pretraining_is_a_line_every_thousand_updates_and_at_its_end():
    progress, file, _ = watch(10)
    with progress:
        for update in range(1, 1201):
            progress.on_pretrain(update, 1200)
    assert file.getvalue() == "pretraining: update 1000 of 1200\npretraining: update 1200 of 1200\n"


def test_a_resumed_run_counts_on():
    progress, file, _ = watch(2000, first_step=998)
    with progress:
        take_steps(progress, 2)
    assert file.getvalue().startswith("step 1000 of 2000")


def last_picture(file):
    """The lines of the last drawing: what follows the last movement of the cursor."""
    return re.split(r"\x1b\[\d*[A-K]", file.getvalue())[-1]


@pytest.fixture
def _terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")


@pytest.mark.usefixtures("_terminal")
def test_a_terminal_shows_the_bar_and_the_state_beneath_it():
    progress, file, clock = watch(20, first_step=5, is_terminal=True)
    with progress:
        take_steps(progress, 3)
        tell_everything(progress, clock)
        progress.on_evaluation(8, HALF)
    lines = last_picture(file).splitlines()
    assert re.search(r"training \(steps\).* 8/20 0:00:0", lines[0])
    rows = {cells[1].strip(): cells[2].strip() for cells in (line.split("│") for line in lines) if len(cells) == 4}
    assert rows == STATE | {"evaluation": "50.0% (95 %: 9.5% to 90.5%, 2 episodes) at step 8"}
    assert "evaluation at step" not in file.getvalue()  # no plain lines into the picture


@pytest.mark.usefixtures("_terminal")
def test_pretraining_has_a_bar_of_its_own_until_it_ends():
    progress, file, _ = watch(20, is_terminal=True)
    with progress:
        progress.on_pretrain(3, 7)
    assert re.search(r"pretraining \(updates\).* 3/7 ", last_picture(file))
    progress, file, _ = watch(20, is_terminal=True)
    with progress:
        progress.on_pretrain(7, 7)
    assert "pretraining" not in last_picture(file)


@pytest.mark.usefixtures("_terminal")
def test_the_display_ends_with_the_run_and_after_an_error():
    progress, file, _ = watch(20, is_terminal=True)
    with pytest.raises(ZeroDivisionError), progress:
        raise ZeroDivisionError
    shown = file.getvalue()
    assert shown.endswith("\x1b[?25h")  # the cursor is visible again
    progress.close()
    assert file.getvalue() == shown
