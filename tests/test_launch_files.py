"""The choices that launch files offer are those that the configuration has: they are written there by hand."""

import ast
from pathlib import Path

import pytest

from robot_rl import config as configuration

FILES = sorted((Path(__file__).parents[1] / "launch").glob("*.launch.py"))


def choices_in(path):
    """(argument, its choices, its default) of every argument that has choices; read, since ROS may not be there."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "DeclareLaunchArgument":
            keywords = {each.arg: each.value for each in node.keywords}
            if "choices" in keywords:
                name = ast.literal_eval(node.args[0])
                yield name, ast.literal_eval(keywords["choices"]), ast.literal_eval(keywords["default_value"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_choices_are_those_of_the_configuration(path):
    found = list(choices_in(path))
    assert found
    for name, choices, default in found:
        assert [choice for choice in choices if choice] == sorted(configuration.choices(name)), name
        assert default in choices


def test_no_launch_file_says_the_robot_of_an_evaluation_unless_the_user_does():
    """It is that of the training."""
    defaults = [(name, default) for path in FILES for name, _, default in choices_in(path) if name == "robot"]
    assert defaults == [("robot", "")]
