"""The recorder as a process: whoever watches over the graph starts it again where it fails."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from robot_rl_ros import recorder

from robot_rl.runtime.config import RecordConfig
from robot_rl.runtime.policy_config import DistillConfig


@pytest.mark.parametrize(
    ("config", "command"),
    [(RecordConfig(), recorder.record_command), (DistillConfig(policy="a run"), recorder.distill_command)],
)
def test_what_it_has_kept_counts_when_it_is_started_again(config, command, monkeypatch):
    here, heard = SimpleNamespace(cell=SimpleNamespace(env="env"), observer="observer"), []

    @contextmanager
    def give(value):
        yield value

    def run_on(env, config, observers, *, is_restarted):
        heard.append((env, config, observers, is_restarted))
        return 0

    monkeypatch.setattr(recorder.process, "started", lambda description, arguments: give(config))
    monkeypatch.setattr(recorder.driver, "joined", lambda name, config: give(here))
    monkeypatch.setattr(command, "run_on", run_on)
    assert recorder.main(["recorder"]) == 0
    assert heard == [("env", config, ["observer"], True)]
