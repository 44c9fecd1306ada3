"""Says once when a measure of learning has left the range in which learning goes well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Console

from robot_rl.runtime.reporting.observers import Observer


@dataclass(frozen=True)
class Alarm:
    """A measure, the value beyond which it is told, and what then helps."""

    metric: str
    limit: float
    says: str


ALARMS = (
    Alarm(
        "residual/saturated",
        0.5,
        "the residual is at the end of its range for {value:.0%} of what it corrects: a larger agent.corrector.scale "
        "lets it go further, and demonstrations show it where to.",
    ),
    Alarm(
        "critic/optimism",
        0.3,
        "the critics promise {value:.2f} more than episodes pay: fewer updates a step (agent.utd), or a narrower "
        "return_range.",
    ),
)


class AlarmBell(Observer):
    """Prints a line where an alarm goes off, and again only after it has been quiet."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._ringing: set[str] = set()

    def on_metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        """Compare with the limits."""
        for alarm in ALARMS:
            value = metrics.get(alarm.metric, 0.0)
            if value <= alarm.limit:
                self._ringing.discard(alarm.metric)
            elif alarm.metric not in self._ringing:
                self._ringing.add(alarm.metric)
                self._console.print(f"[yellow]step {step}: {alarm.says.format(value=value)}", soft_wrap=True)
