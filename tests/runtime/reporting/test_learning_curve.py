"""Learning curves and their table, from runs whose numbers are known."""

import json

import cv2
import numpy as np
import pytest

from robot_rl.errors import ConfigError
from robot_rl.runtime.reporting import learning_curve
from robot_rl.runtime.reporting.learning_curve import plot_runs, summarise


def write_run(folder, evaluations=(), human_shares=(), duration_s=60.0, cycle_time_s=3.0):
    """A run with evaluations (step, success rate) of 20 episodes, and episodes of 10 steps."""
    folder.mkdir()
    records = [
        {"kind": "episode", "step": 10 * (k + 1), "time_s": k, "steps": 10, "human_steps": round(10 * share)}
        for k, share in enumerate(human_shares)
    ]
    records += [
        {"kind": "evaluation", "step": step, "time_s": 50.0, "success_rate": rate, "episodes": 20}
        | {"cycle_time_s": cycle_time_s if rate else None}
        for step, rate in evaluations
    ]
    records.append({"kind": "metrics", "step": 0, "time_s": duration_s, "values": {}})
    (folder / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder


@pytest.fixture
def groups(tmp_path):
    good = [
        write_run(tmp_path / "a", [(100, 0.5), (200, 0.9), (300, 0.8)], [0.5, 0.1], 60.0, 3.0),
        write_run(tmp_path / "b", [(100, 0.2), (200, 0.6), (400, 1.0)], [1.0, 1.0], 180.0, 5.0),
        write_run(tmp_path / "c", [(100, 0.0), (300, 0.4)], [0.0], 90.0, 3.5),
    ]
    return {"with a person": good, "alone": [write_run(tmp_path / "d", [(100, 0.0)], duration_s=30.0)]}


def test_the_table_holds_what_the_runs_amount_to(groups):
    lines = summarise(groups).splitlines()
    assert len(lines) == 4
    assert {line.count("|") for line in lines} == {9}
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert cells[0][-1] == "area, 100 to 300", "all three were evaluated there, but one was not beyond"
    # steps to 0.9 were 200, 400 and never; human steps 6, 20 and 0; areas up to 300 0.775, 0.55 and 0.2
    finals = "0.80 (20), 1.00 (20), 0.40 (20)"
    # their mean 0.508, standard deviation 0.290, Student's quantile for two degrees of freedom 4.30: +- 0.72
    assert cells[2] == ["with a person", finals, "-", "400", "6", "1.5", "3.50", "0.51 (0.00 to 1.00)"]
    assert cells[3] == ["alone", "0.00 (20)", "0.00", "-", "0", "0.5", "-", "-"]


def test_runs_are_compared_over_the_same_steps(tmp_path):
    """Else whoever lets the bad ones go on for longer would make their method look better."""
    short = [(500, 0.5), (1000, 0.7)]
    groups = {
        "ours": [write_run(tmp_path / f"a{k}", short) for k in range(2)],
        "theirs": [write_run(tmp_path / "b", [*short, (5000, 1.0)]), write_run(tmp_path / "c", short)],
    }
    header, _, *rows = (line.split("|") for line in summarise(groups).splitlines())
    assert header[8].strip() == "area, 500 to 1000"
    assert [row[8].strip() for row in rows] == ["0.60 (0.60 to 0.60)"] * 2
    assert [row[3].strip() for row in rows] == ["0.70", "-"], "one of them ended later"


def test_the_success_at_a_step_is_that_of_the_evaluation_that_was_due_there(tmp_path):
    run = write_run(tmp_path / "a", [(508, 0.5), (1099, 0.7), (10_000, 1.0)], [0.0])
    row = summarise({"x": [run]}, [500, 505, 1000, 2000, 9999]).splitlines()[2]
    cells = [cell.split()[0] for cell in row.split("|")[-6:-1]]
    assert cells == ["0.50", "0.50", "0.70", "-", "1.00"]


def test_runs_that_were_not_evaluated_together_have_no_area(tmp_path):
    groups = {
        "x": [write_run(tmp_path / "a", [(100, 0.5), (200, 0.5)]), write_run(tmp_path / "b", [(300, 1.0), (400, 1.0)])]
    }
    assert summarise(groups).splitlines()[2].endswith("| - |")


def test_an_evaluation_without_episodes_is_none(tmp_path):
    run = write_run(tmp_path / "a", [(100, 0.5)])
    with (run / "metrics.jsonl").open("a") as file:
        nothing = {"success_rate": 0.0, "episodes": 0, "cycle_time_s": None}
        file.write(json.dumps({"kind": "evaluation", "step": 200, "time_s": 70.0} | nothing) + "\n")
    assert "| 0.50 (20) | 0.50 |" in summarise({"x": [run]})


def test_names_that_would_be_formulas_are_drawn_as_they_are(tmp_path, monkeypatch):
    run = write_run(tmp_path / "a", [(100, 0.5), (200, 0.6)])
    top, _ = drawn(monkeypatch, {"$x^{": [run]}, tmp_path / "curve.png")
    assert top.get_legend().get_texts()[0].get_text() == r"\$x^{ (1 run)"
    plot_runs({"x": [run]}, tmp_path / "curve.png", "5 $ and $_{")


def test_groups_whose_colours_come_round_again_are_told_apart(tmp_path, monkeypatch):
    run = write_run(tmp_path / "a", [(100, 0.5), (200, 0.6)])
    top, _ = drawn(monkeypatch, {f"x{k}": [run] for k in range(12)}, tmp_path / "curve.png")
    seen = {(line.get_color(), line.get_linestyle()) for line in top.lines}
    assert len(seen) == 12


def test_a_run_without_evaluations_is_shown_as_such(tmp_path):
    row = summarise({"x": [write_run(tmp_path / "a", [], [0.3])]}).splitlines()[2]
    assert row == "| x | - | - | - | 3 | 1.0 | - | - |"


def drawn(monkeypatch, groups, target):
    """Label or None -> points of the lines of each panel."""
    panels = []
    draw = learning_curve._draw

    def note(axes, *arguments):
        draw(axes, *arguments)
        panels.append(axes)

    monkeypatch.setattr(learning_curve, "_draw", note)
    plot_runs(groups, target, "peg")
    return panels


def points(line):
    return [(round(float(x), 6), round(float(y), 6)) for x, y in zip(*line.get_data(), strict=True)]


def test_the_picture_has_a_line_for_each_run_and_their_median(groups, tmp_path, monkeypatch):
    target = tmp_path / "pictures" / "curve.png"
    top, bottom = drawn(monkeypatch, groups, target)
    assert [points(line) for line in top.lines[:3]] == [
        [(100, 0.5), (200, 0.9), (300, 0.8)],
        [(100, 0.2), (200, 0.6), (400, 1.0)],
        [(100, 0.0), (300, 0.4)],
    ]
    # at 200 the third is half way between 0 and 0.4; at 300 the second between 0.6 and 1
    assert points(top.lines[3]) == [(100, 0.2), (200, 0.6), (300, 0.8)]
    assert top.lines[3].get_linewidth() > top.lines[0].get_linewidth()
    assert top.lines[3].get_color() == top.lines[0].get_color() != top.lines[4].get_color()
    assert [axes.get_ylim() for axes in (top, bottom)] == [(0.0, 1.0)] * 2
    assert [text.get_text() for text in top.get_legend().get_texts()] == ["with a person (3 runs)", "alone (1 run)"]
    assert [text.get_text() for text in bottom.get_legend().get_texts()] == ["with a person (3 runs)"], "who has one"
    assert bottom.get_xlabel() == "environment steps"
    assert points(bottom.lines[0]) == [(10, 0.5), (20, 0.3)]
    picture = cv2.imread(str(target))
    assert picture.shape == (960, 960, 3)
    assert picture.std() > 10.0  # not an empty sheet


def test_a_single_evaluation_is_marked_and_many_episodes_are_not(tmp_path, monkeypatch):
    run = write_run(tmp_path / "a", [(100, 0.5)], [0.0] * 31)
    top, bottom = drawn(monkeypatch, {"x": [run]}, tmp_path / "curve.png")
    assert [(points(line), line.get_marker()) for line in top.lines] == [([(100, 0.5)], "o")] * 2
    assert {line.get_marker() for line in bottom.lines} == {""}


def test_what_was_evaluated_before_the_first_step_only_is_a_dashed_level(tmp_path, monkeypatch):
    imitation = [write_run(tmp_path / f"bc{k}", [(0, rate)]) for k, rate in enumerate((0.25, 0.75, 0.5))]
    learning = write_run(tmp_path / "rl", [(0, 0.0), (100, 0.5)], [0.0])
    top, bottom = drawn(monkeypatch, {"rl": [learning], "bc": imitation}, tmp_path / "curve.png")
    levels = [line for line in top.lines if line.get_linestyle() == "--"]
    assert [set(line.get_ydata()) for line in levels] == [{0.25}, {0.75}, {0.5}, {0.5}]
    assert [line.get_label() for line in levels][3] == "bc (3 runs)"
    assert {line.get_color() for line in levels} == {"C1"}
    assert points(top.lines[0]) == [(0, 0.0), (100, 0.5)]
    assert [text.get_text() for text in bottom.get_legend().get_texts()] == ["rl (1 run)"]
    assert len(bottom.get_xticks()) > 0


def test_a_picture_of_imitation_alone_says_what_was_not_measured(tmp_path, monkeypatch):
    run = write_run(tmp_path / "a", [(0, 0.25)])
    top, bottom = drawn(monkeypatch, {"bc": [run]}, tmp_path / "curve.png")
    assert [set(line.get_ydata()) for line in top.lines] == [{0.25}] * 2
    assert [text.get_text() for text in bottom.texts] == ["nothing was measured"]
    assert bottom.get_legend() is None
    assert len(bottom.get_xticks()) == 0, "there are no steps"


def test_the_intervention_rate_is_of_the_last_twenty_episodes(tmp_path, monkeypatch):
    run = write_run(tmp_path / "a", [], [1.0] * 5 + [0.0] * 20)
    _, bottom = drawn(monkeypatch, {"x": [run]}, tmp_path / "curve.png")
    steps, rates = bottom.lines[0].get_data()
    np.testing.assert_array_equal(steps, 10.0 * np.arange(1, 26))
    expected = [1.0] * 5 + [5 / n for n in range(6, 21)] + [4 / 20, 3 / 20, 2 / 20, 1 / 20, 0.0]
    np.testing.assert_allclose(rates, expected, atol=1e-12)


def test_what_cannot_be_drawn_is_named(tmp_path):
    run = write_run(tmp_path / "a")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ConfigError, match=r"empty holds no metrics of a training run: there is no metrics\.jsonl"):
        summarise({"x": [run, empty]})
    (empty / "metrics.jsonl").write_text('{"kind": "epi')
    with pytest.raises(ConfigError, match=r"metrics\.jsonl holds no metrics yet"):
        plot_runs({"x": [empty]}, tmp_path / "a.png", "peg")
    with pytest.raises(ConfigError, match=r"a\.pdf: its name must end in \.png"):
        plot_runs({"x": [run]}, tmp_path / "a.pdf", "peg")
    with pytest.raises(ConfigError, match="at least one group"):
        summarise({})
    with pytest.raises(ConfigError, match="the group 'x' must have at least one run"):
        summarise({"x": []})
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="Cannot write the learning curve"):
        plot_runs({"x": [run]}, tmp_path / "file" / "a.png", "peg")
