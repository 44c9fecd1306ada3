"""Every number of a run is on the disk, in two formats, whatever ends the run."""

import json
import math

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from robot_rl.clock import NS_PER_S
from robot_rl.errors import ConfigError
from robot_rl.runtime.reporting.evaluation import EpisodeResult, Evaluation
from robot_rl.runtime.reporting.metrics_writer import MetricsWriter, read_metrics

ALONE = EpisodeResult(0, True, 30, 0, 3.0)
HELPED = EpisodeResult(1, True, 40, 10, 4.0)
EVALUATION = Evaluation([ALONE, EpisodeResult(1, False, 100, 0, 10.0)])


class HandClock:
    """A clock that stands still until it is set."""

    def __init__(self, now_s=100.0):
        self.now_s = now_s

    def now_ns(self):
        return int(self.now_s * NS_PER_S)

    def sleep_until_ns(self, stamp_ns):
        raise AssertionError("a writer must not wait")


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def make_writer(clock):
    writers = []

    def make(folder, first_step=0):
        writers.append(MetricsWriter(folder, first_step, clock))
        return writers[-1]

    yield make
    for writer in writers:
        writer.close()


def test_each_line_says_what_when_and_at_which_step(tmp_path, make_writer, clock):
    writer = make_writer(tmp_path / "new" / "run")
    clock.now_s += 2.5
    writer.on_episode_end(ALONE)
    writer.on_metrics(50, {"critic/loss": 0.25})
    clock.now_s += 1.0
    writer.on_episode_end(HELPED)
    writer.on_evaluation(70, EVALUATION)
    first, metrics, second, evaluation = read_metrics(tmp_path / "new" / "run" / "metrics.jsonl")  # not closed yet
    assert first == {
        "kind": "episode",
        "step": 30,
        "time_s": 2.5,
        "index": 0,
        "is_success": True,
        "steps": 30,
        "human_steps": 0,
        "duration_s": 3.0,
        "interventions": 0,
        "is_probe": False,
    }
    assert metrics == {"kind": "metrics", "step": 50, "time_s": 2.5, "values": {"critic/loss": 0.25}}
    assert (second["step"], second["time_s"], second["human_steps"]) == (70, 3.5, 10)
    assert evaluation == {
        "kind": "evaluation",
        "step": 70,
        "time_s": 3.5,
        "success_rate": 0.5,
        "ci95": [0.0945, 0.9055],  # Wilson's interval of 1 in 2
        "episodes": 2,
        "cycle_time_s": 3.0,
    }


def test_a_resumed_run_goes_on_in_steps_and_time(tmp_path, make_writer, clock):
    writer = make_writer(tmp_path)
    clock.now_s += 5.0
    writer.on_episode_end(ALONE)
    writer.close()
    clock.now_s += 1000.0  # the machine was off
    writer = make_writer(tmp_path, first_step=33)  # the last episode was cut short after 3 steps
    clock.now_s += 2.0
    writer.on_episode_end(HELPED)
    assert [(record["step"], record["time_s"]) for record in read_metrics(tmp_path / "metrics.jsonl")] == [
        (30, 5.0),
        (73, 7.0),
    ]


def test_what_a_kill_left_of_a_line_is_neither_read_nor_continued(tmp_path, make_writer):
    make_writer(tmp_path).on_episode_end(ALONE)
    path = tmp_path / "metrics.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:20])
    assert [record["index"] for record in read_metrics(path)] == [0]
    make_writer(tmp_path, first_step=30).on_episode_end(HELPED)
    assert [record["index"] for record in read_metrics(path)] == [0, 1]
    assert path.read_bytes().startswith(whole)


def test_what_is_not_finite_stays_readable_for_every_reader_of_json(tmp_path, make_writer):
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    make_writer(tmp_path).on_metrics(1, {"a": math.nan, "b": math.inf, "c": 2.0})
    line = (tmp_path / "metrics.jsonl").read_text()
    assert json.loads(line, parse_constant=refuse)["values"] == {"a": None, "b": None, "c": 2.0}


def test_tensorboard_shows_the_same_numbers(tmp_path, make_writer):
    writer = make_writer(tmp_path, first_step=100)
    writer.on_episode_end(ALONE)
    writer.on_episode_end(HELPED)
    writer.on_metrics(150, {"critic/loss": 0.25})
    writer.on_evaluation(170, EVALUATION)
    writer.close()
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    shown = {
        name: [(event.step, round(event.value, 4)) for event in board.Scalars(name)] for name in board.Tags()["scalars"]
    }
    assert shown == {
        "train/success": [(130, 1.0), (170, 0.0)],  # the second had help
        "train/length": [(130, 30.0), (170, 40.0)],
        "train/human_share": [(130, 0.0), (170, 0.25)],
        "critic/loss": [(150, 0.25)],
        "evaluation/success_rate": [(170, 0.5)],
        "evaluation/success_rate_low": [(170, 0.0945)],
        "evaluation/success_rate_high": [(170, 0.9055)],
        "evaluation/cycle_time_s": [(170, 3.0)],
    }


def test_an_evaluation_without_success_has_no_cycle_time(tmp_path, make_writer):
    writer = make_writer(tmp_path)
    writer.on_evaluation(10, Evaluation([EpisodeResult(0, False, 10, 0, 1.0)]))
    writer.close()
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert "evaluation/success_rate" in board.Tags()["scalars"]
    assert "evaluation/cycle_time_s" not in board.Tags()["scalars"]
    assert read_metrics(tmp_path / "metrics.jsonl")[0]["cycle_time_s"] is None


@pytest.mark.parametrize("broken", ["{", "3", "\0\0"])
def test_a_broken_line_is_named(tmp_path, broken):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"kind": "metrics", "step": 1, "time_s": 0.5}\n' + broken + "\n")
    with pytest.raises(ConfigError, match=r"metrics\.jsonl:2 must be a JSON object"):
        read_metrics(path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path, make_writer):
    (tmp_path / "run").write_text("a file")
    with pytest.raises(ConfigError, match=r"Cannot write the metrics .*run"):
        make_writer(tmp_path / "run")
    with pytest.raises(ConfigError, match=r"Cannot read the metrics .*absent"):
        read_metrics(tmp_path / "absent")
