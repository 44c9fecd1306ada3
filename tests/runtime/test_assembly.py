"""What a simulated environment within one process refuses."""

import pytest

from robot_rl import cli
from robot_rl import config as configuration
from robot_rl.data.store_reader import StoreReader
from robot_rl.runtime.config import TrainConfig
from robot_rl.runtime.learning.demonstrations import record_expert


@pytest.mark.parametrize("word", ["robot=fci_sim", "teleop=spacemouse", "graph=real_time"])
def test_what_only_the_graph_has_is_refused_within_one_process(word, capsys):
    """Time that passes by itself, for one: here it passes while somebody steps, and a plan would never be late."""
    words = [word, "graph=real_time"] if word == "teleop=spacemouse" else [word]
    assert cli.main(["eval", "policy=zero", "task=reach", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("there is none within one process: use robot-rl up.")


def test_demonstrations_of_a_script_are_made_within_one_process_for_any_graph(tmp_path):
    words = ["task=reach", "demonstrations=1", "graph=real_time"]
    record_expert(configuration.load(TrainConfig, "train", words), tmp_path / "demonstrations")
    assert len(StoreReader(tmp_path / "demonstrations")) > 0
