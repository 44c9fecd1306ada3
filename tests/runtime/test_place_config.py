"""A real robot's task lies where the robot may go: outside, each reset would wait until its time is over."""

import numpy as np
import pytest

from robot_rl import config as configuration
from robot_rl.errors import ConfigError
from robot_rl.geometry import Pose
from robot_rl.runtime.config import RecordConfig
from robot_rl.runtime.place_config import to_place_words

BOX = r"workspace \[0\.3, -0\.3, 0\.005\] to \[0\.7, 0\.3, 0\.5\] m \(task\.episode\.box_lower_m, box_upper_m\)"


def check(*words):
    config = configuration.load(RecordConfig, "record", ("robot=fr3", "task=peg", *words))
    config.check_device()


@pytest.mark.parametrize(
    "words",
    [
        ("task.place.target_m=[0.5,0.0,0.05]", "task.place.tool_length_m=0.04"),
        ("task.place.target_m=[0.7,-0.3,0.46]",),  # starts 4 cm above, at the very edge
        ("task.place.target_m=[0.5,0.0,-0.03]", "task.place.tool_length_m=0.04"),  # only the tip is below
        ("task.place.target_m=[0.6,0.0,0.05]", "reset.start_half_m=[0.1,0.3,0.0]"),
        ("task.place.target_m=[0.75,0.0,0.05]", "task.episode.box_upper_m=[0.8,0.3,0.5]"),
    ],
)
def test_a_task_in_the_workspace_is_accepted(words):
    check(*words)


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (("task.place.target_m=[0.75,0.0,0.05]",), r"at the target, \[0\.75, 0\.0, 0\.05\]"),
        (("task.place.target_m=[0.5,0.0,0.002]",), r"at the target, \[0\.5, 0\.0, 0\.002\]"),
        (("task.place.target_m=[0.5,0.0,0.48]",), r"where an episode starts, \[0\.5, 0\.0, 0\.52\]"),
        (
            ("task.place.target_m=[0.5,0.0,0.05]", "reset.start_half_m=[0.1,0.31,0.0]"),
            r"where an episode may start, \[0\.4, -0\.31, 0\.09\]",
        ),
        (
            ("task.place.target_m=[0.5,0.0,0.3]", "reset.start_half_m=[0.0,0.0,0.2]"),
            r"where an episode may start, \[0\.5, 0\.0, 0\.54\]",
        ),
    ],
)
def test_a_task_outside_the_workspace_is_refused(words, where):
    with pytest.raises(ConfigError, match=f"TCP {where} m, .* outside the {BOX}") as raised:
        check(*words)
    assert "\n" not in str(raised.value)


def test_the_words_of_a_place_are_those_whose_target_is_at_the_tip():
    """A tip at the mouth of its own place, turned as the hand is, is at the target's origin."""
    tcp = Pose.from_rotation_vector([np.pi, 0.0, 0.0], [0.5, -0.1, 0.12]) @ Pose.from_rotation_vector([0.0, 0.0, -0.5])
    words = to_place_words(tcp, 0.04)
    assert words[0] == "task.place.target_m=[0.5,-0.1,0.08]", "the tool points down"
    place = configuration.load(RecordConfig, "record", words).task.place.make_place()
    np.testing.assert_allclose((place.target.inverse() @ tcp @ place.tip).to_vector(), 0.0, atol=1e-4)


def test_what_would_be_solved_at_its_start_is_no_task():
    with pytest.raises(ConfigError, match=r"success_depth_m must not be negative, got -0\.05 m"):
        check("task.place.target_m=[0.5,0.0,0.05]", "task.place.success_depth_m=-0.05")
