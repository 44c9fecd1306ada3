"""Alarms go off once, say what helps, and again only after they were quiet."""

import io

from rich.console import Console

from robot_rl.runtime.reporting.alarms import AlarmBell


def test_an_alarm_is_told_once_until_it_was_quiet():
    file = io.StringIO()
    bell = AlarmBell(Console(file=file))
    for step, value in enumerate((0.2, 0.6, 0.7, 0.1, 0.55)):
        bell.on_metrics(step, {"residual/saturated": value, "critic/q": 9.0})
    lines = file.getvalue().splitlines()
    assert [line.split(":")[0] for line in lines] == ["step 1", "step 4"]
    assert "60%" in lines[0]
    assert "agent.corrector.scale" in lines[0]


def test_critics_that_promise_too_much_are_told():
    file = io.StringIO()
    AlarmBell(Console(file=file)).on_metrics(7, {"critic/optimism": 0.45})
    assert "the critics promise 0.45 more than episodes pay" in file.getvalue()
