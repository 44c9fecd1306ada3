"""What is said of a run that has come to its end."""

import json

from rich.console import Console

from robot_rl import config as configuration
from robot_rl.runtime.config import TrainConfig
from robot_rl.runtime.reporting.run_summary import print_summary
from robot_rl.runtime.run_folder import RunFolder


def test_a_run_that_was_not_evaluated_is_told_as_such(tmp_path, capsys):
    """And not as one whose policy never succeeds."""
    episode = {"kind": "episode", "step": 12, "time_s": 3.0, "steps": 12, "human_steps": 6, "interventions": 1}
    (tmp_path / "metrics.jsonl").write_text(json.dumps(episode) + "\n")
    config = configuration.load(TrainConfig, "train", ["task=reach", "final_episodes=0"])
    print_summary(config, RunFolder(tmp_path), Console(width=120))
    *table, result = capsys.readouterr().out.splitlines()
    assert any("success" in line and "not evaluated" in line for line in table)
    said = json.loads(result)
    assert (said["success_rate"], said["episodes"], said["env_steps"]) == (None, 0, 12)
    assert (tmp_path / "learning_curve.png").exists()
