"""Runs beside each other, from their metrics alone."""

import pytest

from robot_rl.cli import main
from robot_rl.runtime.reporting.evaluation import EpisodeResult, Evaluation
from robot_rl.runtime.reporting.metrics_writer import MetricsWriter


def write_run(folder, successes):
    writer = MetricsWriter(folder)
    writer.on_episode_end(EpisodeResult(0, True, 12, 3, 1.2))
    episodes = [EpisodeResult(k, k < successes, 10, 0, 1.0) for k in range(4)]
    writer.on_evaluation(12, Evaluation(episodes))
    writer.close()


@pytest.fixture
def runs(tmp_path):
    for name, successes in (("a-0", 4), ("a-1", 2), ("b-0", 0)):
        write_run(tmp_path / name, successes)
    return tmp_path


def test_groups_are_rows_and_wildcards_find_seeds(runs, capsys):
    picture = runs / "curves.png"
    assert main(["compare", f"ours={runs}/a-*", f"theirs={runs}/b-0", "--picture", str(picture)]) == 0
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert "1.00 (4), 0.50 (4)" in table[2]
    assert "0.00 (4)" in table[3]
    assert main(["compare", f"ours={runs}/a-0", f"ours={runs}/a-1"]) == 0
    assert "1.00 (4), 0.50 (4)" in capsys.readouterr().out, "a group may be named again"
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("a-0", "GROUP=RUN,RUN"),
        ("x=nowhere*", "no such run"),
        ("x=", "GROUP=RUN,RUN"),
        ("_x=RUNS/a-0", "GROUP does not begin with _"),
        ("x=RUNS/a-0,RUNS/a-9", "a-9"),
        ("x=RUNS/a-0,", "no such run"),
    ],
)
def test_nonsense_is_one_clear_line(runs, word, message, capsys):
    assert main(["compare", word.replace("RUNS", str(runs))]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("words", [["ours=RUNS/a-*,RUNS/a-0"], ["ours=RUNS/a-*", "ours=RUNS/../RUNS_NAME/a-1/"]])
def test_a_run_counts_once_in_its_group(runs, words, capsys):
    """Twice, it would pass for another seed: every mean would lean to it, and every interval be too narrow."""
    words = [word.replace("RUNS_NAME", runs.name).replace("RUNS", str(runs)) for word in words]
    assert main(["compare", *words, "--at", "10"]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("| ours"))
    assert "| 1.00 (4), 0.50 (4) |" in row
    assert "2 of 2 runs" in row


def test_success_at_steps_is_the_mean_of_the_runs_that_came_so_far(runs, capsys):
    assert main(["compare", f"ours={runs}/a-*", f"theirs={runs}/b-0", "--at", "10", "13"]) == 0
    rows = capsys.readouterr().out.splitlines()[2:]
    # 1.00 and 0.50: Student's quantile for one degree of freedom is 12.7
    assert "| 0.75 (0.00 to 1.00, 2 of 2 runs) | - |" in rows[0]
    # none of four episodes, Wilson
    assert "| 0.00 (0.00 to 0.49, 1 of 1 runs) | - |" in rows[1]


def test_steps_below_zero_are_refused(runs, capsys):
    assert main(["compare", f"ours={runs}/a-0", "--at", "-5", "10"]) == 2
    assert "not negative, got [-5, 10]" in capsys.readouterr().err


def test_a_folder_without_metrics_is_named(runs, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert main(["compare", f"x={tmp_path}/empty"]) == 2
    assert "empty" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"\x93\x80rubbish", b"\x93\x80rubbish\n", b'{"colour": "red"}\n', b"[1]\n"])
def test_a_file_that_holds_no_metrics_is_not_taken_for_a_run_that_has_just_begun(runs, content, capsys):
    file = runs / "a-0" / "metrics.jsonl"
    file.write_bytes(content)
    assert main(["compare", f"ours={runs}/a-0"]) == 2
    error = capsys.readouterr().err
    assert f"{file}:1 must be a JSON object" in error
    assert error.count("\n") == 1
