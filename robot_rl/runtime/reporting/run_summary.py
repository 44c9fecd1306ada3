"""What came of a training run, from what was measured in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from robot_rl.runtime.config import TrainConfig
from robot_rl.runtime.reporting.evaluation import Evaluation
from robot_rl.runtime.reporting.learning_curve import plot_runs
from robot_rl.runtime.reporting.metrics_writer import read_run
from robot_rl.runtime.run_folder import RunFolder

EPISODES = 20
"""The first and the last so many episodes are compared."""


@dataclass(frozen=True)
class RunSummary:
    """A run that has come to its end.

    Attributes:
        evaluation: what `Evaluation.to_json` said of the last one, or says of none.
        steps: environment steps.
        minutes: that the run lasted, evaluations and demonstrations included.
        first_interventions: mean number an episode at the start, None without episodes.
        last_interventions: the same at the end.
    """

    evaluation: dict[str, Any]
    steps: int
    minutes: float
    first_interventions: float | None
    last_interventions: float | None

    def to_json(self) -> dict[str, Any]:
        """The numbers that a script wants."""
        return {
            **self.evaluation,
            "env_steps": self.steps,
            "minutes": round(self.minutes, 2),
            "interventions_per_episode_first": self.first_interventions,
            "interventions_per_episode_last": self.last_interventions,
        }

    def to_table(self) -> Table:
        """The same for people."""
        low, high = self.evaluation["ci95"]
        cycle_s = self.evaluation["cycle_time_s"]
        rate, episodes = self.evaluation["success_rate"], self.evaluation["episodes"]
        table = Table(show_header=False)
        is_known = rate is not None
        success = f"{rate:.1%} (95 %: {low:.1%} to {high:.1%}, {episodes} episodes)" if is_known else "not evaluated"
        table.add_row("success", success)
        first, last = (_say(rate) for rate in (self.first_interventions, self.last_interventions))
        table.add_row("interventions an episode", f"{first} in the first {EPISODES}, {last} in the last {EPISODES}")
        table.add_row("cycle time", "-" if cycle_s is None else f"{cycle_s:.2f} s (mean of successes)")
        table.add_row("environment steps", str(self.steps))
        table.add_row("time", f"{self.minutes:.1f} min")
        return table


def summarise_run(folder: RunFolder) -> RunSummary:
    """The summary of a run's folder.

    Raises:
        ConfigError: it holds no metrics.
    """
    records, duration_s = read_run(folder.path)
    episodes = [record for record in records if record["kind"] == "episode" and not record.get("is_probe")]
    evaluations = [record for record in records if record["kind"] == "evaluation"]
    nothing = Evaluation().to_json()
    return RunSummary(
        {name: evaluations[-1][name] for name in nothing} if evaluations else nothing,
        max((int(record["step"]) for record in records), default=0),
        duration_s / 60.0,
        _count_interventions(episodes[:EPISODES]),
        _count_interventions(episodes[-EPISODES:]),
    )


def print_summary(config: TrainConfig, folder: RunFolder, console: Console) -> None:
    """Print the summary of a finished run, draw its learning curve, and print the numbers as a line of JSON."""
    summary = summarise_run(folder)
    console.print(summary.to_table())
    curve = folder.path / "learning_curve.png"
    plot_runs({config.agent.name: [folder.path]}, curve, f"{config.task.name}, seed {config.seed}")
    where = f"the run lies in {folder.path}\nwrote {curve}\n"
    if folder.config_file.exists():
        where += f"evaluate it again with: robot-rl eval policy={folder.path}"
    else:  # nobody but the learner has written it, and its folder is on another machine
        where += f"the policy lies in the learner's folder, at {config.channel.address}: copy that over this one"
    console.print(where, soft_wrap=True)
    about = {"run": str(folder.path), "task": config.task.name, "agent": config.agent.name, "seed": config.seed}
    print(json.dumps({**summary.to_json(), **about}), flush=True)


def _count_interventions(episodes: Sequence[dict[str, Any]]) -> float | None:
    """Mean number of takeovers; runs from before they were counted have one where a person had the robot at all."""
    if not episodes:
        return None
    counts = [int(record.get("interventions", record["human_steps"] > 0)) for record in episodes]
    return round(sum(counts) / len(counts), 3)


def _say(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.2f}"
