"""Which images show a success, and which part of the data an episode belongs to."""

import numpy as np
import pytest

from robot_rl.errors import ConfigError
from robot_rl.runtime.classifier.config import ClaimConfig, LabelConfig
from robot_rl.runtime.classifier.labels import Part, Splitter, label
from tests.rewards.synthetic import make_episode


def marks(episode, **config):
    """One word for each output, one letter for each time step: + marked, - not, . left out."""
    labels = label(episode, LabelConfig(**config))
    return [
        "".join("." if not used else "+" if mark else "-" for mark, used in zip(column, labels.is_used, strict=True))
        for column in labels.marks.T
    ]


def episode(**values):
    return make_episode(np.random.default_rng(0), **{"length": 6, **values})


@pytest.mark.parametrize(
    ("values", "config", "expected"),
    [
        ({"is_success": True}, {}, "------+"),
        ({"is_success": False}, {}, "-------"),
        ({"is_success": False, "is_terminal": True}, {}, "-------"),
        ({"is_success": True}, {"success_steps": 3}, "----+++"),
        ({"is_success": True}, {"success_steps": 99}, "+++++++"),
        ({"is_success": True}, {"success_steps": 2, "ambiguous_steps": 2}, "---..++"),
        ({"is_success": True}, {"ambiguous_steps": 99}, "......+"),
        ({"is_success": False}, {"ambiguous_steps": 3}, "-------"),
        ({"is_success": True}, {"negative_stride": 3}, "-..-..+"),
        ({"is_success": False, "rewards": [0, 1, 0, 0, 0, 1]}, {}, "-------"),  # a reward is no success
    ],
)
def test_of_one_stage_the_end_counts(values, config, expected):
    assert marks(episode(**values), **config) == [expected]


@pytest.mark.parametrize(
    ("values", "config", "expected"),
    [
        ({"is_success": True, "rewards": [0, 1, 0, 0, 0, 1]}, {}, ["--+++++", "------+"]),
        ({"is_success": False, "rewards": [0, 1, 0, 0, 0, 0]}, {}, ["--+++++", "-------"]),
        ({"is_success": False}, {}, ["-------", "-------"]),
        ({"is_success": True, "rewards": [0, 0, 0, 0, 0, 2]}, {}, ["------+", "------+"]),  # both at once
        ({"is_success": False, "rewards": [0, 0, 0, 2, 0, 0]}, {}, ["----+++", "----+++"]),
        (
            {"is_success": True, "rewards": [0, 0, 1, 0, 0, 1]},
            {"success_steps": 2, "ambiguous_steps": 1},
            ["-.++.++", "-.--.++"],
        ),
        (
            {"is_success": True, "rewards": [0, 0, 1, 0, 0, 1]},
            {"negative_stride": 2},
            ["-.-++++", "-.----+"],
        ),
    ],
)
def test_of_several_stages_each_reward_is_one_and_stays(values, config, expected):
    assert marks(episode(**values), stages=("picked", "inserted"), **config) == expected


def test_what_was_achieved_before_a_pause_stays_achieved_after_it():
    def marks_after(paid_before, **values):
        return label(episode(**values), LabelConfig(stages=("picked", "inserted")), paid_before).marks.T.tolist()

    after = marks_after(1, is_success=True)  # paid once more, at its end
    assert after == [[1.0] * 7, [0.0] * 6 + [1.0]]
    assert marks_after(1, is_success=False) == [[1.0] * 7, [0.0] * 7]
    with pytest.raises(ConfigError, match="succeeded was paid 3 times"):
        marks_after(2, is_success=True)
    with pytest.raises(ConfigError, match="succeeded was paid 1 times"):
        marks_after(0, is_success=True)


def test_a_person_s_failure_marks_a_lost_task():
    assert marks(episode(is_success=False, is_terminal=True), has_lost=True) == ["-------", "------+"]
    assert marks(episode(is_success=False), has_lost=True) == ["-------", "-------"]
    assert marks(episode(is_success=True), has_lost=True) == ["------+", "-------"]


@pytest.mark.parametrize(
    "values",
    [{"is_success": True, "rewards": [0, 0, 0, 0, 0, 1]}, {"is_success": False, "rewards": [1, 1, 1, 0, 0, 0]}],
)
def test_rewards_that_fit_no_stages_are_refused(values):
    with pytest.raises(ConfigError, match="was paid"):
        label(episode(**values), LabelConfig(stages=("picked", "inserted")))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("count", [5, 37, 200])
def test_every_part_has_its_share_of_every_kind(seed, count):
    splitter = Splitter(ClaimConfig(validation_share=0.2, test_share=0.2), seed)
    dealt = {kind: [] for kind in (True, False)}
    for k in range(2 * count):
        dealt[k % 2 == 0].append(splitter.deal(k % 2 == 0))
    for parts in dealt.values():
        assert abs(parts.count(Part.TRAINING) - 0.6 * count) <= 1
        assert abs(parts.count(Part.VALIDATION) - 0.2 * count) <= 1
        assert abs(parts.count(Part.TEST) - 0.2 * count) <= 1
    assert sum(splitter.counts().values()) == 2 * count


def test_a_recording_that_grows_keeps_its_parts():
    kinds = np.random.default_rng(0).uniform(size=50) < 0.5
    before, after = Splitter(ClaimConfig(), 7), Splitter(ClaimConfig(), 7)
    short = [before.deal(bool(kind)) for kind in kinds[:20]]
    assert [after.deal(bool(kind)) for kind in kinds][:20] == short


def test_the_seed_decides():
    dealt = {
        seed: tuple(splitter.deal(0) for _ in range(20))
        for seed in range(8)
        if (splitter := Splitter(ClaimConfig(), seed))
    }
    assert len(set(dealt.values())) > 1
